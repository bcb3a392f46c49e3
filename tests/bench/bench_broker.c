/* bench_broker - what the broker costs when much waits: 2,000 undecided approvals, 200 streams of events that are read, 10,000 requests
 * over its socket, one in ten for the whole list; every 50 requests an approval is decided and another asked. One JSON object.
 *
 * usage: bench_broker BROKER FOLDER [REQUESTS]       FOLDER: empty, for rules and state */
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/procinfo.h"
#include "base/xalloc.h"
#include "store/presence.h"
#include "store/store.h"

#define PENDING     2000
#define STREAMS     200
#define ARGS_BYTES  500
#define EVERY_LIST  10
#define EVERY_EVENT 50
#define PATIENCE_US (30 * 1000 * 1000)
#define MAX_ANSWER  (16u * 1024 * 1024)

extern char **environ;

struct bench {
	char *config, *state_dir, *socket;
	struct store *store;
	pid_t broker;
	int streams[STREAMS], fd;
	uint64_t asked, decided, told;           /* told: bytes of events */
	char (*ids)[ID_SIZE];
	struct buf answer;
	double *list_ms, *other_ms;
	size_t list_n, other_n;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void must(bool holds, const char *what)
{
	if (!holds)
		die(what);
}

/* ---- approvals --------------------------------------------------------------------------------------------------------------------- */

static void finish(struct store *s, struct op *op)
{
	store_turn_run(s);
	while (op->is_submitted) {
		struct pollfd gate = { .fd = store_gate_fd(s), .events = POLLIN };
		(void)poll(&gate, 1, 100);
		store_turn_run(s);
	}
	must(op->err == OK, "an operation of the store");
}

static void ask(struct bench *b)
{
	char args[ARGS_BYTES + 64], agent[32];
	int head = snprintf(args, sizeof(args), "{\"n\":%llu,\"text\":\"", (unsigned long long)b->asked);
	struct call_facts facts = { .tenant = "", .agent = agent, .backend = "demo", .tool = "publish_post" };
	struct approval_ask asking = { .rule = "approval_required: publish_*", .timeout_ms = 600000, .redeem_ms = 900000, .quorum = 1,
		.max_pending = 100000, .max_per_hour = 1000000 };
	struct hold h = { .call = &facts, .ask = &asking };
	struct op op = { 0 };

	memset(args + head, 'x', ARGS_BYTES - (size_t)head);
	memcpy(args + ARGS_BYTES, "\"}", 3);
	snprintf(agent, sizeof(agent), "agent-%llu", (unsigned long long)(b->asked % 20));
	id_new(facts.id, clock_wall_ms());
	memcpy(facts.args_hash, &b->asked, sizeof(b->asked));
	asking.args = span_of(args);
	store_hold(b->store, &op, &h);
	finish(b->store, &op);
	memcpy(b->ids[b->asked++], h.approval, ID_SIZE);
}

static void decide_oldest(struct bench *b)
{
	struct op op = { 0 };
	struct vote v = { .approval = b->ids[b->decided], .voter = "bench", .means = "cli", .origin = "here", .reason = "", .is_named = true };

	memcpy(v.args_hash, &b->decided, sizeof(b->decided));
	b->decided++;
	store_approval_vote(b->store, &op, &v);
	finish(b->store, &op);
	must(op.answer == VOTE_DECIDED, "a vote");
	approval_release(&v.as_it_is);
}

/* ---- the broker -------------------------------------------------------------------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void start_broker(struct bench *b, const char *program)
{
	char *argv[] = { (char *)(uintptr_t)program, "--config", b->config, "--log-level", "error", NULL };
	int64_t end_us = clock_mono_us() + PATIENCE_US;

	must(posix_spawn(&b->broker, program, NULL, NULL, argv, environ) == 0, program);
	while ((b->fd = connect_to(b->socket)) < 0) {
		must(clock_mono_us() < end_us, "the broker does not listen");
		(void)poll(NULL, 0, 5);
	}
}

static void send_request(int fd, const char *path)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);

	must(write(fd, text, (size_t)n) == n, "write");
}

static void read_streams(struct bench *b)
{
	char bytes[65536];
	ssize_t n;

	for (size_t i = 0; i < STREAMS; i++)
		while ((n = recv(b->streams[i], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
			b->told += (uint64_t)n;
}

static bool is_whole(const struct buf *b)
{
	const char *head_end = b->len ? strstr(b->data, "\r\n\r\n") : NULL;
	const char *length = head_end ? strstr(b->data, "Content-Length: ") : NULL;

	return length && b->len - (size_t)(head_end + 4 - b->data) >= strtoull(length + 16, NULL, 10);
}

/* How long it took. */
static double request_ms(struct bench *b, const char *path)
{
	int64_t begin_us = clock_mono_us();

	buf_clear(&b->answer);
	send_request(b->fd, path);
	while (!is_whole(&b->answer)) {
		char *room = buf_reserve(&b->answer, 256 * 1024);
		ssize_t n = read(b->fd, room, 256 * 1024 - 1);
		must(n > 0, "read");
		buf_added(&b->answer, (size_t)n);
		b->answer.data[b->answer.len] = '\0';
	}
	double ms = (double)(clock_mono_us() - begin_us) / 1000;
	must(strncmp(b->answer.data, "HTTP/1.1 200", 12) == 0, b->answer.data);
	return ms;
}

static void open_streams(struct bench *b)
{
	for (size_t i = 0; i < STREAMS; i++) {
		b->streams[i] = connect_to(b->socket);
		must(b->streams[i] >= 0, "a stream");
		send_request(b->streams[i], "/api/v1/events");
	}
}

/* ---- measuring ----------------------------------------------------------------------------------------------------------------------- */

static void make_request(struct bench *b, size_t i)
{
	char path[128];

	if (i % EVERY_LIST == 0) {
		b->list_ms[b->list_n++] = request_ms(b, "/api/v1/approvals/pending");
		return;
	}
	snprintf(path, sizeof(path), "/api/v1/approvals/%s", b->ids[b->decided + i % PENDING]);
	b->other_ms[b->other_n++] = request_ms(b, path);
}

static void measure(struct bench *b, size_t requests)
{
	for (size_t i = 0; i < requests; i++) {
		if (i % EVERY_EVENT == 0) {
			decide_oldest(b);
			ask(b);
		}
		make_request(b, i);
		if (i % 10 == 0)
			read_streams(b);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double at_percent(double *v, size_t n, size_t percent)
{
	qsort(v, n, sizeof(*v), compare);
	return v[(n - 1) * percent / 100];
}

static void report(struct bench *b, size_t requests, double fresh_mb, int64_t took_us)
{
	struct procinfo cost;

	must(procinfo_of(b->broker, "aegis-broker", &cost), "its memory");
	int64_t bytes = cost.share_bytes >= 0 ? cost.share_bytes : cost.resident_bytes;
	printf("{\"list_p50_ms\":%.3f,\"list_p99_ms\":%.3f,\"one_p50_ms\":%.3f,\"one_p99_ms\":%.3f,\"per_s\":%.0f,\"pss_fresh_mb\":%.1f,"
	       "\"pss_mb\":%.1f,\"rss_mb\":%.1f,\"answer_bytes\":%zu,\"told_bytes\":%llu}\n",
		at_percent(b->list_ms, b->list_n, 50), at_percent(b->list_ms, b->list_n, 99), at_percent(b->other_ms, b->other_n, 50),
		at_percent(b->other_ms, b->other_n, 99), (double)requests * 1e6 / (double)took_us, fresh_mb, (double)bytes / 1048576,
		(double)cost.resident_bytes / 1048576, b->answer.len, (unsigned long long)b->told);
}

static double memory_mb(const struct bench *b)
{
	struct procinfo cost;

	return procinfo_of(b->broker, "aegis-broker", &cost) && cost.share_bytes >= 0 ? (double)cost.share_bytes / 1048576 : 0;
}

static void set_up(struct bench *b, const char *folder)
{
	CLEANUP(free_charp) char *rules = xasprintf("state_dir: \"%s/state\"\nbackends: { demo: { url: \"http://127.0.0.1:9/\" } }\n"
		"agents: { agent-0: { display_name: a, backends: { demo: { allowed: true } } } }\n", folder);
	struct problem why = { 0 };

	b->config = xasprintf("%s/aegis.yaml", folder);
	b->state_dir = xasprintf("%s/state", folder);
	must(path_write_private_file(b->config, span_of(rules)) == OK, b->config);
	struct store_options o = { .state_dir = b->state_dir };
	must(store_open(&o, &b->store, &why) == OK, why.text);
	must(presence_admin_socket(NULL, b->state_dir, &b->socket) == OK, "socket");
}

int main(int argc, char **argv)
{
	size_t requests = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 10000;
	struct bench b = { .broker = 0 };

	must(argc > 2, "usage: bench_broker BROKER FOLDER [REQUESTS]");
	signal(SIGPIPE, SIG_IGN);
	b.ids = xcalloc(PENDING + requests / EVERY_EVENT + 1, sizeof(*b.ids));
	b.list_ms = xcalloc(requests + 1, sizeof(double));
	b.other_ms = xcalloc(requests + 1, sizeof(double));
	buf_init(&b.answer, MAX_ANSWER);
	set_up(&b, argv[2]);
	while (b.asked < PENDING)
		ask(&b);
	start_broker(&b, argv[1]);
	(void)request_ms(&b, "/health");
	double fresh_mb = memory_mb(&b);
	open_streams(&b);
	int64_t begin_us = clock_mono_us();
	measure(&b, requests);
	report(&b, requests, fresh_mb, clock_mono_us() - begin_us);
	kill(b.broker, SIGTERM);
	(void)waitpid(b.broker, NULL, 0);
	store_close(b.store);
	return 0;
}
