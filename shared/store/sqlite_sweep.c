/* What nobody asks for any more goes, in steps that hold the gate for a moment only. */
#include "store/sqlite_approval.h"
#include "base/clock.h"
#include "base/failpoint.h"

#define DAY_MS         (24 * 3600 * 1000LL)
#define KEPT_MS        (90 * DAY_MS)         /* approvals with all that hangs on them; revoked tokens */
#define SEEN_MS        DAY_MS                /* callbacks: their signatures are good for minutes */
#define UNTOLD_MS      DAY_MS                /* a call that stopped for input may go on for an hour after each of its parts */
#define STEP_US        20000                 /* half of what a reader or writer may hold up others */
#define ROWS_AT_ONCE   256

/* ---- approvals ---- */

/* Ids begin with the wall time. */
static bool find_old(struct store *s, int64_t wall_ms, char id[ID_SIZE])
{
	char before[ID_SIZE];

	snprintf(before, sizeof(before), "%012llx", (unsigned long long)(wall_ms - KEPT_MS));
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_APPROVAL_OLD, BIND(text(before)));
	bool is_there = db_row(&s->db, q);
	if (is_there)
		snprintf(id, ID_SIZE, "%s", column_text(q, 0));
	return is_there;
}

/* The audit has its own copy of who decided. The newest event stays, so that its number is never given again. */
static void forget(struct store *s, const char *id)
{
	messages_forget(s, id);
	db_run(&s->db, SQL_EVENT_DROP_OF, BIND(text(id)));
	db_run(&s->db, SQL_VOTE_DROP, BIND(text(id)));
	db_run(&s->db, SQL_APPROVAL_DROP, BIND(text(id)));
	FAILPOINT(APPROVAL_FORGOTTEN);
}

uint32_t approvals_forget(struct store *s, uint32_t most)
{
	char id[ID_SIZE];
	uint32_t n = 0;

	for (; n < most && find_old(s, s->now.wall_ms, id); n++)
		forget(s, id);
	return n;
}

/* ---- calls that never ended ---- */

static bool find_untold(struct store *s, int64_t wall_ms, char id[ID_SIZE])
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_APPROVAL_UNTOLD, BIND(num(wall_ms - UNTOLD_MS)));
	bool is_there = db_row(&s->db, q);

	if (is_there)
		snprintf(id, ID_SIZE, "%s", column_text(q, 0));
	return is_there;
}

/* It stopped for input that nobody gave, or its process was killed between two flights: those who approved it are not left waiting. */
static uint32_t tell_untold(struct store *s)
{
	char id[ID_SIZE];
	bool is_there = find_untold(s, s->now.wall_ms, id);

	if (is_there)
		approval_ran(s, id, RAN_UNKNOWN);
	return is_there;
}

/* ---- the rest ---- */

/* That newest event of a forgotten approval, once it is not the newest. */
static uint32_t drop_stray_event(struct store *s)
{
	int64_t seq = db_number(&s->db, SQL_EVENT_STRAY, -1, NO_BIND);

	return seq >= 0 && db_run(&s->db, SQL_EVENT_DROP, BIND(num(seq))) == 1;
}

static uint32_t drop_some(struct store *s, enum sql id, int64_t before)
{
	int64_t n = db_run(&s->db, id, BIND(num(before), num(ROWS_AT_ONCE)));

	return n > 0 ? (uint32_t)n : 0;
}

static void sweep_carry_out(struct store *s, struct op *op, void *request)
{
	int64_t until_us = clock_mono_us() + STEP_US;
	uint32_t all = 0, n;

	(void)request;
	do {
		n = approvals_forget(s, 1) + tell_untold(s) + drop_stray_event(s) + drop_some(s, SQL_SEEN_FORGET, s->now.wall_ms - SEEN_MS) +
		    drop_some(s, SQL_TOKEN_FORGET, s->now.wall_ms - KEPT_MS);
		all += n;
	} while (n > 0 && clock_mono_us() < until_us);
	op->answer = (int)all;
}

/* Without anything to do no gate is asked for. */
static bool has_something(struct store *s)
{
	char id[ID_SIZE];
	struct now now;

	if (read_begin(s) != OK)
		return true;                    /* the turn will say why */
	store_now(s, &now);
	bool has = find_old(s, now.wall_ms, id) || find_untold(s, now.wall_ms, id) || db_number(&s->db, SQL_EVENT_STRAY, -1, NO_BIND) >= 0 ||
		   db_number(&s->db, SQL_SEEN_OLD, 0, BIND(num(now.wall_ms - SEEN_MS))) == 1 ||
		   db_number(&s->db, SQL_TOKEN_OLD, 0, BIND(num(now.wall_ms - KEPT_MS))) == 1;
	return read_end(s) != OK || has;
}

void store_sweep(struct store *s, struct op *op)
{
	op->needs_full = false;
	turn_submit(s, op, has_something(s) ? sweep_carry_out : NULL, NULL);
}
