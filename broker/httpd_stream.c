/* httpd_stream - answers that go on until somebody ends them. libmicrohttpd takes bytes when the socket has room; when there are none,
 * its connection sleeps and is woken by the next. A sleeping connection is looked at by nobody but line_sweep. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/httpd_parts.h"

#define BLOCK 4096

/* ---- libmicrohttpd's thread ------------------------------------------------------------------------------------------------------ */

static ssize_t give(struct httpd_stream *s, char *out, size_t room)
{
	size_t n = s->bytes.len < room ? s->bytes.len : room;

	memcpy(out, s->bytes.data, n);
	buf_consume(&s->bytes, n);
	s->stuck_since_us = s->bytes.len > 0 ? clock_mono_us() : 0;
	return (ssize_t)n;
}

static ssize_t read_more(void *arg, uint64_t at, char *out, size_t room)
{
	struct httpd_stream *s = arg;
	ssize_t n = 0;

	(void)at;
	pthread_mutex_lock(&s->h->lock);
	if (s->is_cut) {
		n = MHD_CONTENT_READER_END_WITH_ERROR;
	} else if (s->bytes.len > 0) {
		n = give(s, out, room);
	} else if (s->is_ending) {
		n = MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		s->is_asleep = true;
		MHD_suspend_connection(s->connection);
	}
	pthread_mutex_unlock(&s->h->lock);
	return n;
}

static void let_go(void *arg)
{
	struct httpd_stream *s = arg;
	struct httpd *h = s->h;

	pthread_mutex_lock(&h->lock);
	s->connection = NULL;
	s->is_asleep = false;
	if (s->line) {
		s->line->stream = NULL;
		line_limit_locked(s->line, LIMIT_READ);
	}
	s->line = NULL;
	pthread_mutex_unlock(&h->lock);
	httpd_ring(h);
}

/* ---- the loop's thread --------------------------------------------------------------------------------------------------------------- */

static void wake(struct httpd_stream *s)
{
	if (!s->is_asleep)
		return;
	s->is_asleep = false;
	MHD_resume_connection(s->connection);
}

void stream_cut(struct httpd_stream *s)
{
	s->is_cut = true;
	buf_clear(&s->bytes);
	wake(s);
}

static struct MHD_Response *response_of(struct httpd_stream *s)
{
	struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_more, s, let_go);

	if (!r)
		return NULL;
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, s->o.type);
	for (const struct httpd_field *f = s->o.fields; f && f->name; f++)
		(void)MHD_add_response_header(r, f->name, f->value);
	return r;
}

static struct httpd_stream *new_stream(struct exchange *x, const struct httpd_stream_options *o)
{
	struct httpd_stream *s = xcalloc(1, sizeof(*s));

	s->h = x->h;
	s->o = *o;
	s->connection = x->connection;
	s->line = x->line;
	buf_init(&s->bytes, HTTPD_STREAM_BYTES);
	list_init(&s->node);
	return s;
}

static void adopt(struct httpd_stream *s)
{
	struct httpd *h = s->h;

	pthread_mutex_lock(&h->lock);
	list_append(&h->streams, &s->node);
	h->streams_n++;
	if (s->line) {
		s->line->stream = s;
		s->line->due_us = 0;
	}
	pthread_mutex_unlock(&h->lock);
}

struct httpd_stream *httpd_stream_begin(struct httpd_request *r, const struct httpd_stream_options *o)
{
	struct inquiry *q = container_of(r, struct inquiry, request);
	struct exchange *x = q->exchange;

	if (!x || x->h->is_closing || x->h->streams_n >= HTTPD_MAX_STREAMS)
		return NULL;
	struct httpd_stream *s = new_stream(x, o);
	struct MHD_Response *response = response_of(s);
	if (!response) {
		free(s);
		return NULL;
	}
	adopt(s);
	httpd_answer_with(r, MHD_HTTP_OK, response);
	return s;
}

bool httpd_stream_send(struct httpd_stream *s, struct span bytes)
{
	pthread_mutex_lock(&s->h->lock);
	bool fits = s->connection && !s->is_cut && buf_append_span(&s->bytes, bytes);
	if (!fits && s->connection) {
		stream_cut(s);
		loop_timer_set(s->h->o.loop, &s->h->timer, 0);  /* its socket is full: only line_sweep ends it */
	}
	if (fits && bytes.len > 0) {
		if (!s->stuck_since_us)
			s->stuck_since_us = clock_mono_us();
		wake(s);
	}
	pthread_mutex_unlock(&s->h->lock);
	return fits;
}

size_t httpd_stream_waiting(const struct httpd_stream *s)
{
	pthread_mutex_lock(&s->h->lock);
	size_t n = s->bytes.len;
	pthread_mutex_unlock(&s->h->lock);
	return n;
}

/* Under the lock, when libmicrohttpd is done with it. */
static void forget(struct httpd_stream *s)
{
	list_remove(&s->node);
	s->h->streams_n--;
	buf_release(&s->bytes);
	free(s);
}

void httpd_stream_close(struct httpd_stream *s)
{
	struct httpd *h = s->h;

	pthread_mutex_lock(&h->lock);
	s->is_disowned = s->is_ending = true;
	if (s->connection)
		wake(s);
	else
		forget(s);
	pthread_mutex_unlock(&h->lock);
}

/* One whose connection has ended; taken out, so that closed may do what it likes. */
static struct httpd_stream *next_ended(struct httpd *h)
{
	struct httpd_stream *found = NULL;

	pthread_mutex_lock(&h->lock);
	list_for_each(s, &h->streams, struct httpd_stream, node)
		if (!found && !s->connection)
			found = s;
	if (found)
		list_remove(&found->node);
	pthread_mutex_unlock(&h->lock);
	return found;
}

void stream_tell(struct httpd *h)
{
	for (struct httpd_stream *s; (s = next_ended(h));) {
		struct httpd_stream_options o = s->o;
		bool is_owned = !s->is_disowned;
		pthread_mutex_lock(&h->lock);
		forget(s);
		pthread_mutex_unlock(&h->lock);
		if (is_owned)
			o.closed(o.arg);
	}
}

void stream_end_all(struct httpd *h)
{
	pthread_mutex_lock(&h->lock);
	list_for_each(s, &h->streams, struct httpd_stream, node) {
		s->is_ending = true;
		if (s->connection)
			wake(s);
	}
	pthread_mutex_unlock(&h->lock);
}
