/* continued - calls that stopped for input. A backend of 2026-07-28 answers such a call with resultType "input_required", what it needs and
 * a requestState; the client asks its person or model and sends the call again with that state and the answers. What is sent again is the
 * same call: its use of the limits and its approval are those of the first, the rules judge it anew.
 *
 * It is known by tool, arguments and state, and each answer is gone on from once: the same state again, another state or other arguments
 * are a call of their own. Kept in this process alone: after its end nobody goes on, and the use stays where it is. */
#pragma once
#include "store/store.h"

#define CONTINUED_MAX     256            /* of one backend; the oldest is forgotten */
#define CONTINUED_ROUNDS  64             /* of one call */
#define CONTINUED_MS      (3600 * 1000)  /* a person may take so long to answer */

struct call;
struct jsonrpc;

/* What stands for the first call, and what the next must bring. */
struct continuation {
	struct list node;
	char first[ID_SIZE];                 /* as the audit calls it */
	char use[ID_SIZE];                   /* whose uses stand for it, ... */
	int64_t use_tick;                    /* ... and where; 0 = not known */
	char approval[ID_SIZE];              /* that let it through; "" = none was needed */
	uint8_t tool_hash[32], fingerprint[32];
	char *tool;
	uint8_t args_hash[32], state_hash[32];
	bool has_state;
	unsigned rounds;
	int64_t until_us;
};

struct continued { struct list all; size_t n; };
void continued_init(struct continued *t);
void continued_release(struct continued *t);

/* Sets c->continues when it is the rest of an earlier call. */
void continued_begin(struct call *c);
/* It goes on from a call that had its approval, and nothing that one was bound to has changed since: it needs no other. */
bool continued_is_approved(const struct call *c);
/* The windows a call must hold while it waits: none for the rest of another, whose place is that one's use. */
struct claim_set continued_holds(const struct call *c);
/* The backend needs input. */
void continued_stopped(struct call *c, const struct jsonrpc *answer);
void continued_forget(struct call *c);       /* ... but the client cannot be told of it */
void continued_settled(struct call *c);      /* c->settle is written */
void continued_end(struct call *c);          /* the call is over: what never reached the backend may be sent again */
