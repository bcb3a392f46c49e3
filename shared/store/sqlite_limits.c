/* Counting by an exact sliding log: one entry per key and call, and per key and window length a
 * count of the entries in it (live) with the mark up to which those that left were subtracted. */
#include "store/sqlite.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

#define GUARD_MS       50                   /* free when now - stamp > W + 50 ms */
#define KEPT_MS        (24 * 3600 * 1000LL) /* history an edited limit finds */
#define FORGET_EVERY   16                   /* admissions between two looks for old entries, */
#define FORGET_AT_ONCE 64                   /* and how many go then: each operation stays short */
#define SWEEP_EVERY    4                    /* admissions under a loop guard between two sweeps of keys nobody comes back to, */
#define SWEEP_AT_ONCE  16                   /* and how many keys are looked at: four for each that is added */

/* Entries with tick <= this have left a window of that length. */
static int64_t mark_of(const struct store *s, int64_t window_ms)
{
	return s->now.tick_ms - window_ms - GUARD_MS - 1;
}

static int64_t ms_until_left(const struct store *s, int64_t tick, int64_t window_ms)
{
	return tick + window_ms + GUARD_MS + 1 - s->now.tick_ms;
}

static int64_t entries_between(struct store *s, const char *key, int64_t after, int64_t up_to)
{
	return db_number(&s->db, SQL_ENTRY_COUNT, 0, BIND(text(key), num(after), num(up_to)));
}

/* ---- windows ---- */

struct window {
	const char *key;
	int64_t window_ms, live, from_tick;
};

/* The count as of now. True: it differs from what is stored, because entries left or the window is
 * new. */
static bool window_look(struct store *s, struct window *w)
{
	int64_t mark = mark_of(s, w->window_ms);
	bool is_stored = false;
	{
		CLEANUP(db_end)
		sqlite3_stmt *q =
			db_start(&s->db, SQL_WINDOW_GET, BIND(text(w->key), num(w->window_ms)));
		is_stored = db_row(&s->db, q);
		w->live = is_stored ? sqlite3_column_int64(q, 0) : 0;
		w->from_tick = is_stored ? sqlite3_column_int64(q, 1) : mark;
	}
	if (!is_stored) {
		w->live = entries_between(s, w->key, mark, INT64_MAX);
		return true;
	}
	int64_t gone = mark > w->from_tick ? entries_between(s, w->key, w->from_tick, mark) : 0;
	if (gone > 0) {
		w->live -= gone;
		w->from_tick = mark;
	}
	return gone > 0;
}

static void window_move(struct store *s, struct window *w)
{
	if (window_look(s, w))
		db_run(&s->db, SQL_WINDOW_PUT,
			BIND(text(w->key), num(w->window_ms), num(w->live), num(w->from_tick)));
}

/* Until when the window counts as full whatever is recorded, because records were lost. A loop guard promises nothing about them. */
static int64_t closed_for_ms(const struct store *s, const char *key, int64_t window_ms)
{
	if (limit_is_loop(key))
		return 0;
	int64_t since = s->meta.full_tick;

	if (window_ms <= LIMITS_FULL_ABOVE_MS && s->meta.lost_tick > since)
		since = s->meta.lost_tick;
	int64_t left = since > 0 ? ms_until_left(s, since, window_ms) : 0;
	return left > 0 ? left : 0;
}

/* The earliest time a place can be free if all that wait or run stay; -1 when only their end frees
 * one. */
static int64_t retry_after_ms(struct store *s, const struct window *w, uint32_t max_count)
{
	int64_t skip = w->live - max_count; /* so many must leave besides the oldest */
	int64_t tick = db_number(&s->db, SQL_ENTRY_OLDEST, -1,
		BIND(text(w->key), num(w->from_tick), num(skip > 0 ? skip : 0)));

	return tick < 0 ? -1 : ms_until_left(s, tick, w->window_ms);
}

/* Until the first of its holds runs out by itself; -1 when none is known to: those of calls in a queue. */
static int64_t first_hold_ends_ms(struct store *s, const char *key)
{
	int64_t tick = db_number(&s->db, SQL_HOLD_ENDS, -1, BIND(text(key)));

	if (tick < 0)
		return -1;
	return tick > s->now.tick_ms ? tick - s->now.tick_ms : 0;
}

static bool fits(struct store *s, const struct limit_claim *c, struct limit_refusal *why)
{
	struct window w = { .key = c->key, .window_ms = c->window_ms };

	int64_t closed_ms = closed_for_ms(s, c->key, c->window_ms);
	window_move(s, &w);
	if (closed_ms == 0 && w.live < c->max_count)
		return true;
	int64_t held = entries_between(s, c->key, TICK_OPEN, TICK_HELD);
	bool is_held = held >= c->max_count && closed_ms == 0;
	*why = (struct limit_refusal){
		.claim = c,
		.used = (uint32_t)(w.live - held),
		.held = (uint32_t)held,
		.is_held = is_held,
		.retry_after_ms = closed_ms > 0 ? closed_ms
				  : is_held     ? first_hold_ends_ms(s, c->key)
						: retry_after_ms(s, &w, c->max_count),
	};
	return false;
}

/* ---- admission ---- */

/* Claims of one key share one entry: only the first of them stands for it. */
static bool is_first_of_key(const struct claim_set *claims, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(claims->v[j].key, claims->v[i].key) == 0)
			return false;
	return true;
}

/* 0: there is no such entry; process numbers begin at 1. */
static int64_t entry_owner(struct store *s, const char *key, int64_t tick, const char *call)
{
	return db_number(&s->db, SQL_ENTRY_OWNER, 0, BIND(text(key), num(tick), text(call)));
}

static bool is_held_by(struct store *s, const char *key, const char *call)
{
	return entry_owner(s, key, TICK_HELD, call) != 0;
}

/* One entry as it stands, and as it shall. owner 0: stays. */
struct entry {
	const char *call;
	int64_t tick, owner;
};

/* False when there is no such entry. Statements of one row each: an UPDATE of the primary key gathers its rows in a table of its
 * own first, which costs more than all three. */
static bool entry_move(struct store *s, const char *key, struct entry from, struct entry to)
{
	int64_t owner = entry_owner(s, key, from.tick, from.call);

	if (owner == 0)
		return false;
	db_run(&s->db, SQL_ENTRY_DROP, BIND(text(key), num(from.tick), text(from.call)));
	db_run(&s->db, SQL_ENTRY_PUT,
		BIND(text(key), num(to.tick), text(to.call), num(to.owner ? to.owner : owner)));
	return true;
}

static void entry_drop(struct store *s, const char *key, int64_t tick, const char *call)
{
	if (db_run(&s->db, SQL_ENTRY_DROP, BIND(text(key), num(tick), text(call))) == 1)
		db_run(&s->db, SQL_WINDOW_TAKE, BIND(text(key), num(tick)));
}

/* It has this place already: from its hold, or from the call it continues as long as that one's use is still in the window. */
static bool has_place(struct store *s, const struct admission *a, const struct limit_claim *c)
{
	if (a->holder && is_held_by(s, c->key, a->holder))
		return true;
	return a->continues && a->continues_tick > mark_of(s, c->window_ms) &&
	       entry_owner(s, c->key, a->continues_tick, a->continues) != 0;
}

static bool is_longer(int64_t a_ms, int64_t b_ms)
{
	return b_ms >= 0 && (a_ms < 0 || a_ms > b_ms);
}

/* Of several full windows the one that stays full longest is the answer. */
static bool all_fit(struct store *s, const struct admission *a)
{
	bool is_full = false;

	for (size_t i = 0; i < a->claims->n; i++) {
		const struct limit_claim *c = &a->claims->v[i];
		struct limit_refusal why;
		if (has_place(s, a, c) || fits(s, c, &why))
			continue;
		if (!is_full || is_longer(why.retry_after_ms, a->why->retry_after_ms))
			*a->why = why;
		is_full = true;
	}
	return !is_full;
}

/* A window that still counts what is forgotten is one nobody claims any more. It is dropped, and
 * counted anew when it is claimed again. */
static void forget_old(struct store *s, const char *key)
{
	int64_t longest = db_number(&s->db, SQL_WINDOW_LONGEST, 0, BIND(text(key)));
	int64_t up_to = mark_of(s, longest > KEPT_MS ? longest : KEPT_MS);

	db_run(&s->db, SQL_WINDOW_FORGET, BIND(text(key), num(up_to)));
	db_run(&s->db, SQL_ENTRY_FORGET, BIND(text(key), num(up_to), num(FORGET_AT_ONCE)));
}

/* Every call with other arguments has a key of its own in a loop guard. Those whose entries have left all their windows go whole. */
struct sweep {
	char *keys[SWEEP_AT_ONCE];
	int64_t longest_ms[SWEEP_AT_ONCE];
	size_t n;
};

static void find_keys(struct store *s, const char *after, struct sweep *out)
{
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, SQL_LOOP_KEYS, BIND(text(after), num(SWEEP_AT_ONCE)));

	for (out->n = 0; out->n < SWEEP_AT_ONCE && db_row(&s->db, q); out->n++) {
		out->keys[out->n] = xstrdup(column_text(q, 0));
		out->longest_ms[out->n] = sqlite3_column_int64(q, 1);
	}
}

static void sweep_loops(struct store *s, const char *after)
{
	struct sweep found;

	find_keys(s, after, &found);
	for (size_t i = 0; i < found.n; i++) {
		const char *key = found.keys[i];
		if (entries_between(s, key, mark_of(s, found.longest_ms[i]), INT64_MAX) == 0) {
			db_run(&s->db, SQL_KEY_FORGET, BIND(text(key)));
			db_run(&s->db, SQL_KEY_FORGET_WINDOWS, BIND(text(key)));
		}
		free(found.keys[i]);
	}
}

static void take_place(struct store *s, const struct admission *a, const char *key)
{
	struct entry held = { .call = a->holder, .tick = TICK_HELD };
	struct entry entry = { a->as, a->tick, a->owner };

	if (a->holder && entry_move(s, key, held, entry))
		return;
	if (a->continues)
		entry_drop(s, key, a->continues_tick, a->continues);
	db_run(&s->db, SQL_ENTRY_PUT, BIND(text(key), num(a->tick), text(a->as), num(a->owner)));
	FAILPOINT(LIMITS_TAKING);
	db_run(&s->db, SQL_WINDOW_ADD, BIND(text(key)));
}

bool limits_admit(struct store *s, const struct admission *a)
{
	/* The dead are looked for only when they matter. */
	if (!all_fit(s, a) && (reap(s) == 0 || !all_fit(s, a)))
		return false;
	bool is_forgetting = s->admitted_n % FORGET_EVERY == 0, is_sweeping = s->admitted_n % SWEEP_EVERY == 0;
	s->admitted_n++;
	for (size_t i = 0; i < a->claims->n; i++) {
		if (!is_first_of_key(a->claims, i))
			continue;
		take_place(s, a, a->claims->v[i].key);
		if (is_forgetting)
			forget_old(s, a->claims->v[i].key);
		if (is_sweeping && a->claims->v[i].scope == LIMIT_LOOP)
			sweep_loops(s, a->claims->v[i].key);
	}
	return true;
}

/* ---- what becomes of an entry ---- */

bool claims_join_keys(const struct claim_set *claims, struct buf *out)
{
	for (size_t i = 0; i < claims->n; i++) {
		if (!is_first_of_key(claims, i))
			continue;
		if (out->len > 0 && !buf_append_char(out, KEYS_SEPARATOR))
			return false;
		if (!buf_append_text(out, claims->v[i].key))
			return false;
	}
	return true;
}

/* The next of the joined keys, cut off in place; NULL at the end. */
static const char *next_key(char **rest)
{
	char *key = *rest;

	if (!key || !*key)
		return NULL;
	char *end = strchr(key, KEYS_SEPARATOR);
	if (end)
		*end = '\0';
	*rest = end ? end + 1 : NULL;
	return key;
}

static void stamp(struct store *s, const struct uses *u, const char *key, int64_t tick)
{
	bool is_late = s->now.tick_ms - tick > GUARD_MS; /* else no mark can have passed it */
	struct entry from = { .call = u->call, .tick = u->tick }, to = { .call = u->call, .tick = tick };

	if (entry_move(s, key, from, to) && is_late)
		db_run(&s->db, SQL_WINDOW_PASSED, BIND(text(key), num(tick)));
}

void uses_stamp(struct store *s, struct uses *u, int64_t tick)
{
	for (const char *key; (key = next_key(&u->keys));)
		stamp(s, u, key, tick);
}

void uses_give_back(struct store *s, struct uses *u, int64_t tick)
{
	for (const char *key; (key = next_key(&u->keys));) {
		if (!limit_is_loop(key))
			entry_drop(s, key, u->tick, u->call);
		else if (u->tick == TICK_OPEN)
			stamp(s, u, key, tick);
	}
}

void uses_refund(struct store *s, struct uses *u)
{
	for (const char *key; (key = next_key(&u->keys));)
		entry_drop(s, key, u->tick, u->call);
}

void holds_drop(struct store *s, const char *holder, char *keys)
{
	struct uses held = { .call = holder, .keys = keys, .tick = TICK_HELD };

	uses_refund(s, &held);
}

void holds_move(struct store *s, const char *from, const char *to, int64_t owner, char *keys)
{
	struct entry was = { .call = from, .tick = TICK_HELD }, is = { to, TICK_HELD, owner };

	for (const char *key; (key = next_key(&keys));)
		entry_move(s, key, was, is);
}

void holds_drop_of(struct store *s, uint32_t owner)
{
	db_run(&s->db, SQL_HELD_TAKE, BIND(num(owner)));
	db_run(&s->db, SQL_HELD_DROP, BIND(num(owner)));
}

/* ---- verbs ---- */

/* Nobody has noticed yet that their owners are dead; whoever meets them in a full window will. */
static int64_t holds_of_dead(struct store *s, const char *key)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_HELD_BY, BIND(text(key)));
	int64_t n = 0;

	while (db_row(&s->db, q)) {
		int64_t owner = sqlite3_column_int64(q, 0);
		if (owner != OWNER_APPROVAL && !presence_is_alive(s->presence, (uint32_t)owner, NULL))
			n += sqlite3_column_int64(q, 1);
	}
	return n;
}

static void show(struct store *s, struct limit_row *row)
{
	struct window w = { .key = row->key, .window_ms = row->window_ms };
	int64_t closed_ms = closed_for_ms(s, row->key, row->window_ms);

	window_look(s, &w);
	int64_t held = entries_between(s, row->key, TICK_OPEN, TICK_HELD);
	int64_t oldest = db_number(&s->db, SQL_ENTRY_OLDEST, -1,
		BIND(text(w.key), num(mark_of(s, w.window_ms)), num(0)));
	row->used = (uint32_t)(w.live - held);
	row->held = (uint32_t)(held > 0 ? held - holds_of_dead(s, row->key) : 0);
	row->next_free_ms = oldest < 0 ? -1 : ms_until_left(s, oldest, w.window_ms);
	row->is_closed = closed_ms > 0;
	if (row->is_closed)
		row->next_free_ms = closed_ms;
}

enum err store_limits_show(struct store *s, struct limit_row *rows, size_t n)
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &s->now);
	if (meta_read(s))
		for (size_t i = 0; i < n; i++)
			show(s, &rows[i]);
	return read_end(s);
}
