/* What became of an approval, in order, for whoever tells people; and how the call that used it ended. */
#include "store/sqlite_approval.h"
#include "base/failpoint.h"

static const char *const whats[] = {
	[EVENT_ASKED] = "asked",
	[EVENT_VOTED] = "voted",
	[EVENT_DECIDED] = "decided",
	[EVENT_EXPIRED] = "expired",
	[EVENT_CANCELLED] = "cancelled",
	[EVENT_EXECUTED] = "executed",
};

const char *approval_what_text(enum approval_what w)
{
	return whats[w];
}

/* The schema allows no other text. */
static enum approval_what what_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(whats); i++)
		if (strcmp(whats[i], text) == 0)
			return (enum approval_what)i;
	return EVENT_EXECUTED;
}

void watchers_wake(struct store *s)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_SESSION_WATCHERS, NO_BIND);

	while (db_row(&s->db, q))
		wake_later(s, sqlite3_column_int64(q, 0));
}

void event_put(struct store *s, const char *approval, enum approval_what what)
{
	db_run(&s->db, SQL_EVENT_PUT, BIND(text(approval), text(whats[what]), num(s->now.wall_ms)));
	FAILPOINT(EVENT_WRITTEN);
	messages_owe(s, approval);
	watchers_wake(s);
}

/* ---- the end of the call that used it ---- */

static const char *const outcomes[] = {
	[RAN_OK] = "ok",
	[RAN_FAILED] = "failed",
	[RAN_UNKNOWN] = "unknown",
	[RAN_NOT] = "not_run",
};

void approval_ran(struct store *s, const char *approval, enum ran ran)
{
	if (ran == RAN_ON || !approval || !*approval)
		return;
	if (db_run(&s->db, SQL_APPROVAL_RAN, BIND(text(approval), text(outcomes[ran]), num(s->now.wall_ms))) == 1)
		event_put(s, approval, EVENT_EXECUTED);
}

/* ---- reading ---- */

enum err store_approval_events(struct store *s, const struct approval_event_filter *f, approval_event_fn *fn, void *arg)
{
	bool wants_more = true;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	struct bind values[] = { num((int64_t)f->after_seq), num(f->limit > 0 ? (int64_t)f->limit : -1), text(f->approval) };
	CLEANUP(db_end) sqlite3_stmt *q = f->approval ? db_start(&s->db, SQL_EVENTS_OF, values, 3) : db_start(&s->db, SQL_EVENTS, values, 2);
	while (wants_more && db_row(&s->db, q)) {
		struct approval_event event = {
			.seq = (uint64_t)sqlite3_column_int64(q, 0),
			.approval = column_text(q, 1),
			.what = what_of(column_text(q, 2)),
			.at_ms = sqlite3_column_int64(q, 3),
		};
		wants_more = fn(arg, &event);
	}
	return read_end(s);
}

enum err store_approval_event_last(struct store *s, uint64_t *seq)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	*seq = (uint64_t)db_number(&s->db, SQL_EVENT_LAST, 0, NO_BIND);
	return read_end(s);
}
