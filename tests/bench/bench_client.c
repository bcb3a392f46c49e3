/* bench_client - measures one MCP bridge (a command that speaks stdio) or the backend itself, and prints one JSON object.
 *
 * usage: bench_client start N CMD...          spawn to the answer of initialize, and from EOF to exit, N times
 *        bench_client calls N CMD...          N small calls one at a time: latency, CPU per call, memory before and after
 *        bench_client ping N CMD...           N pings one at a time: what no rule governs
 *        bench_client take N CMD...           N calls with 100 KB of arguments
 *        bench_client give N CMD...           N calls with 5 MB of result
 *        bench_client flight N CMD...         N small calls, 32 in flight
 *        bench_client many N CMD...           N bridges at once: until all have answered initialize, and their memory
 * CMD may be "direct PORT": the same over one raw socket, no bridge (calls, take, give only); or "direct-sse PORT": over HTTP+SSE.
 * CPU is what the whole process tree ran (schedstat), memory its proportional share (PSS). */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "base/buf.h"

#define MAX_BYTES  (64 * 1024 * 1024)
#define IN_FLIGHT  32
#define WARM_CALLS 200

extern char **environ;

struct bridge {
	pid_t pid; /* 0 = direct */
	int in, out; /* the same for direct HTTP; for HTTP+SSE where to POST, and the stream */
	char path[64];
	struct buf read, line;
	long next_id;
	int errors;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_client: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- talking ------------------------------------------------------------------------------------------------------- */
static void write_all(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, at, n);
		must(w > 0, "write");
		at += w;
		n -= (size_t)w;
	}
}

static void read_more(struct bridge *b)
{
	char *room = buf_reserve(&b->read, 256 * 1024);
	must(room != NULL, "a message above 64 MiB");
	ssize_t n = read(b->out, room, 256 * 1024);
	must(n > 0, "the bridge ended");
	buf_added(&b->read, (size_t)n);
}

static void send_line(struct bridge *b)
{
	struct buf *l = &b->line;

	if (b->pid) {
		must(buf_append_char(l, '\n'), "line");
		write_all(b->in, l->data, l->len);
	} else {
		struct buf head;
		buf_init(&head, 4096);
		must(buf_printf(&head, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
				       "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n\r\n", b->path, l->len), "head");
		if (l->len < 3000) { /* one segment, as a good client would */
			must(buf_append_span(&head, buf_span(l)), "body");
			buf_clear(l);
		}
		write_all(b->in, head.data, head.len);
		write_all(b->in, l->data, l->len);
		buf_release(&head);
	}
	buf_clear(l);
}

static size_t whole_http(struct bridge *b)
{
	char *end = b->read.len ? memmem(b->read.data, b->read.len, "\r\n\r\n", 4) : NULL;

	if (!end)
		return 0;
	const char *at = strcasestr(b->read.data, "content-length:");
	size_t all = (size_t)(end - b->read.data) + 4 + (at ? (size_t)strtoull(at + 15, NULL, 10) : 0);
	return b->read.len >= all ? all : 0;
}

static bool is_sse(const struct bridge *b)
{
	return !b->pid && b->in != b->out;
}

static size_t whole_event(struct bridge *b, size_t *from)
{
	size_t at = *from ? *from - 1 : 0;
	char *end = b->read.len > at ? memmem(b->read.data + at, b->read.len - at, "\n\n", 2) : NULL;

	*from = b->read.len;
	return end ? (size_t)(end - b->read.data) + 2 : 0;
}

/* The length of the whole message at the front of what was read, or 0. from: where to go on looking. */
static size_t whole_message(struct bridge *b, size_t *from)
{
	if (is_sse(b))
		return whole_event(b, from);
	if (!b->pid)
		return whole_http(b);
	char *nl = b->read.len > *from ? memchr(b->read.data + *from, '\n', b->read.len - *from) : NULL;
	*from = b->read.len;
	return nl ? (size_t)(nl - b->read.data) + 1 : 0;
}

static void read_answer(struct bridge *b)
{
	for (;;) {
		size_t n, from = 0;
		while ((n = whole_message(b, &from)) == 0)
			read_more(b);
		size_t look = n < 400 ? n : 400;
		bool is_notice = memmem(b->read.data, look, "\"method\"", 8) != NULL;
		if (memmem(b->read.data, look, "\"error\"", 7))
			b->errors++;
		buf_consume(&b->read, n);
		if (!is_notice)
			break;
	}
	char accepted[4096]; /* the 202s of HTTP+SSE */
	while (is_sse(b) && recv(b->in, accepted, sizeof(accepted), MSG_DONTWAIT) > 0)
		;
}

static void compose_call(struct bridge *b, const char *tool, struct span text)
{
	if (!tool) {
		must(buf_printf(&b->line, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"ping\"}", ++b->next_id), "ping");
		return;
	}
	must(buf_printf(&b->line, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
				  "\"arguments\":{\"text\":\"", ++b->next_id, tool) &&
		     buf_append_span(&b->line, text) && buf_append_text(&b->line, "\"}}}"), "call");
}

static void initialize(struct bridge *b)
{
	must(buf_append_text(&b->line, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
				       "\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}"), "line");
	send_line(b);
	read_answer(b);
}

static void initialized(struct bridge *b)
{
	must(buf_append_text(&b->line, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"), "line");
	send_line(b);
	if (!b->pid && !is_sse(b))
		read_answer(b);
}

/* ---- starting and ending ---------------------------------------------------------------------------------------------- */
static int connect_to(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0, "nodelay");
	return fd;
}

static void connect_direct(struct bridge *b, const char *port)
{
	b->in = b->out = connect_to(port);
	(void)snprintf(b->path, sizeof(b->path), "/mcp");
}

/* The first event says where to POST; its head belongs to the answer's. */
static void connect_sse(struct bridge *b, const char *port)
{
	static const char ask[] = "GET /sse HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
	const char *at = NULL;
	size_t from = 0, n;

	b->in = connect_to(port);
	b->out = connect_to(port);
	write_all(b->out, ask, sizeof(ask) - 1);
	while ((n = whole_event(b, &from)) == 0)
		read_more(b);
	at = memmem(b->read.data, n, "data: ", 6);
	must(at && sscanf(at, "data: %63s", b->path) == 1, "the endpoint");
	buf_consume(&b->read, n);
}

static void spawn_bridge(struct bridge *b, char **argv)
{
	posix_spawn_file_actions_t acts;
	int to[2], from[2];

	must(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0, "pipe");
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_adddup2(&acts, to[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&acts, from[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&acts, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	errno = posix_spawnp(&b->pid, argv[0], &acts, NULL, argv, environ);
	must(errno == 0, argv[0]);
	posix_spawn_file_actions_destroy(&acts);
	close(to[0]);
	close(from[1]);
	b->in = to[1];
	b->out = from[0];
}

static void bridge_start(struct bridge *b, char **argv)
{
	*b = (struct bridge){ 0 };
	buf_init(&b->read, MAX_BYTES);
	buf_init(&b->line, MAX_BYTES);
	if (strcmp(argv[0], "direct") == 0)
		connect_direct(b, argv[1]);
	else if (strcmp(argv[0], "direct-sse") == 0)
		connect_sse(b, argv[1]);
	else
		spawn_bridge(b, argv);
}

static void bridge_stop(struct bridge *b)
{
	close(b->in);
	if (b->pid)
		waitpid(b->pid, NULL, 0);
	if (b->out != b->in)
		close(b->out);
	buf_release(&b->read);
	buf_release(&b->line);
}

/* ---- what the process tree costs ------------------------------------------------------------------------------------------ */
static double number_in(const char *path, const char *label)
{
	char text[8192];
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	const char *at = label ? strstr(text, label) : text;
	return at ? strtod(at + (label ? strlen(label) : 0), NULL) : 0;
}

static double cpu_us_of(int pid)
{
	char path[64];
	double ns = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		char file[400];
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		(void)snprintf(file, sizeof(file), "/proc/%d/task/%s/schedstat", pid, e->d_name);
		ns += number_in(file, NULL);
	}
	if (d)
		closedir(d);
	return ns / 1000;
}

static double pss_mb_of(int pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	return number_in(path, "\nPss:") / 1024;
}

/* Sums cost over pid and all its descendants. */
static double tree_sum(int pid, double (*cost)(int pid))
{
	double sum = cost(pid);
	DIR *d = opendir("/proc");

	for (struct dirent *e; d && (e = readdir(d));) {
		char path[300];
		int child = (int)strtol(e->d_name, NULL, 10);
		if (child <= 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/status", child);
		if ((int)number_in(path, "\nPPid:") == pid)
			sum += tree_sum(child, cost);
	}
	if (d)
		closedir(d);
	return sum;
}

/* ---- the measurements ------------------------------------------------------------------------------------------------------ */
static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(const double *sorted, int n, double p)
{
	int i = (int)(p * n);

	return sorted[i < n ? i : n - 1];
}

struct run {
	const char *tool; /* NULL: a ping */
	struct span text;
	int n;
	double *us, cpu_us, pss_fresh, pss_after, wall_us;
	int errors;
};

static double one_call(struct bridge *b, const struct run *r)
{
	compose_call(b, r->tool, r->text);
	int64_t start = clock_mono_us();
	send_line(b);
	read_answer(b);
	return (double)(clock_mono_us() - start);
}

static void run_sequential(struct bridge *b, struct run *r)
{
	int warm = r->n < 2 * WARM_CALLS ? 1 : WARM_CALLS;

	for (int i = 0; i < warm; i++)
		one_call(b, r);
	r->pss_fresh = b->pid ? tree_sum(b->pid, pss_mb_of) : 0;
	double cpu = b->pid ? tree_sum(b->pid, cpu_us_of) : 0;
	int64_t start = clock_mono_us();
	for (int i = 0; i < r->n; i++)
		r->us[i] = one_call(b, r);
	r->wall_us = (double)(clock_mono_us() - start);
	r->cpu_us = b->pid ? tree_sum(b->pid, cpu_us_of) - cpu : 0;
	r->pss_after = b->pid ? tree_sum(b->pid, pss_mb_of) : 0;
}

static void run_flight(struct bridge *b, struct run *r)
{
	for (int i = 0; i < WARM_CALLS; i++)
		one_call(b, r);
	double cpu = tree_sum(b->pid, cpu_us_of);
	int64_t start = clock_mono_us();
	for (int sent = 0, answered = 0; answered < r->n;) {
		while (sent < r->n && sent - answered < IN_FLIGHT) {
			compose_call(b, r->tool, r->text);
			send_line(b);
			sent++;
		}
		read_answer(b);
		answered++;
	}
	r->wall_us = (double)(clock_mono_us() - start);
	r->cpu_us = tree_sum(b->pid, cpu_us_of) - cpu;
}

static double memcpy_ms(void)
{
	size_t n = 5 * 1024 * 1024;
	char *from = xmalloc(n), *to = xmalloc(n);
	double best = 1e9;

	for (int i = 0; i < 20; i++) {
		memset(from, i, n);
		int64_t start = clock_mono_us();
		memcpy(to, from, n);
		double took = (double)(clock_mono_us() - start) / 1000;
		if (took < best && to[n - 1] == from[n - 1])
			best = took;
	}
	free(from);
	free(to);
	return best;
}

static void print_run(struct run *r)
{
	qsort(r->us, (size_t)r->n, sizeof(*r->us), compare);
	printf("{\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f,\"cpu_us\":%.1f,\"per_s\":%.0f,\"pss_fresh_mb\":%.2f,"
	       "\"pss_after_mb\":%.2f,\"memcpy_5mb_ms\":%.3f,\"errors\":%d}\n",
		percentile(r->us, r->n, 0.50), percentile(r->us, r->n, 0.95), percentile(r->us, r->n, 0.99), r->cpu_us / r->n,
		r->n * 1e6 / r->wall_us, r->pss_fresh, r->pss_after, memcpy_ms(), r->errors);
}

static void measure_calls(const char *mode, int n, char **argv)
{
	char *text = xmalloc(100 * 1024);
	struct run r = { .tool = "echo", .text = SPAN("hello"), .n = n, .us = xcalloc((size_t)n, sizeof(double)) };
	struct bridge b;

	memset(text, 'x', 100 * 1024);
	if (strcmp(mode, "take") == 0)
		r.tool = "take", r.text = (struct span){ text, 100 * 1024 };
	if (strcmp(mode, "give") == 0)
		r.tool = "give";
	if (strcmp(mode, "ping") == 0)
		r.tool = NULL;
	bridge_start(&b, argv);
	initialize(&b);
	initialized(&b);
	if (strcmp(mode, "flight") == 0)
		run_flight(&b, &r);
	else
		run_sequential(&b, &r);
	r.errors = b.errors;
	bridge_stop(&b);
	print_run(&r);
	free(r.us);
	free(text);
}

static void measure_start(int n, char **argv)
{
	double *start_ms = xcalloc((size_t)n, sizeof(double)), *exit_ms = xcalloc((size_t)n, sizeof(double));

	for (int i = 0; i < n; i++) {
		struct bridge b;
		int64_t t = clock_mono_us();
		bridge_start(&b, argv);
		initialize(&b);
		start_ms[i] = (double)(clock_mono_us() - t) / 1000;
		initialized(&b);
		t = clock_mono_us();
		bridge_stop(&b);
		exit_ms[i] = (double)(clock_mono_us() - t) / 1000;
	}
	qsort(start_ms, (size_t)n, sizeof(double), compare);
	qsort(exit_ms, (size_t)n, sizeof(double), compare);
	printf("{\"initialize_ms\":%.2f,\"exit_ms\":%.2f}\n", percentile(start_ms, n, 0.5), percentile(exit_ms, n, 0.5));
	free(start_ms);
	free(exit_ms);
}

static void measure_many(int n, char **argv)
{
	struct bridge *all = xcalloc((size_t)n, sizeof(*all));
	double pss = 0;
	int64_t t = clock_mono_us();

	for (int i = 0; i < n; i++)
		bridge_start(&all[i], argv);
	for (int i = 0; i < n; i++) {
		must(buf_append_text(&all[i].line, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
						   "\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}"), "line");
		send_line(&all[i]);
	}
	for (int i = 0; i < n; i++)
		read_answer(&all[i]);
	double wall = (double)(clock_mono_us() - t) / 1000;
	for (int i = 0; i < n; i++)
		pss += tree_sum(all[i].pid, pss_mb_of);
	for (int i = 0; i < n; i++)
		bridge_stop(&all[i]);
	printf("{\"all_initialized_ms\":%.1f,\"pss_mb\":%.1f}\n", wall, pss);
	free(all);
}

int main(int argc, char **argv)
{
	must(argc >= 4, "usage: bench_client start|calls|ping|take|give|flight|many N CMD...");
	int n = (int)strtol(argv[2], NULL, 10);
	must(n > 0, "N must be positive");
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[1], "start") == 0)
		measure_start(n, argv + 3);
	else if (strcmp(argv[1], "many") == 0)
		measure_many(n, argv + 3);
	else
		measure_calls(argv[1], n, argv + 3);
	return 0;
}
