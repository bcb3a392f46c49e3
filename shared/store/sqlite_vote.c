/* What people decide: votes, and the operator's cancel. */
#include "store/sqlite_approval.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

#define NAMES_MAX_BYTES (16 * 1024)
#define LATE_EVERY_MS   60000                /* who changes his mind when it is too late is on record once a minute */

/* ---- one vote ---- */

static void note(struct store *s, const struct asked *k, const struct vote *v, bool is_late)
{
	db_run(&s->db, SQL_VOTE_PUT,
		BIND(text(k->a.id), text(v->voter), text(v->is_approving ? "approve" : "reject"), text(v->means),
			text(v->origin), text(v->reason), num(is_late), num(s->now.wall_ms)));
}

/* Said again it is no news: whoever has a link could fill the audit. */
static bool is_said(struct store *s, const struct asked *k, const struct vote *v, bool is_late)
{
	return db_number(&s->db, SQL_VOTE_IS_SAID, 0,
		BIND(text(k->a.id), text(v->voter), text(v->is_approving ? "approve" : "reject"), num(is_late), num(s->now.wall_ms - LATE_EVERY_MS))) != 0;
}

static void testify(struct store *s, const struct asked *k, const struct vote *v, enum approval_state state)
{
	struct testimony t = {
		.verdict = v->is_approving ? "approve" : "reject",
		.by = v->voter,
		.means = v->means,
		.origin = v->origin,
		.reason = v->reason,
		.state = state,
		.is_late = k->a.state != APPROVAL_PENDING,
	};

	asked_testify(s, k, &t);
}

/* "alice, bob": the distinct persons for it. Returns how many. */
static uint32_t voters_for(struct store *s, const struct asked *k, struct buf *names)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_VOTERS_FOR, BIND(text(k->a.id)));
	uint32_t n = 0;

	buf_init(names, NAMES_MAX_BYTES);
	for (; db_row(&s->db, q); n++)
		if (!buf_printf(names, "%s%s", n > 0 ? ", " : "", column_text(q, 0)))
			db_fault(&s->db, ERR_INVALID);
	return n;
}

static enum vote_answer refuse(struct store *s, const struct asked *k, const struct vote *v)
{
	struct edge e = { .to = APPROVAL_REJECTED, .by = v->voter, .means = v->means, .reason = v->reason };

	if (!asked_move(s, k, &e))
		return VOTE_TOO_LATE;
	testify(s, k, v, APPROVAL_REJECTED);
	return VOTE_DECIDED;
}

static enum vote_answer agree(struct store *s, const struct asked *k, const struct vote *v)
{
	CLEANUP(buf_release) struct buf names = { 0 };
	bool is_enough = voters_for(s, k, &names) >= k->a.quorum;
	struct edge e = { .to = APPROVAL_APPROVED, .by = names.data, .means = v->means, .reason = v->reason };

	if (is_enough && !asked_move(s, k, &e))
		return VOTE_TOO_LATE;
	testify(s, k, v, is_enough ? APPROVAL_APPROVED : APPROVAL_PENDING);
	if (!is_enough)
		event_put(s, k->a.id, EVENT_VOTED);
	return is_enough ? VOTE_DECIDED : VOTE_COUNTED;
}

/* A bearer link names nobody: it cannot be one of several persons, nor one the rules want by name. */
static bool may_vote(const struct asked *k, const struct vote *v)
{
	bool needs_person = k->a.is_auth_required || k->a.quorum > 1;

	return (v->is_named || !needs_person) && memcmp(k->a.args_hash, v->args_hash, sizeof(v->args_hash)) == 0;
}

static enum vote_answer come_late(struct store *s, const struct asked *k, const struct vote *v)
{
	bool was_decided = k->a.decided_at_ms > 0 && *k->a.decided_by;

	if (!is_said(s, k, v, true)) {
		note(s, k, v, true);
		testify(s, k, v, k->a.state);
	}
	return was_decided ? VOTE_SECOND : VOTE_TOO_LATE;
}

static enum vote_answer vote(struct store *s, const struct vote *v)
{
	CLEANUP(asked_release) struct asked k = asked_find(s, v->approval, false);

	if (v->seen_ref && *v->seen_ref && !seen_note(s, v->seen_channel, v->seen_ref))
		return VOTE_REPLAYED;
	if (!k.is_there)
		return VOTE_NO_SUCH;
	if (!may_vote(&k, v))
		return VOTE_NOT_ALLOWED;
	asked_expire_if_overdue(s, &k);
	if (k.a.state != APPROVAL_PENDING)
		return come_late(s, &k, v);
	if (is_said(s, &k, v, false))
		return VOTE_COUNTED;
	note(s, &k, v, false);
	FAILPOINT(VOTE_NOTED);
	return v->is_approving ? agree(s, &k, v) : refuse(s, &k, v);
}

static void show(struct store *s, const char *id_or_short, struct approval *out)
{
	struct asked k = asked_find(s, id_or_short, true);

	if (k.is_there)
		asked_show(&k, s->now.tick_ms);
	*out = k.a;
	k.a = (struct approval){ 0 };
	asked_release(&k);
}

static void vote_carry_out(struct store *s, struct op *op, void *request)
{
	struct vote *v = request;

	approval_release(&v->as_it_is);         /* carried out again after a failed turn */
	approvals_expire(s);
	op->answer = (int)vote(s, v);
	FAILPOINT(VOTE_WRITTEN);
	show(s, v->approval, &v->as_it_is);
}

void store_approval_vote(struct store *s, struct op *op, struct vote *v)
{
	op->needs_full = true;
	v->as_it_is = (struct approval){ 0 };
	turn_submit(s, op, vote_carry_out, v);
}

enum err store_approval_votes(struct store *s, const char *id, vote_row_fn *fn, void *arg)
{
	bool wants_more = true;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_VOTES_OF, BIND(text(id)));
	while (wants_more && db_row(&s->db, q)) {
		struct vote_row v = {
			.voter = column_text(q, 0),
			.means = column_text(q, 2),
			.origin = column_text(q, 3),
			.reason = column_text(q, 4),
			.is_approving = strcmp(column_text(q, 1), "approve") == 0,
			.is_late = sqlite3_column_int64(q, 5) != 0,
			.at_ms = sqlite3_column_int64(q, 6),
		};
		wants_more = fn(arg, &v);
	}
	return read_end(s);
}

/* ---- the operator's cancel ---- */

static enum vote_answer cancel(struct store *s, const struct approval_cancel *c)
{
	CLEANUP(asked_release) struct asked k = asked_find(s, c->approval, false);
	struct edge e = { .to = APPROVAL_CANCELLED, .by = c->by, .means = "operator", .reason = c->reason };
	struct testimony t = { .verdict = "cancelled", .by = c->by, .means = "operator", .reason = c->reason,
		.state = APPROVAL_CANCELLED };

	if (!k.is_there)
		return VOTE_NO_SUCH;
	asked_expire_if_overdue(s, &k);
	if (k.a.state != APPROVAL_PENDING || !asked_move(s, &k, &e))
		return *k.a.decided_by ? VOTE_SECOND : VOTE_TOO_LATE;
	asked_testify(s, &k, &t);
	return VOTE_DECIDED;
}

static void cancel_carry_out(struct store *s, struct op *op, void *request)
{
	struct approval_cancel *c = request;

	approval_release(&c->as_it_is);
	approvals_expire(s);
	op->answer = (int)cancel(s, c);
	show(s, c->approval, &c->as_it_is);
}

void store_approval_cancel(struct store *s, struct op *op, struct approval_cancel *c)
{
	op->needs_full = true;
	c->as_it_is = (struct approval){ 0 };
	turn_submit(s, op, cancel_carry_out, c);
}
