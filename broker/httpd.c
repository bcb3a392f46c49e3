#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "base/log.h"
#include "base/peer.h"
#include "base/xalloc.h"
#include "broker/httpd_parts.h"

#define DEFAULT_TIMEOUT_MS 300000

/* ---- answers ---------------------------------------------------------------------------------------------------------------------- */

static struct MHD_Response *response_of(const struct httpd_answer *a)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(a->body.len, (void *)(uintptr_t)a->body.at, MHD_RESPMEM_MUST_COPY);

	if (!r)
		return NULL;
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (a->type)
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	for (const struct httpd_field *f = a->fields; f && f->name; f++)
		(void)MHD_add_response_header(r, f->name, f->value);
	return r;
}

static struct httpd_answer short_answer(unsigned status, struct buf *body, const char *why)
{
	static const struct httpd_field close_it[] = { { MHD_HTTP_HEADER_CONNECTION, "close" }, { NULL, NULL } };

	if (!buf_printf(body, "{\"error\":\"%s\"}\n", why))
		buf_clear(body);
	return (struct httpd_answer){ status, "application/json", buf_span(body), close_it };
}

/* On libmicrohttpd's thread: before anything was read of the body, or after all of it. */
static enum MHD_Result refuse(struct exchange *x, unsigned status, const char *why)
{
	CLEANUP(buf_release) struct buf body = { 0 };

	line_limit(x->line, LIMIT_WRITE);
	buf_init(&body, 512);
	struct httpd_answer a = short_answer(status, &body, why);
	struct MHD_Response *r = response_of(&a);
	enum MHD_Result result = r ? MHD_queue_response(x->connection, status, r) : MHD_NO;
	if (r)
		MHD_destroy_response(r);
	return result;
}

static void wake_it(struct exchange *x)
{
	struct httpd *h = x->h;

	pthread_mutex_lock(&h->lock);
	list_remove(&x->node);
	x->stage = STAGE_ANSWERED;
	MHD_resume_connection(x->connection);   /* x may be gone from here on */
	pthread_mutex_unlock(&h->lock);
}

static void free_inquiry(struct inquiry *q)
{
	if (!q)
		return;
	buf_release(&q->body);
	free(q->path);
	free(q->method);
	free(q);
}

void httpd_answer_with(struct httpd_request *request, unsigned status, struct MHD_Response *response)
{
	struct inquiry *q = container_of(request, struct inquiry, request);
	struct exchange *x = q->exchange;

	if (x) {
		x->response = response;
		x->status = status;
		x->h->told_n--;
		wake_it(x);
	} else if (response) {
		MHD_destroy_response(response);
	}
	free_inquiry(q);
}

void httpd_answer(struct httpd_request *request, const struct httpd_answer *a)
{
	httpd_answer_with(request, a->status, response_of(a));
}

/* ---- requests, on libmicrohttpd's thread ---------------------------------------------------------------------------------------------- */

static struct line *line_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* False: too much is in memory already. */
static bool may_grow_to(struct exchange *x, size_t bytes)
{
	struct httpd *h = x->h;
	size_t big = bytes > HTTPD_SMALL_BODY ? bytes - HTTPD_SMALL_BODY : 0;

	pthread_mutex_lock(&h->lock);
	bool fits = h->big_bytes - x->big_bytes + big <= HTTPD_BIG_BODIES;
	if (fits) {
		h->big_bytes = h->big_bytes - x->big_bytes + big;
		x->big_bytes = big;
	}
	pthread_mutex_unlock(&h->lock);
	return fits;
}

static void *begin(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->h = arg;
	x->connection = connection;
	x->line = line_of(connection);
	x->inquiry = xcalloc(1, sizeof(*x->inquiry));
	x->inquiry->exchange = x;
	x->has_plain_target = framing_target_is_plain(span_of(target));
	list_init(&x->node);
	buf_init(&x->inquiry->body, HTTPD_MAX_BODY);
	line_limit(x->line, LIMIT_READ);
	return x;
}

static void end(void *arg, struct MHD_Connection *connection, void **exchange, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *exchange;

	(void)arg, (void)connection, (void)why;
	if (!x)
		return;
	*exchange = NULL;
	line_limit(x->line, LIMIT_READ);
	(void)may_grow_to(x, 0);
	if (x->response)
		MHD_destroy_response(x->response);
	if (!x->is_told)
		free_inquiry(x->inquiry);
	free(x);
}

static enum MHD_Result note_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct exchange *x = arg;

	(void)kind;
	framing_note(&x->framing, span_of(name), span_of(value ? value : ""));
	return MHD_YES;
}

/* What the headers say of a body that is too long; chunked ones are only known when they are. */
static bool is_too_long(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text && (strlen(text) > 18 || strtoull(text, NULL, 10) > HTTPD_MAX_BODY);
}

static void note_caller(struct httpd_request *r, const struct exchange *x)
{
	struct sockaddr_storage here = { 0 };
	socklen_t size = sizeof(here);

	r->is_local = x->h->o.is_local;
	r->uid = (uid_t)-1;
	if (!x->line)
		return;
	if (r->is_local) {
		if (peer_uid(x->line->fd, &r->uid) != OK)
			r->uid = (uid_t)-1;
		snprintf(r->address, sizeof(r->address), "uid:%lld", (long long)(int64_t)r->uid);
		return;
	}
	snprintf(r->address, sizeof(r->address), "%s", x->line->address);
	if (getsockname(x->line->fd, (void *)&here, &size) == 0)
		line_write_address((const void *)&here, size, r->here, sizeof(r->here));
}

static enum MHD_Result take_head(struct exchange *x, const char *path, const char *method)
{
	(void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, note_header, x);
	const char *fault = x->has_plain_target ? framing_fault(&x->framing) : "the request target holds what no path holds";
	if (fault)
		return refuse(x, MHD_HTTP_BAD_REQUEST, fault);
	if (is_too_long(x->connection))
		return refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than 1 MiB");
	x->inquiry->path = xstrdup(path);
	x->inquiry->method = xstrdup(method);
	note_caller(&x->inquiry->request, x);
	x->stage = STAGE_READING;
	return MHD_YES;
}

void httpd_ring(struct httpd *h)
{
	while (write(h->bell[1], "", 1) < 0 && errno == EINTR)
		;                                   /* full: it rings already */
}

/* To the loop's thread; until it answers, the connection sleeps. */
static enum MHD_Result hand_over(struct exchange *x)
{
	struct httpd *h = x->h;
	struct inquiry *q = x->inquiry;

	q->request.method = q->method;
	q->request.path = q->path;
	q->request.body = buf_span(&q->body);
	line_limit(x->line, LIMIT_NONE);
	pthread_mutex_lock(&h->lock);
	bool is_closing = h->is_closing;
	if (!is_closing) {
		x->stage = STAGE_WAITING;
		list_append(&h->waiting, &x->node);
		MHD_suspend_connection(x->connection);
		httpd_ring(h);
	}
	pthread_mutex_unlock(&h->lock);
	return is_closing ? refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "the broker is ending") : MHD_YES;
}

static enum MHD_Result send_answer(struct exchange *x)
{
	line_limit(x->line, LIMIT_WRITE);
	return x->response ? MHD_queue_response(x->connection, x->status, x->response) : MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                                  const char *bytes, size_t *n, void **exchange)
{
	struct exchange *x = *exchange;

	(void)arg, (void)connection, (void)version;
	switch (x->stage) {
	case STAGE_NEW:
		return take_head(x, path, method);
	case STAGE_READING:
		if (*n == 0)
			return hand_over(x);
		if (!may_grow_to(x, x->inquiry->body.len + *n) || !buf_append(&x->inquiry->body, bytes, *n))
			return MHD_NO;              /* too many large ones, or chunked without end: the connection is closed */
		*n = 0;
		return MHD_YES;
	case STAGE_WAITING:
		return MHD_YES;
	case STAGE_ANSWERED:
		break;
	}
	return send_answer(x);
}

/* ---- requests, on the loop's thread ---------------------------------------------------------------------------------------------------- */

static struct MHD_Connection *connection_of(const struct httpd_request *r)
{
	const struct inquiry *q = container_of(r, struct inquiry, request);

	return q->exchange ? q->exchange->connection : NULL;
}

const char *httpd_header(const struct httpd_request *r, const char *name)
{
	struct MHD_Connection *c = connection_of(r);

	return c ? MHD_lookup_connection_value(c, MHD_HEADER_KIND, name) : NULL;
}

struct counted { const char *name; unsigned n; };

static enum MHD_Result count(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct counted *c = arg;

	(void)kind, (void)value;
	c->n += strcasecmp(name, c->name) == 0;
	return MHD_YES;
}

unsigned httpd_header_count(const struct httpd_request *r, const char *name)
{
	struct MHD_Connection *c = connection_of(r);
	struct counted counted = { name, 0 };

	if (c)
		(void)MHD_get_connection_values(c, MHD_HEADER_KIND, count, &counted);
	return counted.n;
}

const char *httpd_query(const struct httpd_request *r, const char *name)
{
	struct MHD_Connection *c = connection_of(r);

	return c ? MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name) : NULL;
}

struct visit { httpd_query_fn *fn; void *arg; bool is_stopped; };

static enum MHD_Result visit_one(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct visit *v = arg;

	(void)kind;
	v->is_stopped = !v->fn(v->arg, name, value);
	return v->is_stopped ? MHD_NO : MHD_YES;
}

bool httpd_query_each(const struct httpd_request *r, httpd_query_fn *fn, void *arg)
{
	struct MHD_Connection *c = connection_of(r);
	struct visit v = { fn, arg, false };

	if (c)
		(void)MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, visit_one, &v);
	return !v.is_stopped;
}

/* The handler's from now on. */
static struct inquiry *next_untold(struct httpd *h)
{
	struct exchange *found = NULL;
	struct inquiry *q = NULL;

	pthread_mutex_lock(&h->lock);
	list_for_each(x, &h->waiting, struct exchange, node) {
		if (found)
			break;
		if (!x->is_told)
			found = x;
	}
	if (found) {
		found->is_told = true;
		list_remove(&found->node);      /* behind all others, so that the search stays short */
		list_append(&h->waiting, &found->node);
		q = found->inquiry;
		h->told_n++;
	}
	pthread_mutex_unlock(&h->lock);
	return q;
}

static void ring(struct loop_source *s, short events)
{
	struct httpd *h = container_of(s, struct httpd, source);
	char drained[64];

	(void)events;
	while (read(h->bell[0], drained, sizeof(drained)) > 0)
		;
	stream_tell(h);
	line_watch(h);
	for (struct inquiry *q; (q = next_untold(h));)
		h->o.handle(h->o.arg, &q->request);
}

static void sweep(struct loop_timer *t)
{
	struct httpd *h = container_of(t, struct httpd, timer);

	line_sweep(h);
	line_watch(h);
}

static short want_ring(struct loop_source *s)
{
	(void)s;
	return POLLIN;
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------------- */

/* Threads besides the loop's take no signals: the write gate holds some off, and must be alone in that. */
static struct MHD_Daemon *start_quietly(struct httpd *h)
{
	bool has_epoll = MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME | (has_epoll ? MHD_USE_EPOLL : MHD_USE_POLL);
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	struct MHD_Daemon *d = MHD_start_daemon(flags, 0, line_may_come, h, on_request, h, MHD_OPTION_LISTEN_SOCKET, h->o.fd,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTPD_MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTPD_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, line_note, h,
		MHD_OPTION_URI_LOG_CALLBACK, begin, h, MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return d;
}

static bool open_bell(struct httpd *h)
{
	if (pipe(h->bell) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		if (fcntl(h->bell[i], F_SETFL, O_NONBLOCK) != 0 || fcntl(h->bell[i], F_SETFD, FD_CLOEXEC) != 0)
			return false;
	return true;
}

static void release(struct httpd *h)
{
	close_fdp(&h->bell[0]);
	close_fdp(&h->bell[1]);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static void set_timeouts(struct httpd *h, int64_t read_ms, int64_t write_ms)
{
	h->o.read_timeout_ms = read_ms > 0 ? read_ms : DEFAULT_TIMEOUT_MS;
	h->o.write_timeout_ms = write_ms > 0 ? write_ms : DEFAULT_TIMEOUT_MS;
}

void httpd_set_timeouts(struct httpd *h, int64_t read_timeout_ms, int64_t write_timeout_ms)
{
	pthread_mutex_lock(&h->lock);
	set_timeouts(h, read_timeout_ms, write_timeout_ms);
	pthread_mutex_unlock(&h->lock);
}

enum err httpd_new(const struct httpd_options *o, struct httpd **out)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->o = *o;
	set_timeouts(h, o->read_timeout_ms, o->write_timeout_ms);
	h->bell[0] = h->bell[1] = -1;
	list_init(&h->waiting);
	list_init(&h->lines);
	list_init(&h->streams);
	loop_timer_init(&h->timer, sweep);
	pthread_mutex_init(&h->lock, NULL);
	h->daemon = open_bell(h) ? start_quietly(h) : NULL;
	if (!h->daemon) {
		close_fdp(&h->o.fd);
		release(h);
		return ERR_IO;
	}
	h->source = (struct loop_source){ .fd = h->bell[0], .want = want_ring, .ready = ring };
	loop_add(o->loop, &h->source);
	*out = h;
	return OK;
}

/* Nobody may sleep when the daemon is stopped: libmicrohttpd panics. What a handler has stays its own, and leads nowhere now. */
static void wake_all(struct httpd *h)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	struct exchange *x;

	buf_init(&body, 512);
	struct httpd_answer a = short_answer(MHD_HTTP_SERVICE_UNAVAILABLE, &body, "the broker is ending");
	pthread_mutex_lock(&h->lock);
	h->is_closing = true;
	pthread_mutex_unlock(&h->lock);
	while ((x = list_first(&h->waiting, struct exchange, node))) {  /* only we take from it, and nobody adds any more */
		x->inquiry->exchange = NULL;
		x->response = response_of(&a);
		x->status = a.status;
		wake_it(x);
	}
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	loop_remove(&h->source);
	loop_timer_clear(&h->timer);
	wake_all(h);
	stream_end_all(h);
	/* MHD_epoll of libmicrohttpd 0.9.75 takes events in lots of 128 and, after a lot that is exactly full, waits for one more without limit
	 * before it looks at any. When its wake-up for the end is in such a lot (256 clients that hang up in that instant), it sleeps on, and
	 * the broker ends by its hard end, as if it had been killed. Its poll is no way out: it drops clients that shut down their sending. */
	MHD_stop_daemon(h->daemon);
	stream_tell(h);
	release(h);
}

void httpd_quiet(struct httpd *h)
{
	MHD_socket fd = MHD_quiesce_daemon(h->daemon);

	if (fd != MHD_INVALID_SOCKET)
		(void)close(fd);                /* ours again */
}

bool httpd_is_busy(const struct httpd *h)
{
	return h->told_n > 0 || h->streams_n > 0;
}
