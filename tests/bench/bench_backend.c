/* bench_backend - a fast MCP backend, so that what is measured is the bridge in front of it.
 * usage: bench_backend    prints "port N". One thread, epoll, keep-alive. /mcp: Streamable HTTP, JSON answers, GET refused. /sse: HTTP+SSE
 *        bench_backend --stdio
 * Tools: echo (100 bytes back), take (any arguments, 100 bytes back), give (5 MB of small values back). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/xalloc.h"
#include "data/jsonrpc.h"

#define MAX_REQUEST (64 * 1024 * 1024)
#define BIG_BYTES   (5 * 1024 * 1024)

#define MAX_FD 4096

struct peer {
	int fd, ep;
	struct buf in, out;
	size_t sent;
};

static struct buf big; /* the answer of give, made once */
static struct peer *peers[MAX_FD];

static void say(bool ok)
{
	if (!ok)
		abort();
}

static void big_make(void)
{
	buf_init(&big, BIG_BYTES + 65536);
	say(buf_append_text(&big, "{\"content\":[{\"type\":\"text\",\"text\":\"big\"}],\"structuredContent\":{\"rows\":["));
	for (int i = 0; big.len < BIG_BYTES; i++)
		say(buf_printf(&big, "%s{\"id\":%d,\"name\":\"row %d\",\"ok\":true,\"score\":%d.5}", i ? "," : "", i, i, i % 100));
	say(buf_append_text(&big, "]}}"));
}

static struct span result_of(const struct jsonrpc *m)
{
	if (strcmp(m->method, "initialize") == 0)
		return SPAN("{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
			    "\"serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}}");
	if (strcmp(m->method, "tools/list") == 0)
		return SPAN("{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}},"
			    "{\"name\":\"take\",\"inputSchema\":{\"type\":\"object\"}},"
			    "{\"name\":\"give\",\"inputSchema\":{\"type\":\"object\"}}]}");
	if (strcmp(m->method, "tools/call") != 0)
		return SPAN("{}");
	if (json_string_is(json_get(m->params, "name"), "give"))
		return buf_span(&big);
	return SPAN("{\"content\":[{\"type\":\"text\",\"text\":\"0123456789012345678901234567890123456789\"}]}");
}

/* False: nothing is to be said. */
static bool answer_text(struct span body, struct buf *text)
{
	struct jsonrpc m;

	jsonrpc_read(body, &m);
	buf_init(text, BIG_BYTES * 2);
	if (m.kind != JSONRPC_REQUEST)
		return false;
	say(jsonrpc_write_result(text, m.id, result_of(&m)));
	return true;
}

static void accept_message(struct peer *p)
{
	say(buf_append_text(&p->out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"));
}

static void answer_message(struct peer *p, struct span body)
{
	struct buf text;

	if (answer_text(body, &text)) {
		say(buf_printf(&p->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", text.len));
		say(buf_append_span(&p->out, buf_span(&text)));
	} else {
		accept_message(p);
	}
	buf_release(&text);
}

/* ---- HTTP+SSE: a session is the descriptor of its stream ------------------------------------------------------------------- */
static bool peer_flush(struct peer *p);

static void begin_stream(struct peer *p)
{
	say(buf_printf(&p->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\ndata: /message?to=%d\n\n", p->fd));
}

static void answer_on_stream(struct peer *p, const char *path, struct span body)
{
	unsigned long to = strtoul(path + strlen("POST /message?to="), NULL, 10);
	struct peer *stream = to < MAX_FD ? peers[to] : NULL;
	struct buf text;

	accept_message(p);
	if (stream && answer_text(body, &text)) {
		say(buf_append_text(&stream->out, "data: ") && buf_append_span(&stream->out, buf_span(&text)) &&
			buf_append_text(&stream->out, "\n\n"));
		say(peer_flush(stream));
		buf_release(&text);
	}
}

static size_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");

	return at ? (size_t)strtoull(at + 17, NULL, 10) : 0;
}

/* One whole request at the front of the input? Answers it and drops it. */
static bool answer_next(struct peer *p)
{
	char *end = p->in.len ? memmem(p->in.data, p->in.len, "\r\n\r\n", 4) : NULL;

	if (!end)
		return false;
	*end = '\0';
	size_t head = (size_t)(end - p->in.data) + 4, length = content_length(p->in.data);
	if (p->in.len < head + length) {
		*end = '\r';
		return false;
	}
	if (strncmp(p->in.data, "POST /mcp", 9) == 0)
		answer_message(p, (struct span){ p->in.data + head, length });
	else if (strncmp(p->in.data, "POST /message?to=", 17) == 0)
		answer_on_stream(p, p->in.data, (struct span){ p->in.data + head, length });
	else if (strncmp(p->in.data, "GET /sse", 8) == 0)
		begin_stream(p);
	else if (strncmp(p->in.data, "GET /mcp", 8) == 0)
		say(buf_append_text(&p->out, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"));
	else
		say(buf_append_text(&p->out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
	buf_consume(&p->in, head + length);
	return true;
}

static void peer_free(struct peer *p)
{
	peers[p->fd] = NULL;
	close(p->fd);
	buf_release(&p->in);
	buf_release(&p->out);
	free(p);
}

/* Sends what is due; false when the peer is gone. */
static bool peer_flush(struct peer *p)
{
	while (p->sent < p->out.len) {
		ssize_t n = send(p->fd, p->out.data + p->sent, p->out.len - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return false;
		p->sent += (size_t)n;
	}
	bool is_done = p->sent == p->out.len;
	if (is_done) {
		buf_clear(&p->out);
		p->sent = 0;
	}
	struct epoll_event ev = { .events = is_done ? EPOLLIN : EPOLLIN | EPOLLOUT, .data.ptr = p };
	return epoll_ctl(p->ep, EPOLL_CTL_MOD, p->fd, &ev) == 0;
}

static bool peer_read(struct peer *p)
{
	char *room = buf_reserve(&p->in, 256 * 1024);

	say(room != NULL);
	ssize_t n = recv(p->fd, room, 256 * 1024, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	buf_added(&p->in, (size_t)n);
	while (answer_next(p))
		;
	return true;
}

static void peer_accept(int ep, int listener)
{
	struct peer *p = xcalloc(1, sizeof(*p));
	int one = 1;

	p->ep = ep;
	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	say(p->fd >= 0 && p->fd < MAX_FD);
	peers[p->fd] = p;
	buf_init(&p->in, MAX_REQUEST);
	buf_init(&p->out, MAX_REQUEST);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };
	if (setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
		epoll_ctl(ep, EPOLL_CTL_ADD, p->fd, &ev) < 0)
		peer_free(p);
}

static int listen_somewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 1024) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		abort();
	printf("port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

/* ---- stdio ---------------------------------------------------------------------------------------------------------------- */
static void serve_stdio(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		struct buf text;
		if (answer_text((struct span){ line, (size_t)n - (line[n - 1] == '\n') }, &text)) {
			say(buf_append_char(&text, '\n'));
			for (size_t at = 0; at < text.len;) {
				ssize_t w = write(STDOUT_FILENO, text.data + at, text.len - at);
				say(w > 0);
				at += (size_t)w;
			}
		}
		buf_release(&text);
	}
	free(line);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--stdio") == 0) {
		big_make();
		serve_stdio();
		return 0;
	}
	int listener = listen_somewhere(), ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL }, got[64];

	big_make();
	say(epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) == 0);
	for (;;) {
		int n = epoll_wait(ep, got, ARRAY_LEN(got), -1);
		for (int i = 0; i < n; i++) {
			struct peer *p = got[i].data.ptr;
			if (!p)
				peer_accept(ep, listener);
			else if (!peer_read(p) || !peer_flush(p))
				peer_free(p);
		}
	}
}
