/* call - one tools/call from the client's line to its one exit. Owns its bytes; facts are set by the stages from the top down and
 * never changed by a later one. Lives in shim->calls until call_exit. */
#pragma once
#include "domain/acl.h"
#include "domain/channels.h"
#include "shim/cooldown.h"
#include "shim/inbound.h"
#include "shim/obstacle.h"
#include "shim/pipeline.h"
#include "shim/record.h"
#include "shim/refusal.h"
#include "store/rulebook.h"
#include "shim/standing.h"
#include "shim/tools.h"
#include "shim/upstream.h"
#include "shim/waiting.h"

#define CALL_MAX_TOOL_BYTES 256

/* From the commit point on: the call is on its way to the backend. */
struct flight {
	struct delivery delivery;
	bool is_committed, has_left, is_done, is_stamped;
	int64_t committed_us, left_us, left_tick_ms;
	uint32_t epoch;
	struct op stamp_op;
	struct stamp stamp;
	struct loop_timer stamp_timer;       /* open for a second: its use may begin to age */
	struct loop_timer give_up_timer;     /* cancelled by the client, and the backend does not answer */
};

struct call {
	struct shim *shim;
	struct part *part;                   /* the backend it is for */
	struct list node;                    /* shim->calls */
	struct list marked;                  /* turn->marked, or alone */
	struct inbound in;
	char *tool;                          /* its name, unescaped */
	struct json_value arguments;
	struct call_facts facts;
	struct continuation *continues;      /* it is the rest of that call; NULL = its own. It takes no hold: its place is the first's use */
	struct continuation *stops;          /* the backend needs input: how it will go on */
	struct record_call record;           /* what all its audit rows say */
	int64_t began_us;
	bool is_dropped;                     /* ended from outside: never goes on, nobody reads its answer */

	enum call_stage stage;
	unsigned rounds;                     /* how often it began at the top */
	struct ruleset *rules;
	struct acl_answer acl;
	bool is_known_tool;
	struct claim_set claims;
	bool has_places;                     /* stage limits has its answer: what it needs to wait is taken */
	bool is_holding;                     /* a hold of its own */
	bool needs_approval;
	const char *approval_rule;           /* that says so */
	char approval[ID_SIZE];              /* it is attached to; "" = none */
	struct { char approval[ID_SIZE]; uint8_t fingerprint[32], tool_hash[32]; } spent;   /* used by its first flight, which did not run */
	int64_t approved_us;                 /* when it was first found to be given; 0 = not yet */
	struct loop_timer look_timer;        /* waits: to be judged again though nothing woke it */
	uint64_t ticket;                     /* in the backend's queue; 0 = none */
	uint32_t ticket_epoch;
	struct standing standing;
	bool is_letting_go;                  /* stage limits: of what it holds, because the rules have changed */
	struct waiting waiting;
	struct met met;                      /* what stops it for a time */
	struct refusal refusal;              /* reason NONE = not refused */
	const char *refused_at;              /* by which stage */

	bool is_asking;                      /* between STEP_STORE and told */
	struct op op;
	struct evidence evidence;
	struct buf body;                     /* of the evidence */
	struct terms terms;
	struct hold hold;
	struct approval_ask ask;
	const char *ask_channels[CHANNELS_MAX];
	struct buf ask_args;                 /* of ask, where the record does not keep them whole */
	struct queue_join join;
	struct commit commit;
	struct settle settle;
	struct release release;

	struct flight flight;
	struct record_outcome outcome;
	struct cooldown_wish cooldown;       /* what its answer says of it */
	char *reply;                         /* the backend's answer as a line, until it goes to the client */
	size_t reply_bytes;
	bool has_row;                        /* of its own: repeated refusals are only counted */
	bool is_recorded, is_replied, is_unsettled;
	int64_t repeated_us;                 /* when it went once more */
	bool is_repeatable, was_repeated;    /* the backend had ended the session: proof that it did not run */
};

/* A tools/call the client has sent. Marks it to be judged, or answers a malformed one at once. */
void call_new(struct part *p, const struct jsonrpc *rpc);
struct call *call_of(struct inbound *in);    /* of kind INBOUND_CALL */

/* Ends it with a refusal; the sentence gets ". The call was not executed." from the caller. Always STEP_STOP. */
enum step call_refuse(struct call *c, enum refusal_reason why, const char *rule, const char *fmt, ...) PRINTF_LIKE(4, 5);
enum step call_refuse_store(struct call *c, const char *why);
enum step call_refuse_tools(struct call *c, enum tools_answer a);     /* the tool stands in no list of the backend, or there is none to be had */
/* Answers it before its client gives up waiting: it was not executed and may come again. What it waits for stands in c->waiting. Its
 * ticket is parked, from its approval it detaches. retry_after_ms: -1 = not known. Always STEP_STOP. */
enum step call_defer(struct call *c, int64_t retry_after_ms);
struct terms call_terms(const struct call *c);   /* what the rules it was judged by ask of the store */
struct buf *call_body(struct call *c);       /* emptied, for the body of the next audit row */
void call_seal_evidence(struct call *c, enum evidence_kind kind, const char *verdict, bool has_body);
void call_repeat(struct call *c);            /* once more from the top, after its first flight was settled */
void call_start_over(struct call *c);        /* back to the top, to be judged by the rules now in force */
void call_look_in(struct call *c, int64_t ms);   /* STEP_WAIT: judged again then, if nothing wakes it before */

/* The client, or the end of the session, wants no answer. Before the commit point it is never forwarded; after it, the outcome is
 * still recorded, for give_up_ms at the most. */
void call_drop(struct call *c, const char *by, int64_t give_up_ms);
void call_end(struct call *c, const char *by, int64_t give_up_ms);   /* the same, but what comes in time is still said */
void call_end_waiting(struct call *c);       /* dropped while it waited or asked: to the finish, with who ended it */
bool call_is_in_flight(const struct call *c);

void call_reply(struct call *c);             /* says to the client what there is to say; once */
void call_exit(struct call *c);              /* the one exit: replies, releases, frees */
