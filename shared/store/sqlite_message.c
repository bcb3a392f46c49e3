/* The outbox: for each approval and channel one row, that says what people there have been told and what they are owed. */
#include "store/sqlite_approval.h"
#include "base/failpoint.h"

static const char *const states[] = {
	[MESSAGE_DUE] = "DUE",
	[MESSAGE_SENDING] = "SENDING",
	[MESSAGE_SENT] = "SENT",
	[MESSAGE_DROPPED] = "DROPPED",
	[MESSAGE_DEAD] = "DEAD",
};

const char *message_state_text(enum message_state m)
{
	return states[m];
}

/* The schema allows no other text. */
static enum message_state state_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i], text) == 0)
			return (enum message_state)i;
	return MESSAGE_DEAD;
}

/* ---- with the event that must be told ---- */

bool messages_open(struct store *s, const char *approval, const struct approval_ask *ask)
{
	bool is_new = false;

	for (size_t i = 0; i < ask->channels_n; i++)
		is_new |= db_run(&s->db, SQL_MESSAGE_PUT,
				  BIND(text(approval), text(ask->channels[i]), num(s->now.tick_ms), num(s->now.wall_ms))) == 1;
	FAILPOINT(MESSAGES_OPENED);
	return is_new;
}

void messages_owe(struct store *s, const char *approval)
{
	if (db_run(&s->db, SQL_MESSAGE_OWE, BIND(text(approval), num(s->now.tick_ms))) > 0)
		FAILPOINT(MESSAGES_OWED);
}

void messages_forget(struct store *s, const char *approval)
{
	db_run(&s->db, SQL_ATTEMPT_DROP_OF, BIND(text(approval)));
	db_run(&s->db, SQL_MESSAGE_DROP_OF, BIND(text(approval)));
}

/* ---- reading ---- */

static int64_t at_least_0(int64_t ms)
{
	return ms > 0 ? ms : 0;
}

static struct message message_of(sqlite3_stmt *q, int64_t tick)
{
	struct message m = {
		.approval = column_text(q, 0),
		.channel = column_text(q, 1),
		.ref = column_text(q, 2),
		.last_error = column_text(q, 3),
		.state = state_of(column_text(q, 4)),
		.told_seq = (uint64_t)sqlite3_column_int64(q, 5),
		.attempts = (uint32_t)sqlite3_column_int64(q, 6),
		.tries = (uint32_t)sqlite3_column_int64(q, 7),
		.is_maybe_out = sqlite3_column_int(q, 8) != 0,
		.due_in_ms = at_least_0(sqlite3_column_int64(q, 9) - tick),
		.age_ms = at_least_0(tick - sqlite3_column_int64(q, 10)),
		.created_at_ms = sqlite3_column_int64(q, 11),
		.sent_at_ms = sqlite3_column_int64(q, 12),
		.last_seq = (uint64_t)sqlite3_column_int64(q, 13),
	};

	if (m.state == MESSAGE_SENT || m.state == MESSAGE_DROPPED)
		m.age_ms = 0;
	if (m.state != MESSAGE_DUE)
		m.due_in_ms = 0;
	return m;
}

static enum sql query_of(const struct message_filter *f)
{
	if (f->is_due_only)
		return SQL_MESSAGES_DUE;
	return f->approval ? SQL_MESSAGES_OF : SQL_MESSAGES;
}

enum err store_messages(struct store *s, const struct message_filter *f, message_fn *fn, void *arg)
{
	bool wants_more = true;
	struct now now;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &now);
	int64_t third = f->is_due_only ? now.tick_ms : f->is_open_only;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, query_of(f),
		BIND(text(f->approval), text(f->channel), num(third), num(f->limit > 0 ? (int64_t)f->limit : -1)));
	while (wants_more && db_row(&s->db, q)) {
		struct message m = message_of(q, now.tick_ms);
		wants_more = fn(arg, &m);
	}
	return read_end(s);
}

enum err store_message_next_due(struct store *s, int64_t *in_ms)
{
	struct now now;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	int64_t tick = db_number(&s->db, SQL_MESSAGE_NEXT, -1, NO_BIND);
	store_now(s, &now);
	*in_ms = tick < 0 ? -1 : at_least_0(tick - now.tick_ms);
	return read_end(s);
}

enum err store_message_is_sending(struct store *s, bool *is_sending)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	*is_sending = db_number(&s->db, SQL_MESSAGE_SENDING, 0, NO_BIND) == 1;
	return read_end(s);
}

enum err store_message_attempts(struct store *s, const char *approval, const char *channel, message_attempt_fn *fn, void *arg)
{
	bool wants_more = true;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_ATTEMPTS, BIND(text(approval), text(channel)));
	while (wants_more && db_row(&s->db, q)) {
		struct message_attempt a = {
			.approval = column_text(q, 0),
			.channel = column_text(q, 1),
			.result = column_text(q, 2),
			.said = column_text(q, 3),
			.n = (uint32_t)sqlite3_column_int64(q, 4),
			.event_seq = (uint64_t)sqlite3_column_int64(q, 5),
			.at_ms = sqlite3_column_int64(q, 6),
			.took_ms = sqlite3_column_int64(q, 7),
		};
		wants_more = fn(arg, &a);
	}
	return read_end(s);
}

/* ---- an attempt ---- */

static void take_carry_out(struct store *s, struct op *op, void *request)
{
	struct message_take *t = request;

	t->n = (uint32_t)db_number(&s->db, SQL_MESSAGE_TAKE, 0, BIND(text(t->approval), text(t->channel)));
	op->answer = t->n > 0;
	if (t->n == 0)
		return;
	db_run(&s->db, SQL_ATTEMPT_PUT,
		BIND(text(t->approval), text(t->channel), num(t->n), num((int64_t)t->told_seq), num(s->now.wall_ms)));
	FAILPOINT(MESSAGE_TAKEN);
}

void store_message_take(struct store *s, struct op *op, struct message_take *t)
{
	op->needs_full = true;
	turn_submit(s, op, take_carry_out, t);
}

static enum message_state state_after(struct store *s, const struct message_end *e)
{
	uint64_t newest = 0;

	switch (e->result) {
	case MESSAGE_OK: break;
	case MESSAGE_RETRY: return MESSAGE_DUE;
	case MESSAGE_GIVEN_UP: return MESSAGE_DEAD;
	case MESSAGE_NOT_WORTH_IT: return MESSAGE_DROPPED;
	}
	newest = (uint64_t)db_number(&s->db, SQL_EVENT_LAST_OF, 0, BIND(text(e->approval)));
	return newest > e->told_seq ? MESSAGE_DUE : MESSAGE_SENT;
}

/* One that somebody else took over meanwhile, after our death as they thought, is theirs: only what we saw is written down. */
static void end_carry_out(struct store *s, struct op *op, void *request)
{
	static const char *const results[] = {
		[MESSAGE_OK] = "ok", [MESSAGE_RETRY] = "retry", [MESSAGE_GIVEN_UP] = "dead", [MESSAGE_NOT_WORTH_IT] = "dropped",
	};
	const struct message_end *e = request;
	bool is_told = e->result == MESSAGE_OK;
	int64_t due = s->now.tick_ms + (e->result == MESSAGE_RETRY ? at_least_0(e->in_ms) : 0);

	db_run(&s->db, SQL_ATTEMPT_END,
		BIND(text(e->approval), text(e->channel), num(e->n), num(e->took_ms), text(results[e->result]), text(e->said)));
	FAILPOINT(MESSAGE_ENDING);
	op->answer = db_run(&s->db, SQL_MESSAGE_END,
			     BIND(text(e->approval), text(e->channel), num(e->n), text(states[state_after(s, e)]),
				     num(is_told ? (int64_t)e->told_seq : 0), num(due), num(is_told), num(e->is_maybe_out),
				     text(e->ref), text(is_told ? "" : e->said), num(s->now.wall_ms))) == 1;
	FAILPOINT(MESSAGE_ENDED);
}

void store_message_end(struct store *s, struct op *op, const struct message_end *e)
{
	op->needs_full = true;
	op->is_kept = true;
	turn_submit(s, op, end_carry_out, (void *)e);
}

/* ---- after a death, and by an operator ---- */

static bool has_other_broker(struct store *s)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_SESSION_BROKERS, NO_BIND);

	while (db_row(&s->db, q)) {
		uint32_t number = (uint32_t)sqlite3_column_int64(q, 0);
		if (number != gate_number(s->gate) && presence_is_alive(s->presence, number, NULL))
			return true;
	}
	return false;
}

static void recover_carry_out(struct store *s, struct op *op, void *request)
{
	(void)request;
	if (has_other_broker(s))
		return;
	op->answer = (int)db_run(&s->db, SQL_MESSAGE_RECOVER, BIND(num(s->now.tick_ms)));
	FAILPOINT(MESSAGES_RECOVERED);
}

void store_messages_recover(struct store *s, struct op *op)
{
	op->needs_full = true;
	turn_submit(s, op, recover_carry_out, NULL);
}

static void again_carry_out(struct store *s, struct op *op, void *request)
{
	const struct message_again *a = request;

	op->answer = (int)db_run(&s->db, SQL_MESSAGE_AGAIN, BIND(text(a->approval), text(a->channel), num(s->now.tick_ms)));
	FAILPOINT(MESSAGES_AGAIN);
	if (op->answer > 0)
		watchers_wake(s);
}

void store_messages_again(struct store *s, struct op *op, const struct message_again *a)
{
	op->needs_full = true;
	turn_submit(s, op, again_carry_out, (void *)a);
}

/* ---- callbacks ---- */

bool seen_note(struct store *s, const char *channel, const char *ref)
{
	bool is_new = db_run(&s->db, SQL_SEEN_PUT, BIND(text(channel), text(ref), num(s->now.wall_ms))) == 1;

	FAILPOINT(CALLBACK_SEEN);
	return is_new;
}

static void seen_carry_out(struct store *s, struct op *op, void *request)
{
	const struct seen_put *p = request;

	op->answer = seen_note(s, p->channel, p->ref);
}

void store_seen_put(struct store *s, struct op *op, const struct seen_put *p)
{
	op->needs_full = true;
	turn_submit(s, op, seen_carry_out, (void *)p);
}
