/* requests - the client's requests that are no tools/call: what they name (a resource, a prompt), whether this agent may, how their
 * lists look to it, and their one row in the audit.
 *
 * A request that names a resource or a prompt is governed: judged by the rules in force, and refused while the store cannot take its
 * row. Everything else passes whatever the store does. A row is written behind the answer. */
#pragma once
#include "shim/inbound.h"
#include "shim/record.h"
#include "shim/refusal.h"
#include "shim/upstream.h"

struct part;
struct request_kind;

struct request {
	const struct request_kind *kind;     /* NULL = no request */
	char *target;                        /* URI or name, unescaped; NULL = none that could be used */
	char *withheld;                      /* initialize: see record_request */
	int64_t began_us, received_at_ms;
	enum outcome outcome;                /* of an answer; NONE = none came */
	int code;
	size_t result_bytes;
	bool is_replaced;                    /* the answer was too long for the client */
	bool is_modern;                      /* it carries its own envelope */
};

void request_begin(struct request *q, const struct jsonrpc *rpc);
void request_release(struct request *q);

/* WAIT: the rules in force are being asked for; ask again when the store has run. REFUSED: why is what the client is told. */
enum request_verdict { REQUEST_PASSES, REQUEST_WAITS, REQUEST_REFUSED };
enum request_verdict request_judge(struct part *p, const struct request *q, const struct jsonrpc *rpc, struct refusal *why);

/* The session's first real request opens the store; call it when the request is on its way. */
void request_sent(struct part *p, const struct request *q);

/* Notes the answer and appends it as a line, as this agent may see it. False: cap passed, cannot be. */
MUST_USE bool request_write_answer(struct part *p, struct request *q, const struct jsonrpc *answer, struct json_value id, struct buf *out);
void request_note(struct request *q, const struct jsonrpc *answer);
/* The answer needs input from the client that the rules keep from the backend: *out says so to the client. */
bool request_is_blocked(struct part *p, struct request *q, const struct jsonrpc *answer, struct json_value id, struct buf *out);

/* The row. Of how, at most one is given; none: it never left because the client cancelled it. */
struct request_end { const struct delivery_end *delivery; const struct refusal *refusal; bool is_cached; };
void request_ended(struct part *p, const struct request *q, const struct inbound *in, struct request_end how);

/* May this notification of the backend be shown? */
bool requests_may_show(struct part *p, const struct jsonrpc *notification);
