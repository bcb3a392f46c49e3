/* Approvals as calls meet them: asked for, attached to, used; and how their time passes. */
#include "store/sqlite_approval.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

#define FORGET_AT_ONCE 16                    /* a broker, where there is one, sweeps them away before */
#define HOUR_MS        (3600 * 1000LL)
#define EXPIRE_AT_ONCE 256                   /* a backlog goes on with the next touch */

/* ---- time ---- */

void asked_expire(struct store *s, const struct asked *k, const char *why)
{
	struct edge e = { .to = APPROVAL_EXPIRED, .reason = why };
	struct testimony t = { .verdict = "expired", .reason = why, .state = APPROVAL_EXPIRED };

	if (asked_move(s, k, &e))
		asked_testify(s, k, &t);
}

void asked_expire_if_overdue(struct store *s, struct asked *k)
{
	if (!k->is_there || !asked_is_overdue(k, s->now.tick_ms))
		return;
	asked_expire(s, k, "");
	k->a.state = APPROVAL_EXPIRED;
}

uint32_t approvals_expire(struct store *s)
{
	uint32_t n = 0;

	for (; n < EXPIRE_AT_ONCE && s->db.fault == OK; n++) {
		CLEANUP(asked_release) struct asked k = asked_get(s, SQL_APPROVAL_OVERDUE, BIND(num(s->now.tick_ms)));
		if (!k.is_there)
			break;
		asked_expire(s, &k, "");
	}
	return n;
}

static void expire_carry_out(struct store *s, struct op *op, void *request)
{
	(void)request;
	op->answer = (int)approvals_expire(s);
}

/* Nothing overdue asks for no gate. */
void store_approval_expire(struct store *s, struct op *op)
{
	int64_t in_ms = 0;
	bool is_due = store_approval_next_due(s, &in_ms) != OK || in_ms == 0;

	op->needs_full = false;
	turn_submit(s, op, is_due ? expire_carry_out : NULL, NULL);
}

enum err store_approval_next_due(struct store *s, int64_t *in_ms)
{
	struct now now;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	int64_t tick = 0;
	{
		CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_APPROVAL_DUE, NO_BIND);
		bool has = db_row(&s->db, q) && sqlite3_column_type(q, 0) == SQLITE_INTEGER;
		tick = has ? sqlite3_column_int64(q, 0) : -1;
	}
	store_now(s, &now);
	*in_ms = tick < 0 ? -1 : tick > now.tick_ms ? tick - now.tick_ms : 0;
	return read_end(s);
}

struct clocks {
	struct { char id[ID_SIZE]; bool is_covered; } v[EXPIRE_AT_ONCE];
	size_t n;
	char last[ID_SIZE];
};

/* The next approvals whose clock stands other than it should. */
static void find_clocks(struct store *s, approval_covered_fn *is_covered, struct clocks *out)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_APPROVAL_LIVE, BIND(text(out->last), text("")));

	for (out->n = 0; out->n < ARRAY_LEN(out->v) && db_row(&s->db, q);) {
		CLEANUP(asked_release) struct asked k = asked_of(q, false);
		struct call_facts f = { .tenant = k.a.tenant, .agent = k.a.agent, .backend = k.a.backend, .tool = k.a.tool,
			.level = k.a.level };
		memcpy(out->last, k.a.id, sizeof(out->last));
		bool covered = is_covered(s, &f);
		if (covered == k.a.is_frozen)
			continue;
		memcpy(out->v[out->n].id, k.a.id, ID_SIZE);
		out->v[out->n++].is_covered = covered;
	}
}

void approvals_freeze(struct store *s, approval_covered_fn *is_covered)
{
	struct clocks todo = { .last = "" };

	approvals_expire(s);
	do {
		find_clocks(s, is_covered, &todo);
		for (size_t i = 0; i < todo.n; i++)
			db_run(&s->db, todo.v[i].is_covered ? SQL_APPROVAL_FREEZE : SQL_APPROVAL_THAW,
				BIND(text(todo.v[i].id), num(s->now.tick_ms)));
	} while (todo.n == ARRAY_LEN(todo.v) && s->db.fault == OK);
}

/* ---- attaching ---- */

static void attach(struct store *s, struct hold *h, const char *approval)
{
	int64_t owner = gate_number(s->gate);

	memmove(h->approval, approval, sizeof(h->approval));   /* it may be its own */
	db_run(&s->db, SQL_WAITER_PUT, BIND(text(approval), text(h->call->id), num(owner), num(s->now.tick_ms)));
	FAILPOINT(APPROVAL_ATTACHED);
}

void approval_detach(struct store *s, const char *approval, const char *call)
{
	db_run(&s->db, SQL_WAITER_DROP, BIND(text(approval), text(call)));
	approvals_expire(s);
}

void approval_detach_all(struct store *s, uint32_t owner)
{
	db_run(&s->db, SQL_WAITER_DROP_OF, BIND(num(owner)));
}

static bool is_same_tool(const struct asked *k, const struct call_facts *f)
{
	return memcmp(k->a.tool_hash, f->tool_hash, sizeof(f->tool_hash)) == 0;
}

static bool is_same_call(const struct asked *k, const struct call_facts *f)
{
	const struct approval *a = &k->a;

	return strcmp(a->tenant, f->tenant) == 0 && strcmp(a->agent, f->agent) == 0 && a->level == f->level &&
	       strcmp(a->backend, f->backend) == 0 && strcmp(a->tool, f->tool) == 0 &&
	       memcmp(a->args_hash, f->args_hash, sizeof(f->args_hash)) == 0;
}

static bool is_same_decision(const struct asked *k, const struct call_facts *f)
{
	return memcmp(k->a.fingerprint, f->fingerprint, sizeof(f->fingerprint)) == 0;
}

/* What was asked, or said, is not what this call is any more. */
static void give_up(struct store *s, const struct asked *k, const char *why)
{
	struct edge e = { .to = APPROVAL_CANCELLED, .means = "store", .reason = why };
	struct testimony t = { .verdict = "cancelled", .means = "store", .reason = why, .state = APPROVAL_CANCELLED };

	if (k->a.state == APPROVAL_APPROVED)
		asked_expire(s, k, why);
	else if (asked_move(s, k, &e))
		asked_testify(s, k, &t);
}

/* ---- asking ---- */

/* So many characters of 32 that cannot be taken for one another; one of the names people read out. */
static void draw_name(char *out, size_t n)
{
	static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
	uint8_t bytes[8];

	random_bytes(bytes, sizeof(bytes));
	memcpy(out, "APR-", 4);
	for (size_t i = 0; i < n; i++)
		out[4 + i] = alphabet[bytes[i] % (sizeof(alphabet) - 1)];
	out[4 + n] = '\0';
}

static void find_name(struct store *s, char *out)
{
	for (int tries = 0; s->db.fault == OK; tries++) {
		size_t n = 4 + (size_t)tries / 8;
		draw_name(out, n < 8 ? n : 8);
		if (db_number(&s->db, SQL_APPROVAL_IS_SHORT, 0, BIND(text(out))) == 0)
			return;
	}
}

static int64_t left_of(const struct store *s, int64_t tick)
{
	return tick <= 0 ? -1 : tick > s->now.tick_ms ? tick - s->now.tick_ms : 1;
}

static bool find_id(struct store *s, enum sql id, char out[ID_SIZE], const struct bind *values, size_t n)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, id, values, n);
	bool is_there = db_row(&s->db, q);

	if (is_there)
		snprintf(out, ID_SIZE, "%s", column_text(q, 0));
	return is_there;
}

/* The same call was refused while its client was away: this is the answer it came back for. */
static bool was_refused_meanwhile(struct store *s, struct hold *h)
{
	const struct call_facts *f = h->call;
	bool is_owed = find_id(s, SQL_APPROVAL_OWED, h->refused,
		BIND(text(f->agent), text(f->tenant), text(f->tool), text(f->backend), num(f->level), hash_of(f->args_hash),
			num(s->now.tick_ms)));

	if (is_owed)
		db_run(&s->db, SQL_APPROVAL_TOLD, BIND(text(h->refused)));
	return is_owed;
}

/* HELD: may be asked. Else the cap in its way, and h->retry_after_ms. */
static enum hold_answer look_at_caps(struct store *s, struct hold *h)
{
	const struct call_facts *f = h->call;
	const struct approval_ask *ask = h->ask;
	struct bind agent = text(f->agent), tenant = text(f->tenant);
	int64_t hour_ago = s->now.tick_ms - HOUR_MS;

	int64_t refused = db_number(&s->db, SQL_APPROVAL_REFUSED_AT, 0, BIND(agent, tenant, text(f->tool), text(f->backend)));
	if (refused > 0 && refused + ask->cooldown_after_refusal_ms > s->now.tick_ms) {
		h->retry_after_ms = left_of(s, refused + ask->cooldown_after_refusal_ms);
		(void)find_id(s, SQL_APPROVAL_REFUSED_LAST, h->refused,
			BIND(agent, tenant, text(f->tool), text(f->backend), num(refused), hash_of(f->args_hash)));
		return HOLD_REFUSED_RECENTLY;
	}
	int64_t pending = db_number(&s->db, SQL_APPROVAL_PENDING, 0, BIND(agent, tenant));
	if (pending >= ask->max_pending) {
		h->retry_after_ms = left_of(s, db_number(&s->db, SQL_APPROVAL_PENDING_TO, 0, BIND(agent, tenant)));
		return HOLD_TOO_MANY_PENDING;
	}
	int64_t asks = db_number(&s->db, SQL_APPROVAL_ASKS, 0, BIND(agent, tenant, num(hour_ago)));
	if (asks < ask->max_per_hour)
		return HELD;
	int64_t first = db_number(&s->db, SQL_APPROVAL_ASKED_AT, 0,
		BIND(agent, tenant, num(hour_ago), num((int64_t)ask->max_per_hour - 1)));
	h->retry_after_ms = left_of(s, first + HOUR_MS);
	return HOLD_TOO_MANY_ASKS;
}

static void put_row(struct store *s, const struct hold *h, const char *name)
{
	const struct call_facts *f = h->call;
	const struct approval_ask *ask = h->ask;
	const struct terms none = { 0 }, *t = h->terms ? h->terms : &none;
	int64_t tick = s->now.tick_ms;
	CLEANUP(buf_release) struct buf keys = { 0 };

	buf_init(&keys, KEYS_MAX_BYTES);
	if (!claims_join_keys(&h->limits, &keys))
		db_fault(&s->db, ERR_INVALID);
	db_run(&s->db, SQL_APPROVAL_PUT,
		BIND(text(h->approval), text(name), text(f->tenant), text(f->agent), num(f->level), num((int64_t)t->uid),
			text(t->client), text(f->backend), text(f->tool), text_of(ask->args), hash_of(f->args_hash),
			hash_of(f->tool_hash), hash_of(f->fingerprint), text(ask->rule), num(ask->quorum),
			num(ask->is_auth_required), num(s->now.wall_ms), num(tick), num(tick + ask->timeout_ms),
			num(ask->redeem_ms), text_of(buf_span(&keys))));
}

static enum hold_answer ask_people(struct store *s, struct hold *h)
{
	char name[sizeof(((struct approval *)0)->short_id)];

	enum hold_answer answer = look_at_caps(s, h);
	if (answer != HELD)
		return answer;
	id_new(h->approval, s->now.wall_ms);
	if (!hold_windows(s, h, &(struct holder){ h->approval, OWNER_APPROVAL, NULL })) {
		h->approval[0] = '\0';
		return HOLD_LIMITED;
	}
	find_name(s, name);
	put_row(s, h, name);
	FAILPOINT(APPROVAL_ASKED);
	event_put(s, h->approval, EVENT_ASKED);
	(void)messages_open(s, h->approval, h->ask);
	approvals_forget(s, FORGET_AT_ONCE);
	CLEANUP(asked_release) struct asked k = asked_find(s, h->approval, false);
	if (k.is_there)
		asked_testify(s, &k, &(struct testimony){ .verdict = "asked", .state = APPROVAL_PENDING });
	return HELD_ASKED;
}

/* The rules name a channel that they did not when it was asked. */
static void tell_new_channels(struct store *s, const struct hold *h, const struct asked *k)
{
	if (k->a.state == APPROVAL_PENDING && messages_open(s, k->a.id, h->ask))
		watchers_wake(s);
}

enum hold_answer approval_hold(struct store *s, struct hold *h)
{
	const struct call_facts *f = h->call;

	h->retry_after_ms = -1;
	(void)reap(s); /* a ticket whose owner is dead, or whose time is over, keeps no approval alive */
	approvals_expire(s);
	CLEANUP(asked_release)
	struct asked k = asked_get(s, SQL_APPROVAL_OF_CALL,
		BIND(text(f->tenant), text(f->agent), num(f->level), text(f->backend), text(f->tool), hash_of(f->args_hash)));
	asked_expire_if_overdue(s, &k);
	if (k.is_there && !asked_is_live(&k))
		asked_release(&k);
	if (k.is_there && is_same_tool(&k, f) && is_same_decision(&k, f)) {
		attach(s, h, k.a.id);
		tell_new_channels(s, h, &k);
		return HELD_ATTACHED;
	}
	if (k.is_there)
		give_up(s, &k, is_same_tool(&k, f) ? "the rules for this call have changed" : "the definition of the tool has changed");
	if (was_refused_meanwhile(s, h))
		return HOLD_REFUSED;
	enum hold_answer answer = ask_people(s, h);
	if (answer != HELD_ASKED)
		return answer;
	attach(s, h, h->approval);
	asked_wake(s, h->approval);
	return HELD_ASKED;
}

/* ---- using ---- */

enum commit_answer approval_look(struct store *s, struct commit *c)
{
	if (!c->approval || !*c->approval)
		return COMMITTED;
	CLEANUP(asked_release) struct asked k = asked_find(s, c->approval, false);
	if (k.is_there && k.a.state == APPROVAL_CONSUMED)
		return COMMIT_APPROVAL_USED;
	/* The ticket that carries it is this call's own: what was given in time stays good in the queue. */
	if (!k.is_there || k.a.state != APPROVAL_APPROVED || asked_is_overdue(&k, s->now.tick_ms) ||
	    !is_same_call(&k, c->call))
		return COMMIT_APPROVAL_GONE;
	return is_same_tool(&k, c->call) && is_same_decision(&k, c->call) ? COMMITTED : COMMIT_TOOL_CHANGED;
}

void approval_use(struct store *s, const struct commit *c)
{
	struct edge e = { .to = APPROVAL_CONSUMED, .consumed_by = c->call->id };

	if (!c->approval || !*c->approval)
		return;
	CLEANUP(asked_release) struct asked k = asked_find(s, c->approval, false);
	if (!k.is_there || k.a.state != APPROVAL_APPROVED || !asked_move(s, &k, &e))
		db_fault(&s->db, ERR_INVALID); /* approval_look said otherwise in this very transaction */
	FAILPOINT(APPROVAL_USED);
	db_run(&s->db, SQL_WAITER_DROP, BIND(text(c->approval), text(c->call->id)));
}
