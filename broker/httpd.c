#include "broker/httpd.h"
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "base/log.h"
#include "base/peer.h"
#include "base/xalloc.h"
#include "broker/httpd_guard.h"

enum stage { STAGE_NEW, STAGE_READING, STAGE_WAITING, STAGE_ANSWERED };

/* A request on its way: made and freed by libmicrohttpd's thread; while it is WAITING it is the loop's thread's. */
struct exchange {
	struct httpd_request request;
	struct httpd *h;
	struct MHD_Connection *connection;
	struct MHD_Response *response;
	unsigned status;
	enum stage stage;
	bool has_plain_target, is_told;  /* is_told: the handler has it */
	struct framing framing;
	struct buf body;
	char *path, *method;
	struct list node;                /* httpd.waiting */
};

struct httpd {
	struct httpd_options o;
	struct MHD_Daemon *daemon;
	struct loop_source source;
	int bell[2];
	pthread_mutex_t lock;            /* waiting, is_closing, stage of what waits */
	struct list waiting;
	bool is_closing;
};

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
static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
	CLEANUP(buf_release) struct buf body = { 0 };

	buf_init(&body, 512);
	struct httpd_answer a = short_answer(status, &body, why);
	struct MHD_Response *r = response_of(&a);
	enum MHD_Result result = r ? MHD_queue_response(connection, status, r) : MHD_NO;
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

void httpd_answer(struct httpd_request *request, const struct httpd_answer *a)
{
	struct exchange *x = request->internal;

	x->response = response_of(a);
	x->status = a->status;
	wake_it(x);
}

/* ---- requests, on libmicrohttpd's thread ---------------------------------------------------------------------------------------------- */

static void *begin(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->h = arg;
	x->connection = connection;
	x->has_plain_target = framing_target_is_plain(span_of(target));
	list_init(&x->node);
	buf_init(&x->body, HTTPD_MAX_BODY);
	return x;
}

static void end(void *arg, struct MHD_Connection *connection, void **exchange, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *exchange;

	(void)arg, (void)connection, (void)why;
	if (!x)
		return;
	*exchange = NULL;
	if (x->response)
		MHD_destroy_response(x->response);
	buf_release(&x->body);
	free(x->path);
	free(x->method);
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

static void note_peer(struct exchange *x)
{
	struct httpd_request *r = &x->request;
	const union MHD_ConnectionInfo *info;

	r->is_local = x->h->o.is_local;
	r->uid = (uid_t)-1;
	if (r->is_local) {
		info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (!info || peer_uid(info->connect_fd, &r->uid) != OK)
			r->uid = (uid_t)-1;
		snprintf(r->address, sizeof(r->address), "uid:%lld", (long long)(int64_t)r->uid);
		return;
	}
	info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	socklen_t size = info && info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (!info || getnameinfo(info->client_addr, size, r->address, sizeof(r->address), NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(r->address, sizeof(r->address), "?");
}

static enum MHD_Result take_head(struct exchange *x, const char *path, const char *method)
{
	(void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, note_header, x);
	const char *fault = x->has_plain_target ? framing_fault(&x->framing) : "the request target holds what no path holds";
	if (fault)
		return refuse(x->connection, MHD_HTTP_BAD_REQUEST, fault);
	if (is_too_long(x->connection))
		return refuse(x->connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than 1 MiB");
	x->path = xstrdup(path);
	x->method = xstrdup(method);
	note_peer(x);
	x->stage = STAGE_READING;
	return MHD_YES;
}

/* To the loop's thread; until it answers, the connection sleeps. */
static enum MHD_Result hand_over(struct exchange *x)
{
	struct httpd *h = x->h;

	x->request.method = x->method;
	x->request.path = x->path;
	x->request.body = buf_span(&x->body);
	x->request.internal = x;
	pthread_mutex_lock(&h->lock);
	bool is_closing = h->is_closing;
	if (!is_closing) {
		x->stage = STAGE_WAITING;
		list_append(&h->waiting, &x->node);
		MHD_suspend_connection(x->connection);
		while (write(h->bell[1], "", 1) < 0 && errno == EINTR)
			;                           /* full: it rings already */
	}
	pthread_mutex_unlock(&h->lock);
	return is_closing ? refuse(x->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the broker is ending") : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                                  const char *bytes, size_t *n, void **exchange)
{
	struct exchange *x = *exchange;

	(void)arg, (void)version;
	switch (x->stage) {
	case STAGE_NEW:
		return take_head(x, path, method);
	case STAGE_READING:
		if (*n == 0)
			return hand_over(x);
		if (!buf_append(&x->body, bytes, *n))
			return MHD_NO;              /* chunked without end: the connection is closed */
		*n = 0;
		return MHD_YES;
	case STAGE_WAITING:
		return MHD_YES;
	case STAGE_ANSWERED:
		break;
	}
	return x->response ? MHD_queue_response(connection, x->status, x->response) : MHD_NO;
}

/* ---- requests, on the loop's thread ---------------------------------------------------------------------------------------------------- */

const char *httpd_header(const struct httpd_request *r, const char *name)
{
	const struct exchange *x = r->internal;

	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *httpd_query(const struct httpd_request *r, const char *name)
{
	const struct exchange *x = r->internal;

	return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

static struct exchange *next_untold(struct httpd *h)
{
	struct exchange *found = NULL;

	pthread_mutex_lock(&h->lock);
	list_for_each(x, &h->waiting, struct exchange, node) {
		if (!found && !x->is_told)
			found = x;
	}
	if (found) {
		found->is_told = true;
		list_remove(&found->node);      /* behind all others, so that the search stays short */
		list_append(&h->waiting, &found->node);
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

static void ring(struct loop_source *s, short events)
{
	struct httpd *h = container_of(s, struct httpd, source);
	char drained[64];

	(void)events;
	while (read(h->bell[0], drained, sizeof(drained)) > 0)
		;
	for (struct exchange *x; (x = next_untold(h));)
		h->o.handle(h->o.arg, &x->request);
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
	unsigned idle_s = h->o.idle_s ? h->o.idle_s : HTTPD_IDLE_S;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	struct MHD_Daemon *d = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, h->o.fd,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTPD_MAX_CONNECTIONS,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(h->o.is_local ? 0 : HTTPD_MAX_PER_ADDRESS),
		MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTPD_MEMORY,
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

enum err httpd_new(const struct httpd_options *o, struct httpd **out)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->o = *o;
	h->bell[0] = h->bell[1] = -1;
	list_init(&h->waiting);
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

/* Nobody may sleep when the daemon is stopped: libmicrohttpd panics. */
static void wake_all(struct httpd *h)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	struct exchange *x;

	buf_init(&body, 512);
	struct httpd_answer a = short_answer(MHD_HTTP_SERVICE_UNAVAILABLE, &body, "the broker is ending");
	pthread_mutex_lock(&h->lock);
	h->is_closing = true;
	pthread_mutex_unlock(&h->lock);
	while ((x = list_first(&h->waiting, struct exchange, node)))   /* only we take from it, and nobody adds any more */
		httpd_answer(&x->request, &a);
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	loop_remove(&h->source);
	wake_all(h);
	MHD_stop_daemon(h->daemon);
	release(h);
}
