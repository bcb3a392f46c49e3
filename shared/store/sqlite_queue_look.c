/* How a queue stands: who is eligible, who is first, when it may start, how long it will be. Nothing here writes. */
#include "store/sqlite.h"

#define MAX_SLOTS  1000                      /* concurrency is capped by the configuration, */
#define NAME_BYTES 65                        /* and so are names */

bool queue_state(struct store *s, const char *backend, struct queue_state *out)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_QUEUE_GET, BIND(text(backend)));

	if (!db_row(&s->db, q))
		return false;
	out->concurrency = sqlite3_column_int64(q, 0);
	out->delay_min_ms = sqlite3_column_int64(q, 1);
	out->delay_max_ms = sqlite3_column_int64(q, 2);
	out->took_ms = sqlite3_column_int64(q, 3);
	return true;
}

/* When fewer are allowed than before, those that run in slots beyond count all the same. */
int64_t queue_free_slot(struct store *s, const char *backend, const struct queue_state *state, int64_t *ready_us)
{
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_SLOT_FREE, BIND(text(backend), num(state->concurrency)));

	if (!db_row(&s->db, q))
		return -1;
	int64_t left = sqlite3_column_int64(q, 1) - clock_tick_us(s);
	*ready_us = left > 0 ? left : 0;
	return sqlite3_column_int64(q, 0);
}

/* ---- who is eligible ---- */

/* One pass over a queue. Columns of its statements: call, number, owner, tenant, agent, tool, aside_until_tick, ... */
struct pass {
	struct store *s;
	const char *backend;
	bool has_stops;                      /* a brake or a cool-down stands somewhere: each call has to be asked for */
	uint32_t owner;                      /* asked for last: many tickets have the same one */
	bool is_alive;
	struct obstacle why;                 /* of the ticket that was looked at last */
};

static struct pass pass_begin(struct store *s, const char *backend)
{
	return (struct pass){
		.s = s,
		.backend = backend,
		.has_stops = db_number(&s->db, SQL_STOPS, 0, NO_BIND) != 0,
		.is_alive = false,
	};
}

static bool is_alive(struct pass *p, uint32_t owner)
{
	if (owner != p->owner) {
		p->owner = owner;
		p->is_alive = presence_is_alive(p->s->presence, owner, NULL);
	}
	return p->is_alive;
}

static bool is_stopped(struct pass *p, sqlite3_stmt *q)
{
	struct call_facts f = {
		.tenant = column_text(q, 3),
		.agent = column_text(q, 4),
		.backend = p->backend,
		.tool = column_text(q, 5),
	};

	snprintf(f.id, sizeof(f.id), "%s", column_text(q, 0));
	return p->has_stops && terms_look(p->s, &f, NULL, &p->why) != GO_ON;
}

/* WAITING, its owner lives, it was not put aside, and no brake or cool-down stops it. */
static bool is_eligible(struct pass *p, sqlite3_stmt *q)
{
	int64_t aside = sqlite3_column_int64(q, 6);

	p->why = (struct obstacle){ .until_ms = -1 };
	if (aside > p->s->now.tick_ms) {
		if (aside != INT64_MAX)
			p->why.until_ms = aside - p->s->now.tick_ms;
		return false;
	}
	return is_alive(p, (uint32_t)sqlite3_column_int64(q, 2)) && !is_stopped(p, q);
}

bool queue_first(struct store *s, const char *backend, struct queue_first *out)
{
	struct pass p = pass_begin(s, backend);
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TICKETS_WAITING, BIND(text(backend)));

	*out = (struct queue_first){ 0 };
	while (db_row(&s->db, q)) {
		if (!is_eligible(&p, q)) {
			out->has_dead_before |= !is_alive(&p, (uint32_t)sqlite3_column_int64(q, 2));
			continue;
		}
		out->number = (uint64_t)sqlite3_column_int64(q, 1);
		out->owner = (uint32_t)sqlite3_column_int64(q, 2);
		return true;
	}
	return false;
}

/* ---- how long it will be ---- */

struct slots {
	int64_t free_ms[MAX_SLOTS];          /* from now, in rising order: when each is ready, by what operations took lately */
	size_t n;
	int64_t ready_us;                    /* until the first free one is; -1: none is free */
	int64_t turn_ms;                     /* one operation and the delay after it */
};

/* Up; what lies in the past, down. */
static int64_t to_ms(int64_t us)
{
	return us > 0 ? (us + 999) / 1000 : us / 1000;
}

static void insert_sorted(struct slots *l, int64_t ms)
{
	size_t i = l->n++;

	for (; i > 0 && l->free_ms[i - 1] > ms; i--)
		l->free_ms[i] = l->free_ms[i - 1];
	l->free_ms[i] = ms;
}

static void read_slots(struct store *s, const char *backend, const struct queue_state *state, struct slots *l)
{
	int64_t took = state->took_ms > 0 ? state->took_ms : 0, now = clock_tick_us(s);
	int64_t delay = (state->delay_min_ms + state->delay_max_ms) / 2;
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_SLOTS, BIND(text(backend), num(state->concurrency)));

	l->n = 0;
	l->turn_ms = took + delay;
	while (l->n < MAX_SLOTS && db_row(&s->db, q)) {
		bool is_busy = sqlite3_column_int64(q, 1) != 0;
		int64_t at = to_ms(sqlite3_column_int64(q, 0) - now);
		int64_t ends = is_busy && at + took > 0 ? at + took : 0;
		int64_t left = is_busy ? ends + delay : at;
		insert_sorted(l, left > 0 ? left : 0);
	}
	if (queue_free_slot(s, backend, state, &l->ready_us) < 0)
		l->ready_us = -1;
}

/* Of who is so far from the front: the slots go round. */
static int64_t eta_ms(const struct slots *l, uint32_t position)
{
	if (l->n == 0 || position == 0)
		return -1;
	size_t before = position - 1;
	return l->free_ms[before % l->n] + (int64_t)(before / l->n) * l->turn_ms;
}

void queue_explain_full(struct store *s, const char *backend, struct queue_full *out)
{
	struct queue_state state;
	struct slots slots;

	*out = (struct queue_full){
		.waiting = (uint32_t)db_number(&s->db, SQL_TICKETS_N, 0, BIND(text(backend))),
		.eta_ms = -1,
		.retry_after_ms = -1,
	};
	if (!queue_state(s, backend, &state))
		return;
	read_slots(s, backend, &state, &slots);
	out->eta_ms = eta_ms(&slots, out->waiting + 1);
	out->retry_after_ms = eta_ms(&slots, 1);
}

/* ---- one ticket's place ---- */

static void watch(struct store *s, struct queue_place *out, uint32_t owner)
{
	for (size_t i = 0; i < out->ahead_n; i++)
		if (out->ahead[i] == owner)
			return;
	if (owner != gate_number(s->gate) && out->ahead_n < QUEUE_AHEAD_MAX)
		out->ahead[out->ahead_n++] = owner;
}

static void watch_running(struct store *s, const char *backend, struct queue_place *out)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TICKETS_RUNNING, BIND(text(backend)));

	while (db_row(&s->db, q))
		watch(s, out, (uint32_t)sqlite3_column_int64(q, 0));
}

struct own { bool is_eligible; struct obstacle why; };

/* False: there is no such ticket of ours. */
static bool find_own(struct store *s, const char *backend, uint64_t ticket, struct queue_place *out, struct own *own)
{
	struct pass p = pass_begin(s, backend);
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_TICKETS_UP_TO, BIND(text(backend), num((int64_t)ticket)));
	uint32_t before = 0;
	bool is_first = true;

	out->position = 1;
	while (db_row(&s->db, q)) {
		uint32_t owner = (uint32_t)sqlite3_column_int64(q, 2);
		own->is_eligible = is_eligible(&p, q);
		if ((uint64_t)sqlite3_column_int64(q, 1) == ticket) {
			out->epoch = (uint32_t)sqlite3_column_int64(q, 7);
			own->why = p.why;
			if (before != 0)
				watch(s, out, before);
			return owner == gate_number(s->gate);
		}
		if (!own->is_eligible)
			continue;
		if (is_first) {
			out->first = (uint64_t)sqlite3_column_int64(q, 1);
			out->first_owner = owner;
		}
		is_first = false;
		before = owner;
		out->position++;
	}
	return false;
}

static void place_by_slots(const struct slots *l, const struct own *own, struct queue_place *out)
{
	int64_t obstacle = own->is_eligible ? 0 : own->why.until_ms;

	out->eta_ms = eta_ms(l, out->position);
	if (obstacle < 0)
		out->eta_ms = -1;
	else if (out->eta_ms >= 0 && obstacle > out->eta_ms)
		out->eta_ms = obstacle;
	if (!own->is_eligible)
		out->ready_us = own->why.until_ms < 0 ? -1 : own->why.until_ms * 1000;
	else if (out->position == 1)
		out->ready_us = l->ready_us;
	out->is_eligible = own->is_eligible;
	out->may_start = own->is_eligible && out->position == 1 && l->ready_us == 0;
	out->is_first_due = out->position > 1 && l->ready_us == 0;
}

enum err store_queue_place(struct store *s, const char *backend, uint64_t ticket, struct queue_place *out)
{
	struct queue_state state = { 0 };
	struct own own = { 0 };
	struct slots slots;
	enum err e = read_begin(s);

	*out = (struct queue_place){ .ready_us = -1, .eta_ms = -1 };
	if (e != OK)
		return e;
	store_now(s, &s->now);
	if (!queue_state(s, backend, &state) || !find_own(s, backend, ticket, out, &own)) {
		out->is_gone = true;
		return read_end(s);
	}
	read_slots(s, backend, &state, &slots);
	if (out->position == 1)
		watch_running(s, backend, out);
	place_by_slots(&slots, &own, out);
	return read_end(s);
}

int store_watch_number(struct store *s, uint32_t number)
{
	return presence_watch(s->presence, number);
}

/* ---- for people ---- */

struct listing {
	struct pass pass;
	struct slots slots;
	uint32_t eligible;                   /* that many stand before */
	queue_row_fn *fn;
	void *arg;
};

static void describe(struct listing *l, sqlite3_stmt *q, struct queue_row *row)
{
	struct store *s = l->pass.s;
	int64_t keep_until = sqlite3_column_int64(q, 9);

	row->ready_ms = -1;
	row->keep_ms = -1;
	if (strcmp(row->state, "FORWARDING") == 0)
		return;
	if (strcmp(row->state, "PARKED") == 0) {
		row->position = l->eligible + 1;
		row->ready_ms = eta_ms(&l->slots, row->position);
		if (keep_until > 0)
			row->keep_ms = keep_until > s->now.tick_ms ? keep_until - s->now.tick_ms : 0;
	} else if (is_eligible(&l->pass, q)) {
		row->position = ++l->eligible;
		row->ready_ms = eta_ms(&l->slots, row->position);
	} else {
		row->state = "ASIDE";
		row->ready_ms = l->pass.why.until_ms;
	}
}

/* False: the reader has seen enough. */
static bool list_backend(struct listing *l)
{
	struct store *s = l->pass.s;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TICKETS_ALL, BIND(text(l->pass.backend)));

	while (db_row(&s->db, q)) {
		struct queue_row row = {
			.backend = l->pass.backend,
			.call = column_text(q, 0),
			.number = (uint64_t)sqlite3_column_int64(q, 1),
			.owner = (uint32_t)sqlite3_column_int64(q, 2),
			.agent = column_text(q, 4),
			.tool = column_text(q, 5),
			.state = column_text(q, 7),
			.waited_ms = s->now.tick_ms - sqlite3_column_int64(q, 8),
		};
		describe(l, q, &row);
		if (!l->fn(l->arg, &row))
			return false;
	}
	return true;
}

/* The names of all queues after `after`, one at a time: no statement stays open while another backend is read. */
static bool next_backend(struct store *s, const char *after, char out[NAME_BYTES])
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_QUEUE_NEXT, BIND(text(after)));

	if (!db_row(&s->db, q))
		return false;
	snprintf(out, NAME_BYTES, "%s", column_text(q, 0));
	return true;
}

enum err store_queue_list(struct store *s, const char *backend, queue_row_fn *fn, void *arg)
{
	char name[NAME_BYTES], before[NAME_BYTES] = "";
	enum err e = read_begin(s);

	if (e != OK)
		return e;
	store_now(s, &s->now);
	while (next_backend(s, before, name)) {
		struct queue_state state;
		struct listing l = { .fn = fn, .arg = arg };
		memcpy(before, name, sizeof(before));
		if ((backend && strcmp(backend, name) != 0) || !queue_state(s, name, &state))
			continue;
		read_slots(s, name, &state, &l.slots);
		l.pass = pass_begin(s, name);
		if (!list_backend(&l))
			break;
	}
	return read_end(s);
}
