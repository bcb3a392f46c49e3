/* httpd_line - connections: how many an address may have, and how long each may take. */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/httpd_parts.h"

#define SWEEP_MOST_MS  1000
#define SWEEP_LEAST_MS 20

void line_write_address(const struct sockaddr *at, socklen_t size, char *out, size_t out_size)
{
	static const char mapped[] = "::ffff:";         /* IPv4 at a socket of both families (RFC 4291 2.5.5.2) */

	if (!at || getnameinfo(at, size, out, (socklen_t)out_size, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(out, out_size, "?");
	if (strncmp(out, mapped, strlen(mapped)) == 0 && strchr(out, '.'))
		memmove(out, out + strlen(mapped), strlen(out + strlen(mapped)) + 1);
}

/* ---- libmicrohttpd's thread ------------------------------------------------------------------------------------------------------ */

enum MHD_Result line_may_come(void *arg, const struct sockaddr *from, socklen_t size)
{
	struct httpd *h = arg;
	unsigned n = 0;
	char address[64];

	if (h->o.is_local)
		return MHD_YES;
	line_write_address(from, size, address, sizeof(address));
	pthread_mutex_lock(&h->lock);
	list_for_each(l, &h->lines, struct line, node)
		n += !l->stream && strcmp(l->address, address) == 0;
	pthread_mutex_unlock(&h->lock);
	return n < HTTPD_MAX_PER_ADDRESS ? MHD_YES : MHD_NO;
}

void line_limit_locked(struct line *l, enum line_limit limit)
{
	const struct httpd_options *o = &l->h->o;
	int64_t in_ms = limit == LIMIT_READ ? o->read_timeout_ms : o->write_timeout_ms;

	l->due_us = limit == LIMIT_NONE || l->stream ? 0 : clock_mono_us() + in_ms * 1000;
}

void line_limit(struct line *l, enum line_limit limit)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->h->lock);
	line_limit_locked(l, limit);
	pthread_mutex_unlock(&l->h->lock);
}

static struct line *begin(struct httpd *h, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *from = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct line *l = xcalloc(1, sizeof(*l));

	l->h = h;
	l->fd = fd ? fd->connect_fd : -1;
	if (!h->o.is_local && from) {
		bool is_6 = from->client_addr->sa_family == AF_INET6;
		line_write_address(from->client_addr, is_6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), l->address, sizeof(l->address));
	}
	pthread_mutex_lock(&h->lock);
	bool is_first = list_is_empty(&h->lines);
	line_limit_locked(l, LIMIT_READ);
	list_append(&h->lines, &l->node);
	pthread_mutex_unlock(&h->lock);
	if (is_first)
		httpd_ring(h);
	return l;
}

/* libmicrohttpd closes the descriptor after this, so whoever finds the line in the list may use it. */
static void finish(struct httpd *h, struct line *l)
{
	pthread_mutex_lock(&h->lock);
	list_remove(&l->node);
	if (l->stream)
		l->stream->line = NULL;
	pthread_mutex_unlock(&h->lock);
	free(l);
}

void line_note(void *arg, struct MHD_Connection *connection, void **line, enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*line = begin(arg, connection);
	} else if (*line) {
		finish(arg, *line);
		*line = NULL;
	}
}

/* ---- the loop's thread --------------------------------------------------------------------------------------------------------------- */

/* libmicrohttpd sees the end of the connection and cleans up. */
static void cut(struct line *l)
{
	log_debug("httpd.cut", "from=%s", l->h->o.is_local ? "local" : l->address);
	(void)shutdown(l->fd, SHUT_RDWR);
	l->due_us = 0;
}

static bool has_gone(const struct line *l)
{
	char byte;

	return recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void look_at_stream(struct line *l, int64_t now)
{
	struct httpd_stream *s = l->stream;

	bool is_stuck = s->stuck_since_us && now - s->stuck_since_us > l->h->o.write_timeout_ms * 1000;

	if (is_stuck || (s->is_asleep && has_gone(l)))
		stream_cut(s);
	if (s->is_cut)
		cut(l);
}

void line_sweep(struct httpd *h)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&h->lock);
	list_for_each(l, &h->lines, struct line, node) {
		if (l->stream)
			look_at_stream(l, now);
		else if (l->due_us && l->due_us < now)
			cut(l);
	}
	pthread_mutex_unlock(&h->lock);
}

static int64_t sweep_in_ms(const struct httpd *h)
{
	int64_t least = h->o.read_timeout_ms < h->o.write_timeout_ms ? h->o.read_timeout_ms : h->o.write_timeout_ms;
	int64_t part = least / 8;

	return part > SWEEP_MOST_MS ? SWEEP_MOST_MS : part < SWEEP_LEAST_MS ? SWEEP_LEAST_MS : part;
}

void line_watch(struct httpd *h)
{
	pthread_mutex_lock(&h->lock);
	bool is_needed = !list_is_empty(&h->lines);
	pthread_mutex_unlock(&h->lock);
	if (is_needed)
		loop_timer_set(h->o.loop, &h->timer, sweep_in_ms(h));
}
