/* bench_bridge - the floor: stdio to HTTP over raw sockets, no JSON, no rules, no library. Only good for bench_backend.
 * usage: bench_bridge PORT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/xalloc.h"
#include "base/buf.h"

#define MAX_IN_FLIGHT 64
#define MAX_BYTES     (64 * 1024 * 1024)

struct lane { /* one keep-alive connection with at most one request on it */
	int fd;
	bool is_busy;
	struct buf in;
};

static struct lane lanes[MAX_IN_FLIGHT];
static int port;

static void say(bool ok)
{
	if (!ok)
		abort();
}

static void write_all(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, at, n);
		say(w > 0);
		at += w;
		n -= (size_t)w;
	}
}

static void lane_open(struct lane *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	say(l->fd >= 0 && connect(l->fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	say(setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	buf_init(&l->in, MAX_BYTES);
}

static struct lane *lane_free(void)
{
	for (int i = 0; i < MAX_IN_FLIGHT; i++)
		if (!lanes[i].is_busy)
			return &lanes[i];
	return NULL;
}

static void lane_post(struct lane *l, const char *line, size_t n)
{
	static struct buf request;

	request.cap_bytes = MAX_BYTES;
	buf_clear(&request);
	say(buf_printf(&request, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
				 "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n\r\n", n));
	say(buf_append(&request, line, n));
	if (l->fd <= 0)
		lane_open(l);
	l->is_busy = true;
	write_all(l->fd, request.data, request.len);
}

static void lane_read(struct lane *l)
{
	char *room = buf_reserve(&l->in, 256 * 1024);
	say(room != NULL);
	ssize_t n = read(l->fd, room, 256 * 1024);
	say(n > 0);
	buf_added(&l->in, (size_t)n);
	char *end = memmem(l->in.data, l->in.len, "\r\n\r\n", 4);
	if (!end)
		return;
	const char *at = strcasestr(l->in.data, "content-length:");
	size_t head = (size_t)(end - l->in.data) + 4, length = at ? (size_t)strtoull(at + 15, NULL, 10) : 0;
	if (l->in.len < head + length)
		return;
	if (length > 0) {
		l->in.data[head + length] = '\n'; /* the place of the NUL that buf keeps */
		write_all(STDOUT_FILENO, l->in.data + head, length + 1);
	}
	buf_clear(&l->in);
	l->is_busy = false;
}

/* Sends the whole lines at hand while lanes are free; false at the end of stdin. */
static void send_lines(struct buf *in)
{
	char *nl;
	struct lane *l;

	while ((l = lane_free()) && in->len && (nl = memchr(in->data, '\n', in->len))) {
		size_t n = (size_t)(nl - in->data);
		lane_post(l, in->data, n);
		buf_consume(in, n + 1);
	}
}

static bool read_stdin(struct buf *in)
{
	char *room = buf_reserve(in, 256 * 1024);
	say(room != NULL);
	ssize_t n = read(STDIN_FILENO, room, 256 * 1024);
	if (n <= 0)
		return false;
	buf_added(in, (size_t)n);
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd fds[MAX_IN_FLIGHT + 1];
	struct buf in;

	say(argc == 2);
	port = (int)strtol(argv[1], NULL, 10);
	buf_init(&in, MAX_BYTES);
	for (;;) {
		send_lines(&in);
		fds[0] = (struct pollfd){ .fd = lane_free() ? STDIN_FILENO : -1, .events = POLLIN };
		for (int i = 0; i < MAX_IN_FLIGHT; i++)
			fds[i + 1] = (struct pollfd){ .fd = lanes[i].is_busy ? lanes[i].fd : -1, .events = POLLIN };
		poll(fds, ARRAY_LEN(fds), -1);
		for (int i = 0; i < MAX_IN_FLIGHT; i++)
			if (fds[i + 1].revents)
				lane_read(&lanes[i]);
		if (fds[0].revents && !read_stdin(&in))
			return 0;
	}
}
