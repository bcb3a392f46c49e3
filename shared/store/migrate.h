/* migrate - forward-only, numbered schema steps. File N of schema/ (001_*.sql, ...) brings user_version from N-1 to N. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define MIGRATE_APPLICATION_ID 0x41454749         /* "AEGI": whose file it is */

struct sqlite3;
extern const char *const store_schema[];          /* generated at build from schema/ */
extern const int store_schema_n;

/* Is a file of that user_version not ours to touch? A newer schema takes us as long as its min_writer does, and its migration has noted
 * its number in meta; a user_version that meta knows nothing of was set by something we cannot judge. */
bool migrate_refuses(int64_t user_version, int64_t noted, int64_t min_writer);

/* Inside the gate: brings db to the newest schema, each step in one transaction. ERR_STORE_NEWER when the file refuses us. */
MUST_USE enum err migrate_run(struct sqlite3 *db, struct problem *why);
