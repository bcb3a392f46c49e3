#include "store/sqlite.h"
#include <assert.h>
#include "base/failpoint.h"
#include "base/log.h"

#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS  2000
#define BUSY_LEAST_MS  20 /* while another program holds the database: the loop must go on */

/* ---- submitting and telling ---- */

void turn_submit(struct store *s, struct op *op,
	void (*carry_out)(struct store *, struct op *, void *), void *request)
{
	assert(!op->is_submitted);
	op->carry_out = carry_out;
	op->request = request;
	op->err = OK;
	op->answer = 0;
	op->is_submitted = true;
	list_append(&s->submitted, &op->node);
	s->submitted_n++;
}

/* Takes ops out of the turn and tells them, in order; ops submitted meanwhile stand in the next
 * turn. */
static void tell(struct store *s, struct list *done)
{
	bool was_telling = s->is_telling;

	s->is_telling = true;
	while (!list_is_empty(done)) {
		struct op *op = list_first(done, struct op, node);
		list_remove(&op->node);
		op->is_submitted = false;
		FAILPOINT(TURN_TELLING);
		if (op->told)
			op->told(op);
	}
	FAILPOINT(TURN_TOLD);
	s->is_telling = was_telling;
}

static void move_to(struct store *s, struct op *op, struct list *done)
{
	list_remove(&op->node);
	list_append(done, &op->node);
	s->submitted_n--;
}

/* Nothing of this turn was written. Kept ops stay, first in the list, for a later turn. */
static void fail_all(struct store *s, enum err e, bool even_kept)
{
	struct list done;

	list_init(&done);
	list_for_each(op, &s->submitted, struct op, node) {
		if (op->is_kept && !even_kept)
			continue;
		op->err = e;
		move_to(s, op, &done);
	}
	s->deferred_n = s->submitted_n;
	tell(s, &done);
}

/* ---- one transaction ---- */

static bool needs_full(struct store *s)
{
	if (s->options.durability == DURABILITY_FULL || s->is_marking || wal_must_be_full(s->wal))
		return true;
	if (s->options.durability == DURABILITY_NORMAL)
		return false;
	list_for_each(op, &s->submitted, struct op, node)
		if (op->needs_full)
			return true;
	return false;
}

/* An op that broke a rule of the schema is told so alone; any other fault ends the transaction. */
static void op_carry_out(struct store *s, struct op *op, bool is_alone)
{
	struct db *d = &s->db;

	op->at = s->now;
	if (!op->carry_out)
		return;
	op->err = OK;
	op->answer = 0;
	if (!is_alone)
		db_run(d, SQL_SAVEPOINT, NO_BIND);
	op->carry_out(s, op, op->request);
	FAILPOINT(TURN_CARRIED_OUT);
	bool is_broken = d->fault == ERR_INVALID;
	if (is_broken) {
		op->err = ERR_INVALID;
		s->has_tail = false;
		db_clear_fault(d);
		if (is_alone)
			db_rollback(d);
		else
			db_run(d, SQL_ROLLBACK_TO, NO_BIND);
	}
	if (!is_alone)
		db_run(d, SQL_RELEASE, NO_BIND);
}

static void carry_out_all(struct store *s)
{
	list_for_each(op, &s->submitted, struct op, node) {
		op_carry_out(s, op, s->submitted_n == 1);
		if (s->db.fault != OK)
			return;
	}
}

static void remember(struct store *s)
{
	if (!s->has_tail)
		return;
	s->seen = s->tail;
	memcpy(s->seen_instance, s->meta.instance, sizeof(s->seen_instance));
}

static enum err transact(struct store *s)
{
	struct db *d = &s->db;
	bool is_full = needs_full(s);

	db_clear_fault(d);
	s->has_tail = false;
	db_set_full(d, is_full);
	db_run(d, SQL_BEGIN, NO_BIND);
	int64_t before = sqlite3_total_changes64(d->handle);
	FAILPOINT(TURN_BEGUN);
	clock_begin(s);
	if (d->fault == OK)
		carry_out_all(s);
	bool is_open = !sqlite3_get_autocommit(d->handle);
	if (is_open)
		clock_end(s, sqlite3_total_changes64(d->handle) != before);
	bool wrote = sqlite3_total_changes64(d->handle) != before;
	if (FAILPOINT_FAILS(TURN_COMMITTING))
		db_fault(d, ERR_STORE_IO);
	if (is_open)
		db_run(d, SQL_COMMIT, NO_BIND);
	FAILPOINT(TURN_COMMITTED);
	if (d->fault != OK) {
		db_rollback(d);
		return d->fault;
	}
	if (!is_open || !wrote)
		return OK;
	remember(s);
	wal_committed(s->wal, is_full);
	/* is_synced = 0 must be on disk before anything that may be lost. */
	if (s->meta.is_synced == 1 && !is_full && !s->is_marking)
		wal_sync_now(s->wal);
	return OK;
}

/* Says in the file that everything is on disk: the transaction is FULL, and clock_end writes the
 * row. */
static void mark_carry_out(struct store *s, struct op *op, void *request)
{
	(void)s;
	(void)op;
	(void)request;
}

static void mark_told(struct op *op)
{
	struct store *s = op->arg;

	s->is_marking = false;
}

void turn_init(struct store *s)
{
	list_init(&s->submitted);
	s->mark = (struct op){ .told = mark_told, .arg = s };
	s->retry_at_ms = -1;
	s->retry_after_ms = RETRY_FIRST_MS;
}

/* ---- whom it unblocks ---- */

void wake_later(struct store *s, int64_t number)
{
	for (size_t i = 0; i < s->wakes_n; i++)
		if (s->wakes[i] == number)
			return;
	if (number > 0 && s->wakes_n < WAKES_MAX)
		s->wakes[s->wakes_n++] = (uint32_t)number;
}

void wake_everyone(struct store *s)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_SESSIONS, NO_BIND);

	while (db_row(&s->db, q))
		wake_later(s, sqlite3_column_int64(q, 0));
}

static void wake_others(struct store *s, bool is_committed)
{
	if (s->wakes_n > 0)
		FAILPOINT(WAKE_SENDING);
	if (is_committed && !s->wake)
		wake_ring(s->paths.state_dir, s->wakes, s->wakes_n);
	for (size_t i = 0; i < s->wakes_n && is_committed && s->wake; i++)
		wake_send(s->wake, s->wakes[i]);
	s->wakes_n = 0;
}

void store_wake(struct store *s, uint32_t number)
{
	if (s->wake)
		wake_send(s->wake, number);
}

/* ---- turns ---- */

/* What went wrong is logged outside the gate, once until it changes. */
static void note_result(struct store *s, enum err e)
{
	if (e == ERR_STORE_CORRUPT && s->db.handle && s->db.fault == e)
		s->is_corrupt = true;
	if (e != s->why) {
		if (e == OK)
			log_info("store.recovered", "after=%d", s->why);
		else
			log_error("store.refusing", "err=%d reason=%s sqlite=%d detail=%s", e,
				err_text(e), s->db.fault_code, s->db.fault_text);
	}
	s->why = e;
	if (e == OK) {
		s->retry_at_ms = -1;
		s->retry_after_ms = RETRY_FIRST_MS;
		return;
	}
	s->retry_at_ms = mono_ms(s) + s->retry_after_ms;
	s->retry_after_ms *= 2;
	if (s->retry_after_ms > RETRY_MOST_MS)
		s->retry_after_ms = RETRY_MOST_MS;
}

static int busy_ms(const struct store *s)
{
	int64_t waited = s->is_waiting ? mono_ms(s) - s->waiting_since_ms : 0;

	if (s->why == ERR_STORE_LOCKED || waited > GATE_DEADLINE_MS - BUSY_LEAST_MS)
		return BUSY_LEAST_MS;
	return (int)(GATE_DEADLINE_MS - waited);
}

static void leave(struct store *s)
{
	if (gate_is_inside(s->gate))
		gate_leave(s->gate);
}

/* Inside the gate. A gate that was replaced is no gate: the one that stands there now has to be
 * won. */
static enum err carry_out_inside(struct store *s)
{
	int busy = busy_ms(s);
	bool is_contended = s->is_waiting;

	s->is_waiting = false;
	enum err e = gate_check(s->gate);
	if (e == OK)
		e = file_check(s);
	if (e != OK)
		return e;
	FAILPOINT(TURN_CHECKED);
	db_set_busy(&s->db, busy);
	e = transact(s);
	if (e == OK && is_contended && wal_checkpoint_is_due(s->wal))
		wal_checkpoint(s->wal); /* or it would wait for the gate again and again */
	return e;
}

static void tell_all(struct store *s)
{
	struct list done;

	list_init(&done);
	list_for_each(op, &s->submitted, struct op, node)
		move_to(s, op, &done);
	s->deferred_n = 0;
	tell(s, &done);
}

/* Inside the gate at the start, outside at the end. */
static void turn_carry_out(struct store *s)
{
	enum err e = carry_out_inside(s);
	bool is_gate_lost = e == ERR_STORE_MOVED && gate_check(s->gate) != OK;

	leave(s);
	wake_others(s, e == OK);
	/* Nothing was begun: the caller tries again, at the gate that is there now. */
	if (is_gate_lost && gate_reopen(s->gate) == OK)
		return;
	note_result(s, e);
	if (e == OK)
		tell_all(s);
	else
		fail_all(s, e, false);
}

void turn_last(struct store *s, int wait_ms)
{
	enum err e = ERR_STORE_BUSY;

	if (gate_enter(s->gate, wait_ms) == OK) {
		s->is_marking = wal_needs_mark(s->wal);
		e = s->is_marking || s->submitted_n > 0 ? carry_out_inside(s) : OK;
		file_close(s);
		leave(s);
	}
	wake_others(s, e == OK);
	if (e == OK)
		tell_all(s);
	fail_all(s, e, true);
}

/* Ops that turned out to have nothing to do ask for no gate. */
static bool is_all_idle(struct store *s)
{
	list_for_each(op, &s->submitted, struct op, node)
		if (op->carry_out)
			return false;
	return true;
}

static bool has_work(const struct store *s)
{
	bool is_due = s->retry_at_ms >= 0 && mono_ms(s) >= s->retry_at_ms;

	return s->submitted_n > s->deferred_n || s->is_waiting || is_due;
}

static void tell_idle(struct store *s)
{
	list_for_each(op, &s->submitted, struct op, node)
		store_now(s, &op->at);
	tell_all(s);
}

static void wait_for_gate(struct store *s)
{
	if (!s->is_waiting)
		s->waiting_since_ms = mono_ms(s);
	s->is_waiting = true;
}

/* False: the gate is not ours, stop for now. */
static bool turn_try(struct store *s)
{
	if (s->submitted_n > 0 && !s->is_waiting && is_all_idle(s)) {
		tell_idle(s);
		return true;
	}
	switch (gate_try(s->gate)) {
	case GATE_WON: turn_carry_out(s); return true;
	case GATE_WAITING: wait_for_gate(s); return false;
	case GATE_LATE:
		wait_for_gate(s);
		fail_all(s, ERR_STORE_BUSY, false);
		return false;
	}
	return false;
}

/* After the turn's calls were told: the copying is paid by no call. */
static void checkpoint_try(struct store *s)
{
	if (!wal_checkpoint_is_due(s->wal) || s->why != OK || s->is_waiting)
		return;
	wal_checkpoint_early(s->wal);
	if (gate_try(s->gate) != GATE_WON) {
		wait_for_gate(s);
		return;
	}
	if (gate_check(s->gate) == OK && file_check(s) == OK)
		wal_checkpoint(s->wal); /* else the next call finds out */
	gate_leave(s->gate);
}

void store_turn_run(struct store *s)
{
	if (s->is_telling)
		return;
	while (has_work(s))
		if (!turn_try(s))
			return;
	checkpoint_try(s);
}

int store_gate_fd(const struct store *s)
{
	return gate_fd(s->gate);
}

bool store_is_refusing(const struct store *s)
{
	return s->why != OK || gate_is_late(s->gate);
}

bool store_has_kept(const struct store *s)
{
	list_for_each(op, &s->submitted, struct op, node)
		if (op->is_kept)
			return true;
	return false;
}

/* ---- what is due without a call ---- */

int64_t store_next_due_ms(const struct store *s, int64_t mono)
{
	int64_t at = wal_next_due_ms(s->wal);

	if (s->retry_at_ms >= 0 && !s->is_waiting && (at < 0 || s->retry_at_ms < at))
		at = s->retry_at_ms;
	if (at < 0)
		return -1;
	return at > mono ? at - mono : 0;
}

void store_idle(struct store *s)
{
	if (wal_idle(s->wal) && !s->mark.is_submitted) {
		s->is_marking = true;
		turn_submit(s, &s->mark, mark_carry_out, NULL);
	}
	store_turn_run(s);
}

/* ---- reading verbs ---- */

enum err read_begin(struct store *s)
{
	struct file_id there;

	if (!s->db.handle || s->is_corrupt)
		return s->why != OK ? s->why : ERR_STORE_MOVED;
	if (!file_id(s->paths.database, &there))
		return ERR_STORE_MISSING;
	if (there.device != s->file.device || there.inode != s->file.inode)
		return ERR_STORE_MOVED;
	db_clear_fault(&s->db);
	return OK;
}

enum err read_end(struct store *s)
{
	return s->db.fault;
}
