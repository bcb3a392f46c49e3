/* What stops calls for a time: brakes, cool-downs, outcomes nobody knows. */
#include "store/sqlite.h"
#include "base/failpoint.h"
#include "domain/pattern.h"

#define UNKNOWN_KEPT_MS (30 * 24 * 3600 * 1000LL) /* after its hold, for whoever still wants to settle it */

/* ---- brakes ---- */

static bool covers_all(const char *subject, const struct call_facts *f)
{
	(void)subject;
	(void)f;
	return true;
}

static bool covers_agent(const char *subject, const struct call_facts *f)
{
	return strcmp(subject, f->agent) == 0;
}

static bool covers_backend(const char *subject, const struct call_facts *f)
{
	return strcmp(subject, f->backend) == 0;
}

static bool covers_tool(const char *subject, const struct call_facts *f)
{
	return pattern_match(subject, span_of(f->tool));
}

/* No session is in a room yet. */
static bool covers_room(const char *subject, const struct call_facts *f)
{
	(void)subject;
	(void)f;
	return false;
}

static const struct {
	const char *scope;
	bool (*covers)(const char *subject, const struct call_facts *f);
} scopes[] = {
	{ "all", covers_all },
	{ "agent", covers_agent },
	{ "backend", covers_backend },
	{ "tool", covers_tool },
	{ "room", covers_room },
};

bool brake_scope_covers(const char *scope, const char *subject, const struct call_facts *f)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (strcmp(scopes[i].scope, scope) == 0)
			return scopes[i].covers(subject, f);
	return true; /* a scope of a newer program: rather stopped than let past */
}

static struct brake brake_of(sqlite3_stmt *q)
{
	return (struct brake){
		.scope = column_text(q, 0),
		.subject = column_text(q, 1),
		.by = column_text(q, 2),
		.reason = column_text(q, 3),
		.since_at_ms = sqlite3_column_int64(q, 4),
	};
}

static void explain_brake(const struct brake *b, struct obstacle *why)
{
	*why = (struct obstacle){ .until_ms = -1, .since_at_ms = b->since_at_ms };
	snprintf(why->text, sizeof(why->text), "%s", b->reason);
}

bool brake_covers(struct store *s, const struct call_facts *f, struct obstacle *why)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_BRAKES, NO_BIND);

	while (db_row(&s->db, q)) {
		struct brake b = brake_of(q);
		if (!brake_scope_covers(b.scope, b.subject, f))
			continue;
		if (why)
			explain_brake(&b, why);
		return true;
	}
	return false;
}

static bool is_frozen(struct store *s, const struct call_facts *f)
{
	return brake_covers(s, f, NULL);
}

static int64_t brake_write(struct store *s, const struct brake_set *b)
{
	const struct brake *is = &b->brake;

	if (!b->is_on)
		return db_run(&s->db, SQL_BRAKE_DROP, BIND(text(is->scope), text(is->subject)));
	return db_run(&s->db, SQL_BRAKE_PUT,
		BIND(text(is->scope), text(is->subject), text(is->by), text(is->reason), num(s->now.wall_ms),
			num(s->now.tick_ms)));
}

static void brake_carry_out(struct store *s, struct op *op, void *request)
{
	struct brake_set *b = request;

	b->was_changed = brake_write(s, b) == 1;
	op->answer = b->was_changed;
	if (!b->was_changed)
		return;
	FAILPOINT(BRAKE_SET);
	if (b->evidence)
		audit_append(s, b->evidence);
	approvals_freeze(s, is_frozen);
	wake_everyone(s);
}

void store_brake_set(struct store *s, struct op *op, struct brake_set *b)
{
	op->needs_full = true;
	turn_submit(s, op, brake_carry_out, b);
}

enum err store_brake_list(struct store *s, brake_fn *fn, void *arg)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	{
		CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_BRAKES, NO_BIND);
		bool goes_on = true;
		while (goes_on && db_row(&s->db, q)) {
			struct brake b = brake_of(q);
			goes_on = fn(arg, &b);
		}
	}
	return read_end(s);
}

/* ---- cool-downs ---- */

int64_t cooldown_left_ms(struct store *s, const char *backend)
{
	int64_t until = db_number(&s->db, SQL_COOLDOWN_GET, 0, BIND(text(backend)));

	return until > s->now.tick_ms ? until - s->now.tick_ms : 0;
}

static void explain_cooldown(struct store *s, const char *backend, struct obstacle *why)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_COOLDOWN_GET, BIND(text(backend)));

	*why = (struct obstacle){ .until_ms = -1 };
	if (!db_row(&s->db, q))
		return;
	why->until_ms = sqlite3_column_int64(q, 0) - s->now.tick_ms;
	snprintf(why->text, sizeof(why->text), "%s", column_text(q, 1));
}

/* A longer one that is in force stays. */
bool cooldown_put(struct store *s, const char *backend, const char *cause, int64_t for_ms)
{
	int64_t now = s->now.tick_ms;

	db_run(&s->db, SQL_COOLDOWN_FORGET, BIND(num(now)));
	return db_run(&s->db, SQL_COOLDOWN_PUT, BIND(text(backend), num(now + for_ms), text(cause))) == 1;
}

static void cooldown_carry_out(struct store *s, struct op *op, void *request)
{
	struct cooldown_set *c = request;
	bool is_ending = c->for_ms <= 0;
	bool was_cooling = cooldown_left_ms(s, c->backend) > 0;

	if (is_ending)
		c->was_changed = db_run(&s->db, SQL_COOLDOWN_DROP, BIND(text(c->backend))) == 1 && was_cooling;
	else
		c->was_changed = cooldown_put(s, c->backend, c->cause, c->for_ms);
	op->answer = c->was_changed;
	if (!c->was_changed)
		return;
	if (c->evidence)
		audit_append(s, c->evidence);
	wake_everyone(s);
}

void store_cooldown_set(struct store *s, struct op *op, struct cooldown_set *c)
{
	op->needs_full = false;
	turn_submit(s, op, cooldown_carry_out, c);
}

enum err store_cooldown_list(struct store *s, cooldown_fn *fn, void *arg)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &s->now);
	{
		CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_COOLDOWNS, BIND(num(s->now.tick_ms)));
		bool goes_on = true;
		while (goes_on && db_row(&s->db, q)) {
			struct cooldown c = { column_text(q, 0), column_text(q, 1),
				sqlite3_column_int64(q, 2) - s->now.tick_ms };
			goes_on = fn(arg, &c);
		}
	}
	return read_end(s);
}

/* ---- outcomes nobody knows ---- */

void unknown_put(struct store *s, const struct unknown *u)
{
	const struct call_facts *f = u->call;
	int64_t now = s->now.tick_ms;

	db_run(&s->db, SQL_UNKNOWN_FORGET, BIND(num(now - UNKNOWN_KEPT_MS)));
	db_run(&s->db, SQL_UNKNOWN_PUT,
		BIND(text(f->id), text(f->tenant), text(f->agent), text(f->backend), text(f->tool),
			hash_of(f->args_hash), num(now), num(s->now.wall_ms), num(now + u->hold_ms),
			text(u->approval)));
}

/* The approval that a call of unknown outcome ran under; "" = none. */
static void find_under(struct store *s, const char *call, char out[ID_SIZE])
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_UNKNOWN_UNDER, BIND(text(call)));

	snprintf(out, ID_SIZE, "%s", db_row(&s->db, q) ? column_text(q, 0) : "");
}

bool unknown_settle(struct store *s, const struct unknown_settle *u, enum ran ran)
{
	const char *as = u->was_done ? "done" : "not_done";
	char under[ID_SIZE];

	if (db_run(&s->db, SQL_UNKNOWN_SETTLE, BIND(text(u->call), num(s->now.wall_ms), text(u->by), text(as))) != 1)
		return false;
	find_under(s, u->call, under);
	approval_ran(s, under, ran);
	return true;
}

/* Of several like it, the one that is held longest. */
static bool unknown_holds(struct store *s, const struct call_facts *f, struct obstacle *why)
{
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_UNKNOWN_SAME,
		BIND(text(f->tenant), text(f->agent), text(f->backend), text(f->tool), hash_of(f->args_hash),
			num(s->now.tick_ms)));

	if (!db_row(&s->db, q))
		return false;
	*why = (struct obstacle){
		.since_at_ms = sqlite3_column_int64(q, 1),
		.until_ms = sqlite3_column_int64(q, 2) - s->now.tick_ms,
	};
	snprintf(why->call, sizeof(why->call), "%s", column_text(q, 0));
	return true;
}

static struct unknown_row unknown_of(const struct store *s, sqlite3_stmt *q)
{
	int64_t held_ms = sqlite3_column_int64(q, 5) - s->now.tick_ms;
	struct unknown_row u = {
		.call = column_text(q, 0),
		.agent = column_text(q, 1),
		.backend = column_text(q, 2),
		.tool = column_text(q, 3),
		.since_at_ms = sqlite3_column_int64(q, 4),
		.held_ms = held_ms > 0 ? held_ms : 0,
		.settled_at_ms = sqlite3_column_int64(q, 6),
		.settled_by = column_text(q, 7),
		.settled_as = column_text(q, 8),
	};

	column_hash(q, 9, u.args_hash);
	if (u.settled_at_ms > 0)
		u.held_ms = 0;
	return u;
}

enum err store_unknown_list(struct store *s, bool is_open_only, unknown_fn *fn, void *arg)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &s->now);
	{
		CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_UNKNOWNS, BIND(num(is_open_only)));
		bool goes_on = true;
		while (goes_on && db_row(&s->db, q)) {
			struct unknown_row u = unknown_of(s, q);
			goes_on = fn(arg, &u);
		}
	}
	return read_end(s);
}

static void settle_carry_out(struct store *s, struct op *op, void *request)
{
	const struct unknown_settle *u = request;

	op->answer = UNKNOWN_NO_SUCH;
	if (unknown_settle(s, u, u->was_done ? RAN_OK : RAN_NOT)) {
		op->answer = UNKNOWN_SETTLED;
		FAILPOINT(UNKNOWN_SETTLED);
		if (u->evidence)
			audit_append(s, u->evidence);
	} else if (db_number(&s->db, SQL_UNKNOWN_IS, 0, BIND(text(u->call))) == 1) {
		op->answer = UNKNOWN_SETTLED_BEFORE;
	}
}

/* Settling frees no place of a limit: only an answer of the backend proves that a call failed. */
void store_unknown_settle(struct store *s, struct op *op, const struct unknown_settle *u)
{
	op->needs_full = true;
	turn_submit(s, op, settle_carry_out, (void *)u);
}

/* ---- all of them ---- */

/* Nothing in the way, as nearly always, costs one read. */
static void see(struct store *s, const char *backend, bool *is_braking, bool *is_cooling)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_SWITCHES, BIND(text(backend)));
	bool is_there = db_row(&s->db, q);

	*is_braking = is_there && sqlite3_column_int(q, 0);
	*is_cooling = is_there && sqlite3_column_int64(q, 1) > s->now.tick_ms;
}

enum go switches_look(struct store *s, const struct call_facts *f, const struct terms *t, struct obstacle *why)
{
	bool is_braking, is_cooling;

	see(s, f->backend, &is_braking, &is_cooling);
	if (is_braking && brake_covers(s, f, why))
		return GO_BRAKED;
	if (is_cooling) {
		explain_cooldown(s, f->backend, why);
		return GO_COOLING;
	}
	if (t && t->is_held_after_unknown && unknown_holds(s, f, why))
		return GO_AFTER_UNKNOWN;
	return GO_ON;
}

enum err store_obstacle_look(
	struct store *s, const struct call_facts *f, const struct terms *t, enum obstacle_kind *kind, struct obstacle *out)
{
	static const enum obstacle_kind kinds[] = {
		[GO_ON] = OBSTACLE_NONE,
		[GO_BRAKED] = OBSTACLE_BRAKE,
		[GO_COOLING] = OBSTACLE_COOLDOWN,
		[GO_AFTER_UNKNOWN] = OBSTACLE_UNKNOWN,
	};
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &s->now);
	*out = (struct obstacle){ .until_ms = -1 };
	*kind = kinds[switches_look(s, f, t, out)];
	return read_end(s);
}
