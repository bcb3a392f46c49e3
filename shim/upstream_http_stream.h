/* upstream_http_stream - an event stream opened by GET, and again when it ends: with the id of its last event, after the time the server
 * asked for, else after 1 s, 1.5 s, ... 30 s. Events that were seen on an earlier connection are dropped. Embedded in its owner. */
#pragma once
#include "data/sse.h"
#include "net/http.h"

#define STREAM_MAX_TRIES  10      /* in a row that brought nothing: then it is given up */
#define STREAM_SEEN       64      /* events remembered for a replay */

struct http_upstream;

enum stream_verdict {
	STREAM_IS_OPEN,
	STREAM_ENDED,             /* after it was open, or without an answer */
	STREAM_REFUSED,           /* an answer, but no event stream: see status */
	STREAM_GIVEN_UP,          /* opening it again brings nothing, or its id cannot be sent */
};

struct stream {
	/* the owner fills in: */
	struct http_upstream *u;
	struct http *http;
	void (*event)(struct stream *s, const struct sse_event *e);      /* with data; not told twice */
	/* Last of a connection: s may be opened again, or be gone afterwards. */
	void (*ended)(struct stream *s, enum stream_verdict how, int status);
	void (*answered)(struct stream *s);                               /* its head has come, whatever it says; NULL: not wanted */
	bool is_over;                     /* set by the owner in event: nothing more is wanted of this connection */

	/* internal: */
	struct http_request request;
	struct sse sse;
	struct buf last_id;
	const char *cause;                /* why the last connection ended; static text */
	int64_t retry_ms, pause_ms, opened_us;
	unsigned tries;
	struct loop_timer timer;
	bool is_on_wire, is_open, is_reopened;
	uint64_t seen[STREAM_SEEN];       /* digests of events with an id */
	size_t seen_n, seen_before;       /* in all; before this connection */
};

void stream_init(struct stream *s, struct http_upstream *u, struct http *http);
void stream_release(struct stream *s);
/* An event of a stream that was not opened by GET, to go on from: true if it is to be told. */
bool stream_note(struct stream *s, const struct sse_event *e);
bool stream_has_id(const struct stream *s);                      /* so it can be gone on with */
void stream_open(struct stream *s);
void stream_open_later(struct stream *s);                        /* after enough tries: ended, GIVEN_UP */
bool stream_is_active(const struct stream *s);                   /* on the wire, or waiting to be */
void stream_stop(struct stream *s);                              /* not from its event; forgets all of it, as new */
void stream_resume(struct stream *s);                            /* after back-pressure */
