/* upstream_http - Streamable HTTP (MCP 2025-03-26 ... 2025-11-25) and its predecessor HTTP+SSE (2024-11-05): the parts their files share.
 *
 *   upstream_http.c          deliveries: what waits, what runs, how it ends
 *   upstream_http_answer.c   what an answer means: HTTP status, JSON body, event stream
 *   upstream_http_session.c  headers, session id, opening, DELETE
 *   upstream_http_renew.c    opening anew after the backend forgot us, and what the client had set up in the old session
 *   upstream_http_lives.c    ids of the backend's requests in such a session
 *   upstream_http_modern.c   messages of the stateless revision 2026-07-28: their headers
 *   upstream_http_stream.c   event streams by GET: the backend's own, the rest of an answer that broke off, that of HTTP+SSE
 *   upstream_sse.c           HTTP+SSE: how it is found out, where to POST, answers that come on the one stream */
#pragma once
#include "base/map.h"
#include "shim/upstream_http_stream.h"
#include "shim/upstream_kind.h"
#include "shim/upstream_setup.h"

#define UPSTREAM_MAX_SESSION_ID_BYTES 8192
#define UPSTREAM_MAX_VERSION_BYTES    64
#define UPSTREAM_MAX_OPENING_BYTES    (1024 * 1024)  /* of an initialize request that is kept to open the session anew */
#define UPSTREAM_DRAIN_MS             1000           /* what comes after the answer is read for so long ... */
#define UPSTREAM_DRAIN_BYTES          (64 * 1024)    /* ... and so far, so that the connection can be used again */
#define UPSTREAM_COLLECTED_BYTES      (16 * 1024 * 1024)  /* of answers that arrive side by side; the oldest alone goes on beyond it */
#define UPSTREAM_LISTEN_FIRST_MS      250            /* a server drops what it has to say while nobody listens; so long may it take */
#define UPSTREAM_FAREWELL_MS          1000
#define UPSTREAM_MAX_HOPS             3              /* redirects of one delivery */

enum exchange_reading { READ_NOTHING, READ_JSON, READ_SSE };

/* One POST and its answer, wherever that comes. Pooled. Stands in exactly one of the lists of its upstream: waiting, running, idle. */
struct exchange {
	struct http_request request;
	struct http_upstream *u;
	struct delivery *d;            /* NULL once its done was called: what still comes is drained */
	struct list node;
	unsigned session;              /* the session whose headers it bore; 0 = none */
	enum exchange_reading reading;
	struct buf json;
	struct buf own;                /* sent in place of the delivery's body; empty = not */
	struct http_headers *headers;  /* of this message alone; NULL = those of the session */
	struct sse sse;
	size_t drained_bytes;
	struct stream rest;            /* of an event stream that ended before the answer */
	struct loop_timer limit;       /* of the time without a request on the wire */
	int64_t left_us, retry_after_ms;
	int status;
	unsigned hops;
	bool is_request, is_opener, is_cancelled, is_orphan, has_timed_out, has_complained;
	bool is_modern;                /* it carries its own envelope: in no session, nothing to go on from when it breaks off */
	bool is_taken;                 /* a cancellation: closing what it names says all of it */
	bool is_large_result;          /* the answer is a result that is larger than max_body */
	bool is_on_wire;               /* its request is under way */
	bool must_restart;             /* once its request is over: from the beginning of the waiting */
	bool waits_on_stream;          /* HTTP+SSE: accepted, the answer comes on the session's stream */
	const char *trouble;           /* why something that came was no answer; static text */
	char cause[192];
};

/* Our own messages of a session that is opened anew. */
struct renewal {
	struct buf opening;            /* the client's initialize; empty before it was answered */
	struct setup setup;            /* what the client had set up */
	bool is_answered, is_setting_up;
	unsigned sent_n;               /* for ids of our own */
	struct buf line;
	struct jsonrpc message;
	struct delivery delivery;
	struct loop_timer timer;       /* opens it anew without waiting for a delivery */
	int64_t pause_ms;
	unsigned rounds;
};

/* What messages with their own envelope need. */
struct http_modern {
	struct map *tools;             /* name -> struct mcp_params, of tools that want some arguments as headers */
	bool is_listing;               /* our own tools/list, before all that wait: */
	struct buf line;
	struct jsonrpc message;
	struct delivery delivery;
	char *envelope, *cursor;       /* raw JSON */
	unsigned asked_n, pages;
};

enum sse_state { SSE_OFF, SSE_PROBING, SSE_CONNECTING, SSE_OPEN };

struct http_upstream {
	struct upstream base;
	struct upstream_options o;
	struct http *http;
	struct http_headers *plain, *plain_get;  /* of every message; of every event stream */
	struct http_headers *bound, *bound_get;  /* the same with session id and version; NULL before the session is open */
	bool has_session_id, has_expired, has_batches, is_ending;
	bool is_confirmed;             /* initialized was taken */
	bool has_listened;             /* in this session, to a stream the backend offers of itself ... */
	unsigned session;              /* counts sessions */
	char *session_id;              /* of the initialize under way; secret */
	struct renewal renewal;
	struct http_modern modern;
	struct list waiting, running, idle;
	size_t idle_n;
	struct exchange *opener;       /* initialize or initialized under way: all others wait, in order */
	struct loop_timer settle;      /* ends what was cancelled */
	struct stream listener;        /* what the backend says unasked; for HTTP+SSE all it says */
	struct loop_timer listen_first;  /* set: requests wait until the backend has that stream, or for so long at the most */
	bool is_not_offered;           /* ... which it says it does not */
	enum sse_state sse;            /* OFF: Streamable HTTP */
	struct http *posts;            /* HTTP+SSE: where messages go */
	bool has_bad_endpoint;
	struct loop_timer no_endpoint;
	struct http_request farewell;
	struct loop_timer farewell_none;
	void (*ended)(void *arg);
	void *ended_arg;
};

/* ---- upstream_http.c ------------------------------------------------------------------------------------------------------ */
/* Before all that wait, in place of the opener. */
void http_upstream_send_first(struct http_upstream *u, struct delivery *d);
void http_upstream_go_on(struct http_upstream *u);   /* starts what waits, as far as it may start */
/* Ends the delivery of x, if it has not ended. cause is copied or static. may_repeat: see upstream.h. */
void exchange_finish(struct exchange *x, enum fate fate, const char *cause, bool may_repeat);
/* The same outside of the callbacks of its request: x is given back if that is over. */
void exchange_conclude(struct exchange *x, enum fate fate, const char *cause, bool may_repeat);
void exchange_settled(struct exchange *x);           /* gives it back if nothing of it goes on */
void exchange_abort(struct exchange *x, const char *cause);   /* ends all of it, on the wire or not */
void exchange_restart(struct exchange *x);           /* its request is over: it waits again, before all others */
void exchange_watch_limit(struct exchange *x);       /* its delivery's timeout goes on without a request on the wire */
/* Ends all that wait: no byte of them left. */
void http_upstream_refuse_waiting(struct http_upstream *u, const char *cause);
/* The session is over: ends, soon, what waits for an answer from elsewhere than its own request. */
void http_upstream_orphan(struct http_upstream *u);

/* ---- upstream_http_answer.c: the callbacks of an exchange's request -------------------------------------------------------- */
struct buf *answer_head(struct http_request *r);
bool answer_may_grow(struct http_request *r);
enum http_flow answer_body(struct http_request *r, struct span bytes);
void answer_end(struct exchange *x, const struct http_end *end);   /* finishes x's delivery, or it waits for more */
void answer_explain(struct exchange *x);                            /* x->cause from its status */
void answer_explain_status(int status, int64_t retry_after_ms, char *out, size_t size);
/* A message that came on the session's own stream. */
void answer_unasked(struct http_upstream *u, const struct sse_event *event);

/* ---- upstream_http_session.c ----------------------------------------------------------------------------------------------- */
MUST_USE enum err session_init(struct http_upstream *u, struct problem *why);   /* resolves the configured headers */
void session_release(struct http_upstream *u);
struct http_headers *session_headers(const struct http_upstream *u, const struct exchange *x);   /* borrowed */
bool session_is_initialize(const struct jsonrpc *m);
bool session_is_initialized(const struct jsonrpc *m);            /* notifications/initialized */
void session_note_id(struct exchange *x);                        /* at the head of the answer to initialize */
void session_open(struct exchange *x, const struct jsonrpc *response);  /* with the answer to initialize */
void session_confirmed(struct http_upstream *u);                 /* initialized was taken: listens */
bool session_listens_first(const struct http_upstream *u);       /* what waits is not sent yet */
void session_was_used(struct http_upstream *u);                  /* something was answered */
void session_lost(struct http_upstream *u, unsigned session);
void session_end(struct http_upstream *u, int64_t budget_ms, void (*ended)(void *arg), void *arg);

/* ---- upstream_http_renew.c -------------------------------------------------------------------------------------------------- */
void renew_init(struct http_upstream *u);
void renew_release(struct http_upstream *u);
void renew_keep_opening(struct http_upstream *u, struct span body);
void renew_note_answer(struct exchange *x, const struct jsonrpc *response);  /* what must be set up in a new session */
void renew_begin(struct http_upstream *u);                       /* sends initialize, initialized and the rest again */
void renew_later(struct http_upstream *u);                       /* the same soon, unless a delivery comes first */
void renew_was_worth_it(struct http_upstream *u);                /* something was answered: the next renew_later is soon again */
void renew_go_on(struct http_upstream *u);                       /* after initialized: what else must be set up */

/* ---- upstream_http_lives.c -------------------------------------------------------------------------------------------------- */
void lives_tell(struct http_upstream *u, const struct jsonrpc *m);   /* a request or notification of the backend */
MUST_USE bool lives_translate(struct exchange *x);               /* false: the question it answers was asked in a session that is over */

/* ---- upstream_http_modern.c ------------------------------------------------------------------------------------------------- */
void modern_init(struct http_upstream *u);
void modern_release(struct http_upstream *u);
struct http_headers *modern_headers(const struct http_upstream *u, const struct jsonrpc *m);   /* held once */
void modern_note_answer(struct exchange *x, const struct jsonrpc *response);
/* The answer proves that x did not run and that headers were missing; the list that names them is being fetched, before all else. */
bool modern_learns_headers(struct exchange *x, const struct jsonrpc *m);
struct exchange *modern_cancelled_by(struct http_upstream *u, const struct jsonrpc *m);        /* NULL: it names none of ours */

/* ---- upstream_sse.c --------------------------------------------------------------------------------------------------------- */
void sse_upstream_init(struct http_upstream *u);
void sse_upstream_release(struct http_upstream *u);
/* The answer to initialize says that this may be an HTTP+SSE server: x is kept, and sent there or finished. */
bool sse_upstream_probes(struct exchange *x);
bool sse_upstream_is_ready(struct http_upstream *u);             /* to take messages; if not, it connects */
void sse_upstream_lost(struct http_upstream *u);                 /* leaves the session's stream */
