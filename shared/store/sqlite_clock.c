#include "store/sqlite.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/migrate.h"

#define MARK_EVERY_MS 1000 /* how old the stored high-water mark may be */

bool meta_read(struct store *s)
{
	struct meta *m = &s->meta;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_META_GET, NO_BIND);

	if (!db_row(&s->db, q)) {
		db_fault(&s->db, ERR_STORE_CORRUPT);
		return false;
	}
	m->min_writer = sqlite3_column_int64(q, 0);
	m->high_tick = sqlite3_column_int64(q, 1);
	m->high_at = sqlite3_column_int64(q, 2);
	m->is_synced = sqlite3_column_int64(q, 3);
	m->lost_tick = sqlite3_column_int64(q, 4);
	m->full_tick = sqlite3_column_int64(q, 5);
	snprintf(m->instance, sizeof(m->instance), "%s", column_text(q, 6));
	snprintf(m->replaces, sizeof(m->replaces), "%s", column_text(q, 7));
	m->schema = sqlite3_column_int64(q, 8);
	return true;
}

void meta_create(struct store *s, const struct birth *b)
{
	char instance[ID_SIZE];

	id_new(instance, b->wall_ms);
	db_run(&s->db, SQL_META_PUT,
		BIND(num(store_schema_n), text(instance), num(b->wall_ms), num(b->tick_ms),
			num(b->full_tick), text(b->replaces)));
}

static int64_t wall(const struct store *s)
{
	return s->clock.wall_ms(s->clock.arg);
}

static int64_t boot(const struct store *s)
{
	return s->clock.boot_ms(s->clock.arg);
}

/* Across a boot nothing better is known than what the wall clock says passed since the mark, and
 * never less than none. Measured from the mark, steps of the wall clock before it do not count. */
static int64_t offset_by_wall(const struct store *s)
{
	int64_t passed = wall(s) - s->meta.high_at;

	return s->meta.high_tick + (passed > 0 ? passed : 0) - boot(s);
}

static int64_t tick(struct store *s)
{
	int64_t t = boot(s) + s->offset_ms;

	if (t < s->meta.high_tick)
		t = s->meta.high_tick;
	if (t > s->latest_tick)
		s->latest_tick = t;
	return s->latest_tick;
}

static bool look_for_offset(struct store *s)
{
	int64_t stored = db_number(&s->db, SQL_CLOCK_GET, INT64_MIN, BIND(text(s->boot)));

	s->has_offset = stored != INT64_MIN;
	if (s->has_offset)
		s->offset_ms = stored;
	return s->has_offset;
}

/* Names of one boot differ in what follows the colon: by how much that time namespace is ahead. */
static bool ahead_of(const char *name, int64_t *ms)
{
	const char *colon = strchr(name, ':');
	char *end = NULL;

	*ms = colon ? strtoll(colon + 1, &end, 10) : 0;
	return colon && end > colon + 1 && !*end;
}

static void boot_id_of(const struct store *s, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)strcspn(s->boot, ":"), s->boot);
}

/* Any row of this boot. is_exact: its namespace's clock and ours are known to each other, so ours needs no wall clock. */
struct sibling {
	bool is_there, is_exact;
	int64_t offset_ms; /* for our clock, when exact */
};

static struct sibling find_sibling(struct store *s)
{
	struct sibling found = { 0 };
	int64_t ours, theirs;
	char id[sizeof(s->boot)];

	boot_id_of(s, id, sizeof(id));
	bool is_known = ahead_of(s->boot, &ours);
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_CLOCK_SAME, BIND(text(id)));
	while (!found.is_exact && db_row(&s->db, q)) {
		found.is_there = true;
		found.is_exact = is_known && ahead_of(column_text(q, 0), &theirs);
		if (found.is_exact)
			found.offset_ms = sqlite3_column_int64(q, 1) + theirs - ours;
	}
	return found;
}


void clock_look(struct store *s)
{
	s->clock.boot_name(s->clock.arg, s->boot, sizeof(s->boot));
	if (look_for_offset(s))
		return;
	struct sibling known = find_sibling(s);
	s->offset_ms = known.is_exact ? known.offset_ms : offset_by_wall(s);
}

void store_now(const struct store *s, struct now *out)
{
	out->wall_ms = wall(s);
	out->tick_ms = boot(s) + s->offset_ms;
	if (out->tick_ms < s->latest_tick)
		out->tick_ms = s->latest_tick;
}

int64_t clock_tick_us(const struct store *s)
{
	int64_t boot_us = s->clock.boot_us ? s->clock.boot_us(s->clock.arg) : boot(s) * 1000;
	int64_t us = boot_us + s->offset_ms * 1000, least = s->now.tick_ms * 1000;

	return us < least ? least : us;
}

/* The first process after a boot of the machine: what an unclean end lost, it lost before this boot
 * began. */
static void note_boot(struct store *s)
{
	char body[160];
	bool was_synced = s->meta.is_synced == 1;
	int64_t began = s->now.tick_ms - boot(s);

	if (!was_synced) {
		s->meta.lost_tick = began > s->meta.high_tick ? began : s->meta.high_tick;
		db_run(&s->db, SQL_META_LOST, BIND(num(s->meta.lost_tick)));
	}
	snprintf(body, sizeof(body), "{\"boot\":\"%s\",\"is_clean\":%s}", s->boot,
		was_synced ? "true" : "false");
	struct evidence e = {
		.call = "",
		.agent = "",
		.backend = "",
		.tool = "",
		.verdict = "boot",
		.kind = EVIDENCE_BOOT,
		.at_ms = s->now.wall_ms,
		.body = span_of(body),
	};
	evidence_seal(&e);
	audit_append(s, &e);
}

static void add_boot(struct store *s)
{
	char id[sizeof(s->boot)];
	struct sibling known = find_sibling(s);

	boot_id_of(s, id, sizeof(id));
	if (known.is_exact)
		s->offset_ms = known.offset_ms;
	s->now.tick_ms = tick(s);
	if (!known.is_there)
		note_boot(s);
	db_run(&s->db, SQL_CLOCK_FORGET, BIND(text(id)));
	db_run(&s->db, SQL_CLOCK_PUT, BIND(text(s->boot), num(s->offset_ms), num(s->now.wall_ms)));
}

void clock_begin(struct store *s)
{
	if (!meta_read(s))
		return;
	if (migrate_refuses(db_number(&s->db, SQL_USER_VERSION, -1, NO_BIND), s->meta.schema,
		    s->meta.min_writer)) {
		db_fault(&s->db, ERR_STORE_NEWER);
		return;
	}
	s->now.wall_ms = wall(s);
	if (!s->has_offset && !look_for_offset(s))
		add_boot(s);
	s->now.tick_ms = tick(s);
}

void clock_end(struct store *s, bool wrote)
{
	int64_t synced = s->is_marking ? 1 : 0;
	bool is_probe = s->why != OK; /* after a failure: can it be written again? */
	bool is_old = is_probe || s->now.tick_ms - s->meta.high_tick >= MARK_EVERY_MS;

	if (!wrote && !is_probe && s->meta.is_synced >= synced)
		return;
	if (is_old || s->meta.is_synced != synced)
		db_run(&s->db, SQL_META_MARK,
			BIND(num(s->now.tick_ms), num(s->now.wall_ms), num(synced)));
	FAILPOINT(CLOCK_MARKED);
}
