/* migrate - forward-only, numbered schema steps. File N of schema/ (001_*.sql, ...) brings user_version from N-1 to N. */
#pragma once
#include "base/err.h"

#define MIGRATE_APPLICATION_ID 0x41454749         /* "AEGI": whose file it is */

struct sqlite3;
extern const char *const store_schema[];          /* generated at build from schema/ */
extern const int store_schema_n;

/* Inside the gate: brings db to the newest schema, each step in one transaction. ERR_STORE_NEWER when the file's min_writer is above ours. */
MUST_USE enum err migrate_run(struct sqlite3 *db, struct problem *why);
