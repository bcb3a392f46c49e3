/* What the dead leave: holds go, sessions go, calls under way become UNKNOWN. Whoever notices does it.
 */
#include "store/sqlite.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

#define OWNERS_AT_ONCE 1024

/* ---- one lost call ---- */

struct lost {
	bool is_there;
	uint32_t owner;
	char *call, *tenant, *agent, *backend, *tool;
	uint8_t args_hash[32];
};

static void lost_release(struct lost *l)
{
	free(l->call);
	free(l->tenant);
	free(l->agent);
	free(l->backend);
	free(l->tool);
}

static struct lost lost_next(struct store *s, enum sql id, const struct bind *values, size_t n)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, id, values, n);
	struct lost l = { 0 };

	if (!db_row(&s->db, q))
		return l;
	l.is_there = true;
	l.owner = (uint32_t)sqlite3_column_int64(q, 0);
	l.call = xstrdup(column_text(q, 1));
	l.tenant = xstrdup(column_text(q, 2));
	l.agent = xstrdup(column_text(q, 3));
	l.backend = xstrdup(column_text(q, 4));
	l.tool = xstrdup(column_text(q, 5));
	column_hash(q, 6, l.args_hash);
	return l;
}

/* The outcome row the owner can no longer write. */
static void testify(struct store *s, const struct lost *l, const char *cause)
{
	char body[160];

	snprintf(body, sizeof(body),
		"{\"cause\":\"%s\",\"executed\":\"%s\",\"found_by\":%u,\"owner\":%u}", cause,
		executed_text(EXECUTED_UNKNOWN), gate_number(s->gate), l->owner);
	struct evidence e = {
		.call = l->call,
		.agent = l->agent,
		.backend = l->backend,
		.tool = l->tool,
		.verdict = "unknown",
		.kind = EVIDENCE_OUTCOME,
		.at_ms = s->now.wall_ms,
		.body = span_of(body),
	};
	memcpy(e.args_hash, l->args_hash, sizeof(e.args_hash));
	evidence_seal(&e);
	audit_append(s, &e);
}

static void give_up(struct store *s, const struct lost *l, const char *cause)
{
	struct call_facts call = {
		.tenant = l->tenant,
		.agent = l->agent,
		.backend = l->backend,
		.tool = l->tool,
	};

	snprintf(call.id, sizeof(call.id), "%s", l->call);
	memcpy(call.args_hash, l->args_hash, sizeof(call.args_hash));
	flight_give_up(s, &call, l->owner);
	FAILPOINT(REAP_FLIGHT);
	testify(s, l, cause);
}

/* ---- the dead ---- */

struct owners {
	uint32_t v[OWNERS_AT_ONCE];
	size_t n;
};

static void find_dead(struct store *s, struct owners *dead)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_OWNERS, NO_BIND);

	dead->n = 0;
	while (dead->n < ARRAY_LEN(dead->v) && db_row(&s->db, q)) {
		uint32_t number = (uint32_t)sqlite3_column_int64(q, 0);
		if (number != gate_number(s->gate) && !presence_is_alive(s->presence, number, NULL))
			dead->v[dead->n++] = number;
	}
}

static void bury(struct store *s, uint32_t owner)
{
	holds_drop_of(s, owner);
	approval_detach_all(s, owner);
	FAILPOINT(REAP_HOLDS);
	while (s->db.fault == OK) {
		CLEANUP(lost_release) struct lost l = lost_next(s, SQL_FLIGHT_OF, BIND(num(owner)));
		if (!l.is_there)
			break;
		give_up(s, &l, "owner_died");
	}
	queue_drop_of(s, owner);
	db_run(&s->db, SQL_SESSION_DROP, BIND(num(owner)));
	FAILPOINT(REAP_BURIED);
}

static uint32_t reap_dead(struct store *s)
{
	struct owners dead;

	find_dead(s, &dead);
	for (size_t i = 0; i < dead.n && s->db.fault == OK; i++)
		bury(s, dead.v[i]);
	return s->db.fault == OK ? (uint32_t)dead.n : 0;
}

/* A living owner whose call is past its deadline may be stopped. Its own late settle finds the
 * flight gone. */
static void reap_late(struct store *s)
{
	int64_t self = gate_number(s->gate);

	while (s->db.fault == OK) {
		CLEANUP(lost_release)
		struct lost l = lost_next(s, SQL_FLIGHT_LATE, BIND(num(s->now.tick_ms), num(self)));
		if (!l.is_there)
			break;
		give_up(s, &l, "deadline");
	}
}

uint32_t reap(struct store *s)
{
	uint32_t dead = reap_dead(s);

	reap_late(s);
	return dead + queue_drop_overdue(s);
}

static void reap_carry_out(struct store *s, struct op *op, void *request)
{
	(void)request;
	op->answer = (int)reap(s);
}

/* Without anything to do no gate is asked for: whoever waits may call this every second. */
static bool has_something(struct store *s)
{
	struct owners dead;
	struct now now;

	if (read_begin(s) != OK)
		return true; /* the turn will say why */
	store_now(s, &now);
	find_dead(s, &dead);
	int64_t self = gate_number(s->gate);
	int64_t late = db_number(&s->db, SQL_FLIGHT_LATE, -1, BIND(num(now.tick_ms), num(self)));
	bool is_overdue = db_number(&s->db, SQL_TICKET_OVERDUE, -1, BIND(num(now.tick_ms))) >= 0;
	return read_end(s) != OK || dead.n > 0 || late >= 0 || is_overdue;
}

void store_reap(struct store *s, struct op *op)
{
	op->needs_full = false;
	turn_submit(s, op, has_something(s) ? reap_carry_out : NULL, NULL);
}
