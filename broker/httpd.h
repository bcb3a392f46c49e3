/* httpd - an HTTP/1.1 server for operators: libmicrohttpd on a thread of its own, which only parses; every request is handled on the
 * thread of the loop. What frames a request must be beyond doubt: a guard refuses with 400, and closes, whatever two readers could
 * understand differently (RFC 9112 6.3, 3.2; RFC 9110 5.1).
 *
 * Threads: all functions are called on the loop's thread; handlers are too.
 * Caps: HTTPD_MAX_* below; connections and idle time per daemon. */
#pragma once
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

#define HTTPD_MAX_BODY        (1024 * 1024)
#define HTTPD_MAX_CONNECTIONS 1024
#define HTTPD_MAX_PER_ADDRESS 256
#define HTTPD_MEMORY          (32 * 1024)   /* of a connection: request line and headers; more is 431 */
#define HTTPD_IDLE_S          300

struct httpd;

/* One request, whole. Its strings live until it is answered. */
struct httpd_request {
	const char *method;              /* as sent: "GET" */
	const char *path;                /* decoded, no NUL in it */
	struct span body;
	bool is_local;                   /* over the UNIX socket */
	uid_t uid;                       /* is_local: who connected */
	char address[64];                /* else: from where, for people */
	void *internal;
};
/* Both: NULL when absent. Headers: the only value, or the first; names in any case. */
const char *httpd_header(const struct httpd_request *r, const char *name);
const char *httpd_query(const struct httpd_request *r, const char *name);

struct httpd_field { const char *name, *value; };
struct httpd_answer {
	unsigned status;
	const char *type;                /* Content-Type; NULL: none */
	struct span body;                /* copied */
	const struct httpd_field *fields;/* further headers; ends with a NULL name; may be NULL */
};
/* Each request is answered once, from the handler or later. */
void httpd_answer(struct httpd_request *r, const struct httpd_answer *a);

struct httpd_options {
	struct loop *loop;
	int fd;                          /* listening; owned from now on */
	bool is_local;
	unsigned idle_s;                 /* 0 = HTTPD_IDLE_S */
	void (*handle)(void *arg, struct httpd_request *r);
	void *arg;
};
MUST_USE enum err httpd_new(const struct httpd_options *o, struct httpd **out);
/* Ends the listening and every connection; requests not answered yet are answered with 503. */
void httpd_free(struct httpd *h);
