#include "store/sqlite.h"
#include "base/failpoint.h"

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
