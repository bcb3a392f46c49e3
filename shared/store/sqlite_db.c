#include "store/sqlite_db.h"
#include <assert.h>
#include <errno.h>

/* Above any body the audit takes; SQLite's own default is 1 GB. */
#define MAX_ROW_BYTES (32 * 1024 * 1024)

static const char *const texts[] = {
#define SQL(name, text) [SQL_##name] = (text),
	SQL_TABLE(SQL)
#undef SQL
};

/* ---- faults ---- */

/* Where SQLite does not say (a COMMIT that fails), errno still may; db_row cleared it before. */
static enum err error_of_io(sqlite3 *handle)
{
	const int causes[] = { errno, sqlite3_system_errno(handle) };

	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		switch (causes[i]) {
		case ENOSPC:
		case EDQUOT:
		case EFBIG: return ERR_STORE_FULL;
		case EROFS:
		case EACCES:
		case EPERM: return ERR_STORE_READONLY;
		default: break;
		}
	}
	return ERR_STORE_IO;
}

enum err db_error(sqlite3 *handle, int code)
{
	if (code == SQLITE_READONLY_DBMOVED)
		return ERR_STORE_MOVED;
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return ERR_STORE_LOCKED;
	case SQLITE_FULL: return ERR_STORE_FULL;
	case SQLITE_READONLY:
	case SQLITE_PERM: return ERR_STORE_READONLY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our tables are not there: it is not our database any more */
	case SQLITE_SCHEMA: return ERR_STORE_CORRUPT;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH: return ERR_INVALID;
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR: return error_of_io(handle);
	default: return ERR_STORE_IO;
	}
}

void db_clear_fault(struct db *d)
{
	d->fault = OK;
	d->fault_code = 0;
	d->fault_text[0] = '\0';
}

void db_fault(struct db *d, enum err e)
{
	if (d->fault == OK)
		d->fault = e;
}

static void fault_of(struct db *d, int code)
{
	if (d->fault != OK)
		return;
	d->fault = db_error(d->handle, code);
	d->fault_code = code;
	snprintf(d->fault_text, sizeof(d->fault_text), "%s", sqlite3_errmsg(d->handle));
}

/* ---- opening ---- */

static int count_wal_pages(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct db *d = arg;

	(void)handle;
	(void)name;
	d->wal_pages = pages;
	return SQLITE_OK;
}

/* clang-format off */
static void set_limits(sqlite3 *handle)
{
	static const struct {
		int what, most;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES },  { SQLITE_LIMIT_SQL_LENGTH, 100000 },
		{ SQLITE_LIMIT_ATTACHED, 0 },            { SQLITE_LIMIT_EXPR_DEPTH, 50 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 5 },     { SQLITE_LIMIT_COLUMN, 64 },
		{ SQLITE_LIMIT_VARIABLE_NUMBER, 64 },    { SQLITE_LIMIT_FUNCTION_ARG, 8 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 4 },       { SQLITE_LIMIT_WORKER_THREADS, 0 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100 },
	};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		sqlite3_limit(handle, limits[i].what, limits[i].most);
}

static void harden(sqlite3 *handle)
{
	static const struct {
		int what, value;
	} switches[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },      { SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },          { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(switches); i++)
		sqlite3_db_config(handle, switches[i].what, switches[i].value, NULL);
	set_limits(handle);
}
/* clang-format on */

/* synchronous is here so that db->is_full starts true to the connection. A WAL that is reset
 * shrinks to 16 MiB. 500 KB of pages hold the ends of the tables, which is what calls touch: with
 * the default 2 MB each process grows by as much and is no faster. */
#define PRAGMAS                                                                                    \
	"PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"                 \
	"PRAGMA fullfsync=ON; PRAGMA checkpoint_fullfsync=ON; PRAGMA synchronous=NORMAL;"          \
	"PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-500;"

static int is_wal(void *arg, int columns, char **values, char **names)
{
	(void)names;
	*(bool *)arg = columns == 1 && values[0] && strcmp(values[0], "wal") == 0;
	return 0;
}

static enum err use_wal(sqlite3 *handle)
{
	bool won = false;
	int code = sqlite3_exec(handle, "PRAGMA journal_mode=WAL", is_wal, &won, NULL);

	if (code != SQLITE_OK)
		return db_error(handle, sqlite3_extended_errcode(handle));
	if (sqlite3_db_readonly(handle, "main"))
		return ERR_STORE_READONLY;
	return won ? OK : ERR_STORE_IO;
}

enum err db_exec(sqlite3 *handle, const char *sql)
{
	if (sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK)
		return OK;
	return db_error(handle, sqlite3_extended_errcode(handle));
}

#define OPEN_FLAGS                                                                                 \
	(SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE)

/* Nobody asks SQLite how much memory it has, and counting takes a lock for each allocation. It can be said only before the first use
 * of SQLite in a process; later it is refused, and nothing is lost. */
static void count_no_memory(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err db_open_damaged(sqlite3 **handle, const char *path)
{
	count_no_memory();
	int code = sqlite3_open_v2(path, handle, OPEN_FLAGS, NULL);

	if (code != SQLITE_OK)
		return db_error(*handle, code);
	harden(*handle);
	return OK;
}

enum err db_open(struct db *d, const char *path, int busy_ms)
{
	*d = (struct db){ .busy_ms = busy_ms };
	enum err e = db_open_damaged(&d->handle, path);
	if (e == OK) {
		sqlite3_busy_timeout(d->handle, busy_ms);
		e = db_exec(d->handle, PRAGMAS);
	}
	if (e == OK)
		e = use_wal(d->handle);
	if (e == OK)
		sqlite3_wal_hook(d->handle, count_wal_pages, d);
	else
		db_close(d);
	return e;
}

void db_close(struct db *d)
{
	for (int i = 0; i < SQL_N; i++)
		sqlite3_finalize(d->statements[i]);
	int code = sqlite3_close(d->handle);
	assert(code == SQLITE_OK); /* BUSY: a statement was not in the table */
	*d = (struct db){ 0 };
}

bool db_read_header(struct db *d, void *out, int n)
{
	sqlite3_file *file = NULL;

	int code = sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (code != SQLITE_OK || !file || !file->pMethods)
		return false;
	return file->pMethods->xRead(file, out, n, 0) == SQLITE_OK;
}

void db_set_full(struct db *d, bool is_full)
{
	if (d->is_full == is_full || d->fault != OK)
		return;
	const char *pragma = is_full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";
	if (db_exec(d->handle, pragma) != OK)
		fault_of(d, sqlite3_extended_errcode(d->handle));
	else
		d->is_full = is_full;
}

void db_set_busy(struct db *d, int ms)
{
	if (d->busy_ms != ms)
		sqlite3_busy_timeout(d->handle, ms);
	d->busy_ms = ms;
}

void db_rollback(struct db *d)
{
	/* After SQLITE_FULL or an I/O error SQLite has often rolled back itself. */
	if (!sqlite3_get_autocommit(d->handle))
		sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- statements ---- */

static sqlite3_stmt *prepared(struct db *d, enum sql id)
{
	if (d->statements[id])
		return d->statements[id];
	sqlite3_stmt **q = &d->statements[id];
	int code = sqlite3_prepare_v3(d->handle, texts[id], -1, SQLITE_PREPARE_PERSISTENT, q, NULL);
	if (code != SQLITE_OK)
		fault_of(d, code);
	return d->statements[id];
}

static int bind_one(sqlite3_stmt *q, int i, const struct bind *b)
{
	struct span s = b->bytes;

	switch (b->kind) {
	case BIND_INT: return sqlite3_bind_int64(q, i, b->number);
	case BIND_TEXT: return sqlite3_bind_text64(q, i, s.at, s.len, SQLITE_STATIC, SQLITE_UTF8);
	case BIND_BLOB: return sqlite3_bind_blob64(q, i, s.at, s.len, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

sqlite3_stmt *db_start(struct db *d, enum sql id, const struct bind *values, size_t n)
{
	sqlite3_stmt *q = d->fault == OK ? prepared(d, id) : NULL;

	for (size_t i = 0; q && i < n; i++) {
		int code = bind_one(q, (int)i + 1, &values[i]);
		if (code != SQLITE_OK) {
			fault_of(d, code);
			db_end(&q);
		}
	}
	return q;
}

bool db_row(struct db *d, sqlite3_stmt *q)
{
	if (!q || d->fault != OK)
		return false;
	errno = 0;
	int code = sqlite3_step(q);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		fault_of(d, code);
	return code == SQLITE_ROW;
}

void db_end(sqlite3_stmt **q)
{
	if (!*q)
		return;
	sqlite3_reset(*q);
	sqlite3_clear_bindings(*q);
	*q = NULL;
}

int64_t db_run(struct db *d, enum sql id, const struct bind *values, size_t n)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(d, id, values, n);

	while (db_row(d, q))
		continue;
	return d->fault == OK ? sqlite3_changes64(d->handle) : -1;
}

int64_t db_number(struct db *d, enum sql id, int64_t otherwise, const struct bind *values, size_t n)
{
	CLEANUP(db_end) sqlite3_stmt *q = db_start(d, id, values, n);

	return db_row(d, q) ? sqlite3_column_int64(q, 0) : otherwise;
}

void column_hash(sqlite3_stmt *q, int column, uint8_t out[32])
{
	const void *bytes = sqlite3_column_blob(q, column);
	bool is_hash = bytes && sqlite3_column_bytes(q, column) == 32;

	if (is_hash)
		memcpy(out, bytes, 32);
	else
		memset(out, 0, 32);
}
