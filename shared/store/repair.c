/* repair - a new database in the place of one that is damaged, missing or not ours, with what can
 * be read. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "store/sqlite.h"

struct repair {
	struct paths paths;
	char *fresh;          /* aegis.db.new: complete before anything is moved */
	struct store made;    /* only its database is used */
	sqlite3 *old;         /* NULL: nothing can be read */
	char marker[ID_SIZE]; /* "" when there is none */
	struct buf *lost;
	struct problem *why;
};

static void PRINTF_LIKE(2, 3) tell_lost(struct repair *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	bool fits = buf_vprintf(r->lost, fmt, ap) && buf_append_char(r->lost, '\n');
	va_end(ap);
	(void)fits; /* so many sentences that the last ones do not matter */
}

/* ---- reading the old one ---- */

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The first row of a query asked once; NULL when there is none. */
static sqlite3_stmt *row_of(sqlite3 *handle, const char *sql)
{
	sqlite3_stmt *q = NULL;

	if (handle && sqlite3_prepare_v2(handle, sql, -1, &q, NULL) == SQLITE_OK &&
		sqlite3_step(q) == SQLITE_ROW)
		return q;
	sqlite3_finalize(q);
	return NULL;
}

static int64_t number_of(sqlite3 *handle, const char *sql, int64_t otherwise)
{
	sqlite3_stmt *q = row_of(handle, sql);
	int64_t n = q ? sqlite3_column_int64(q, 0) : otherwise;

	sqlite3_finalize(q);
	return n;
}

static int64_t old_number(struct repair *r, const char *sql, int64_t otherwise)
{
	return number_of(r->old, sql, otherwise);
}

static bool old_is(struct repair *r, const char *sql, const char *wanted)
{
	sqlite3_stmt *q = row_of(r->old, sql);
	bool is = q && strcmp(column_text(q, 0), wanted) == 0;

	sqlite3_finalize(q);
	return is;
}

static void old_open(struct repair *r)
{
	if (!is_there(r->paths.database)) {
		tell_lost(r, "the database was missing: its audit, limits and sessions are gone");
		return;
	}
	if (db_open_damaged(&r->old, r->paths.database) != OK ||
		old_number(r, "SELECT count(*) FROM sqlite_schema", -1) < 0) {
		tell_lost(r, "the file cannot be read as a database: nothing was carried over");
		sqlite3_close(r->old);
		r->old = NULL;
	}
}

/* One of another folder says nothing about this one. */
static void old_must_be_ours(struct repair *r)
{
	int64_t metas = old_number(r, "SELECT count(*) FROM meta", -1);
	bool is_ours = old_number(r, "PRAGMA application_id", 0) == MIGRATE_APPLICATION_ID;

	if (is_ours &&
		(metas != 1 || !r->marker[0] || old_is(r, "SELECT instance FROM meta", r->marker)))
		return;
	if (r->old)
		tell_lost(r,
			"the file is not the database this folder had: nothing was carried over");
	sqlite3_close(r->old);
	r->old = NULL;
}

static bool old_is_sound(struct repair *r)
{
	return r->old && old_number(r, "PRAGMA application_id", 0) == MIGRATE_APPLICATION_ID &&
	       (!r->marker[0] || old_is(r, "SELECT instance FROM meta", r->marker)) &&
	       old_is(r, "PRAGMA quick_check(1)", "ok");
}

/* ---- carrying over ---- */

static char *insert_of(sqlite3_stmt *from, const char *table)
{
	struct buf b;
	bool fits = true;

	buf_init(&b, 4096);
	fits &= buf_printf(&b, "INSERT OR IGNORE INTO %s (", table);
	for (int i = 0; i < sqlite3_column_count(from); i++)
		fits &= buf_printf(&b, "%s%s", i ? ", " : "", sqlite3_column_name(from, i));
	fits &= buf_append_text(&b, ") VALUES (");
	for (int i = 0; i < sqlite3_column_count(from); i++)
		fits &= buf_append_text(&b, i ? ", ?" : "?");
	fits &= buf_append_char(&b, ')');
	if (fits)
		return buf_take(&b);
	buf_release(&b);
	return NULL;
}

static bool copy_row(sqlite3_stmt *from, sqlite3_stmt *to)
{
	for (int i = 0; i < sqlite3_column_count(from); i++)
		sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
	int code = sqlite3_step(to);
	sqlite3_reset(to);
	return code == SQLITE_DONE;
}

/* Rows in the order of the query until one cannot be read. True: all of them were. */
static bool copy_rows(struct repair *r, const char *table, const char *rest)
{
	CLEANUP(free_charp) char *select = xasprintf("SELECT * FROM %s %s", table, rest);
	CLEANUP(free_charp) char *insert = NULL;
	sqlite3_stmt *from = NULL, *to = NULL;
	bool is_complete = false;

	if (sqlite3_prepare_v2(r->old, select, -1, &from, NULL) == SQLITE_OK)
		insert = insert_of(from, table);
	if (insert && sqlite3_prepare_v2(r->made.db.handle, insert, -1, &to, NULL) == SQLITE_OK) {
		int code;
		is_complete = true;
		while ((code = sqlite3_step(from)) == SQLITE_ROW)
			is_complete &= copy_row(from, to);
		is_complete &= code == SQLITE_DONE;
	}
	sqlite3_finalize(from);
	sqlite3_finalize(to);
	return is_complete;
}

static int64_t made_number(struct repair *r, const char *sql)
{
	return number_of(r->made.db.handle, sql, 0);
}

/* From both ends, so that only what lies around the damage is lost. */
static void copy_audit(struct repair *r)
{
	if (copy_rows(r, "audit", "ORDER BY seq"))
		return;
	int64_t last = made_number(r, "SELECT ifnull(max(seq), 0) FROM audit");
	CLEANUP(free_charp)
	char *rest = xasprintf("WHERE seq > %lld ORDER BY seq DESC", (long long)last);
	(void)copy_rows(r, "audit", rest);
	int64_t carried = made_number(r, "SELECT count(*) FROM audit");
	int64_t newest = made_number(r, "SELECT ifnull(max(seq), 0) FROM audit");
	if (newest > carried)
		tell_lost(r, "audit: %lld rows after number %lld cannot be read",
			(long long)(newest - carried), (long long)last);
	else
		tell_lost(r, "audit: what followed number %lld cannot be read", (long long)last);
}

/* What was carried over of the queues must fit together: a queue has all its slots, a busy slot its ticket and a running ticket its slot.
 * What does not is dropped; who waits finds its ticket gone, and joins anew. */
static void mend_queues(struct repair *r)
{
	static const char mend[] =
		"DELETE FROM queue WHERE (SELECT count(*) FROM queue_slot AS s WHERE s.backend = queue.backend) < concurrency;"
		"DELETE FROM queue_slot WHERE backend NOT IN (SELECT backend FROM queue);"
		"DELETE FROM ticket WHERE backend NOT IN (SELECT backend FROM queue) OR (state = 'FORWARDING' AND NOT EXISTS"
		" (SELECT 1 FROM queue_slot AS s WHERE s.backend = ticket.backend AND s.number = ticket.number));"
		"UPDATE queue_slot SET number = NULL WHERE NOT EXISTS (SELECT 1 FROM ticket AS t WHERE t.backend ="
		" queue_slot.backend AND t.number = queue_slot.number AND t.state = 'FORWARDING');"
		"UPDATE queue SET next_number = max(next_number, (SELECT ifnull(max(number), 0) + 1 FROM ticket AS t"
		" WHERE t.backend = queue.backend))";

	db_fault(&r->made.db, db_exec(r->made.db.handle, mend));
}

static void carry_over(struct repair *r)
{
	static const struct {
		const char *table, *lost;
	} tables[] = {
		{ "clock", NULL },
		{ "config", NULL },
		{ "limit_entry", "limits: some uses cannot be read" },
		{ "session",
			"sessions: some cannot be read; their processes must be started again" },
		{ "flight",
			"calls under way: some cannot be read, nobody knows what became of them" },
		{ "unknown", "calls of unknown outcome: some cannot be read" },
		{ "brake", "brakes: some cannot be read; aegisctl pause --list shows what is still paused" },
		{ "cooldown", NULL },
		{ "queue", "queues: some cannot be read; their next call starts without a delay" },
		{ "queue_slot", "queues: some delays cannot be read; the next call may start without one" },
		{ "ticket", "queues: some tickets cannot be read; their calls stand at the end" },
		{ "token", "tokens: some cannot be read; make new ones with aegisctl token create" },
	};
	if (!r->old)
		return;
	copy_audit(r);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (!copy_rows(r, tables[i].table, "") && tables[i].lost)
			tell_lost(r, "%s", tables[i].lost);
	(void)copy_rows(r, "approval_event", "ORDER BY seq DESC LIMIT 1");      /* numbers go on from there */
	mend_queues(r);
}

/* ---- making the new one ---- */

static void add_evidence(struct repair *r, int64_t wall_ms)
{
	struct evidence e = {
		.call = "",
		.agent = "",
		.backend = "",
		.tool = "",
		.verdict = "repair",
		.kind = EVIDENCE_OPERATOR,
		.at_ms = wall_ms,
		.body = SPAN("{\"limits\":\"full for one window\"}"),
	};
	evidence_seal(&e);
	audit_append(&r->made, &e);
}

/* Time goes on where the old one left it. Every window counts as full from now on for its length:
 * what was lost may have been uses. */
static void add_meta(struct repair *r, int64_t wall_ms)
{
	int64_t high = old_number(r, "SELECT high_tick FROM meta", 0);
	int64_t at = old_number(r, "SELECT high_at FROM meta", 0);
	int64_t newest = made_number(
		r, "SELECT ifnull(max(tick), 0) FROM limit_entry WHERE tick < 9223372036854775806");

	int64_t tick = high > 0 ? high + (wall_ms > at ? wall_ms - at : 0) : wall_ms;
	if (tick < newest)
		tick = newest;
	meta_create(&r->made, &(struct birth){ wall_ms, tick, tick, r->marker });
	tell_lost(r, "limits: every limit counts as full for the length of its window from now");
}

static void fresh_remove(struct repair *r)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		CLEANUP(free_charp) char *path = xasprintf("%s%s", r->fresh, tails[i]);
		(void)unlink(path);
	}
}

static enum err fresh_make(struct repair *r)
{
	struct db *d = &r->made.db;
	int64_t wall_ms = clock_wall_ms();

	fresh_remove(r);
	enum err e = file_make_empty(r->fresh);
	if (e == OK)
		e = db_open(d, r->fresh, 0);
	if (e != OK)
		return e;
	e = migrate_run(d->handle, r->why);
	if (e == OK)
		e = db_exec(d->handle, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE");
	if (e == OK) {
		carry_over(r);
		add_meta(r, wall_ms);
		add_evidence(r, wall_ms);
		e = d->fault;
	}
	if (e == OK) /* one file, without a WAL beside it, is what is moved */
		e = db_exec(d->handle, "COMMIT; PRAGMA journal_mode=DELETE");
	db_rollback(d);
	db_close(d);
	return e;
}

/* ---- putting it in place ---- */

static enum err move(const char *from, const char *to)
{
	if (!is_there(from) || rename(from, to) == 0)
		return OK;
	return errno == ENOSPC ? ERR_STORE_FULL : ERR_STORE_IO;
}

/* The database goes first: while none is there everybody refuses, and no -wal meets a database not
 * its own. */
static enum err put_aside(struct repair *r)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	enum err e = OK;
	char when[32];

	clock_format_utc(clock_wall_ms(), when, sizeof(when));
	for (size_t i = 0; i < ARRAY_LEN(tails) && e == OK; i++) {
		CLEANUP(free_charp) char *from = xasprintf("%s%s", r->paths.database, tails[i]);
		CLEANUP(free_charp)
		char *to = xasprintf("%s.broken-%s%s", r->paths.database, when, tails[i]);
		e = move(from, to);
	}
	return e;
}

static enum err put_in_place(struct repair *r)
{
	FAILPOINT(REPAIR_ASIDE);
	enum err e = move(r->fresh, r->paths.database);

	FAILPOINT(REPAIR_PLACED);
	return e == OK ? marker_write(&r->paths, r->made.meta.instance) : e;
}

static void old_close(struct repair *r)
{
	sqlite3_close(r->old);
	r->old = NULL;
}

/* A repair that was killed half-way has left everything that is needed. */
static bool is_half_done(const struct repair *r)
{
	return !is_there(r->paths.database) && is_there(r->fresh);
}

static enum err read_instance(struct repair *r, const char *path)
{
	enum err e = db_open(&r->made.db, path, 0);
	if (e != OK)
		return e;
	e = meta_read(&r->made) ? OK : r->made.db.fault;
	if (e == OK)
		e = db_exec(r->made.db.handle, "PRAGMA journal_mode=DELETE");
	db_close(&r->made.db);
	return e;
}

static enum err repair_inside(struct repair *r)
{
	enum err e = marker_read(&r->paths, r->marker);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	if (!is_there(r->paths.database) && e == ERR_NOT_FOUND)
		return ERR_NOT_FOUND;
	if (is_half_done(r) && read_instance(r, r->fresh) == OK) {
		tell_lost(r, "an earlier repair was finished");
		e = put_aside(r);
		return e == OK ? put_in_place(r) : e;
	}
	old_open(r);
	if (old_number(r, "SELECT min_writer FROM meta", 0) > store_schema_n)
		return ERR_STORE_NEWER;
	if (old_is_sound(r))
		return OK;
	old_must_be_ours(r);
	e = fresh_make(r);
	old_close(r);
	FAILPOINT(REPAIR_MADE);
	if (e == OK)
		e = read_instance(r, r->fresh);
	if (e == OK)
		e = put_aside(r);
	return e == OK ? put_in_place(r) : e;
}

enum err store_repair(const char *state_dir, struct buf *lost, struct problem *why)
{
	struct repair r = { .lost = lost, .why = why };
	struct gate *gate = NULL;

	why->text[0] = '\0';
	enum err e = paths_init(&r.paths, state_dir, why);
	if (e == OK)
		e = gate_open(r.paths.state_dir, &gate);
	if (e == OK)
		e = gate_enter(gate, GATE_DEADLINE_MS);
	if (e == OK) {
		r.fresh = xasprintf("%s.new", r.paths.database);
		e = repair_inside(&r);
		old_close(&r);
		gate_leave(gate);
	}
	gate_close(gate);
	if (e != OK && !why->text[0])
		problem_set(why, "%s: %s", state_dir, err_text(e));
	free(r.fresh);
	paths_release(&r.paths);
	return e;
}
