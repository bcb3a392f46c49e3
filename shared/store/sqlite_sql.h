/* sqlite_sql - every SQL statement of the store in one table: SQL(name, text). Prepared at first use and kept until the database is
 * closed. Parameters are numbered as the verbs bind them. 9223372036854775807 is a hold, ...806 an open use (sqlite.h). */
#pragma once

#define SQL_TABLE(SQL)                                                                                                          \
	SQL(BEGIN,           "BEGIN IMMEDIATE")                                                                                 \
	SQL(COMMIT,          "COMMIT")                                                                                          \
	SQL(SAVEPOINT,       "SAVEPOINT op")                                                                                    \
	SQL(RELEASE,         "RELEASE op")                                                                                      \
	SQL(ROLLBACK_TO,     "ROLLBACK TO op")                                                                                  \
	/* the file and its time */                                                                                             \
	SQL(META_GET,        "SELECT min_writer, high_tick, high_at, is_synced, lost_tick, full_tick, instance, replaces,"      \
	                     " schema FROM meta")                                                                               \
	SQL(USER_VERSION,    "PRAGMA user_version")                                                                             \
	SQL(META_PUT,        "INSERT INTO meta (one, min_reader, min_writer, schema, instance, created_at, high_tick, high_at," \
	                     " is_synced, full_tick, replaces) VALUES (1, ?1, ?1, ?1, ?2, ?3, ?4, ?3, 1, ?5, ?6)")              \
	SQL(META_MARK,       "UPDATE meta SET high_tick = ?1, high_at = ?2, is_synced = ?3")                                    \
	SQL(META_LOST,       "UPDATE meta SET lost_tick = ?1")                                                                  \
	SQL(CLOCK_GET,       "SELECT offset_ms FROM clock WHERE boot = ?1")                                                     \
	SQL(CLOCK_SAME,      "SELECT 1 FROM clock WHERE substr(boot, 1, length(?1)) = ?1 LIMIT 1")                              \
	SQL(CLOCK_FORGET,    "DELETE FROM clock WHERE substr(boot, 1, length(?1)) <> ?1")                                       \
	SQL(CLOCK_PUT,       "INSERT INTO clock (boot, offset_ms, first_seen_at) VALUES (?1, ?2, ?3)")                          \
	/* configuration in force */                                                                                            \
	SQL(CONFIG_GET,      "SELECT generation, hash FROM config WHERE path = ?1")                                             \
	SQL(CONFIG_PUT,      "INSERT INTO config (path, generation, hash, loaded_at) VALUES (?1, ?2, ?3, ?4)"                   \
	                     " ON CONFLICT (path) DO UPDATE SET generation = ?2, hash = ?3, loaded_at = ?4"                     \
	                     " WHERE generation = ?2 - 1")                                                                      \
	/* sessions and their death */                                                                                          \
	SQL(SESSION_PUT,     "INSERT OR REPLACE INTO session (id, number, kind, agent, level, uid, tenant, client,"             \
	                     " client_version, backend, pid, program_version, started_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")          \
	SQL(SESSION_DROP,    "DELETE FROM session WHERE number = ?1")                                                           \
	SQL(SESSION_NUMBER,  "SELECT number FROM session WHERE id = ?1")                                                        \
	SQL(OWNERS,          "SELECT number FROM session UNION SELECT owner FROM flight"                                        \
	                     " UNION SELECT owner FROM limit_entry WHERE tick = 9223372036854775807 AND owner > 0"              \
	                     " UNION SELECT owner FROM ticket UNION SELECT owner FROM approval_waiter")                         \
	/* limits */                                                                                                            \
	SQL(WINDOW_GET,      "SELECT live, from_tick FROM limit_window WHERE key = ?1 AND window_ms = ?2")                      \
	SQL(WINDOW_PUT,      "INSERT INTO limit_window (key, window_ms, live, from_tick) VALUES (?1, ?2, ?3, ?4)"               \
	                     " ON CONFLICT (key, window_ms) DO UPDATE SET live = ?3, from_tick = ?4")                           \
	SQL(WINDOW_ADD,      "UPDATE limit_window SET live = live + 1 WHERE key = ?1")                                          \
	SQL(WINDOW_TAKE,     "UPDATE limit_window SET live = live - 1 WHERE key = ?1 AND from_tick < ?2")                       \
	SQL(WINDOW_PASSED,   "UPDATE limit_window SET live = live - 1 WHERE key = ?1 AND from_tick >= ?2")                      \
	SQL(WINDOW_LONGEST,  "SELECT ifnull(max(window_ms), 0) FROM limit_window WHERE key = ?1")                               \
	SQL(WINDOW_FORGET,   "DELETE FROM limit_window WHERE key = ?1 AND from_tick < ?2 AND EXISTS (SELECT 1 FROM limit_entry"  \
	                     " AS e WHERE e.key = ?1 AND e.tick > limit_window.from_tick AND e.tick <= ?2)")                    \
	SQL(ENTRY_COUNT,     "SELECT count(*) FROM limit_entry WHERE key = ?1 AND tick > ?2 AND tick <= ?3")                    \
	SQL(ENTRY_OLDEST,    "SELECT tick FROM limit_entry WHERE key = ?1 AND tick > ?2 AND tick < 9223372036854775806"         \
	                     " ORDER BY tick LIMIT 1 OFFSET ?3")                                                                \
	SQL(ENTRY_OWNER,     "SELECT owner FROM limit_entry WHERE key = ?1 AND tick = ?2 AND call = ?3")                        \
	SQL(ENTRY_PUT,       "INSERT INTO limit_entry (key, tick, call, owner) VALUES (?1, ?2, ?3, ?4)")                        \
	SQL(ENTRY_DROP,      "DELETE FROM limit_entry WHERE key = ?1 AND tick = ?2 AND call = ?3")                              \
	SQL(ENTRY_FORGET,    "DELETE FROM limit_entry WHERE (key, tick, call) IN (SELECT key, tick, call FROM limit_entry"      \
	                     " WHERE key = ?1 AND tick <= ?2 ORDER BY tick LIMIT ?3)")                                          \
	SQL(HELD_TAKE,       "UPDATE limit_window SET live = live - (SELECT count(*) FROM limit_entry AS e WHERE e.owner = ?1"   \
	                     " AND e.tick = 9223372036854775807 AND e.key = limit_window.key) WHERE key IN (SELECT key"         \
	                     " FROM limit_entry WHERE owner = ?1 AND tick = 9223372036854775807)")                              \
	SQL(HELD_DROP,       "DELETE FROM limit_entry WHERE owner = ?1 AND tick = 9223372036854775807")                         \
	/* calls under way and unknown */                                                                                       \
	SQL(FLIGHT_PUT,      "INSERT INTO flight (call, owner, tenant, agent, backend, tool, args_hash, intent_seq,"            \
	                     " started_tick, deadline_tick, keys) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")                 \
	SQL(FLIGHT_GET,      "SELECT started_tick, stamped_tick, keys FROM flight WHERE call = ?1 AND owner = ?2")              \
	SQL(FLIGHT_DROP,     "DELETE FROM flight WHERE call = ?1 AND owner = ?2")                                               \
	SQL(FLIGHT_STAMP,    "UPDATE flight SET stamped_tick = ?3 WHERE call = ?1 AND owner = ?2 AND stamped_tick = 0"          \
	                     " RETURNING started_tick, 0, keys")                                                                \
	SQL(FLIGHT_IS,       "SELECT 1 FROM flight WHERE call = ?1 AND owner = ?2 AND intent_seq & 0xffffffff = ?3")            \
	SQL(FLIGHT_OF,       "SELECT owner, call, tenant, agent, backend, tool, args_hash FROM flight"                          \
	                     " WHERE owner = ?1 LIMIT 1")                                                                       \
	SQL(FLIGHT_LATE,     "SELECT owner, call, tenant, agent, backend, tool, args_hash FROM flight"                          \
	                     " WHERE deadline_tick < ?1 AND owner <> ?2 LIMIT 1")                                               \
	SQL(UNKNOWN_PUT,     "INSERT INTO unknown (call, tenant, agent, backend, tool, args_hash, since_tick, since_at,"        \
	                     " hold_until_tick) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT (call) DO NOTHING")             \
	SQL(UNKNOWN_SETTLE,  "UPDATE unknown SET settled_at = ?2, settled_by = ?3, settled_as = ?4"                             \
	                     " WHERE call = ?1 AND settled_at IS NULL")                                                         \
	/* tools as listed last */                                                                                              \
	SQL(TOOLS_GET,       "SELECT page, body, digest FROM tools_cache WHERE tenant = ?1 AND backend = ?2 AND credential = ?3" \
	                     " AND revision = ?4 AND fetched_tick >= ?5 ORDER BY page")                                         \
	SQL(TOOLS_SAME,      "UPDATE tools_cache SET fetched_tick = ?5 WHERE tenant = ?1 AND backend = ?2 AND credential = ?3"  \
	                     " AND revision = ?4 AND digest = ?6")                                                              \
	SQL(TOOLS_DROP,      "DELETE FROM tools_cache WHERE tenant = ?1 AND backend = ?2 AND credential = ?3"                   \
	                     " AND revision = ?4")                                                                              \
	SQL(TOOLS_PUT,       "INSERT INTO tools_cache (tenant, backend, credential, revision, page, body, digest,"              \
	                     " fetched_tick) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)")                                                 \
	SQL(TOOLS_FORGET,    "DELETE FROM tools_cache WHERE fetched_tick < ?1")                                                 \
	/* audit */                                                                                                             \
	SQL(AUDIT_LAST,      "SELECT seq, chain FROM audit ORDER BY seq DESC LIMIT 1")                                          \
	SQL(AUDIT_CHAIN,     "SELECT chain FROM audit WHERE seq = ?1")                                                          \
	SQL(AUDIT_PUT,       "INSERT INTO audit (seq, call, kind, at, agent, backend, tool, verdict, body, args_hash, digest,"   \
	                     " chain) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")                                         \
	SQL(AUDIT_OLDEST,    "SELECT seq, call, kind, at, agent, backend, tool, verdict, body, args_hash, digest, chain"         \
	                     " FROM audit WHERE seq > ?1 ORDER BY seq")                                                         \
	SQL(AUDIT_NEWEST,    "SELECT seq, call, kind, at, agent, backend, tool, verdict, body, args_hash, digest, chain"         \
	                     " FROM audit WHERE seq < ?1 ORDER BY seq DESC")

enum sql {
#define SQL(name, text) SQL_##name,
	SQL_TABLE(SQL)
#undef SQL
	SQL_N,
};
