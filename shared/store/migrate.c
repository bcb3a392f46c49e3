#include "store/migrate.h"
#include <stdint.h>
#include <stdio.h>
#include <sqlite3.h>
#include "store/sqlite_db.h"

/* The one number a query of the schema answers; otherwise when it answers nothing or fails. */
static int64_t ask(sqlite3 *db, const char *sql, int64_t otherwise)
{
	sqlite3_stmt *q = NULL;
	int64_t answer = otherwise;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
		answer = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return answer;
}

static enum err step(sqlite3 *db, int version)
{
	char done[128];

	snprintf(done, sizeof(done), "UPDATE meta SET schema = %d; PRAGMA user_version = %d; COMMIT",
		version, version);
	enum err e = db_exec(db, "BEGIN IMMEDIATE");
	if (e == OK)
		e = db_exec(db, store_schema[version - 1]);
	if (e == OK)
		e = db_exec(db, done);
	if (e != OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

bool migrate_refuses(int64_t user_version, int64_t noted, int64_t min_writer)
{
	return min_writer > store_schema_n || (user_version > store_schema_n && user_version != noted);
}

static enum err check_newer(sqlite3 *db, int64_t version, struct problem *why)
{
	int64_t needs = ask(db, "SELECT min_writer FROM meta", version);
	int64_t noted = ask(db, "SELECT schema FROM meta", 0);

	if (!migrate_refuses(version, noted, needs))
		return OK;
	problem_set(why,
		"the database was written by a newer Aegis (schema %d; this program knows %d): "
		"update it",
		(int)version, store_schema_n);
	return ERR_STORE_NEWER;
}

enum err migrate_run(struct sqlite3 *db, struct problem *why)
{
	int64_t version = ask(db, "PRAGMA user_version", -1);
	int64_t tables = ask(db, "SELECT count(*) FROM sqlite_schema", -1);

	if (version < 0 || tables < 0)
		return db_error(db, sqlite3_extended_errcode(db));
	if (tables > 0 && ask(db, "PRAGMA application_id", 0) != MIGRATE_APPLICATION_ID) {
		problem_set(why, "the file is a database of another program");
		return ERR_STORE_CORRUPT;
	}
	if (version > store_schema_n)
		return check_newer(db, version, why);
	while (version < store_schema_n) {
		version++;
		enum err e = step(db, (int)version);
		if (e != OK) {
			problem_set(
				why, "schema step %d failed: %s", (int)version, sqlite3_errmsg(db));
			return e;
		}
	}
	return OK;
}
