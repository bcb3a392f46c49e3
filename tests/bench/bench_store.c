/* bench_store - measures the store by itself, through its interface, and prints one JSON object.
 *
 * usage: bench_store limit N HISTORY MAX       N calls (commit and outcome) under one window of MAX calls that is half full, with
 *                                              HISTORY older uses behind it
 *        bench_store writers N SECONDS FULL    N processes that write as fast as they can (0: durability normal, 1: full): how many
 *                                              operations in all, the longest one took, and who got least against who got most */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "store/store.h"

#define WINDOW_MS   (60 * 60 * 1000)
#define WARM_CALLS  200
#define MAX_WRITERS 256

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_store: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- one store ---------------------------------------------------------------------------------------------------------- */
static struct store *open_store(const char *folder, enum config_durability durability)
{
	struct store_options o = { .state_dir = folder, .durability = durability };
	struct problem why = { 0 };
	struct store *s = NULL;

	must(store_open(&o, &s, &why) == OK, why.text);
	return s;
}

static void finish(struct store *s, struct op *op)
{
	store_turn_run(s);
	while (op->is_submitted) {
		struct pollfd gate = { .fd = store_gate_fd(s), .events = POLLIN };
		(void)poll(&gate, 1, 1000);
		store_turn_run(s);
	}
	must(op->err == OK, "operation");
}

struct call {
	struct call_facts facts;
	struct limit_claim claim;
	struct evidence row;
};

static void call_init(struct call *c, const char *key, uint32_t max_count)
{
	*c = (struct call){
		.facts = { .tenant = "", .agent = "agent", .backend = "backend", .tool = "tool" },
		.claim = { .key = (char *)(uintptr_t)key, .tool = "tool", .window_ms = WINDOW_MS, .max_count = max_count },
	};
	id_new(c->facts.id, clock_wall_ms());
	c->row = (struct evidence){ .call = c->facts.id, .agent = "agent", .backend = "backend", .tool = "tool", .verdict = "allowed",
		.kind = EVIDENCE_INTENT, .at_ms = clock_wall_ms(), .body = SPAN("{\"arguments\":{\"message\":\"hello\"}}") };
	evidence_seal(&c->row);
}

static void call_commit(struct store *s, struct call *c)
{
	struct commit request = { .call = &c->facts, .limits = { &c->claim, 1 }, .deadline_ms = 60000, .intent = &c->row };
	struct op op = { 0 };

	store_commit(s, &op, &request);
	finish(s, &op);
	must(op.answer == COMMITTED, "commit");
}

/* Given back, so that the window stays as full as it was. */
static void call_settle(struct store *s, struct call *c)
{
	struct settle request = { .call = &c->facts, .limits = { &c->claim, 1 }, .is_refund = true, .left_tick_ms = -1, .evidence = &c->row };
	struct op op = { .is_kept = true };

	store_settle(s, &op, &request);
	finish(s, &op);
}

/* ---- limit: history and max_count ------------------------------------------------------------------------------------------ */
static void sql(const char *folder, const char *text)
{
	CLEANUP(free_charp) char *path = path_join(folder, "aegis.db");
	sqlite3 *db = NULL;

	must(sqlite3_open(path, &db) == SQLITE_OK, "open");
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fprintf(stderr, "bench_store: %s: %s\n", text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* n uses of the key, spread over what lies between from_ms and to_ms ago. */
static void put_uses(const char *folder, const char *key, long n, int64_t from_ms, int64_t to_ms)
{
	CLEANUP(free_charp) char *text = xasprintf(
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %ld)"
		" INSERT INTO limit_entry (key, tick, call, owner) SELECT '%s', (SELECT high_tick FROM meta) - %lld + i * %lld / %ld,"
		" printf('%s%%032x', i), 1 FROM n", n, key, (long long)from_ms, (long long)(from_ms - to_ms), n, to_ms > 0 ? "old" : "new");
	if (n > 0)
		sql(folder, text);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure_limit(const char *folder, int n, long history, uint32_t max_count)
{
	double *us = xcalloc((size_t)n, sizeof(*us));
	struct store *s = open_store(folder, DURABILITY_NORMAL);
	struct call c;

	put_uses(folder, "k", max_count / 2, WINDOW_MS / 2, 0);
	put_uses(folder, "k", history, 23LL * WINDOW_MS, 2LL * WINDOW_MS);
	for (int i = -WARM_CALLS; i < n; i++) {
		call_init(&c, "k", max_count);
		int64_t from = clock_mono_us();
		call_commit(s, &c);
		call_settle(s, &c);
		if (i >= 0)
			us[i] = (double)(clock_mono_us() - from);
	}
	store_close(s);
	qsort(us, (size_t)n, sizeof(*us), compare);
	printf("{\"p50_us\":%.1f,\"p99_us\":%.1f}\n", us[n / 2], us[(int)(n * 0.99)]);
	free(us);
}

/* ---- writers ------------------------------------------------------------------------------------------------------------------ */
struct tally { long operations; int64_t longest_us; };

static struct tally write_until(struct store *s, int64_t end_us, uint32_t number)
{
	CLEANUP(free_charp) char *key = xasprintf("k%u", number);
	struct tally t = { 0 };

	while (clock_mono_us() < end_us) {
		struct call c;
		call_init(&c, key, 100000);
		for (int half = 0; half < 2; half++, t.operations++) {
			int64_t from = clock_mono_us();
			if (half == 0)
				call_commit(s, &c);
			else
				call_settle(s, &c);
			int64_t took = clock_mono_us() - from;
			t.longest_us = took > t.longest_us ? took : t.longest_us;
		}
	}
	return t;
}

/* Opens, says so, waits for the start, writes, reports. */
static void be_writer(const char *folder, int start, int report, int seconds, bool is_full)
{
	struct store *s = open_store(folder, is_full ? DURABILITY_FULL : DURABILITY_NORMAL);
	struct tally t = { 0 };
	char byte;

	must(write(report, &t, sizeof(t)) == sizeof(t), "write");
	must(read(start, &byte, 1) >= 0, "read");
	t = write_until(s, clock_mono_us() + seconds * 1000000LL, store_number(s));
	must(write(report, &t, sizeof(t)) == sizeof(t), "write");
	store_close(s);
	exit(0);
}

static void measure_writers(const char *folder, int n, int seconds, bool is_full)
{
	struct tally t, sum = { 0 };
	long least = LONG_MAX, most = 0;
	int start[2], report[2];

	must(n > 0 && n <= MAX_WRITERS && pipe(start) == 0 && pipe(report) == 0, "pipe");
	store_close(open_store(folder, DURABILITY_NORMAL));
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		must(pid >= 0, "fork");
		if (pid == 0) {
			close(start[1]);
			be_writer(folder, start[0], report[1], seconds, is_full);
		}
	}
	for (int i = 0; i < n; i++)
		must(read(report[0], &t, sizeof(t)) == sizeof(t), "a writer that is ready");
	close(start[1]);
	for (int i = 0; i < n; i++) {
		must(read(report[0], &t, sizeof(t)) == sizeof(t), "a writer's report");
		sum.operations += t.operations;
		sum.longest_us = t.longest_us > sum.longest_us ? t.longest_us : sum.longest_us;
		least = t.operations < least ? t.operations : least;
		most = t.operations > most ? t.operations : most;
	}
	while (wait(NULL) > 0)
		;
	printf("{\"per_s\":%.0f,\"longest_ms\":%.1f,\"fairness\":%.3f}\n", (double)sum.operations / seconds,
		(double)sum.longest_us / 1000, most ? (double)least / (double)most : 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static long number(const char *text)
{
	char *end = NULL;
	long n = strtol(text, &end, 10);

	must(end != text && *end == '\0' && n >= 0 && n <= 100 * 1000 * 1000, text);
	return n;
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/aegis-bench-store-XXXXXX";

	if (argc != 5 || (strcmp(argv[1], "limit") != 0 && strcmp(argv[1], "writers") != 0)) {
		fprintf(stderr, "usage: bench_store limit N HISTORY MAX | writers N SECONDS FULL\n");
		return 2;
	}
	long n = number(argv[2]), second = number(argv[3]), third = number(argv[4]);

	must(mkdtemp(folder) != NULL, "mkdtemp");
	if (strcmp(argv[1], "limit") == 0)
		measure_limit(folder, (int)n, second, (uint32_t)third);
	else
		measure_writers(folder, (int)n, (int)second, third != 0);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : 1;
}
