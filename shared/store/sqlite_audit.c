#include "store/sqlite.h"
#include "base/clock.h"
#include "base/failpoint.h"

#define PAGE_US     50000 /* a reader that stays longer keeps the WAL from being reset */
#define CLOCK_EVERY 64    /* rows between two looks at the clock */

static void read_tail(struct store *s)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_AUDIT_LAST, NO_BIND);

	memset(&s->tail, 0, sizeof(s->tail));
	if (db_row(&s->db, q)) {
		s->tail.seq = (uint64_t)sqlite3_column_int64(q, 0);
		column_hash(q, 1, s->tail.chain);
	}
	s->has_tail = true;
}

uint64_t audit_append(struct store *s, const struct evidence *e)
{
	uint8_t chain[32];

	if (!s->has_tail)
		read_tail(s);
	uint64_t seq = s->tail.seq + 1;
	evidence_chain(s->tail.chain, seq, e->digest, chain);
	db_run(&s->db, SQL_AUDIT_PUT,
		BIND(num((int64_t)seq), text(e->call), text(evidence_kind_text(e->kind)),
			num(e->at_ms), text(e->agent), text(e->backend), text(e->tool),
			text(e->verdict), text_of(e->body), hash_of(e->args_hash),
			hash_of(e->digest), hash_of(chain)));
	if (s->db.fault != OK)
		return 0;
	FAILPOINT(AUDIT_APPENDED);
	s->tail.seq = seq;
	memcpy(s->tail.chain, chain, sizeof(chain));
	return seq;
}

static void append_carry_out(struct store *s, struct op *op, void *request)
{
	(void)op;
	audit_append(s, request);
}

void store_audit_append(struct store *s, struct op *op, const struct evidence *e)
{
	turn_submit(s, op, append_carry_out, (void *)e);
}

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
		.body = column_text(q, 8),
	};
	column_hash(q, 9, r.args_hash);
	column_hash(q, 10, r.digest);
	column_hash(q, 11, r.chain);
	return r;
}

struct reading {
	enum sql statement;
	uint64_t from;  /* rows beyond it */
	uint64_t floor; /* and above this */
	uint32_t left;
	audit_row_fn *fn;
	void *arg;
};

/* One page: ends after PAGE_US, so that the WAL can be reset. False: nothing more. */
static bool read_page(struct store *s, struct reading *r)
{
	int64_t until_us = clock_mono_us() + PAGE_US;
	int64_t from = (int64_t)r->from;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, r->statement, BIND(num(from)));

	for (uint32_t n = 1; r->left > 0 && db_row(&s->db, q); n++) {
		struct audit_row row = row_of(q);
		r->from = row.seq;
		r->left--;
		if (row.seq <= r->floor || !r->fn(r->arg, &row))
			return false;
		if (n % CLOCK_EVERY == 0 && clock_mono_us() > until_us)
			return r->left > 0;
	}
	return false;
}

enum err store_audit_read(
	struct store *s, const struct audit_filter *f, audit_row_fn *fn, void *arg)
{
	struct reading r = {
		.statement = f->is_newest_first ? SQL_AUDIT_NEWEST : SQL_AUDIT_OLDEST,
		.from = f->is_newest_first ? INT64_MAX : f->after_seq,
		.floor = f->after_seq,
		.left = f->limit > 0 ? f->limit : UINT32_MAX,
		.fn = fn,
		.arg = arg,
	};

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	while (read_page(s, &r))
		continue;
	return read_end(s);
}
