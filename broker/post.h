/* post - one HTTP request of a channel and its whole answer: connect 5 s, all of it 10 s, no redirect, answer up to 256 KiB, a connection of
 * its own. The URL may be a secret: it is never logged or named in a sentence. */
#pragma once
#include "broker/broker.h"
#include "net/http.h"

struct post {                            /* the caller fills in; embedded in its owner, zeroed to begin with */
	struct broker *broker;
	const char *method, *url;        /* method static; url is not needed after post_start */
	struct http_headers *headers;    /* taken over; may be NULL */
	struct buf body;                 /* taken over; {0}: none */
	void (*done)(struct post *p);    /* once, never from inside post_start; then the post may be started again or let go */
	void *arg;
	/* out: */
	int status;                      /* 0: no answer */
	const char *cause;               /* a clause, static text, e.g. "no connection could be made"; "" = the whole answer is here. With a
	                                  * status: why the rest of the answer is missing */
	bool has_left;                   /* bytes of the request left */
	int64_t retry_after_ms;          /* Retry-After or X-Ogw-Ratelimit-Reset; -1 = not said */
	struct buf answer;               /* until the next post_start or post_cancel */

	struct http *http;
	struct http_request request;
	struct loop_timer timer;
	bool is_over, has_timer;
};
void post_start(struct post *p);
/* done is not called; frees the answer too, so it is also how a post is let go. Legal at any time, also when never started. */
void post_cancel(struct post *p);
/* What it means for a delivery by HTTP alone: 2xx OK; 408, 425, 429, 5xx and no answer RETRY; other GIVEN_UP. said is filled in. */
struct delivered;
void post_judge(const struct post *p, struct delivered *out, char *said, size_t size);
