/* record - the bodies of audit rows: canonical JSON from facts. Pure. Secrets never; arguments up to a cap, then only their hash. */
#pragma once
#include "shim/inbound.h"
#include "shim/refusal.h"

#define RECORD_MAX_ARGUMENTS (64 * 1024)
#define RECORD_MAX_RESULT    (1024 * 1024)   /* audit.results: full */
#define RECORD_HEAD_BYTES    1024            /* audit.results: head */
#define RECORD_ERROR_BYTES   4096            /* audit.results: errors */
#define RECORD_TARGET_BYTES  1024            /* of a resource's URI or a prompt's name */
#define RECORD_MAX_BODY      (8 * RECORD_MAX_RESULT)

/* Who and what: the same in every row of a call. Borrowed but for canonical. */
struct record_call {
	const char *session, *client, *client_version;
	uid_t uid;
	int64_t received_at_ms;
	struct span request_id;              /* canonical JSON */
	struct buf canonical;                /* arguments; empty when longer than the cap */
	size_t arguments_bytes;
};
void record_call_release(struct record_call *r);
/* Sets canonical, arguments_bytes and the hash of the arguments. */
void record_arguments(struct record_call *r, struct json_value arguments, uint8_t hash[32]);

/* What the stages said of a call that may be forwarded. */
struct record_verdicts {
	uint64_t generation;
	const char *acl_rule;
	const struct claim_set *claims;
	const char *continues;               /* an earlier call; NULL = none */
	const char *approval;                /* "" = none was needed */
	uint32_t queue_position;             /* when it joined; 0 = it did not queue */
	uint64_t queue_ticket;               /* the order of starts is the order of these */
	int64_t queue_wait_ms;
};

enum outcome { OUTCOME_NONE, OUTCOME_SUCCEEDED, OUTCOME_FAILED, OUTCOME_NOT_SENT, OUTCOME_REJECTED, OUTCOME_UNKNOWN,
               OUTCOME_STOPPED /* for input: the client is to send it again */ };
const char *outcome_text(enum outcome o);    /* "succeeded", ... */

struct record_outcome {
	enum outcome kind;
	enum executed executed;
	int64_t duration_ms, cooldown_ms;    /* cooldown_ms: the backend asked to be left alone; 0 = no */
	int http_status;                     /* 0 = none */
	char cause[200];                     /* "" = none */
	char ended_by[40];                   /* who gave up waiting; "" = nobody */
	size_t result_bytes;
	bool has_hash;
	uint8_t result_hash[32];
	struct buf excerpt;                  /* text kept of the answer, as audit.results says */
};
/* Notes size, hash and the wanted excerpt of an answer. is_failure: a JSON-RPC error or isError. */
void record_result(struct record_outcome *o, struct span answer, bool is_failure, enum config_audit_results keep);

/* Each appends one canonical object. False: cap passed. */
MUST_USE bool record_intent(const struct record_call *r, const struct record_verdicts *v, struct buf *b);
MUST_USE bool record_outcome(const struct record_call *r, const struct record_outcome *o, struct buf *b);
MUST_USE bool record_refused(const struct record_call *r, const struct refusal *why, const char *stage, struct buf *b);
/* Refusals or requests of one kind that were not written one by one. method, target: "" in a row of calls. */
struct record_repeats { uint64_t count; int64_t first_at_ms, last_at_ms; const char *method, *target; };
MUST_USE bool record_repeated(const struct record_repeats *r, struct buf *b);
/* A message that was not a tools/call and was stopped: its method and why. */
MUST_USE bool record_blocked(const char *method, const char *why, struct buf *b);
/* A request of the client that was no tools/call, and what became of it. Texts may be "" or NULL. */
struct record_request {
	const char *method, *target, *session, *rule, *message, *ended_by;
	struct span id;                      /* canonical JSON */
	struct span withheld;                /* initialize: JSON array of the capabilities the backend is not told of; may be empty */
	uid_t uid;
	int64_t received_at_ms, duration_ms;
	int http_status, code;               /* 0 = none; code: of the JSON-RPC error */
	size_t result_bytes;
	bool is_cached;                      /* answered from the store */
};
MUST_USE bool record_request(const struct record_request *r, struct buf *b);
