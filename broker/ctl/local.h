/* local - asks the broker over its socket (presence_admin_socket): one request and its whole answer. Blocks. The kernel tells the broker
 * who asks, so no token is needed. Nothing of the environment counts. */
#pragma once
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "broker/ctl/place.h"

#define LOCAL_MAX_ANSWER (64u * 1024 * 1024)
#define LOCAL_LIMIT_MS   15000

struct local_request {
	const char *method;              /* "GET" */
	const char *path;                /* with its query, already encoded; begins with '/' */
	const char *const *headers;      /* "Name: value", ends with NULL; may be NULL */
	struct span body;                /* at NULL: none */
	int64_t limit_ms;                /* for all of it; 0 = LOCAL_LIMIT_MS, -1 = without end (a stream) */
	/* NULL: the body is collected in the answer. Else it is called with its bytes as they come, once the status is known (answer->status);
	 * false: enough, local_ask returns OK. */
	bool (*take)(void *arg, struct span bytes);
	void *arg;
};
struct local_answer {
	int status;
	char type[128];                  /* Content-Type, "" = not said */
	struct buf body;
};
void local_answer_release(struct local_answer *a);

/* OK: an answer came, whatever its status. ERR_NOT_FOUND: no broker listens there. ERR_PERMISSION: we may not ask it. ERR_UNSUPPORTED: it
 * did not answer in time. ERR_TOO_LARGE, ERR_IO: no whole answer. Why is a sentence then; nothing is printed. */
MUST_USE enum err local_ask(const struct place *p, const struct local_request *r, struct local_answer *out, struct problem *why);
/* The sentence of a status that is not 2xx: the broker's own {"error":"sentence"}, made visible (term.h), else its number. Owned. */
char *local_error(const struct local_answer *a);
