/* http - one asynchronous HTTP/1.1 request over the loop's curl multi, hardened: nothing of the environment (proxy, netrc, key log)
 * counts, no redirect is followed, no cookie kept, no compression asked for, and nothing is sent twice without leave.
 *
 * A struct http holds what requests to one URL share and a pool of libcurl handles. A request is embedded in its owner and belongs to
 * http from http_start until done. Its callbacks come from loop_turn, outside of libcurl, in the order left, head, body..., done; so
 * they may start and cancel other requests and set timers. may_leave and may_collect are asked from inside libcurl: they may only look. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

#define HTTP_MAX_HEADER_BYTES (64 * 1024) /* all header lines of one answer */

/* Takes variables that make TLS libraries leak keys or load code out of the environment, then starts libcurl. Once, in main,
 * before any thread. */
MUST_USE enum err http_setup(void);

/* ---- headers to send: counted, so that they may change while requests are under way; wiped when the last one lets go -------- */

struct http_headers;
struct http_headers *http_headers_new(void);             /* held once; sends no Expect: */
struct http_headers *http_headers_copy(const struct http_headers *h);    /* held once */
struct http_headers *http_headers_hold(struct http_headers *h);
void http_headers_drop(struct http_headers *h);          /* NULL is legal */
/* ERR_INVALID: a name that is no token, or a value with a control character. */
MUST_USE enum err http_headers_add(struct http_headers *h, const char *name, const char *value);
struct curl_slist *http_headers_list(const struct http_headers *h);      /* borrowed; for http.c */

/* ---- a destination -------------------------------------------------------------------------------------------------------- */

struct http;
struct http_options {
	struct loop *loop;
	const char *url;                   /* http or https */
	const char *ca_file, *proxy;       /* "" = the system's authorities, no proxy */
	int64_t connect_timeout_ms;        /* 0 = libcurl's 300 s */
};
/* ERR_INVALID: the URL cannot be read or is neither http nor https (why, without the URL). */
MUST_USE enum err http_new(const struct http_options *o, struct http **out, struct problem *why);
/* Requests started from now on go where reference points, absolute or relative to o->url. ERR_INVALID: to another origin (scheme, host
 * and port) or nowhere; nothing changes. */
MUST_USE enum err http_move(struct http *h, const char *reference);
void http_free(struct http *h);                          /* not from a callback; requests under way end without done */

/* ---- a request ------------------------------------------------------------------------------------------------------------ */

enum http_outcome {
	HTTP_COMPLETE,                     /* an answer, to its last byte */
	HTTP_NOT_SENT,                     /* no byte of the request left: no connection, or may_leave said no */
	HTTP_CUT,                          /* bytes left, and the answer is missing or ends early */
};
struct http_end {
	enum http_outcome outcome;
	bool has_timed_out, is_too_large, was_stopped; /* was_stopped: body said HTTP_STOP */
	const char *cause;                 /* a clause, e.g. "no connection could be made"; static text; "" if complete or stopped */
};
enum http_flow { HTTP_GO_ON, HTTP_HOLD, HTTP_STOP };

struct http_request {
	/* the owner fills in: */
	const char *method;                /* static text */
	struct http_headers *headers;      /* held by the request until done */
	struct span content;               /* lives until done; at NULL = none */
	bool is_once;                      /* never sent again on a new connection when a pooled one turns out dead */
	bool is_apart;                     /* a long answer: it takes no connection from the pool */
	int64_t timeout_ms;                /* without an end, from the last request byte that moved; 0 = none. See http_limit */
	bool (*may_leave)(struct http_request *r);   /* before the first byte; not asked again for a second sending. May be NULL */
	void (*left)(struct http_request *r);        /* bytes have left; once. May be NULL */
	/* Status and headers are there. Returns where the body is collected, up to its cap, or NULL: body is called. */
	struct buf *(*head)(struct http_request *r);
	/* Before more is collected there, from inside libcurl; false: not before http_resume. May be NULL */
	bool (*may_collect)(struct http_request *r);
	/* HTTP_HOLD: these bytes were taken, no more until http_resume. HTTP_STOP: done follows, the connection is closed. */
	enum http_flow (*body)(struct http_request *r, struct span bytes);
	void (*done)(struct http_request *r, const struct http_end *end);

	/* internal: */
	struct http *http;
	CURL *easy;
	struct buf *collected, in;
	struct loop_timer timer;
	struct list node, news;
	size_t header_bytes;
	int64_t uploaded;
	CURLcode result;
	bool has_left, has_told_left, has_head, has_told_head, is_over, is_held, is_choked, is_too_large;
	bool must_start_fresh, was_resend_stopped;
};

/* done comes later, also when nothing can be sent. */
void http_start(struct http *h, struct http_request *r);
/* Ends the request without done: not from its own callbacks. Afterwards r->has_left says whether a byte left. */
void http_cancel(struct http_request *r);
void http_resume(struct http_request *r);                /* after HTTP_HOLD; legal at any time */
void http_limit(struct http_request *r, int64_t in_ms);  /* the end now comes in in_ms at the latest */

/* From head on. */
int http_status(const struct http_request *r);
struct span http_header(const struct http_request *r, const char *name);  /* the first of that name; empty = absent */
bool http_media_type_is(const struct http_request *r, const char *type);  /* without parameters, in any case */
int64_t http_retry_after_ms(const struct http_request *r);                /* seconds or a date; -1 = not said */
