/* upstream - one MCP backend as a session sees it, whatever the transport (table upstream_kind) and whichever era the backend speaks: a
 * client of the older revisions is translated before one that knows only 2026-07-28 (translate.h). It moves bytes and knows what is
 * certain about them; it judges nothing. Many deliveries at once; none waits for another.
 *
 * Ownership: a delivery is embedded in its owner and lives until its done, which is called exactly once, last, never from inside
 * upstream_send or upstream_cancel. Spans handed to callbacks are valid during the call only. All callbacks come from loop_turn. */
#pragma once
#include "data/jsonrpc.h"
#include "domain/config.h"
#include "net/loop.h"
#include "shim/era.h"

struct upstream;

enum fate {
	FATE_ANSWERED,        /* a request: its response was handed to answered, result or error */
	FATE_ACCEPTED,        /* a notification or response: 2xx */
	FATE_NOT_SENT,        /* provably no byte left: no connection, may_leave said no, cancelled before */
	FATE_REFUSED,         /* an HTTP status that proves it did not run: 4xx except 408, 307/308 */
	FATE_UNKNOWN,         /* bytes left and no usable answer: timeout, reset, cut, 408, 5xx without JSON-RPC body, unreadable, cancelled after */
};
struct delivery_end {
	enum fate fate;
	int http_status;              /* 0 = none */
	int64_t retry_after_ms;       /* -1 = not said */
	bool has_timed_out;
	bool is_large_result;         /* UNKNOWN, but what came was a result: it ran. It is larger than max_body and was thrown away */
	bool may_repeat;              /* REFUSED, and the cause is out of the way: a new session, the new place, headers that were missing */
	const char *cause;            /* a clause for agent and audit, e.g. "the backend answered HTTP 500"; never a URL, header or secret */
};

struct delivery {
	/* the owner fills in: */
	struct span body;                                     /* one JSON-RPC message; lives until done */
	const struct jsonrpc *message;                        /* its reading; lives until done */
	struct span name;                                     /* of tools/call: unescaped tool name; else empty */
	bool is_once;                                         /* tools/call: at most once on the wire, never repeated on a guess */
	int64_t timeout_ms;                                   /* from last request byte to the answer; 0 = none */
	bool (*may_leave)(struct delivery *d);                /* immediately before the first byte; false: FATE_NOT_SENT. May be NULL */
	void (*left)(struct delivery *d);                     /* bytes have left; once. May be NULL */
	void (*answered)(struct delivery *d, const struct jsonrpc *response);  /* its id is the one of body; requests only */
	void (*done)(struct delivery *d, const struct delivery_end *end);
	/* the upstream's: */
	bool is_modern;                                       /* it carries its own envelope (era.h): framed by what it says */
	bool stays_open;                                      /* subscriptions/listen: its answer is a stream of notifications */
	bool is_translated;                                   /* transfer is a struct passage (translate.h) */
	void *transfer;
};

struct upstream_events {
	void *arg;
	/* A notification or request from the backend, as it arrived (any stream). */
	void (*message)(void *arg, const struct jsonrpc *message);
	/* The session with the backend is over: nobody waits any more for answers to the requests it made in it. */
	void (*forgot)(void *arg);
	/* May more bytes come in for the client? false: streams are paused until upstream_resume. */
	bool (*has_room)(void *arg);
};

struct upstream_options {
	struct loop *loop;
	const struct config *config;                          /* for secrets; lives as long as the upstream */
	const struct config_backend *backend;
	bool inherits_environment;                            /* a command gets ours, not only what is configured */
	struct upstream_events events;
};
/* ERR_INVALID/ERR_NOT_FOUND: a secret of its headers cannot be read (why). ERR_UNSUPPORTED: transport not built. Opens no connection. */
MUST_USE enum err upstream_new(const struct upstream_options *o, struct upstream **out, struct problem *why);
void upstream_free(struct upstream *u);                       /* every delivery must be done */

void upstream_send(struct upstream *u, struct delivery *d);
/* done follows: NOT_SENT or UNKNOWN. Of a message with its own envelope over HTTP this closes its stream, and the same does a
 * notifications/cancelled that names it: that one is taken, not posted. */
void upstream_cancel(struct upstream *u, struct delivery *d);
void upstream_resume(struct upstream *u);
/* False: not all that was sent is read by the backend's process, which may still be starting. */
bool upstream_has_read(const struct upstream *u);

struct era_question {
	void (*told)(struct era_question *q, enum era era);   /* once, from loop_turn; UNKNOWN: it could not be asked */
	struct list node;                                     /* list_remove: told is not called any more */
};
/* Asks the backend server/discover, in no session, once for all who ask; what it says, then or to the client's own, holds as long as u. */
void upstream_find_era(struct upstream *u, struct era_question *q);

/* Ends the session politely (DELETE) within budget_ms, while loop turns go on; ended is called once. */
void upstream_end(struct upstream *u, int64_t budget_ms, void (*ended)(void *arg), void *arg);
