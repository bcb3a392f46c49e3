/* sqlite_db - one connection to aegis.db: hardened, its statements prepared once, and the first fault kept.
 * A fault is sticky: after it every call here does nothing and returns false, so that verbs read straight through and whoever
 * began the transaction asks once at its end. Not thread-safe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>
#include "base/err.h"
#include "base/span.h"
#include "store/sqlite_sql.h"

struct db {
	sqlite3 *handle;                  /* NULL = closed */
	sqlite3_stmt *statements[SQL_N];
	bool is_full;                     /* PRAGMA synchronous as it is set */
	int busy_ms;                      /* busy_timeout as it is set */
	int wal_pages;                    /* pages in the WAL after our last commit */
	enum err fault;
	int fault_code;                   /* SQLite's, extended */
	char fault_text[120];
};

/* Opens an existing file (made 0600 by the caller when new) for reading and writing, WAL, hardened. Inside the gate.
 * path must hold no symbolic link. On error everything is closed again. */
MUST_USE enum err db_open(struct db *d, const char *path, int busy_ms);
/* The same without a look at its content, for salvage; *handle may be set on error too. */
MUST_USE enum err db_open_damaged(sqlite3 **handle, const char *path);
void db_close(struct db *d);                      /* legal when closed */

void db_clear_fault(struct db *d);
void db_fault(struct db *d, enum err e);          /* keeps the first */
enum err db_error(sqlite3 *handle, int code);     /* what a SQLite code means to us */
void db_set_full(struct db *d, bool is_full);     /* outside a transaction */
void db_set_busy(struct db *d, int ms);
void db_rollback(struct db *d);                   /* legal outside a transaction; keeps the fault */
MUST_USE enum err db_exec(sqlite3 *handle, const char *sql);

/* Reads n bytes of the database file from its start through SQLite's own descriptor: opening and closing the file ourselves would
 * drop SQLite's POSIX locks. False: short or failed. */
MUST_USE bool db_read_header(struct db *d, void *out, int n);

/* ---- statements ---- */
struct bind {
	enum { BIND_INT, BIND_TEXT, BIND_BLOB } kind;
	int64_t number;
	struct span bytes;
};
static inline struct bind num(int64_t n)
{
	return (struct bind){ .kind = BIND_INT, .number = n };
}
static inline struct bind text(const char *s)     /* must live until the statement ends; NULL is bound as "" */
{
	return (struct bind){ .kind = BIND_TEXT, .bytes = s ? span_of(s) : SPAN("") };
}
static inline struct bind text_of(struct span s)
{
	return (struct bind){ .kind = BIND_TEXT, .bytes = s.at ? s : SPAN("") };
}
static inline struct bind hash_of(const uint8_t *h)
{
	return (struct bind){ .kind = BIND_BLOB, .bytes = { (const char *)h, 32 } };
}
#define BIND(...) (const struct bind[]){ __VA_ARGS__ }, sizeof((const struct bind[]){ __VA_ARGS__ }) / sizeof(struct bind)
#define NO_BIND   NULL, 0

/* For CLEANUP(db_end) sqlite3_stmt *q: reset, bindings cleared. */
void db_end(sqlite3_stmt **q);
sqlite3_stmt *db_start(struct db *d, enum sql id, const struct bind *values, size_t n);   /* NULL after a fault */
bool db_row(struct db *d, sqlite3_stmt *q);       /* true: a row is at hand */
/* Runs it to its end. How many rows it changed; -1 after a fault. */
int64_t db_run(struct db *d, enum sql id, const struct bind *values, size_t n);
/* First column of the first row, or otherwise. */
int64_t db_number(struct db *d, enum sql id, int64_t otherwise, const struct bind *values, size_t n);

static inline const char *column_text(sqlite3_stmt *q, int column)
{
	const unsigned char *t = sqlite3_column_text(q, column);
	return t ? (const char *)t : "";
}
/* Copies a hash of 32 bytes; zeroes when the column holds anything else. */
void column_hash(sqlite3_stmt *q, int column, uint8_t out[32]);
