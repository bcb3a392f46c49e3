/* routes - the table of what may be asked over HTTP, by whom (routes.c), and how a handler answers. A handler sees no libmicrohttpd and
 * need not ask who is there: authority is a column of the table, and was checked.
 *
 * Order of the questions: Host and, for anything but GET and HEAD, the page it came from (TCP only; origin.h); who asks, unless the route is
 * OWN (401, the same whether or not there is such a route); is there such a route (404), for that method (405); may they (403).
 * Nothing may change state on GET. */
#pragma once
#include <json-c/json_types.h>
#include "broker/broker.h"
#include "broker/httpd.h"
#include "broker/voter.h"

#define ROUTE_MAX_ARGS 2

/* On the local socket the kernel says who asks; over TCP a token does (auth.h). OWN: the route proves its caller itself (links,
 * signatures) or tells nothing worth it; its voter is empty. */
enum authority { OWN, VIEWER, OPERATOR, APPROVER, SUPERUSER };

struct request {                         /* the handler's until it was answered, in the same turn or later; then it is gone */
	struct broker *broker;
	struct httpd_request *http;
	struct voter voter;              /* who asks */
	char args[ROUTE_MAX_ARGS][160];  /* what stands for each {} of the path, decoded; never empty */
	void *own;                       /* the handler's, NULL at first */
};
typedef void route_fn(struct request *r);
struct route {
	const char *method;              /* "GET" also answers HEAD, without a body */
	const char *path;                /* "/api/v1/approvals/{}/approve" */
	enum authority authority;
	route_fn *handle;
};
extern const struct route routes[];      /* ends with method NULL */

void routes_handle(struct broker *b, struct httpd_request *http);        /* for doors.c */

/* Each of these answers and frees r. Bodies are copied. Legal at any later time too, also when the server has ended meanwhile. */
void reply(struct request *r, const struct httpd_answer *a);
void reply_json(struct request *r, unsigned status, struct json_object *o);              /* takes o */
struct jsonput;
void reply_put(struct request *r, unsigned status, struct jsonput *p);                   /* what was written; 500 when it passed its cap */
void reply_error(struct request *r, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);    /* {"error":"sentence"} */
void reply_error_with(struct request *r, unsigned status, const struct httpd_field *fields, const char *fmt, ...) PRINTF_LIKE(4, 5);
void reply_text(struct request *r, unsigned status, const char *type, struct span body);
void reply_no_store(struct request *r);  /* 503 and Retry-After: the store cannot be asked now, and why */
void reply_err(struct request *r, enum err e);   /* 503 of a store operation that failed */
/* An HTML page: no scripts, no style but what fields' own CSP names, no framing, no referrer to others, no index. fields as in
 * httpd_answer, in place of those of that name; may be NULL. */
void reply_html(struct request *r, unsigned status, const struct buf *page, const struct httpd_field *fields);
/* The head of an answer that goes on (httpd.h). NULL: r was answered with the head alone (HEAD) or 503. closed as in httpd_stream_options. */
struct httpd_stream *reply_stream(struct request *r, const char *type, void (*closed)(void *arg), void *arg);

/* For handlers that answer later without an operation of the store under way, which ends by itself: when the broker ends, `end` must answer
 * and forget all timers. Embedded in the handler's own struct. */
struct request_wait {
	void (*end)(struct request_wait *w);
	struct list node;
};
void request_wait_begin(struct request *r, struct request_wait *w);
void request_wait_end(struct request_wait *w);           /* before r is answered; legal again, and on a zeroed one */

/* The body as a JSON object, by the strict scanner; NULL: answered with 400 already. Caller puts it. An empty body is {}. */
struct json_object *request_json(struct request *r);
struct store *request_store(struct request *r);         /* NULL: answered with 503 already */
bool request_is_head(const struct request *r);
