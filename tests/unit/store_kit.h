/* store_kit - a store in a folder of its own, under clocks the test moves, and the verbs as one-liners: each is submitted, carried out
 * and told before it returns. */
#pragma once
#include <poll.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "store/store.h"
#include "unit/scratch.h"
#include "unit/unit.h"

#define KIT_PATIENCE_MS 30000

/* ck_assert reports even when it holds, which a peer process cannot. */
#define must(claim) do { if (!(claim)) ck_abort_msg("%s", #claim); } while (0)

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define GUARD  50LL                       /* a place is free when a use is older than the window and this */

/* ---- clocks: they stand still until moved, and begin at the machine's wall time, by which repair lives ---- */

struct hands {
	int64_t wall_ms, boot_ms, mono_ms;
	char boot[64];
};

static inline int64_t hands_wall_ms(void *arg)
{
	return ((struct hands *)arg)->wall_ms;
}
static inline int64_t hands_boot_ms(void *arg)
{
	return ((struct hands *)arg)->boot_ms;
}
static inline int64_t hands_mono_ms(void *arg)
{
	return ((struct hands *)arg)->mono_ms;
}
static inline void hands_boot_name(void *arg, char *out, size_t size)
{
	snprintf(out, size, "%s", ((struct hands *)arg)->boot);
}

static inline void hands_move(struct hands *h, int64_t ms)
{
	h->wall_ms += ms;
	h->boot_ms += ms;
	h->mono_ms += ms;
}

/* The machine starts again; so much passed meanwhile. */
static inline void hands_reboot(struct hands *h, const char *boot, int64_t off_ms)
{
	h->wall_ms += off_ms;
	h->boot_ms = 20 * SECOND;
	h->mono_ms = 20 * SECOND;
	snprintf(h->boot, sizeof(h->boot), "%s", boot);
}

/* ---- a store ---- */

struct kit {
	char *folder;                             /* owned by whoever made it */
	struct hands hands;
	struct store_clock clock;
	bool is_real_time;                        /* set before opening: the machine's clocks, as other processes have them */
	bool is_unsafe;                           /* likewise: nothing is synced, for many operations in a short time */
	struct store *store;
	struct problem why;
};

static inline void kit_set(struct kit *k, char *folder)
{
	*k = (struct kit){
		.folder = folder,
		.hands = { .wall_ms = clock_wall_ms(), .boot_ms = 5000000, .mono_ms = 5000000, .boot = "b1:1" },
		.clock = { hands_wall_ms, hands_boot_ms, hands_mono_ms, hands_boot_name, NULL, NULL },
	};
	k->clock.arg = &k->hands;
}

static inline enum err kit_try_open(struct kit *k, const char *folder)
{
	struct store_options o = { .state_dir = folder, .durability = DURABILITY_AUTO, .clock = &k->clock };

	if (k->is_real_time)
		o.clock = NULL;
	if (k->is_unsafe)
		o.durability = DURABILITY_NORMAL;
	k->why.text[0] = '\0';
	return store_open(&o, &k->store, &k->why);
}

static inline void kit_open(struct kit *k)
{
	enum err e = kit_try_open(k, k->folder);

	ck_assert_msg(e == OK, "store_open: %d %s", e, k->why.text);
}

static inline void kit_init(struct kit *k)
{
	kit_set(k, scratch_new());
	kit_open(k);
}

static inline void kit_close(struct kit *k)
{
	store_close(k->store);
	k->store = NULL;
}

static inline void kit_release(struct kit *k)
{
	kit_close(k);
	scratch_remove(k->folder);
}

/* ---- operations ---- */

static inline void op_was_told(struct op *op)
{
	*(bool *)op->arg = true;
}

/* Until the turn has told it. */
static inline void op_finish(struct store *s, struct op *op)
{
	int64_t end = clock_mono_us() + KIT_PATIENCE_MS * 1000;

	store_turn_run(s);
	while (op->is_submitted && clock_mono_us() < end) {
		struct pollfd gate = { .fd = store_gate_fd(s), .events = POLLIN };
		(void)poll(&gate, 1, 100);
		store_turn_run(s);
	}
	must(!op->is_submitted);
}

struct limit {
	const char *key;
	int64_t window_ms;
	uint32_t max_count;
};

#define LIMITS(...) (const struct limit[]){ __VA_ARGS__ }, sizeof((const struct limit[]){ __VA_ARGS__ }) / sizeof(struct limit)

static inline struct claim_set claims_of(const struct limit *limits, size_t n)
{
	struct claim_set set = { xcalloc(n, sizeof(*set.v)), n };

	for (size_t i = 0; i < n; i++)
		set.v[i] = (struct limit_claim){
			.key = (char *)limits[i].key, .tool = "tool",
			.window_ms = limits[i].window_ms, .max_count = limits[i].max_count,
		};
	return set;
}

/* A call under some limits, from its commit point on. */
struct job {
	struct kit *kit;
	struct call_facts facts;
	struct claim_set claims;
	struct evidence intent, outcome;
	struct op op;
	const struct terms *terms;                /* the rules it is judged by; NULL: none */
	struct limit_refusal why;
	struct obstacle obstacle;
	uint32_t epoch;
};

static inline struct evidence job_evidence(const struct job *j, enum evidence_kind kind, const char *verdict)
{
	struct evidence e = {
		.call = j->facts.id, .agent = "agent", .backend = "backend", .tool = "tool", .verdict = verdict,
		.kind = kind, .at_ms = j->kit->hands.wall_ms, .body = SPAN("{\"by\":\"test\"}"),
	};
	evidence_seal(&e);
	return e;
}

static inline void job_init(struct job *j, struct kit *k, const struct limit *limits, size_t n)
{
	*j = (struct job){
		.kit = k,
		.facts = { .tenant = "", .agent = "agent", .backend = "backend", .tool = "tool" },
		.claims = claims_of(limits, n),
	};
	id_new(j->facts.id, k->hands.wall_ms);
	j->intent = job_evidence(j, EVIDENCE_INTENT, "allowed");
	j->outcome = job_evidence(j, EVIDENCE_OUTCOME, "done");
}

static inline void job_release(struct job *j)
{
	free(j->claims.v);
}

static inline int job_commit_as(struct job *j, bool is_holding)
{
	struct commit c = {
		.call = &j->facts, .limits = j->claims, .terms = j->terms, .is_holding = is_holding, .deadline_ms = 10 * MINUTE,
		.intent = &j->intent,
	};

	j->op = (struct op){ 0 };
	store_commit(j->kit->store, &j->op, &c);
	op_finish(j->kit->store, &j->op);
	j->why = c.why;
	j->obstacle = c.obstacle;
	j->epoch = c.epoch;
	return j->op.err != OK ? (int)j->op.err : j->op.answer;
}

static inline int job_commit(struct job *j)
{
	return job_commit_as(j, false);
}

static inline int job_hold(struct job *j)
{
	struct hold h = { .call = &j->facts, .limits = j->claims, .terms = j->terms };

	j->op = (struct op){ 0 };
	store_hold(j->kit->store, &j->op, &h);
	op_finish(j->kit->store, &j->op);
	j->why = h.why;
	return j->op.err != OK ? (int)j->op.err : j->op.answer;
}

static inline void job_unhold(struct job *j)
{
	struct release r = { .call = &j->facts, .limits = j->claims };

	j->op = (struct op){ 0 };
	store_release(j->kit->store, &j->op, &r);
	op_finish(j->kit->store, &j->op);
	must(j->op.err == OK);
}

static inline void job_stamp(struct job *j, int64_t left_tick_ms)
{
	struct stamp st = { .call = &j->facts, .limits = j->claims, .left_tick_ms = left_tick_ms };

	j->op = (struct op){ .is_kept = true };
	store_stamp(j->kit->store, &j->op, &st);
	op_finish(j->kit->store, &j->op);
	must(j->op.err == OK);
}

enum end { DONE, REFUND, UNKNOWN };

static inline enum err job_settle_at(struct job *j, enum end how, int64_t left_tick_ms)
{
	struct settle e = {
		.call = &j->facts, .limits = j->claims, .is_refund = how == REFUND, .is_unknown = how == UNKNOWN,
		.ran = how == REFUND ? RAN_FAILED : RAN_OK, .left_tick_ms = left_tick_ms, .evidence = &j->outcome,
	};

	j->op = (struct op){ .is_kept = true };
	store_settle(j->kit->store, &j->op, &e);
	op_finish(j->kit->store, &j->op);
	return j->op.err;
}

static inline void job_settle(struct job *j, enum end how)
{
	must(job_settle_at(j, how, -1) == OK);
}

/* A whole call in one line. Its answer is the commit's. */
static inline int call_once(struct kit *k, const struct limit *limits, size_t n, enum end how)
{
	struct job j;

	job_init(&j, k, limits, n);
	int answer = job_commit(&j);
	if (answer == COMMITTED)
		job_settle(&j, how);
	job_release(&j);
	return answer;
}

static inline enum err session_join(struct kit *k, const char *id)
{
	struct session me = { .kind = "shim", .agent = "a", .client = "c", .client_version = "1", .backend = "b", .tenant = "" };
	struct op op = { 0 };

	snprintf(me.id, sizeof(me.id), "%s", id);
	store_session_join(k->store, &op, &me);
	op_finish(k->store, &op);
	return op.err;
}

static inline int64_t kit_tick(const struct kit *k)
{
	struct now now;

	store_now(k->store, &now);
	return now.tick_ms;
}

static inline struct limit_row kit_show(struct kit *k, const char *key, int64_t window_ms)
{
	struct limit_row row = { .key = (char *)key, .window_ms = window_ms };

	ck_assert_int_eq(store_limits_show(k->store, &row, 1), OK);
	return row;
}

/* ---- what stands in the file, by a connection of its own ---- */

static inline int64_t file_number(const struct kit *k, const char *sql)
{
	char *path = path_join(k->folder, "aegis.db");
	sqlite3 *db = NULL;
	sqlite3_stmt *q = NULL;

	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_step(q), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	free(path);
	return n;
}

static inline void kit_sql(const struct kit *k, const char *sql)
{
	char *path = path_join(k->folder, "aegis.db");
	sqlite3 *db = NULL;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
	free(path);
}

static inline char *kit_path(const struct kit *k, const char *name)
{
	return path_join(k->folder, name);
}
