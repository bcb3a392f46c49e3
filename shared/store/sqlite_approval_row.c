/* The row of an approval, its edges, and what is put on record about it. */
#include "store/sqlite_approval.h"
#include <ctype.h>
#include <strings.h>
#include "base/failpoint.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

#define BODY_MAX_BYTES (64 * 1024)
#define SHORT_PREFIX   "APR-"

static const char *const states[] = {
	[APPROVAL_PENDING] = "PENDING",
	[APPROVAL_APPROVED] = "APPROVED",
	[APPROVAL_REJECTED] = "REJECTED",
	[APPROVAL_EXPIRED] = "EXPIRED",
	[APPROVAL_CANCELLED] = "CANCELLED",
	[APPROVAL_CONSUMED] = "CONSUMED",
};

const char *approval_state_text(enum approval_state state)
{
	return states[state];
}

/* The schema allows no other text; should there be one, nobody may take it for a live one. */
static enum approval_state state_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i], text) == 0)
			return (enum approval_state)i;
	return APPROVAL_CANCELLED;
}

/* ---- reading ---- */

void approval_release(struct approval *a)
{
	char *const texts[] = { a->tenant, a->agent, a->client, a->backend, a->tool, a->args, a->rule,
		a->decided_by, a->decided_means, a->reason, a->consumed_by };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	*a = (struct approval){ 0 };
}

void asked_release(struct asked *k)
{
	approval_release(&k->a);
	free(k->keys);
	*k = (struct asked){ 0 };
}

static void read_texts(struct approval *a, sqlite3_stmt *q)
{
	char **const texts[] = { &a->tenant, &a->agent, &a->client, &a->backend, &a->tool, &a->rule,
		&a->decided_by, &a->decided_means, &a->reason, &a->consumed_by };

	snprintf(a->id, sizeof(a->id), "%s", column_text(q, 0));
	snprintf(a->short_id, sizeof(a->short_id), "%s", column_text(q, 1));
	a->state = state_of(column_text(q, 2));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = xstrdup(column_text(q, 3 + (int)i));
}

struct asked asked_of(sqlite3_stmt *q, bool wants_args)
{
	struct asked k = { .is_there = true };
	struct approval *a = &k.a;

	read_texts(a, q);
	a->level = sqlite3_column_int(q, 13);
	a->uid = (uid_t)sqlite3_column_int64(q, 14);
	column_hash(q, 15, a->args_hash);
	column_hash(q, 16, a->tool_hash);
	column_hash(q, 17, a->fingerprint);
	a->quorum = (uint32_t)sqlite3_column_int64(q, 18);
	a->is_auth_required = sqlite3_column_int(q, 19) != 0;
	a->created_at_ms = sqlite3_column_int64(q, 20);
	a->decided_at_ms = sqlite3_column_int64(q, 21);
	k.created_tick = sqlite3_column_int64(q, 22);
	k.expires_tick = sqlite3_column_int64(q, 23);
	k.frozen_tick = sqlite3_column_int64(q, 24);
	k.keys = xstrdup(column_text(q, 25));
	a->is_frozen = k.frozen_tick >= 0;
	a->votes = (uint32_t)sqlite3_column_int64(q, 26);
	a->waiting = (uint32_t)sqlite3_column_int64(q, 27);
	k.is_carried = sqlite3_column_int(q, 28) != 0;
	snprintf(a->outcome, sizeof(a->outcome), "%s", column_text(q, 29));
	a->executed_at_ms = sqlite3_column_int64(q, 30);
	a->args = xstrdup(wants_args ? column_text(q, 31) : "");
	return k;
}

static struct asked get(struct store *s, enum sql id, bool wants_args, const struct bind *values, size_t n)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, id, values, n);

	return db_row(&s->db, q) ? asked_of(q, wants_args) : (struct asked){ 0 };
}

struct asked asked_get(struct store *s, enum sql id, const struct bind *values, size_t n)
{
	return get(s, id, false, values, n);
}

/* As people type it: apr-7f3k, 7F3K. */
static void spell_short(const char *typed, char *out, size_t size)
{
	bool has_prefix = strncasecmp(typed, SHORT_PREFIX, strlen(SHORT_PREFIX)) == 0;

	snprintf(out, size, "%s%s", has_prefix ? "" : SHORT_PREFIX, typed);
	for (char *c = out; *c; c++)
		*c = (char)toupper((unsigned char)*c);
}

struct asked asked_find(struct store *s, const char *id_or_short, bool wants_args)
{
	char name[sizeof(((struct approval *)0)->short_id)];

	if (strlen(id_or_short) == ID_SIZE - 1)
		return get(s, SQL_APPROVAL_BY_ID, wants_args, BIND(text(id_or_short)));
	spell_short(id_or_short, name, sizeof(name));
	return get(s, SQL_APPROVAL_BY_SHORT, wants_args, BIND(text(name)));
}

static int64_t at_least_0(int64_t ms)
{
	return ms > 0 ? ms : 0;
}

void asked_show(struct asked *k, int64_t tick)
{
	struct approval *a = &k->a;

	a->is_overdue = asked_is_overdue(k, tick);
	if (a->is_overdue)
		a->state = APPROVAL_EXPIRED;
	a->waited_ms = at_least_0(tick - k->created_tick);
	a->expires_in_ms = asked_is_live(k) ? at_least_0(k->expires_tick - (a->is_frozen ? k->frozen_tick : tick)) : 0;
}

/* What was read between read_begin and here, as of now. */
static enum err show_read(struct store *s, struct asked *k, struct approval *out)
{
	struct now now;

	enum err e = read_end(s);
	if (e == OK && !k->is_there)
		e = ERR_NOT_FOUND;
	if (e != OK)
		return e;
	store_now(s, &now);
	asked_show(k, now.tick_ms);
	*out = k->a;
	k->a = (struct approval){ 0 };
	return OK;
}

static enum err show_one(struct store *s, const char *id_or_short, bool wants_args, struct approval *out)
{
	*out = (struct approval){ 0 };
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	CLEANUP(asked_release) struct asked k = asked_find(s, id_or_short, wants_args);
	return show_read(s, &k, out);
}

enum err store_approval_get(struct store *s, const char *id_or_short, struct approval *out)
{
	return show_one(s, id_or_short, true, out);
}

enum err store_approval_look(struct store *s, const char *id, struct approval *out)
{
	return show_one(s, id, false, out);
}

enum err store_approval_previous(struct store *s, const char *id, struct approval *out)
{
	*out = (struct approval){ 0 };
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	CLEANUP(asked_release) struct asked k = get(s, SQL_APPROVAL_BEFORE, true, BIND(text(id)));
	return show_read(s, &k, out);
}

enum err store_approval_list(struct store *s, const struct approval_filter *f, approval_fn *fn, void *arg)
{
	enum sql id = f->is_live_only ? SQL_APPROVAL_LIVE : SQL_APPROVAL_ALL;
	uint32_t left = f->limit > 0 ? f->limit : UINT32_MAX;
	bool wants_more = true;
	struct now now;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &now);
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, id, BIND(text(""), text(f->agent)));
	while (wants_more && left-- > 0 && db_row(&s->db, q)) {
		CLEANUP(asked_release) struct asked k = asked_of(q, true);
		asked_show(&k, now.tick_ms);
		if (!f->is_live_only || asked_is_live(&k))
			wants_more = fn(arg, &k.a);
	}
	return read_end(s);
}

/* ---- the audit ---- */

static bool put(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return true;
	return (b->len <= 1 || buf_append_char(b, ',')) && buf_printf(b, "\"%s\":", key) && json_quote(b, span_of(value));
}

/* Keys in canonical order. */
static bool write_body(struct buf *b, const struct asked *k, const struct testimony *t)
{
	return buf_append_char(b, '{') && put(b, "approval", k->a.id) && put(b, "by", t->by) &&
	       (!t->is_late || buf_append_text(b, ",\"is_late\":true")) && put(b, "means", t->means) &&
	       put(b, "origin", t->origin) && buf_printf(b, ",\"quorum\":%u", k->a.quorum) && put(b, "reason", t->reason) &&
	       put(b, "rule", k->a.rule) && put(b, "short", k->a.short_id) &&
	       put(b, "state", approval_state_text(t->state)) && buf_append_char(b, '}');
}

void asked_testify(struct store *s, const struct asked *k, const struct testimony *t)
{
	CLEANUP(buf_release) struct buf body = { 0 };

	buf_init(&body, BODY_MAX_BYTES);
	if (!write_body(&body, k, t)) {
		db_fault(&s->db, ERR_INVALID);
		return;
	}
	struct evidence e = {
		.call = k->a.id,
		.agent = k->a.agent,
		.backend = k->a.backend,
		.tool = k->a.tool,
		.verdict = t->verdict,
		.kind = EVIDENCE_DECISION,
		.at_ms = s->now.wall_ms,
		.body = buf_span(&body),
	};
	memcpy(e.args_hash, k->a.args_hash, sizeof(e.args_hash));
	evidence_seal(&e);
	audit_append(s, &e);
}

/* ---- edges ---- */

/* Whoever waits for it, and every operator's program that watches. */
void asked_wake(struct store *s, const char *approval)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_WAITER_OWNERS, BIND(text(approval)));

	while (db_row(&s->db, q))
		wake_later(s, sqlite3_column_int64(q, 0));
}

static void drop_hold(struct store *s, const struct asked *k)
{
	CLEANUP(free_charp) char *keys = xstrdup(k->keys);

	holds_drop(s, k->a.id, keys);
}

static void tell_people(struct store *s, const struct asked *k, enum approval_state to)
{
	switch (to) {
	case APPROVAL_APPROVED:
	case APPROVAL_REJECTED: event_put(s, k->a.id, EVENT_DECIDED); break;
	case APPROVAL_EXPIRED: event_put(s, k->a.id, EVENT_EXPIRED); break;
	case APPROVAL_CANCELLED: event_put(s, k->a.id, EVENT_CANCELLED); break;
	case APPROVAL_PENDING:
	case APPROVAL_CONSUMED: break;          /* how that ends is worth telling */
	}
}

bool asked_move(struct store *s, const struct asked *k, const struct edge *e)
{
	int64_t changed = db_run(&s->db, SQL_APPROVAL_EDGE,
		BIND(text(k->a.id), text(approval_state_text(k->a.state)), text(approval_state_text(e->to)),
			num(s->now.wall_ms), num(s->now.tick_ms), text(e->by), text(e->means), text(e->reason),
			text(e->consumed_by)));

	if (changed != 1)
		return false;
	FAILPOINT(APPROVAL_MOVED);
	if (e->to != APPROVAL_APPROVED)
		drop_hold(s, k);                /* of a used one nothing is left: its entries are the call's */
	tell_people(s, k, e->to);
	asked_wake(s, k->a.id);
	return true;
}
