/* Looking back: the audit's rows. */
#include "store/sqlite.h"
#include "base/clock.h"
#include "domain/pattern.h"

#define PAGE_US     50000                    /* a reader that stays longer keeps the WAL from being reset */
#define CLOCK_EVERY 16                       /* rows between two looks at the clock */
#define CLOCKS_MS   (24 * 3600 * 1000LL)     /* rows are that much out of the order of their times at the most */

/* ---- which rows ---- */

static struct audit_row row_of(sqlite3_stmt *q)
{
	struct audit_row r = {
		.seq = (uint64_t)sqlite3_column_int64(q, 0),
		.call = column_text(q, 1),
		.kind = column_text(q, 2),
		.at_ms = sqlite3_column_int64(q, 3),
		.agent = column_text(q, 4),
		.backend = column_text(q, 5),
		.tool = column_text(q, 6),
		.verdict = column_text(q, 7),
	};
	return r;
}

/* These lie behind the text, which may be long: only for rows that are wanted. */
static void read_rest(struct audit_row *r, sqlite3_stmt *q)
{
	r->body = column_text(q, 8);
	column_hash(q, 9, r->args_hash);
	column_hash(q, 10, r->digest);
	column_hash(q, 11, r->chain);
}

static bool is_any_or(const char *wanted, const char *is)
{
	return !wanted || !*wanted || strcmp(wanted, is) == 0;
}

static bool is_tool(const char *glob, const char *tool)
{
	return !glob || !*glob || strcmp(glob, tool) == 0 || (pattern_is_valid(glob, NULL) && pattern_match(glob, span_of(tool)));
}

static bool is_wanted(const struct audit_filter *f, const struct audit_row *r)
{
	return is_any_or(f->call, r->call) && is_any_or(f->kind, r->kind) && is_any_or(f->agent, r->agent) &&
	       is_any_or(f->backend, r->backend) && is_tool(f->tool, r->tool) && r->at_ms >= f->since_ms &&
	       (f->until_ms == 0 || r->at_ms < f->until_ms);
}

/* Nothing that follows in this direction can be wanted. */
static bool is_past(const struct audit_filter *f, const struct audit_row *r)
{
	if (f->is_newest_first)
		return r->seq <= f->after_seq || r->at_ms < f->since_ms - CLOCKS_MS;
	return (f->before_seq > 0 && r->seq >= f->before_seq) || (f->until_ms > 0 && r->at_ms > f->until_ms + CLOCKS_MS);
}

/* ---- a stretch ---- */

typedef bool visit_fn(void *arg, struct audit_row *row, sqlite3_stmt *q);            /* false: stop */
struct reading {
	const struct audit_filter *filter;
	uint64_t at;                         /* the row seen last */
	visit_fn *visit;
	void *arg;
};

static uint64_t begin_of(const struct audit_filter *f)
{
	uint64_t newest = f->before_seq > 0 && f->before_seq < INT64_MAX ? f->before_seq : INT64_MAX;

	return f->is_newest_first ? newest : f->after_seq < INT64_MAX ? f->after_seq : INT64_MAX;
}

/* False: nothing more is wanted. */
static bool read_page(struct store *s, struct reading *r)
{
	int64_t until_us = clock_mono_us() + PAGE_US;
	int64_t from = (int64_t)r->at;
	CLEANUP(db_end)
	sqlite3_stmt *q = db_start(&s->db, r->filter->is_newest_first ? SQL_AUDIT_NEWEST : SQL_AUDIT_OLDEST, BIND(num(from)));

	for (uint32_t n = 1; db_row(&s->db, q); n++) {
		struct audit_row row = row_of(q);
		r->at = row.seq;
		if (is_past(r->filter, &row) || !r->visit(r->arg, &row, q))
			return false;
		if (n % CLOCK_EVERY == 0 && clock_mono_us() > until_us)
			return true;
	}
	return false;
}

/* ---- rows ---- */

struct rows { const struct audit_filter *filter; uint32_t left; audit_row_fn *fn; void *arg; };

static bool visit_row(void *arg, struct audit_row *row, sqlite3_stmt *q)
{
	struct rows *r = arg;

	if (!is_wanted(r->filter, row) || !is_any_or(r->filter->verdict, row->verdict))
		return true;
	read_rest(row, q);
	return r->fn(r->arg, row) && --r->left > 0;
}

enum err store_audit_read(struct store *s, const struct audit_filter *f, audit_row_fn *fn, void *arg)
{
	struct rows rows = { f, f->limit > 0 ? f->limit : UINT32_MAX, fn, arg };
	struct reading r = { .filter = f, .at = begin_of(f), .visit = visit_row, .arg = &rows };
	bool has_more;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	do
		has_more = read_page(s, &r);
	while (has_more && !f->next);
	if (f->next)
		*f->next = has_more ? r.at : 0;
	return read_end(s);
}
