/* upstream_http_stream - see upstream_http_stream.h. */
#include "base/clock.h"
#include "data/secret.h"
#include "shim/upstream_http.h"

#define FIRST_PAUSE_MS   1000
#define MAX_PAUSE_MS     30000
#define MIN_RETRY_MS     20                /* "retry: 0" is no leave to spin */
#define MAX_RETRY_MS     (3600 * 1000)
#define MAX_ID_BYTES     4096
#define MAX_DIGESTED     4096              /* bytes of an event's data, beside its length */
#define LONG_US          (20 * 1000 * 1000)  /* a silent stream that was open for so long was worth it */

static struct stream *of(struct http_request *r)
{
	return container_of(r, struct stream, request);
}

/* ---- events ----------------------------------------------------------------------------------------------------------------- */

/* Id and data: servers that begin to count anew with each connection lose nothing. */
static uint64_t digest_of(const struct sse_event *e)
{
	struct hash hash;
	uint8_t out[32];
	uint64_t digest;

	hash_init(&hash);
	hash_add_field(&hash, e->last_id);
	hash_add(&hash, &e->data.len, sizeof(e->data.len));
	hash_add(&hash, e->data.at, e->data.len < MAX_DIGESTED ? e->data.len : MAX_DIGESTED);
	hash_done(&hash, out);
	memcpy(&digest, out, sizeof(digest));
	return digest;
}

static bool was_seen(struct stream *s, const struct sse_event *e)
{
	uint64_t digest = digest_of(e);
	size_t from = s->seen_n > STREAM_SEEN ? s->seen_n - STREAM_SEEN : 0;

	for (size_t i = from; i < s->seen_before; i++)
		if (s->seen[i % STREAM_SEEN] == digest)
			return true;
	s->seen[s->seen_n++ % STREAM_SEEN] = digest;
	return false;
}

bool stream_note(struct stream *s, const struct sse_event *e)
{
	if (e->retry_ms >= 0)
		s->retry_ms = e->retry_ms;
	if (e->last_id.len > 0 && !span_equal(e->last_id, buf_span(&s->last_id))) {
		buf_clear(&s->last_id);
		if (!buf_append_span(&s->last_id, e->last_id))
			buf_clear(&s->last_id);
	}
	s->tries = 0;
	if (e->data.len == 0)
		return false;
	s->pause_ms = FIRST_PAUSE_MS;
	return e->last_id.len == 0 || !was_seen(s, e);
}

bool stream_has_id(const struct stream *s)
{
	return s->last_id.len > 0;
}

static bool on_event(void *arg, const struct sse_event *e)
{
	struct stream *s = arg;

	if (stream_note(s, e))
		s->event(s, e);
	return !s->is_over;
}

/* ---- one connection --------------------------------------------------------------------------------------------------------- */

static struct buf *on_head(struct http_request *r)
{
	struct stream *s = of(r);
	int status = http_status(r);

	s->is_open = status >= 200 && status < 300 && http_media_type_is(r, "text/event-stream") &&
	             http_header(r, "Content-Encoding").len == 0;
	if (s->is_open) {
		sse_init(&s->sse, (size_t)s->u->o.backend->max_body_bytes);
		s->sse.skips_oversize = true;   /* others wait on this stream too */
	}
	if (s->answered)
		s->answered(s);
	return NULL;
}

static enum http_flow on_body(struct http_request *r, struct span bytes)
{
	struct stream *s = of(r);
	const struct upstream_events *events = &s->u->o.events;

	if (!s->is_open || sse_feed(&s->sse, bytes, on_event, s) != SSE_MORE)
		return HTTP_STOP;
	return events->has_room(events->arg) ? HTTP_GO_ON : HTTP_HOLD;
}

static void on_done(struct http_request *r, const struct http_end *end)
{
	struct stream *s = of(r);
	int status = http_status(r);
	bool was_open = s->is_open;

	s->is_on_wire = s->is_open = false;
	s->cause = end->cause;
	if (was_open)
		sse_release(&s->sse);
	if (was_open && clock_mono_us() - s->opened_us > LONG_US) {
		s->tries = 0;
		s->pause_ms = FIRST_PAUSE_MS;
	}
	s->ended(s, was_open || end->outcome == HTTP_NOT_SENT || status == 0 ? STREAM_ENDED : STREAM_REFUSED, status);
}

/* NULL: its id cannot stand in a header. */
static struct http_headers *headers_of(const struct stream *s)
{
	const struct http_upstream *u = s->u;
	struct http_headers *h = http_headers_copy(u->bound_get ? u->bound_get : u->plain_get);

	if (s->last_id.len > 0 && http_headers_add(h, "Last-Event-ID", s->last_id.data) != OK) {
		http_headers_drop(h);
		return NULL;
	}
	return h;
}

void stream_open(struct stream *s)
{
	struct http_headers *h = headers_of(s);

	loop_timer_clear(&s->timer);
	if (!h) {
		s->tries = STREAM_MAX_TRIES;
		loop_timer_set(s->u->o.loop, &s->timer, 0);
		return;
	}
	s->seen_before = s->seen_n;
	s->tries++;
	s->opened_us = clock_mono_us();
	s->is_over = false;
	s->is_on_wire = true;
	s->request = (struct http_request){ .method = "GET", .headers = h, .is_apart = true, .head = on_head, .body = on_body,
		.done = on_done };
	http_start(s->http, &s->request);
	http_headers_drop(h);                   /* the request holds them */
}

/* ---- and the next ----------------------------------------------------------------------------------------------------------- */

static void open_again(struct loop_timer *t)
{
	struct stream *s = container_of(t, struct stream, timer);

	if (s->tries >= STREAM_MAX_TRIES)
		s->ended(s, STREAM_GIVEN_UP, 0);
	else
		stream_open(s);
}

static int64_t next_pause_ms(struct stream *s)
{
	int64_t ms = s->pause_ms, asked = s->retry_ms > MAX_RETRY_MS ? MAX_RETRY_MS : s->retry_ms;

	if (s->tries < 2 && asked >= 0)
		return asked < MIN_RETRY_MS ? MIN_RETRY_MS : asked;
	s->pause_ms = ms * 3 / 2 < MAX_PAUSE_MS ? ms * 3 / 2 : MAX_PAUSE_MS;
	return ms > asked ? ms : asked;
}

void stream_open_later(struct stream *s)
{
	loop_timer_set(s->u->o.loop, &s->timer, s->tries >= STREAM_MAX_TRIES ? 0 : next_pause_ms(s));
}

bool stream_is_active(const struct stream *s)
{
	return s->u && (s->is_on_wire || !list_is_empty(&s->timer.node));
}

void stream_init(struct stream *s, struct http_upstream *u, struct http *http)
{
	*s = (struct stream){ .u = u, .http = http, .retry_ms = -1, .pause_ms = FIRST_PAUSE_MS, .cause = "" };
	buf_init(&s->last_id, MAX_ID_BYTES);
	loop_timer_init(&s->timer, open_again);
}

void stream_stop(struct stream *s)
{
	loop_timer_clear(&s->timer);
	if (s->is_on_wire)
		http_cancel(&s->request);
	if (s->is_open)
		sse_release(&s->sse);
	s->is_on_wire = s->is_open = false;
	s->seen_n = s->seen_before = 0;
	s->tries = 0;
	s->retry_ms = -1;
	s->pause_ms = FIRST_PAUSE_MS;
	buf_clear(&s->last_id);
}

void stream_release(struct stream *s)
{
	if (!s->u)
		return;
	stream_stop(s);
	buf_release(&s->last_id);
}

void stream_resume(struct stream *s)
{
	if (s->is_on_wire)
		http_resume(&s->request);
}
