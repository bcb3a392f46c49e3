/* upstream_http - Streamable HTTP (MCP 2025-03-26 ... 2025-11-25): the parts its three files share.
 *
 *   upstream_http.c          deliveries: what waits, what runs, how it ends
 *   upstream_http_answer.c   what an answer means: JSON body, event stream, HTTP status
 *   upstream_http_session.c  headers, session id, opening anew after the backend forgot us, DELETE */
#pragma once
#include "data/sse.h"
#include "net/http.h"
#include "shim/upstream_kind.h"

#define UPSTREAM_MAX_SESSION_ID_BYTES 8192
#define UPSTREAM_MAX_VERSION_BYTES    64
#define UPSTREAM_MAX_OPENING_BYTES    (1024 * 1024)  /* of an initialize request that is kept to open the session anew */
#define UPSTREAM_DRAIN_MS             1000           /* what comes after the answer is read for so long ... */
#define UPSTREAM_DRAIN_BYTES          (64 * 1024)    /* ... and so far, so that the connection can be used again */
#define UPSTREAM_COLLECTED_BYTES      (16 * 1024 * 1024)  /* of answers that arrive side by side; the oldest alone goes on beyond it */
#define UPSTREAM_FAREWELL_MS          1000

enum exchange_reading { READ_NOTHING, READ_JSON, READ_SSE };

/* One POST and its answer. Pooled. Stands in exactly one of the lists of its upstream: waiting, running, idle. */
struct exchange {
	struct http_request request;
	struct http_upstream *u;
	struct delivery *d;            /* NULL once its done was called: what still comes is drained */
	struct list node;
	unsigned session;              /* the session whose headers it bore; 0 = none */
	enum exchange_reading reading;
	struct buf json;
	struct sse sse;
	size_t drained_bytes;
	bool is_request, is_opener, is_cancelled, has_timed_out, has_complained;
	const char *trouble;           /* why something that came was no answer; static text */
	char cause[64];
};

/* Our own messages of a session that is opened anew. */
struct renewal {
	struct buf opening;            /* the client's initialize; empty before it was answered */
	struct jsonrpc message;
	struct delivery delivery;
	bool is_answered;
};

struct http_upstream {
	struct upstream base;
	struct upstream_options o;
	struct http *http;
	struct http_headers *plain;    /* of every message */
	struct http_headers *bound;    /* plain, session id and version; NULL before the session is open */
	bool has_session_id, has_expired;
	unsigned session;              /* counts sessions */
	char *session_id;              /* of the initialize under way; secret */
	struct renewal renewal;
	struct list waiting, running, idle;
	size_t idle_n;
	struct exchange *opener;       /* initialize or initialized under way: all others wait, in order */
	struct loop_timer settle;      /* ends what was cancelled */
	struct http_request farewell;
	struct loop_timer farewell_none;
	void (*ended)(void *arg);
	void *ended_arg;
};

/* ---- upstream_http.c ------------------------------------------------------------------------------------------------------ */
/* Before all that wait, in place of the opener. */
void http_upstream_send_first(struct http_upstream *u, struct delivery *d);
/* Ends the delivery of x, if it has not ended. cause is copied or static. */
void exchange_finish(struct exchange *x, enum fate fate, const char *cause, bool has_session_ended);
/* Ends all that wait: no byte of them left. */
void http_upstream_refuse_waiting(struct http_upstream *u, const char *cause);

/* ---- upstream_http_answer.c: the callbacks of an exchange's request -------------------------------------------------------- */
struct buf *answer_head(struct http_request *r);
bool answer_may_grow(struct http_request *r);
enum http_flow answer_body(struct http_request *r, struct span bytes);
void answer_end(struct exchange *x, const struct http_end *end);   /* finishes x's delivery if nothing has */

/* ---- upstream_http_session.c ----------------------------------------------------------------------------------------------- */
MUST_USE enum err session_init(struct http_upstream *u, struct problem *why);   /* resolves the configured headers */
void session_release(struct http_upstream *u);
struct http_headers *session_headers(const struct http_upstream *u, const struct exchange *x);   /* borrowed */
bool session_is_initialize(const struct jsonrpc *m);
bool session_is_opener(const struct jsonrpc *m);                 /* that, or notifications/initialized */
void session_note_id(struct exchange *x);                        /* at the head of the answer to initialize */
void session_open(struct exchange *x, const struct jsonrpc *response);  /* with the answer to initialize */
void session_lost(struct http_upstream *u, unsigned session);
void session_renew(struct http_upstream *u);                     /* sends initialize and initialized again */
void session_end(struct http_upstream *u, int64_t budget_ms, void (*ended)(void *arg), void *arg);
