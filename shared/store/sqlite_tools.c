#include "base/failpoint.h"
#include "base/xalloc.h"
#include "store/sqlite.h"

#define FORGET_MS (24 * 3600 * 1000)  /* lists older than this are nobody's any more */

void tools_list_release(struct tools_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->pages[i]);
	free(l->pages);
	*l = (struct tools_list){ 0 };
}

static void add_page(struct tools_list *l, sqlite3_stmt *q)
{
	struct span body = { column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1) };

	l->pages = xreallocarray(l->pages, l->n + 1, sizeof(*l->pages));
	l->pages[l->n++] = span_dup(body);
	column_hash(q, 2, l->digest);
}

static void read_pages(struct store *s, const struct tools_key *k, int64_t since_tick, struct tools_list *out)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_TOOLS_GET,
		BIND(text(k->tenant), text(k->backend), hash_of(k->credential), text(k->revision), num(since_tick)));

	while (out->n < STORE_TOOLS_MAX_PAGES && db_row(&s->db, q))
		add_page(out, q);
}

enum err store_tools_get(struct store *s, const struct tools_key *k, int64_t max_age_ms, struct tools_list *out)
{
	struct now now;

	*out = (struct tools_list){ 0 };
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	store_now(s, &now);
	read_pages(s, k, now.tick_ms - max_age_ms, out);
	e = read_end(s);
	if (e == OK && out->n == 0)
		e = ERR_NOT_FOUND;
	if (e != OK)
		tools_list_release(out);
	return e;
}

static void put_page(struct store *s, const struct tools_put *p, size_t page)
{
	const struct tools_key *k = &p->key;

	db_run(&s->db, SQL_TOOLS_PUT,
		BIND(text(k->tenant), text(k->backend), hash_of(k->credential), text(k->revision), num((int64_t)page),
			text(p->list->pages[page]), hash_of(p->list->digest), num(s->now.tick_ms)));
}

/* Most often nothing has changed, and only the time is written. */
static void put_carry_out(struct store *s, struct op *op, void *request)
{
	const struct tools_put *p = request;
	const struct tools_key *k = &p->key;

	(void)op;
	db_run(&s->db, SQL_TOOLS_FORGET, BIND(num(s->now.tick_ms - FORGET_MS)));
	if (db_run(&s->db, SQL_TOOLS_SAME,
		    BIND(text(k->tenant), text(k->backend), hash_of(k->credential), text(k->revision),
			    num(s->now.tick_ms), hash_of(p->list->digest))) > 0)
		return;
	db_run(&s->db, SQL_TOOLS_DROP, BIND(text(k->tenant), text(k->backend), hash_of(k->credential), text(k->revision)));
	FAILPOINT(TOOLS_PUT);
	for (size_t i = 0; i < p->list->n; i++)
		put_page(s, p, i);
}

void store_tools_put(struct store *s, struct op *op, const struct tools_put *p)
{
	turn_submit(s, op, put_carry_out, (void *)(uintptr_t)p);
}
