#include "store/sqlite.h"
#include "base/failpoint.h"

struct generation {
	uint64_t number; /* 0 = none */
	uint8_t hash[32];
};

static struct generation generation_of(struct store *s, const char *path)
{
	struct generation g = { 0 };
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_CONFIG_GET, BIND(text(path)));

	if (db_row(&s->db, q)) {
		g.number = (uint64_t)sqlite3_column_int64(q, 0);
		column_hash(q, 1, g.hash);
	}
	return g;
}

enum err store_config_get(struct store *s, const char *path, uint64_t *generation, uint8_t hash[32])
{
	enum err e = read_begin(s);
	if (e != OK)
		return e;
	struct generation g = generation_of(s, path);
	e = read_end(s);
	if (e != OK)
		return e;
	*generation = g.number;
	memcpy(hash, g.hash, sizeof(g.hash));
	return g.number > 0 ? OK : ERR_NOT_FOUND;
}

static void put_carry_out(struct store *s, struct op *op, void *request)
{
	struct config_put *p = request;
	struct generation now = generation_of(s, p->path);

	(void)op;
	p->generation = now.number;
	p->is_in_force = now.number > 0 && memcmp(now.hash, p->hash, sizeof(now.hash)) == 0;
	if (p->is_in_force || now.number != p->seen_generation)
		return;
	int64_t next = (int64_t)now.number + 1;
	int64_t changed = db_run(&s->db, SQL_CONFIG_PUT,
		BIND(text(p->path), num(next), hash_of(p->hash), num(s->now.wall_ms)));
	FAILPOINT(CONFIG_PUT);
	p->is_in_force = changed == 1;
	p->generation = (uint64_t)next;
	if (p->is_in_force && next > 1)
		wake_everyone(s); /* who is idle tells its client of new rules */
}

void store_config_put(struct store *s, struct op *op, struct config_put *p)
{
	turn_submit(s, op, put_carry_out, p);
}
