/* bench_queue - what a queue costs: the hand-over from one process to the next, beyond the configured delay and after the holder was
 * killed, and what those that wait cost. One JSON object. It is the backend itself, so that both ends of a hand-over are read from one
 * clock.
 *
 * usage: bench_queue SHIM FOLDER N        N hand-overs of each kind; FOLDER: empty, for rules and state */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/xalloc.h"
#include "data/jsonrpc.h"

#define MAX_BYTES  (1024 * 1024)
#define MAX_SHIMS  33
#define MAX_PEERS  (4 * MAX_SHIMS)
#define DELAY_MS   5
#define IDLE_S     10
#define PATIENCE_MS 60000

extern char **environ;

struct shim {
	pid_t pid; /* 0 = none */
	int in, out;
	struct buf read;
	bool is_open, is_dead; /* it answered initialize; was killed */
	long calls;
};

struct peer {
	int fd; /* -1 = none */
	struct buf read;
};

struct bench {
	const char *program;
	char *config;
	int listener, port, patience_ms;
	struct shim shims[MAX_SHIMS];
	struct peer peers[MAX_PEERS];
	bool is_holding;            /* calls are not answered */
	bool goes_on;               /* who was answered calls again */
	int64_t ended_us;           /* the last answer of a call was sent, or its caller killed */
	int64_t beyond_us;          /* so much of a hand-over is configured */
	double *took_us;            /* hand-overs */
	int took_n, want_n;
	struct peer *held;          /* whose call is not answered */
	long held_by;               /* the shim, by its number in the arguments */
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_queue: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_all(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, at, n);
		must(w > 0, "write");
		at += w;
		n -= (size_t)w;
	}
}

/* ---- the shims ---------------------------------------------------------------------------------------------------------- */
static void say(struct shim *s, const char *line)
{
	write_all(s->in, line, strlen(line));
}

static void call(struct bench *b, struct shim *s)
{
	char line[200];

	snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\","
				     "\"arguments\":{\"by\":%ld}}}\n", ++s->calls, (long)(s - b->shims));
	say(s, line);
}

static void shim_start(struct bench *b, struct shim *s)
{
	char *argv[] = { (char *)b->program, "--agent", "bench", "--config", b->config, NULL };
	posix_spawn_file_actions_t acts;
	int to[2], from[2];

	must(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0, "pipe");
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_adddup2(&acts, to[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&acts, from[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&acts, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	*s = (struct shim){ .in = to[1], .out = from[0] };
	errno = posix_spawn(&s->pid, b->program, &acts, NULL, argv, environ);
	must(errno == 0, b->program);
	posix_spawn_file_actions_destroy(&acts);
	close(to[0]);
	close(from[1]);
	buf_init(&s->read, MAX_BYTES);
	say(s, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},"
	       "\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n"
	       "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
}

static void shim_end(struct shim *s)
{
	close(s->in);
	(void)waitpid(s->pid, NULL, 0);
	close(s->out);
	buf_release(&s->read);
	s->pid = 0;
}

static void shim_read(struct bench *b, struct shim *s)
{
	char *room = buf_reserve(&s->read, 65536), *end;
	ssize_t n = read(s->out, room, 65536);

	must(n > 0, "a shim ended");
	buf_added(&s->read, (size_t)n);
	while (s->read.len > 0 && (end = memchr(s->read.data, '\n', s->read.len)) != NULL) {
		size_t line = (size_t)(end - s->read.data) + 1;
		must(memmem(s->read.data, line, "\"error\"", 7) == NULL, "a call was refused");
		if (s->is_open && b->goes_on)
			call(b, s);
		s->is_open = true;
		buf_consume(&s->read, line);
	}
}

/* ---- the backend ---------------------------------------------------------------------------------------------------------- */
static void answer(struct peer *p, struct json_value id, struct span result)
{
	struct buf text, head;

	buf_init(&text, MAX_BYTES);
	buf_init(&head, MAX_BYTES);
	must(jsonrpc_write_result(&text, id, result) &&
		     buf_printf(&head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", text.len), "answer");
	must(buf_append_span(&head, buf_span(&text)), "answer");
	write_all(p->fd, head.data, head.len);
	buf_release(&head);
	buf_release(&text);
}

static void answer_call(struct bench *b, struct peer *p, struct json_value id)
{
	answer(p, id, SPAN("{\"content\":[{\"type\":\"text\",\"text\":\"done\"}]}"));
	b->ended_us = clock_mono_us();
}

static void call_came(struct bench *b, struct peer *p, const struct jsonrpc *m)
{
	int64_t now_us = clock_mono_us();

	if (b->ended_us > 0 && b->took_n < b->want_n)
		b->took_us[b->took_n++] = (double)(now_us - b->ended_us - b->beyond_us);
	b->ended_us = 0;
	if (!b->is_holding) {
		answer_call(b, p, m->id);
		return;
	}
	b->held = p;
	struct json_value by = json_get(json_get(m->params, "arguments"), "by");
	b->held_by = strtol(by.text.at, NULL, 10);
}

static void came(struct bench *b, struct peer *p, struct span body)
{
	struct jsonrpc m;

	jsonrpc_read(body, &m);
	if (m.kind != JSONRPC_REQUEST)
		write_all(p->fd, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 47);
	else if (strcmp(m.method, "initialize") == 0)
		answer(p, m.id, SPAN("{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
				     "\"serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}}"));
	else if (strcmp(m.method, "tools/list") == 0)
		answer(p, m.id, SPAN("{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}]}"));
	else if (strcmp(m.method, "tools/call") == 0)
		call_came(b, p, &m);
	else
		answer(p, m.id, SPAN("{}"));
}

static bool peer_next(struct bench *b, struct peer *p)
{
	char *end = p->read.len ? memmem(p->read.data, p->read.len, "\r\n\r\n", 4) : NULL;

	if (!end)
		return false;
	const char *at = strcasestr(p->read.data, "\r\ncontent-length:");
	size_t head = (size_t)(end - p->read.data) + 4, length = at && at < end ? (size_t)strtoull(at + 17, NULL, 10) : 0;
	if (p->read.len < head + length)
		return false;
	if (strncmp(p->read.data, "POST", 4) == 0)
		came(b, p, (struct span){ p->read.data + head, length });
	else
		write_all(p->fd, "HTTP/1.1 405 Not Allowed\r\nContent-Length: 0\r\n\r\n", 47);
	buf_consume(&p->read, head + length);
	return true;
}

static void peer_close(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
	buf_release(&p->read);
}

static void peer_read(struct bench *b, struct peer *p)
{
	char *room = buf_reserve(&p->read, 65536);
	ssize_t n = recv(p->fd, room, 65536, 0);

	if (n <= 0) {
		peer_close(p);
		return;
	}
	buf_added(&p->read, (size_t)n);
	while (peer_next(b, p))
		;
}

static void peer_accept(struct bench *b)
{
	struct peer *p = b->peers;
	int one = 1;

	while (p->fd >= 0)
		must(++p < b->peers + MAX_PEERS, "too many connections");
	p->fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
	must(p->fd >= 0 && setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0, "accept");
	buf_init(&p->read, MAX_BYTES);
}

static void backend_open(struct bench *b)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(b->listener >= 0 && bind(b->listener, (struct sockaddr *)&a, size) == 0 && listen(b->listener, 100) == 0 &&
		     getsockname(b->listener, (struct sockaddr *)&a, &size) == 0, "listen");
	b->port = ntohs(a.sin_port);
	for (size_t i = 0; i < MAX_PEERS; i++)
		b->peers[i].fd = -1;
}

/* ---- one turn of everything -------------------------------------------------------------------------------------------------- */
static void turn(struct bench *b)
{
	struct pollfd fds[1 + MAX_PEERS + MAX_SHIMS];

	fds[0] = (struct pollfd){ .fd = b->listener, .events = POLLIN };
	for (size_t i = 0; i < MAX_PEERS; i++)
		fds[1 + i] = (struct pollfd){ .fd = b->peers[i].fd, .events = POLLIN };
	for (size_t i = 0; i < MAX_SHIMS; i++)
		fds[1 + MAX_PEERS + i] = (struct pollfd){ .fd = b->shims[i].pid && !b->shims[i].is_dead ? b->shims[i].out : -1, .events = POLLIN };
	must(poll(fds, ARRAY_LEN(fds), b->patience_ms) > 0 || b->patience_ms < PATIENCE_MS, "nothing happens");
	for (size_t i = 0; i < MAX_PEERS; i++)
		if (fds[1 + i].revents && b->peers[i].fd >= 0)
			peer_read(b, &b->peers[i]);
	for (size_t i = 0; i < MAX_SHIMS; i++)
		if (fds[1 + MAX_PEERS + i].revents)
			shim_read(b, &b->shims[i]);
	if (fds[0].revents)
		peer_accept(b);
}

static void run_for_ms(struct bench *b, int ms)
{
	int64_t until = clock_mono_us() + ms * INT64_C(1000);

	b->patience_ms = 10;
	while (clock_mono_us() < until)
		turn(b);
	b->patience_ms = PATIENCE_MS;
}

static void start_shims(struct bench *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		shim_start(b, &b->shims[i]);
	for (size_t i = 0; i < n; i++)
		while (!b->shims[i].is_open)
			turn(b);
}

static void end_shims(struct bench *b)
{
	b->goes_on = b->is_holding = false;
	for (size_t i = 0; i < MAX_SHIMS; i++)
		if (b->shims[i].pid)
			shim_end(&b->shims[i]);
	for (size_t i = 0; i < MAX_PEERS; i++)
		if (b->peers[i].fd >= 0)
			peer_close(&b->peers[i]);
	b->ended_us = 0;
	b->held = NULL;
}

static void write_rules(struct bench *b, const char *folder, const char *name, int delay_ms)
{
	free(b->config);
	b->config = xasprintf("%s/%s.yaml", folder, name);
	FILE *f = fopen(b->config, "we");
	must(f != NULL && fchmod(fileno(f), 0600) == 0, b->config);
	fprintf(f, "state_dir: \"%s/state-%s\"\napproval: { mode: hold }\nbackends: { b: { url: \"http://127.0.0.1:%d/mcp\" } }\n"
		   "agents: { bench: { backends: { b: { allowed: true } } } }\n"
		   "queue: { b: { enabled: true, max_pending: 100, delay_min: %dms, delay_max: %dms } }\n",
		folder, name, b->port, delay_ms, delay_ms);
	must(fclose(f) == 0, b->config);
}

/* ---- what is measured ------------------------------------------------------------------------------------------------------------ */
static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static void print(struct bench *b, const char *name)
{
	qsort(b->took_us, (size_t)b->took_n, sizeof(*b->took_us), compare);
	printf("\"%s_p50_ms\":%.3f,\"%s_p99_ms\":%.3f,", name, b->took_us[b->took_n / 2] / 1000, name,
		b->took_us[b->took_n * 99 / 100] / 1000);
}

/* Four processes, each with a call in the queue at any time. */
static void hand_over(struct bench *b, int delay_ms)
{
	b->took_n = 0;
	b->beyond_us = delay_ms * INT64_C(1000);
	b->goes_on = true;
	start_shims(b, 4);
	for (size_t i = 0; i < 4; i++)
		call(b, &b->shims[i]);
	while (b->took_n < b->want_n)
		turn(b);
	end_shims(b);
}

/* The one whose call is with the backend is killed while another waits. */
static void kill_holder(struct bench *b)
{
	b->took_n = 0;
	b->beyond_us = 0;
	b->is_holding = true;
	start_shims(b, 2);
	call(b, &b->shims[0]);
	while (!b->held)
		turn(b);
	while (b->took_n < b->want_n) {
		struct shim *holder = &b->shims[b->held_by], *next = &b->shims[1 - b->held_by];
		call(b, next);
		run_for_ms(b, 100); /* it stands in the queue and watches */
		b->held = NULL;
		b->ended_us = clock_mono_us();
		holder->is_dead = true;
		must(kill(holder->pid, SIGKILL) == 0, "kill");
		while (!b->held)
			turn(b);
		shim_end(holder);
		shim_start(b, holder);
		while (!holder->is_open)
			turn(b);
	}
	end_shims(b);
}

static double cpu_us_of(const struct shim *s)
{
	char path[64];
	double ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", s->pid);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%lf", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return ns / 1000;
}

/* 32 wait behind one. */
static double idle_percent(struct bench *b)
{
	double before = 0, after = 0;

	b->is_holding = true;
	start_shims(b, MAX_SHIMS);
	for (size_t i = 0; i < MAX_SHIMS; i++)
		call(b, &b->shims[i]);
	run_for_ms(b, 3000);
	for (size_t i = 0; i < MAX_SHIMS; i++)
		before += cpu_us_of(&b->shims[i]);
	sleep(IDLE_S);
	for (size_t i = 0; i < MAX_SHIMS; i++)
		after += cpu_us_of(&b->shims[i]);
	for (size_t i = 0; i < MAX_SHIMS; i++)
		(void)kill(b->shims[i].pid, SIGTERM);
	end_shims(b);
	return (after - before) / (IDLE_S * 1e6) * 100;
}

int main(int argc, char **argv)
{
	struct bench *b = xcalloc(1, sizeof(*b));

	must(argc == 4, "usage: bench_queue SHIM FOLDER N");
	b->program = argv[1];
	b->want_n = (int)strtol(argv[3], NULL, 10);
	b->took_us = xcalloc((size_t)b->want_n, sizeof(*b->took_us));
	b->patience_ms = PATIENCE_MS;
	backend_open(b);
	printf("{");
	write_rules(b, argv[2], "none", 0);
	hand_over(b, 0);
	print(b, "hand_over");
	write_rules(b, argv[2], "some", DELAY_MS);
	hand_over(b, DELAY_MS);
	print(b, "delayed");
	write_rules(b, argv[2], "kill", 0);
	kill_holder(b);
	print(b, "killed");
	write_rules(b, argv[2], "idle", 0);
	printf("\"idle_32_percent\":%.4f}\n", idle_percent(b));
	return 0;
}
