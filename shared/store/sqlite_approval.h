/* sqlite_approval - an approval's row inside a transaction, and its edges. Nothing of it leaves store/.
 *   sqlite_approval.c       asking, attaching, using, expiring, and how its clock stands
 *   sqlite_approval_row.c   the row: read, shown, moved along an edge with all that hangs on it
 *   sqlite_vote.c           what people decide */
#pragma once
#include "store/sqlite.h"

struct asked {
	struct approval a;                        /* as the row says; an overdue one still stands as it was */
	bool is_there, is_carried;                /* is_carried: a ticket has it, so that it does not expire */
	int64_t created_tick, expires_tick, frozen_tick;   /* frozen_tick -1: its clock runs */
	char *keys;                               /* of its hold */
};
void asked_release(struct asked *k);
struct asked asked_of(sqlite3_stmt *q, bool wants_args);       /* of a row of APPROVAL_COLUMNS */
/* One row, or is_there = false. */
struct asked asked_get(struct store *s, enum sql id, const struct bind *values, size_t n);
struct asked asked_find(struct store *s, const char *id_or_short, bool wants_args);

static inline bool asked_is_live(const struct asked *k)
{
	return k->a.state == APPROVAL_PENDING || k->a.state == APPROVAL_APPROVED;
}
static inline bool asked_is_overdue(const struct asked *k, int64_t tick)
{
	return asked_is_live(k) && k->frozen_tick < 0 && !k->is_carried && k->expires_tick <= tick;
}
/* Fills in what depends on the time of reading; who is overdue is shown as EXPIRED. */
void asked_show(struct asked *k, int64_t tick);

/* One edge, by compare-and-set: with its end the hold goes (unless it is used), and all attached are woken. False: it stands
 * elsewhere by now. Texts may be "". */
struct edge {
	enum approval_state to;
	const char *by, *means, *reason, *consumed_by;
};
/* With the event that tells it, but for CONSUMED. */
bool asked_move(struct store *s, const struct asked *k, const struct edge *e);

void asked_wake(struct store *s, const char *approval);        /* whoever waits for it, and every program that watches */

/* ---- what people are told ---- */
/* The event, every copy that must tell it, and the broker woken. */
void event_put(struct store *s, const char *approval, enum approval_what what);
bool messages_open(struct store *s, const char *approval, const struct approval_ask *ask);   /* for channels that have none yet; true: some had not */
void messages_owe(struct store *s, const char *approval);      /* what was SENT is DUE again; who is DUE, SENDING, DEAD or DROPPED stays so */
void messages_forget(struct store *s, const char *approval);
bool seen_note(struct store *s, const char *channel, const char *ref);   /* false: that callback was taken before */
uint32_t approvals_forget(struct store *s, uint32_t most);     /* the oldest of those that are over long since; how many */

/* A row of the audit about it. verdict: asked, approve, reject, expired, cancelled. state: how it stands now. */
struct testimony {
	const char *verdict, *by, *means, *origin, *reason;
	enum approval_state state;
	bool is_late;
};
void asked_testify(struct store *s, const struct asked *k, const struct testimony *t);

/* Its time is over: the edge and the row. */
void asked_expire(struct store *s, const struct asked *k, const char *why);
/* Behind a backlog that approvals_expire leaves for later: the one an operation is about is never taken for a live one. */
void asked_expire_if_overdue(struct store *s, struct asked *k);
uint32_t approvals_expire(struct store *s);       /* the next few hundred that are overdue; how many */
