/* httpd_kit - a server on a loop of the test's own, what its handler does, and raw connections to it. */
#pragma once
#include "broker/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "unit/scratch.h"
#include "unit/unit.h"

#define HANG_MS 20000

static char *folder;
static struct loop *loop;
static struct httpd *server;
static struct sockaddr_storage address;
static socklen_t address_size;
static struct httpd_request *kept;       /* by the handler, when it was told to */
static bool is_keeping, is_streaming;
static struct httpd_stream *stream;      /* the last one begun */
static unsigned handled, streams, closed;
static int64_t limit_ms;                 /* both of the server's timeouts */

static inline void say(struct httpd_request *r, unsigned status)
{
	char body[600];
	int n = snprintf(body, sizeof(body), "%s %s q=%s h=%s local=%d uid=%d from=%s body=%.*s", r->method, r->path,
		httpd_query(r, "q") ? httpd_query(r, "q") : "-", httpd_header(r, "X-Mine") ? httpd_header(r, "X-Mine") : "-", r->is_local,
		r->is_local && r->uid == getuid(), r->address, (int)(r->body.len < 200 ? r->body.len : 200), r->body.at ? r->body.at : "");

	httpd_answer(r, &(struct httpd_answer){ .status = status, .type = "text/plain", .body = { body, (size_t)n } });
}

static inline void on_closed(void *arg)
{
	(void)arg;
	closed++;
	stream = NULL;
}

static inline void handle(void *arg, struct httpd_request *r)
{
	const struct httpd_stream_options o = { .type = "text/event-stream", .closed = on_closed };

	(void)arg;
	handled++;
	if (is_streaming && (stream = httpd_stream_begin(r, &o)))
		streams++;
	else if (is_keeping)
		kept = r;
	else
		say(r, 200);
}

static inline void start(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", folder);
	address_size = family == AF_INET ? sizeof(in) : sizeof(un);
	ck_assert_int_eq(bind(fd, family == AF_INET ? (void *)&in : (void *)&un, address_size), 0);
	address_size = sizeof(address);
	ck_assert_int_eq(getsockname(fd, (void *)&address, &address_size), 0);
	ck_assert_int_eq(listen(fd, 1024), 0);
	struct httpd_options o = { .loop = loop, .fd = fd, .is_local = family == AF_UNIX, .handle = handle,
		.read_timeout_ms = limit_ms, .write_timeout_ms = limit_ms };
	ck_assert_int_eq(httpd_new(&o, &server), OK);
}

static inline void setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	folder = scratch_new();
	ck_assert_int_eq(loop_new(&loop), OK);
	is_keeping = is_streaming = false;
	kept = NULL;
	stream = NULL;
	handled = streams = closed = 0;
	limit_ms = 0;
	start(AF_INET);
}

static inline void teardown(void)
{
	httpd_free(server);
	server = NULL;
	loop_free(loop);
	scratch_remove(folder);
}

static inline int dial(void)
{
	int fd = socket(address.ss_family, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (void *)&address, address_size), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static inline void nothing(struct loop_timer *t)
{
	(void)t;
}

static inline void turn(void)
{
	struct loop_timer tick;

	loop_timer_init(&tick, nothing);
	loop_timer_set(loop, &tick, 5);
	loop_turn(loop);
	loop_timer_clear(&tick);
}

/* Turns the loop until the text stands in what came, or the server closed. Owned. */
static inline char *hear(int fd, const char *until)
{
	struct buf got;
	int64_t end = clock_mono_us() + HANG_MS * 1000;

	buf_init(&got, 1 << 20);
	for (;;) {
		char part[4096];
		ssize_t n = read(fd, part, sizeof(part));
		if (n > 0)
			ck_assert(buf_append(&got, part, (size_t)n));
		else if (n == 0)
			break;
		if (got.len > 0 && until && strstr(got.data, until))
			break;
		ck_assert_msg(clock_mono_us() < end, "no answer; so far: %s", got.len ? got.data : "");
		turn();
	}
	char *text = xstrndup(got.len ? got.data : "", got.len);
	buf_release(&got);
	return text;
}

static inline void tell(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(fd, bytes, n);
		if (sent < 0) {
			turn();
			continue;
		}
		bytes += sent;
		n -= (size_t)sent;
	}
}

/* One request on a connection of its own, which the server closes then; owned. */
static inline char *ask(const char *request)
{
	static const char last[] = "Connection: close\r\n";
	const char *headers = strstr(request, "\r\n") + 2;
	int fd = dial();

	tell(fd, request, (size_t)(headers - request));
	tell(fd, last, sizeof(last) - 1);
	tell(fd, headers, strlen(headers));
	char *answer = hear(fd, NULL);
	close(fd);
	return answer;
}

static inline void expect(const char *request, const char *status, const char *in_body)
{
	char *answer = ask(request);

	ck_assert_msg(strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, status, strlen(status)) == 0, "%s -> %s", request, answer);
	ck_assert_msg(strstr(answer, in_body) != NULL, "%s", answer);
	free(answer);
}
