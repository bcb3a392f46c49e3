/* httpd - an HTTP/1.1 server for operators: libmicrohttpd on a thread of its own, which only parses; every request is handled on the
 * thread of the loop. What frames a request must be beyond doubt: a guard refuses with 400, and closes, whatever two readers could
 * understand differently (RFC 9112 6.3, 3.2; RFC 9110 5.1).
 *
 * Threads: all functions are called on the loop's thread; handlers are too.
 * Time: a request must have arrived whole within read_timeout_ms of its connection's begin or, later, of its own; the next one must begin
 * within the same time; an answer must have left within write_timeout_ms. Who is slower is cut off, by up to a second later.
 * Caps: HTTPD_MAX_* below. Streams are counted apart, so that those who only listen do not keep others out. */
#pragma once
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

#define HTTPD_MAX_BODY        (1024 * 1024)
#define HTTPD_SMALL_BODY      (32 * 1024)   /* each may have so much; what is more comes out of HTTPD_BIG_BODIES */
#define HTTPD_BIG_BODIES      (32 * 1024 * 1024)    /* of a server: anybody can send bodies, who asks is looked at when they are there */
#define HTTPD_MAX_CONNECTIONS 1024          /* of a server */
#define HTTPD_MAX_PER_ADDRESS 256           /* over TCP: connections that are no streams */
#define HTTPD_MAX_STREAMS     512           /* of a server */
#define HTTPD_STREAM_BYTES    (256 * 1024)  /* of a stream, not read yet by the other side */
#define HTTPD_MEMORY          (32 * 1024)   /* of a connection: request line and headers; more is 431 */

struct httpd;

/* One request, whole. Its strings live until it is answered. */
struct httpd_request {
	const char *method;              /* as sent: "GET" */
	const char *path;                /* decoded, no NUL in it */
	struct span body;
	bool is_local;                   /* over the UNIX socket */
	uid_t uid;                       /* is_local: who connected; else, and when nobody knows, -1 */
	char address[64];                /* else: from where, for people */
	char here[64];                   /* TCP: which of our addresses was called */
};
/* All: NULL, 0 when absent, and for one that came from a server that ended. Headers: the only value, or the first; names in any case. */
const char *httpd_header(const struct httpd_request *r, const char *name);
unsigned httpd_header_count(const struct httpd_request *r, const char *name);
const char *httpd_query(const struct httpd_request *r, const char *name);
/* Every parameter of the query in its order; value NULL: it has none. False from fn: stop, and the result is false. */
typedef bool httpd_query_fn(void *arg, const char *name, const char *value);
bool httpd_query_each(const struct httpd_request *r, httpd_query_fn *fn, void *arg);

struct httpd_field { const char *name, *value; };
struct httpd_answer {
	unsigned status;
	const char *type;                /* Content-Type; NULL: none */
	struct span body;                /* copied. To HEAD only its length is told */
	const struct httpd_field *fields;/* further headers; ends with a NULL name; may be NULL */
};
/* Each request is answered once, from the handler or later, also after the end of its server; then it is gone. */
void httpd_answer(struct httpd_request *r, const struct httpd_answer *a);

/* ---- answers that go on: events --------------------------------------------------------------------------------------------- */
struct httpd_stream;
struct httpd_stream_options {
	const char *type;
	const struct httpd_field *fields;
	void (*closed)(void *arg);       /* the other side went away, was cut off for reading too slowly, or the server ends. Once, from a
	                                  * later turn or httpd_free, not after httpd_stream_close; the stream is gone then */
	void *arg;
};
/* Status 200 and the headers leave at once; r is gone. NULL: too many streams, or the server ended; r is yours still. Not for HEAD. */
struct httpd_stream *httpd_stream_begin(struct httpd_request *r, const struct httpd_stream_options *o);
/* False: HTTPD_STREAM_BYTES are waiting already; it is cut off, closed follows. Someone who went away is seen within a second. */
bool httpd_stream_send(struct httpd_stream *s, struct span bytes);
size_t httpd_stream_waiting(const struct httpd_stream *s);       /* bytes of these */
void httpd_stream_close(struct httpd_stream *s);         /* what was sent still leaves */

/* ---- life ------------------------------------------------------------------------------------------------------------------- */
struct httpd_options {
	struct loop *loop;
	int fd;                          /* listening; owned from now on */
	bool is_local;
	int64_t read_timeout_ms, write_timeout_ms;      /* 0 = 300 s */
	void (*handle)(void *arg, struct httpd_request *r);
	void *arg;
};
MUST_USE enum err httpd_new(const struct httpd_options *o, struct httpd **out);
void httpd_set_timeouts(struct httpd *h, int64_t read_timeout_ms, int64_t write_timeout_ms);
void httpd_quiet(struct httpd *h);               /* takes no new connections; those it has go on until httpd_free */
/* Ends the listening and every connection; requests not answered yet are answered with 503. Not from inside a handler. */
void httpd_free(struct httpd *h);
bool httpd_is_busy(const struct httpd *h);       /* a request is being handled, or a stream is open */
