/* The queue of a backend: tickets in the order of their numbers, slots with the time of their next start. Whatever changes a queue ends
 * in queue_changed, which wakes whoever may start next. */
#include "store/sqlite.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

#define PASSED_OVER INT64_MAX                /* aside_until_tick of a ticket whose owner was stopped: until it joins again */

/* ---- tickets ---- */

struct ticket {
	bool is_there, is_parked, is_forwarding;
	char *backend, *call, *keys;         /* owned */
	uint64_t number;
	uint32_t owner, epoch;
	int64_t aside_until;
};

static void ticket_release(struct ticket *t)
{
	free(t->backend);
	free(t->call);
	free(t->keys);
}

/* Of a statement that selects SQL_TICKET_COLUMNS. */
static struct ticket ticket_of(sqlite3_stmt *q)
{
	const char *state = column_text(q, 3);

	return (struct ticket){
		.is_there = true,
		.backend = xstrdup(column_text(q, 0)),
		.number = (uint64_t)sqlite3_column_int64(q, 1),
		.call = xstrdup(column_text(q, 2)),
		.is_parked = strcmp(state, "PARKED") == 0,
		.is_forwarding = strcmp(state, "FORWARDING") == 0,
		.owner = (uint32_t)sqlite3_column_int64(q, 4),
		.epoch = (uint32_t)sqlite3_column_int64(q, 5),
		.aside_until = sqlite3_column_int64(q, 6),
		.keys = xstrdup(column_text(q, 7)),
	};
}

static struct ticket ticket_find(struct store *s, enum sql id, const struct bind *values, size_t n)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, id, values, n);

	return db_row(&s->db, q) ? ticket_of(q) : (struct ticket){ 0 };
}

static uint64_t next_number(struct store *s, const char *backend)
{
	return (uint64_t)db_number(&s->db, SQL_QUEUE_NUMBER, 0, BIND(text(backend)));
}

/* ---- terms and slots ---- */

/* A delay that was drawn under longer terms ends with the longest of the present ones: an operator who shortens it is obeyed. */
static void put_terms(struct store *s, const char *backend, const struct queue_terms *t)
{
	if (db_run(&s->db, SQL_QUEUE_PUT,
		    BIND(text(backend), num(t->concurrency), num(t->delay_min_ms), num(t->delay_max_ms))) == 0)
		return;
	int64_t there = db_number(&s->db, SQL_SLOTS_N, 0, BIND(text(backend)));
	for (int64_t slot = there; slot < t->concurrency && s->db.fault == OK; slot++)
		db_run(&s->db, SQL_SLOT_PUT, BIND(text(backend), num(slot)));
	db_run(&s->db, SQL_SLOT_CLAMP, BIND(text(backend), num(clock_tick_us(s) + t->delay_max_ms * 1000)));
}

static int64_t draw_ms(int64_t low, int64_t high)
{
	uint64_t any = 0;

	random_bytes(&any, sizeof(any));
	return high > low ? low + (int64_t)(any % (uint64_t)(high - low + 1)) : low;
}

/* The slot is free again, after a delay that is drawn here, once. What operations took lately is kept for who asks how long it will be. */
static void free_slot(struct store *s, const char *backend, uint64_t number)
{
	struct queue_state q;
	int64_t started = db_number(&s->db, SQL_SLOT_STARTED, -1, BIND(text(backend), num((int64_t)number)));

	if (started < 0 || !queue_state(s, backend, &q))
		return;
	int64_t now = clock_tick_us(s), took = (now - started) / 1000;
	int64_t ready = now + draw_ms(q.delay_min_ms, q.delay_max_ms) * 1000;
	db_run(&s->db, SQL_SLOT_LEAVE, BIND(text(backend), num((int64_t)number), num(ready)));
	db_run(&s->db, SQL_QUEUE_TOOK, BIND(text(backend), num(q.took_ms < 0 ? took : (3 * q.took_ms + took) / 4)));
}

/* After every change: the turn of parked tickets that nobody eligible stands before has come, and who may start next is woken. */
static void queue_changed(struct store *s, const char *backend)
{
	struct queue_state q;
	struct queue_first first;
	int64_t ready_us = 0;

	if (!queue_state(s, backend, &q))
		return;
	bool is_anybody = queue_first(s, backend, &first);
	if (queue_free_slot(s, backend, &q, &ready_us) >= 0) {
		int64_t turn = s->now.tick_ms + (ready_us + 999) / 1000;
		db_run(&s->db, SQL_TICKET_TURN,
			BIND(text(backend), num(is_anybody ? (int64_t)first.number : INT64_MAX), num(turn)));
	}
	if (is_anybody)
		wake_later(s, first.owner);
}

static void ticket_drop(struct store *s, const struct ticket *t)
{
	if (t->is_forwarding)
		free_slot(s, t->backend, t->number);
	FAILPOINT(TICKET_ENDED);
	db_run(&s->db, SQL_TICKET_DROP, BIND(text(t->backend), num((int64_t)t->number)));
	queue_changed(s, t->backend);
}

/* ---- joining ---- */

static bool has_room(struct store *s, const char *backend, const struct queue_terms *t)
{
	return db_number(&s->db, SQL_TICKETS_N, 0, BIND(text(backend))) < t->max_pending;
}

bool queue_has_room(struct store *s, const char *backend, const struct queue_terms *t)
{
	if (has_room(s, backend, t))
		return true;
	(void)reap(s);
	return has_room(s, backend, t);
}

void queue_enter(struct store *s, struct queue_entry *e)
{
	const struct call_facts *f = e->call;
	CLEANUP(buf_release) struct buf keys = { 0 };
	bool has_approval = e->approval && *e->approval;

	buf_init(&keys, KEYS_MAX_BYTES);
	if (!has_approval && !claims_join_keys(e->limits, &keys))
		db_fault(&s->db, ERR_INVALID);
	put_terms(s, f->backend, e->terms);
	e->ticket = next_number(s, f->backend);
	e->epoch = 1;
	db_run(&s->db, SQL_TICKET_PUT,
		BIND(text(f->backend), num((int64_t)e->ticket), text(f->id), num(gate_number(s->gate)), text(f->tenant),
			text(f->agent), text(f->tool), hash_of(f->args_hash), text(e->approval),
			text_of(buf_span(&keys)), num(s->now.tick_ms)));
	FAILPOINT(TICKET_ENTERED);
	queue_changed(s, f->backend);
}

/* Our own process's first, else the oldest whose owner still lives. */
static struct ticket find_parked(struct store *s, const struct call_facts *f, const char *approval)
{
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_TICKET_PARKED,
		BIND(text(f->tenant), text(f->agent), text(f->backend), text(f->tool), hash_of(f->args_hash), text(approval),
			num(gate_number(s->gate)), num(s->now.tick_ms)));

	while (db_row(&s->db, q)) {
		struct ticket t = ticket_of(q);
		if (presence_is_alive(s->presence, t.owner, NULL))
			return t;
		ticket_release(&t);
	}
	return (struct ticket){ 0 };
}

bool queue_find_parked(struct store *s, const struct queue_entry *e, char holder[ID_SIZE])
{
	CLEANUP(ticket_release) struct ticket t = find_parked(s, e->call, e->approval);

	snprintf(holder, ID_SIZE, "%s", t.is_there ? t.call : "");
	return t.is_there;
}

/* What the new hold did not take over of the old one is nobody's any more. */
bool queue_take_up(struct store *s, struct queue_entry *e)
{
	CLEANUP(buf_release) struct buf keys = { 0 };
	CLEANUP(ticket_release) struct ticket t = find_parked(s, e->call, e->approval);

	if (!t.is_there)
		return false;
	buf_init(&keys, KEYS_MAX_BYTES);
	if (!(e->approval && *e->approval) && !claims_join_keys(e->limits, &keys))
		db_fault(&s->db, ERR_INVALID);
	holds_drop(s, t.call, t.keys);
	FAILPOINT(TICKET_TAKEN_UP);
	put_terms(s, t.backend, e->terms);
	db_run(&s->db, SQL_TICKET_TAKE_UP,
		BIND(text(t.backend), num((int64_t)t.number), text(e->call->id), num(gate_number(s->gate)),
			text_of(buf_span(&keys))));
	e->ticket = t.number;
	e->epoch = t.epoch;
	queue_changed(s, t.backend);
	return true;
}

/* It stands there already: by new terms, or, passed over, at the end. */
static void join_again(struct store *s, struct queue_join *j, const struct ticket *t)
{
	bool was_passed_over = t->aside_until == PASSED_OVER;

	put_terms(s, t->backend, j->queue);
	j->ticket = was_passed_over ? next_number(s, t->backend) : t->number;
	j->epoch = t->epoch;
	if (was_passed_over)
		db_run(&s->db, SQL_TICKET_RENUMBER,
			BIND(text(t->backend), num((int64_t)t->number), num((int64_t)j->ticket)));
	queue_changed(s, t->backend);
}

static void join_carry_out(struct store *s, struct op *op, void *request)
{
	struct queue_join *j = request;
	struct queue_entry e = { .call = j->call, .limits = &j->limits, .terms = j->queue, .approval = j->approval };
	CLEANUP(ticket_release) struct ticket own = ticket_find(s, SQL_TICKET_OF_CALL, BIND(text(j->call->id)));

	op->answer = HELD_QUEUED;
	if (own.is_there) {
		join_again(s, j, &own);
		return;
	}
	if (queue_take_up(s, &e))
		op->answer = HELD_RESUMED;
	else if (queue_has_room(s, j->call->backend, j->queue))
		queue_enter(s, &e);
	else
		op->answer = HOLD_QUEUE_FULL;
	if (op->answer == HOLD_QUEUE_FULL)
		queue_explain_full(s, j->call->backend, &j->full);
	j->ticket = e.ticket;
	j->epoch = e.epoch;
}

void store_queue_join(struct store *s, struct op *op, struct queue_join *j)
{
	op->needs_full = false;
	turn_submit(s, op, join_carry_out, j);
}

/* ---- leaving ---- */

/* Parked at its number, or, passed over, at the end. */
static void park(struct store *s, const struct ticket *t, int64_t keep_ms)
{
	uint64_t number = t->aside_until == PASSED_OVER ? next_number(s, t->backend) : t->number;

	db_run(&s->db, SQL_TICKET_PARK,
		BIND(text(t->backend), num((int64_t)t->number), num((int64_t)number), num(keep_ms)));
	FAILPOINT(TICKET_PARKED);
	queue_changed(s, t->backend);
}

bool queue_leave(struct store *s, const char *call, bool is_parking, int64_t keep_ms)
{
	CLEANUP(ticket_release) struct ticket t = ticket_find(s, SQL_TICKET_OF_CALL, BIND(text(call)));

	if (!t.is_there || t.owner != gate_number(s->gate) || t.is_forwarding)
		return false;
	if (is_parking)
		park(s, &t, keep_ms);
	else
		ticket_drop(s, &t);
	return is_parking;
}

void queue_end(struct store *s, const char *call)
{
	CLEANUP(ticket_release) struct ticket t = ticket_find(s, SQL_TICKET_OF_CALL, BIND(text(call)));

	if (t.is_there && t.is_forwarding)
		ticket_drop(s, &t);
}

void queue_drop_of(struct store *s, uint32_t owner)
{
	while (s->db.fault == OK) {
		CLEANUP(ticket_release) struct ticket t = ticket_find(s, SQL_TICKET_OF, BIND(num(owner)));
		if (!t.is_there)
			break;
		ticket_drop(s, &t);
	}
}

uint32_t queue_drop_overdue(struct store *s)
{
	uint32_t n = 0;

	for (; s->db.fault == OK; n++) {
		CLEANUP(ticket_release)
		struct ticket t = ticket_find(s, SQL_TICKET_OVERDUE, BIND(num(s->now.tick_ms)));
		if (!t.is_there)
			break;
		holds_drop(s, t.call, t.keys);
		ticket_drop(s, &t);
	}
	return n;
}

/* ---- the commit point ---- */

static bool is_next(struct store *s, const struct commit *c, bool *has_dead)
{
	struct queue_state q;
	struct queue_first first = { 0 };
	int64_t ready_us = 0;
	bool is_first = queue_state(s, c->call->backend, &q) && queue_first(s, c->call->backend, &first) &&
	                first.number == c->ticket;

	*has_dead = first.has_dead_before;
	return is_first && queue_free_slot(s, c->call->backend, &q, &ready_us) >= 0 && ready_us == 0;
}

enum commit_answer queue_may_start(struct store *s, struct commit *c)
{
	if (c->ticket == 0)
		return COMMITTED;
	CLEANUP(ticket_release) struct ticket t = ticket_find(s, SQL_TICKET_OF_CALL, BIND(text(c->call->id)));
	if (!t.is_there || t.number != c->ticket || t.epoch != c->ticket_epoch || t.is_parked || t.is_forwarding ||
		t.owner != gate_number(s->gate))
		return COMMIT_PASSED_OVER;
	bool has_dead = false;
	if (is_next(s, c, &has_dead) && !has_dead)
		return COMMITTED;
	(void)reap(s); /* a dead one, or one past its deadline, may have the slot */
	return is_next(s, c, &has_dead) ? COMMITTED : COMMIT_NOT_FIRST;
}

void queue_start(struct store *s, const struct commit *c)
{
	struct queue_state q;
	int64_t ready_us = 0;

	if (c->ticket == 0 || !queue_state(s, c->call->backend, &q))
		return;
	int64_t slot = queue_free_slot(s, c->call->backend, &q, &ready_us);
	db_run(&s->db, SQL_SLOT_TAKE,
		BIND(text(c->call->backend), num(slot), num((int64_t)c->ticket), num(clock_tick_us(s))));
	FAILPOINT(TICKET_STARTED);
	db_run(&s->db, SQL_TICKET_START, BIND(text(c->call->backend), num((int64_t)c->ticket)));
	queue_changed(s, c->call->backend);
}

/* ---- letting others past ---- */

static void aside_carry_out(struct store *s, struct op *op, void *request)
{
	const struct queue_aside *a = request;

	(void)op;
	db_run(&s->db, SQL_TICKET_ASIDE,
		BIND(text(a->backend), num((int64_t)a->ticket), num(gate_number(s->gate)), num(s->now.tick_ms + a->for_ms)));
	queue_changed(s, a->backend);
}

void store_queue_aside(struct store *s, struct op *op, const struct queue_aside *a)
{
	op->needs_full = false;
	turn_submit(s, op, aside_carry_out, (void *)(uintptr_t)a);
}

/* Looked at again inside the gate: it may have started meanwhile. */
static void pass_carry_out(struct store *s, struct op *op, void *request)
{
	const struct queue_pass *p = request;
	struct queue_state q;
	struct queue_first first;
	int64_t ready_us = 0;

	op->answer = 0;
	if (!queue_state(s, p->backend, &q) || !queue_first(s, p->backend, &first) || first.owner != p->owner ||
		first.number != p->ticket || p->owner == gate_number(s->gate) ||
		queue_free_slot(s, p->backend, &q, &ready_us) < 0 || ready_us > 0)
		return;
	op->answer = (int)db_run(&s->db, SQL_TICKET_PASS, BIND(text(p->backend), num(p->owner), num(PASSED_OVER)));
	queue_changed(s, p->backend);
}

void store_queue_pass_over(struct store *s, struct op *op, const struct queue_pass *p)
{
	op->needs_full = false;
	turn_submit(s, op, pass_carry_out, (void *)(uintptr_t)p);
}
