/* Tokens of those who may ask over TCP: by the hash of a secret that is shown once and stored nowhere. */
#include "store/sqlite.h"
#include "base/failpoint.h"
#include "base/xalloc.h"

#define USED_EVERY_MS (60 * 1000)            /* as SQL_TOKEN_USED says */

/* ---- reading ---- */

static struct token token_of(sqlite3_stmt *q)
{
	struct token t = {
		.created_at_ms = sqlite3_column_int64(q, 8),
		.expires_at_ms = sqlite3_column_int64(q, 9),
		.revoked_at_ms = sqlite3_column_int64(q, 10),
		.last_used_at_ms = sqlite3_column_int64(q, 11),
	};
	char **const texts[] = { &t.kind, &t.name, &t.role, &t.person, &t.agent, &t.room, &t.created_by };

	snprintf(t.id, sizeof(t.id), "%s", column_text(q, 0));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = xstrdup(column_text(q, 1 + (int)i));
	return t;
}

void token_release(struct token *t)
{
	char *const texts[] = { t->kind, t->name, t->role, t->person, t->agent, t->room, t->created_by };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	*t = (struct token){ 0 };
}

static bool find(struct store *s, const uint8_t hash[32], int64_t wall_ms, struct token *out)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TOKEN_BY_HASH, BIND(hash_of(hash), num(wall_ms)));

	if (!db_row(&s->db, q))
		return false;
	*out = token_of(q);
	return true;
}

enum err store_token_find(struct store *s, const uint8_t hash[32], struct token *out)
{
	struct now now;

	*out = (struct token){ 0 };
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &now);
	bool is_there = find(s, hash, now.wall_ms, out);
	e = read_end(s);
	if (e != OK)
		token_release(out);
	return e == OK && !is_there ? ERR_NOT_FOUND : e;
}

enum err store_token_list(struct store *s, bool is_live_only, token_fn *fn, void *arg)
{
	bool wants_more = true;
	struct now now;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &now);
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TOKENS, BIND(num(is_live_only), num(now.wall_ms)));
	while (wants_more && db_row(&s->db, q)) {
		CLEANUP(token_release) struct token t = token_of(q);
		wants_more = fn(arg, &t);
	}
	return read_end(s);
}

/* ---- writing ---- */

struct named { bool is_there, is_expired; char id[ID_SIZE]; };

/* The one of that kind that is not revoked, by name or id. */
static struct named find_named(struct store *s, const char *kind, const char *name)
{
	struct named n = { 0 };
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TOKEN_NAMED, BIND(text(kind), text(name)));

	n.is_there = db_row(&s->db, q);
	if (n.is_there) {
		int64_t expires_at = sqlite3_column_int64(q, 1);
		snprintf(n.id, sizeof(n.id), "%s", column_text(q, 0));
		n.is_expired = expires_at > 0 && expires_at <= s->now.wall_ms;
	}
	return n;
}

static void end_token(struct store *s, const char *id)
{
	db_run(&s->db, SQL_TOKEN_REVOKE, BIND(text(id), num(s->now.wall_ms)));
}

static void finish(struct store *s, struct op *op, const struct evidence *e)
{
	op->answer = TOKEN_DONE;
	FAILPOINT(TOKEN_WRITTEN);
	if (e)
		audit_append(s, e);
}

/* A name is free again when its token has expired. */
static void put_carry_out(struct store *s, struct op *op, void *request)
{
	const struct token_put *p = request;
	const struct token *t = p->token;
	struct named taken = find_named(s, t->kind, t->name);

	op->answer = TOKEN_NAME_TAKEN;
	if (taken.is_there && !taken.is_expired)
		return;
	if (taken.is_there)
		end_token(s, taken.id);
	db_run(&s->db, SQL_TOKEN_PUT,
		BIND(text(t->id), hash_of(p->hash), text(t->kind), text(t->name), text(t->role), text(t->person), text(t->agent),
			text(t->room), num(s->now.wall_ms), text(t->created_by), num(t->expires_at_ms)));
	finish(s, op, p->evidence);
}

void store_token_put(struct store *s, struct op *op, const struct token_put *p)
{
	op->needs_full = true;
	turn_submit(s, op, put_carry_out, (void *)p);
}

static void rotate_carry_out(struct store *s, struct op *op, void *request)
{
	const struct token_rotate *r = request;
	struct named n = find_named(s, r->kind, r->name);

	op->answer = TOKEN_NO_SUCH;
	if (!n.is_there)
		return;
	db_run(&s->db, SQL_TOKEN_ROTATE, BIND(text(n.id), hash_of(r->hash), num(r->expires_at_ms)));
	finish(s, op, r->evidence);
}

void store_token_rotate(struct store *s, struct op *op, const struct token_rotate *r)
{
	op->needs_full = true;
	turn_submit(s, op, rotate_carry_out, (void *)r);
}

static void revoke_carry_out(struct store *s, struct op *op, void *request)
{
	const struct token_revoke *r = request;
	struct named n = find_named(s, r->kind, r->name);

	op->answer = TOKEN_NO_SUCH;
	if (!n.is_there)
		return;
	end_token(s, n.id);
	finish(s, op, r->evidence);
}

void store_token_revoke(struct store *s, struct op *op, const struct token_revoke *r)
{
	op->needs_full = true;
	turn_submit(s, op, revoke_carry_out, (void *)r);
}

static void used_carry_out(struct store *s, struct op *op, void *request)
{
	const struct token_used *u = request;

	(void)op;
	db_run(&s->db, SQL_TOKEN_USED, BIND(text(u->id), num(s->now.wall_ms)));
}

/* Each request may say so: within a minute no gate is asked for. */
void store_token_used(struct store *s, struct op *op, const struct token_used *u)
{
	struct now now;
	bool is_due = true;

	op->needs_full = false;
	store_now(s, &now);
	if (read_begin(s) == OK) {
		int64_t last = db_number(&s->db, SQL_TOKEN_LAST_USED, now.wall_ms, BIND(text(u->id)));
		is_due = read_end(s) != OK || last <= now.wall_ms - USED_EVERY_MS;
	}
	turn_submit(s, op, is_due ? used_carry_out : NULL, (void *)u);
}
