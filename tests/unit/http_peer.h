/* http_peer - a small HTTP server on a free loopback port for tests: each connection is served by a function of the test in a thread of
 * its own, so it can answer, stall, lie and break off as it likes. */
#pragma once
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/xalloc.h"
#include "net/loop.h"

#define HTTP_PEER_MAX_CONNECTIONS 2048

struct http_peer;
struct conn {
	struct http_peer *peer;
	int fd, number;                /* of the connection, from 0 */
	int request;                   /* of the request on it, from 0; -1 before the first */
	struct buf in;
	char head[16384];              /* of the request just read */
	char *body;                    /* NUL-terminated; lives until the next request */
	pthread_t thread;
};
struct http_peer {
	void (*serve)(struct conn *c);
	int fd, port;
	char url[64];
	atomic_int arrivals;           /* requests read whole */
	atomic_int connections, closed;
	atomic_bool is_over;
	struct conn *conns[HTTP_PEER_MAX_CONNECTIONS];
	pthread_t acceptor;
};

static inline void conn_send(struct conn *c, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		at += sent;
		n -= (size_t)sent;
	}
}

static inline void conn_say(struct conn *c, const char *text)
{
	conn_send(c, text, strlen(text));
}

static inline void PRINTF_LIKE(3, 4) conn_answer(struct conn *c, const char *head, const char *fmt, ...)
{
	char body[8192], all[20000];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(body, sizeof(body), fmt, ap);
	va_end(ap);
	(void)snprintf(all, sizeof(all), "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", head, n, body);
	conn_say(c, all);
}

static inline bool conn_read_more(struct conn *c)
{
	char chunk[65536];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);

	return n > 0 && buf_append(&c->in, chunk, (size_t)n);
}

static inline bool conn_header_is(const struct conn *c, const char *line)
{
	return strcasestr(c->head, line) != NULL;
}

/* Reads one request whole. False at the end of the connection. */
static inline bool conn_request(struct conn *c)
{
	char *end;

	while (!(end = c->in.data ? strstr(c->in.data, "\r\n\r\n") : NULL))
		if (!conn_read_more(c))
			return false;
	size_t head_n = (size_t)(end - c->in.data) + 4;
	(void)snprintf(c->head, sizeof(c->head), "%.*s", (int)head_n, c->in.data);
	const char *length = strcasestr(c->head, "\r\nContent-Length:");
	size_t body_n = length ? strtoul(length + 17, NULL, 10) : 0;
	while (c->in.len < head_n + body_n)
		if (!conn_read_more(c))
			return false;
	free(c->body);
	c->body = xstrndup(c->in.data + head_n, body_n);
	buf_consume(&c->in, head_n + body_n);
	c->request++;
	atomic_fetch_add(&c->peer->arrivals, 1);
	return true;
}

/* Until the other side hangs up. */
static inline void conn_wait_closed(struct conn *c)
{
	while (conn_read_more(c))
		buf_clear(&c->in);
}

static inline void *http_peer_serve(void *arg)
{
	struct conn *c = arg;

	c->peer->serve(c);
	(void)shutdown(c->fd, SHUT_RDWR);
	atomic_fetch_add(&c->peer->closed, 1);
	return NULL;
}

static inline void *http_peer_main(void *arg)
{
	struct http_peer *p = arg;
	int fd;

	while ((fd = accept(p->fd, NULL, NULL)) >= 0 && !atomic_load(&p->is_over)) {
		struct conn *c = xcalloc(1, sizeof(*c));
		int number = atomic_load(&p->connections);
		c->peer = p;
		c->fd = fd;
		c->number = number;
		c->request = -1;
		buf_init(&c->in, 64 << 20);
		p->conns[number] = c;
		ck_assert_int_eq(pthread_create(&c->thread, NULL, http_peer_serve, c), 0);
		atomic_store(&p->connections, number + 1);
	}
	close_fdp(&fd);
	return NULL;
}

static inline struct http_peer *http_peer_new(void (*serve)(struct conn *c))
{
	struct http_peer *p = xcalloc(1, sizeof(*p));
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);

	p->serve = serve;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(p->fd, 0);
	ck_assert_int_eq(bind(p->fd, (struct sockaddr *)&at, n), 0);
	ck_assert_int_eq(getsockname(p->fd, (struct sockaddr *)&at, &n), 0);
	ck_assert_int_eq(listen(p->fd, 64), 0);
	p->port = ntohs(at.sin_port);
	(void)snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d/mcp", p->port);
	ck_assert_int_eq(pthread_create(&p->acceptor, NULL, http_peer_main, p), 0);
	return p;
}

static inline void http_peer_free(struct http_peer *p)
{
	atomic_store(&p->is_over, true);
	(void)shutdown(p->fd, SHUT_RDWR);
	(void)pthread_join(p->acceptor, NULL);
	for (int i = 0; i < atomic_load(&p->connections); i++) {
		struct conn *c = p->conns[i];
		(void)shutdown(c->fd, SHUT_RDWR);
		(void)pthread_join(c->thread, NULL);
		close_fdp(&c->fd);
		buf_release(&c->in);
		free(c->body);
		free(c);
	}
	close_fdp(&p->fd);
	free(p);
}

/* ---- the other end: a loop that is turned until something is so --------------------------------------------------------- */

#define DEADLINE_MS 20000

static struct loop *l;
static struct http_peer *p;

static inline void out_of_time(struct loop_timer *t)
{
	(void)t;
	ck_abort_msg("nothing happened in time");
}

#define TURN_UNTIL(condition)                                        \
	do {                                                         \
		struct loop_timer deadline;                          \
		loop_timer_init(&deadline, out_of_time);             \
		loop_timer_set(l, &deadline, DEADLINE_MS);           \
		while (!(condition)) {                               \
			loop_hurry(l); /* some look at the peer */   \
			loop_turn(l);                                \
		}                                                    \
		loop_timer_clear(&deadline);                         \
	} while (0)
