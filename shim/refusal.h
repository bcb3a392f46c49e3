/* refusal - how a "no", or a "not yet", is said to the agent: code, reason, one plain sentence that holds all that matters, and data for
 * programs. Pure. Never a backend's URL, header or credential. */
#pragma once
#include "data/jsonrpc.h"
#include "domain/acl.h"
#include "store/store.h"

enum refusal_reason {
	REFUSED_NONE, REFUSED_DENIED, REFUSED_UNKNOWN_TOOL, REFUSED_UNKNOWN_AGENT, REFUSED_ROOM, REFUSED_POLICY, REFUSED_LOOP,
	REFUSED_RATE, REFUSED_HELD, REFUSED_COOLDOWN, REFUSED_QUEUE_FULL, REFUSED_QUEUE, REFUSED_APPROVAL, REFUSED_EXPIRED,
	REFUSED_CANCELLED, REFUSED_TOO_MANY_PENDING, REFUSED_RECENTLY, REFUSED_APPROVAL_USED, REFUSED_UNREACHABLE,
	REFUSED_UNKNOWN_OUTCOME, REFUSED_AFTER_UNKNOWN, REFUSED_STORE, REFUSED_CONFIG, REFUSED_INVALID,
	REFUSED_DEFERRED,                    /* no refusal: it waits, and its client does not any longer */
};

struct refusal {
	enum refusal_reason reason;
	enum executed executed;
	char rule[200];                      /* what decided; "" = nothing to name */
	char sentence[600];
	int64_t retry_after_ms;              /* -1 = not said */
	char approval[16];                   /* its short name; "" = none */
	const char *status;                  /* DEFERRED: require_approval, queued, paused */
	bool has_limit;
	struct { const char *scope; int64_t window_ms; uint32_t max_count, used, held; } limit;
};

const char *refusal_reason_text(enum refusal_reason r);  /* "denied", ... */
int refusal_code(enum refusal_reason r);                 /* -32001, ... */

void refusal_set(struct refusal *r, enum refusal_reason why, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* For people and models: the two largest units, never less than it is; "42 s", "2 min 30 s". */
#define REFUSAL_WAIT_SIZE 40
void refusal_wait_text(char out[REFUSAL_WAIT_SIZE], int64_t ms);
/* A full window: code, sentence and data from the claim and its counts. */
void refusal_set_limit(struct refusal *r, const char *backend, const struct limit_refusal *c);

/* The backend asked to be left alone; the same call was sent before and nobody knows what became of it. */
void refusal_set_cooldown(struct refusal *r, const char *backend, const struct obstacle *why);
void refusal_set_after_unknown(struct refusal *r, const char *backend, const char *tool, const struct obstacle *why);

/* A call that waits is answered before its client gives up: status and sentence from what it waits for. */
struct waiting;
void refusal_set_deferral(struct refusal *r, const char *backend, const struct waiting *w, int64_t retry_after_ms);

/* What the rules say against it; a tool's refusal speaks of a call, any other of a request. False: nothing, and r is untouched. */
bool refusal_set_acl(struct refusal *r, const struct acl_answer *a, const struct acl_subject *who, enum acl_subject_kind kind,
                     const char *name);
/* The same words whether it is forbidden or does not exist: what an agent may not use, it need not know of. */
void refusal_set_absent(struct refusal *r, enum refusal_reason why, const struct acl_subject *who, enum acl_subject_kind kind,
                        const char *name);

/* The whole answer, without line end: an error, or a tool result with isError, as a deferral always is. request_id: the call's id in the audit. False: cap passed. */
MUST_USE bool refusal_write(const struct refusal *r, struct json_value id, const char *request_id, enum config_deny_as as, struct buf *out);
