#include "store/sqlite.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

/* ---- the commit point ---- */

static bool is_in_force(struct store *s, const struct terms *t)
{
	int64_t generation = db_number(&s->db, SQL_CONFIG_GET, 0, BIND(text(t->config_path)));

	return generation == (int64_t)t->config_generation;
}

/* The same call under way, of a process that is dead, or over its deadline? */
static bool is_orphaned(struct store *s, const struct call_facts *f)
{
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_FLIGHT_SAME,
		BIND(text(f->tenant), text(f->agent), text(f->backend), text(f->tool), hash_of(f->args_hash),
			num(gate_number(s->gate))));

	while (db_row(&s->db, q)) {
		bool is_late = sqlite3_column_int64(q, 1) < s->now.tick_ms;
		if (is_late || !presence_is_alive(s->presence, (uint32_t)sqlite3_column_int64(q, 0), NULL))
			return true;
	}
	return false;
}

enum go terms_look(struct store *s, const struct call_facts *f, const struct terms *t, struct obstacle *why)
{
	*why = (struct obstacle){ .until_ms = -1 };
	if (t && t->config_path && !is_in_force(s, t))
		return GO_CONFIG_CHANGED;
	if (t && t->is_held_after_unknown && is_orphaned(s, f))
		reap(s); /* nobody has noticed yet: now it is UNKNOWN */
	return switches_look(s, f, t, why);
}

static void flight_put(struct store *s, const struct commit *c, uint64_t intent_seq)
{
	const struct call_facts *f = c->call;
	int64_t owner = gate_number(s->gate), now = s->now.tick_ms;
	struct buf keys;

	buf_init(&keys, KEYS_MAX_BYTES);
	if (!claims_join_keys(&c->limits, &keys))
		db_fault(&s->db, ERR_INVALID);
	db_run(&s->db, SQL_FLIGHT_PUT,
		BIND(text(f->id), num(owner), text(f->tenant), text(f->agent), text(f->backend),
			text(f->tool), hash_of(f->args_hash), num((int64_t)intent_seq), num(now),
			num(now + c->deadline_ms), text_of(buf_span(&keys)),
			num(c->terms ? c->terms->on_unknown_hold_ms : 0),
			text(c->approval && *c->approval ? c->approval : c->under)));
	buf_release(&keys);
}

static enum commit_answer look_at_terms(struct store *s, struct commit *c)
{
	static const enum commit_answer answers[] = {
		[GO_ON] = COMMITTED,
		[GO_CONFIG_CHANGED] = COMMIT_CONFIG_CHANGED,
		[GO_BRAKED] = COMMIT_BRAKED,
		[GO_COOLING] = COMMIT_COOLING,
		[GO_AFTER_UNKNOWN] = COMMIT_AFTER_UNKNOWN,
	};

	return answers[terms_look(s, c->call, c->terms, &c->obstacle)];
}

/* All windows or none; the only one that writes, and only when it passes: it stands last. */
static enum commit_answer take_places(struct store *s, struct commit *c)
{
	bool has_approval = c->approval && *c->approval;
	struct admission a = {
		.call = c->call,
		.claims = &c->limits,
		.why = &c->why,
		.holder = has_approval ? c->approval : c->is_holding ? c->call->id : NULL,
		.continues = c->continues,
		.continues_tick = c->continues_tick,
		.tick = TICK_OPEN,
		.as = c->call->id,
		.owner = gate_number(s->gate),
	};

	return limits_admit(s, &a) ? COMMITTED : COMMIT_LIMITED;
}

/* What must hold at the commit point. The first that answers anything but COMMITTED is the answer. */
static enum commit_answer (*const conditions[])(struct store *s, struct commit *c) = {
	look_at_terms,
	approval_look,
	queue_may_start,
	take_places,
};

static void commit_carry_out(struct store *s, struct op *op, void *request)
{
	struct commit *c = request;

	op->answer = COMMITTED;
	for (size_t i = 0; i < ARRAY_LEN(conditions) && op->answer == COMMITTED; i++)
		op->answer = (int)conditions[i](s, c);
	if (op->answer != COMMITTED)
		return;
	FAILPOINT(COMMIT_ADMITTED);
	approval_use(s, c);
	uint64_t seq = audit_append(s, c->intent);
	FAILPOINT(COMMIT_INTENT);
	flight_put(s, c, seq);
	queue_start(s, c);
	FAILPOINT(COMMIT_FLIGHT);
	c->epoch = (uint32_t)seq;
}

void store_commit(struct store *s, struct op *op, struct commit *c)
{
	op->needs_full = c->ticket != 0 || (c->approval && *c->approval) || claims_need_full(&c->limits);
	turn_submit(s, op, commit_carry_out, c);
}

enum err store_flight_is_ours(struct store *s, const char *call, uint32_t epoch, bool *is_ours)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	int64_t owner = gate_number(s->gate);
	*is_ours = db_number(&s->db, SQL_FLIGHT_IS, 0, BIND(text(call), num(owner), num(epoch)));
	return read_end(s);
}

/* ---- its end ---- */

struct flight {
	bool is_there;
	int64_t started_tick, stamped_tick; /* stamped_tick 0: its uses are open */
	int64_t unknown_hold_ms;
	char *keys;                         /* owned */
	char approval[ID_SIZE];             /* it runs under; "" = none */
};

static struct flight flight_of(sqlite3_stmt *q)
{
	struct flight f = {
		.is_there = true,
		.started_tick = sqlite3_column_int64(q, 0),
		.stamped_tick = sqlite3_column_int64(q, 1),
		.keys = xstrdup(column_text(q, 2)),
		.unknown_hold_ms = sqlite3_column_int64(q, 3),
	};

	if (sqlite3_column_bytes(q, 4) == ID_SIZE - 1)
		memcpy(f.approval, column_text(q, 4), ID_SIZE);
	return f;
}

static struct flight flight_get(struct store *s, const char *call, uint32_t owner)
{
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_FLIGHT_GET, BIND(text(call), num(owner)));

	return db_row(&s->db, q) ? flight_of(q) : (struct flight){ 0 };
}

/* Two statements: a DELETE that returns rows gathers them in a table of its own first, which costs more than both. */
static struct flight flight_end(struct store *s, const char *call, uint32_t owner)
{
	struct flight f = flight_get(s, call, owner);

	if (f.is_there)
		db_run(&s->db, SQL_FLIGHT_DROP, BIND(text(call), num(owner)));
	return f;
}

static struct flight flight_stamp(struct store *s, const char *call, int64_t tick)
{
	int64_t owner = gate_number(s->gate);
	CLEANUP(db_end)
	sqlite3_stmt *q =
		db_start(&s->db, SQL_FLIGHT_STAMP, BIND(text(call), num(owner), num(tick)));

	return db_row(&s->db, q) ? flight_of(q) : (struct flight){ 0 };
}

/* The first byte left after the commit and before now, whatever the caller says; not known: now. */
static int64_t left_tick(const struct store *s, int64_t said, int64_t started)
{
	if (said < 0 || said > s->now.tick_ms)
		return s->now.tick_ms;
	return said < started ? started : said;
}

static void stamp_carry_out(struct store *s, struct op *op, void *request)
{
	struct stamp *st = request;
	int64_t tick = left_tick(s, st->left_tick_ms, 1);
	struct flight f = flight_stamp(s, st->call->id, tick);
	struct uses u = { .call = st->call->id, .keys = f.keys, .tick = TICK_OPEN };

	(void)op;
	if (f.is_there)
		uses_stamp(s, &u, tick);
	FAILPOINT(STAMP_WRITTEN);
	free(f.keys);
}

void store_stamp(struct store *s, struct op *op, struct stamp *st)
{
	op->needs_full = false;
	turn_submit(s, op, stamp_carry_out, st);
}

static enum ran ran_of(const struct settle *e)
{
	return e->is_void ? RAN_ON : e->is_unknown ? RAN_UNKNOWN : e->ran;
}

/* Somebody else called it UNKNOWN meanwhile: its use stays, but what became of it is known after
 * all. */
static void settle_late(struct store *s, const struct settle *e)
{
	struct unknown_settle known = { .call = e->call->id, .by = s->session, .was_done = !e->is_refund };

	if (!e->is_unknown)
		unknown_settle(s, &known, ran_of(e));
}

static void settle_uses(struct store *s, struct settle *e, struct flight *f)
{
	bool is_open = f->stamped_tick == 0;
	struct uses u = { e->call->id, f->keys, is_open ? TICK_OPEN : f->stamped_tick };

	e->use_tick = is_open ? left_tick(s, e->left_tick_ms, f->started_tick) : f->stamped_tick;
	if (e->is_void)
		uses_refund(s, &u);
	else if (e->is_refund)
		uses_give_back(s, &u, e->use_tick);
	else if (is_open)
		uses_stamp(s, &u, e->use_tick);
}

static void settle_carry_out(struct store *s, struct op *op, void *request)
{
	struct settle *e = request;
	struct flight f = flight_end(s, e->call->id, gate_number(s->gate));

	(void)op;
	FAILPOINT(SETTLE_FLIGHT);
	if (f.is_there)
		settle_uses(s, e, &f);
	else
		settle_late(s, e);
	FAILPOINT(SETTLE_USES);
	if (f.is_there && e->is_unknown)
		unknown_put(s, &(struct unknown){ e->call, f.approval, f.unknown_hold_ms });
	FAILPOINT(SETTLE_UNKNOWN);
	approval_ran(s, f.approval, ran_of(e));
	if (e->cooldown_ms > 0)
		cooldown_put(s, e->call->backend, e->cooldown_cause, e->cooldown_ms);
	if (e->ticket)
		queue_end(s, e->call->id);
	if (e->evidence)
		audit_append(s, e->evidence);
	FAILPOINT(SETTLE_WRITTEN);
	free(f.keys);
}

void store_settle(struct store *s, struct op *op, struct settle *e)
{
	op->needs_full = false;
	turn_submit(s, op, settle_carry_out, e);
}

/* ---- found by somebody else ---- */

void flight_give_up(struct store *s, const struct call_facts *call, uint32_t owner)
{
	struct flight f = flight_end(s, call->id, owner);
	struct uses u = { .call = call->id, .keys = f.keys, .tick = TICK_OPEN };

	if (f.is_there) {
		if (f.stamped_tick == 0)
			uses_stamp(s, &u, s->now.tick_ms);
		unknown_put(s, &(struct unknown){ call, f.approval, f.unknown_hold_ms });
		approval_ran(s, f.approval, RAN_UNKNOWN);
		queue_end(s, call->id);
	}
	free(f.keys);
}
