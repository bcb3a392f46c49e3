/* sqlite_sql - every SQL statement of the store in one table: SQL(name, text). Prepared at first use and kept until the database is
 * closed. Parameters are numbered as the verbs bind them. 9223372036854775807 is a hold, ...806 an open use (sqlite.h). */
#pragma once

/* What asked_of reads, in its order; args stands last, so that who does not want it does not fetch its pages. */
#define APPROVAL_COLUMNS                                                                                                        \
	"a.id, a.short, a.state, a.tenant, a.agent, a.client, a.backend, a.tool, a.rule, a.decided_by, a.decided_means, a.reason,"  \
	" a.consumed_by, a.level, a.uid, a.args_hash, a.tool_hash, a.fingerprint, a.quorum, a.is_auth_required, a.created_at,"      \
	" ifnull(a.decided_at, 0), a.created_tick, a.expires_tick, ifnull(a.frozen_tick, -1), a.keys,"                              \
	" (SELECT count(*) FROM approval_vote AS v WHERE v.approval = a.id AND v.is_late = 0 AND v.verdict = 'approve'),"           \
	" (SELECT count(*) FROM approval_waiter AS w WHERE w.approval = a.id),"                                                     \
	" a.state = 'APPROVED' AND EXISTS (SELECT 1 FROM ticket AS t WHERE t.approval = a.id), a.outcome, a.executed_at, a.args"
/* Its clock runs: no brake has frozen it, no ticket carries it. */
#define APPROVAL_RUNS "a.frozen_tick IS NULL AND NOT (a.state = 'APPROVED' AND EXISTS (SELECT 1 FROM ticket AS t WHERE t.approval = a.id))"
#define MESSAGE_COLUMNS                                                                                                         \
	"approval, channel, ref, last_error, state, told_seq, attempts, tries, is_maybe_out, due_tick, owed_tick, created_at, sent_at," \
	" ifnull((SELECT max(e.seq) FROM approval_event AS e WHERE e.approval = m.approval), 0)"
#define TOKEN_COLUMNS "id, kind, name, role, person, agent, room, created_by, created_at, expires_at, revoked_at, last_used_at"
#define TICKET_COLUMNS "backend, number, call, state, owner, epoch, aside_until_tick, keys"
#define PASS_COLUMNS   "call, number, owner, tenant, agent, tool, aside_until_tick"

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
	SQL(CLOCK_SAME,      "SELECT boot, offset_ms FROM clock WHERE substr(boot, 1, length(?1)) = ?1")                        \
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
	SQL(SESSIONS,        "SELECT number FROM session")                                                                      \
	SQL(SESSION_WATCHERS, "SELECT number FROM session WHERE kind <> 'shim'")                                                \
	SQL(SESSION_BROKERS, "SELECT number FROM session WHERE kind = 'broker'")                                                \
	SQL(SESSION_LIST,    "SELECT id, kind, agent, client, client_version, backend, tenant, program_version, number, level, uid," \
	                     " pid, started_at, (SELECT count(*) FROM approval_waiter AS w JOIN approval AS a ON a.id = w.approval" \
	                     " WHERE w.owner = s.number AND a.state = 'PENDING'), (SELECT count(*) FROM ticket AS t WHERE"      \
	                     " t.owner = s.number AND t.state <> 'FORWARDING'), (SELECT count(*) FROM flight AS f WHERE"        \
	                     " f.owner = s.number) FROM session AS s ORDER BY number")                                          \
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
	SQL(HELD_BY,         "SELECT owner, count(*) FROM limit_entry WHERE key = ?1 AND tick = 9223372036854775807 GROUP BY owner")  \
	SQL(ENTRY_PUT,       "INSERT INTO limit_entry (key, tick, call, owner) VALUES (?1, ?2, ?3, ?4)")                        \
	SQL(ENTRY_DROP,      "DELETE FROM limit_entry WHERE key = ?1 AND tick = ?2 AND call = ?3")                              \
	SQL(ENTRY_FORGET,    "DELETE FROM limit_entry WHERE (key, tick, call) IN (SELECT key, tick, call FROM limit_entry"      \
	                     " WHERE key = ?1 AND tick <= ?2 ORDER BY tick LIMIT ?3)")                                          \
	SQL(HOLD_ENDS,       "SELECT ifnull(min(a.expires_tick), -1) FROM limit_entry AS e JOIN approval AS a ON a.id = e.call"  \
	                     " WHERE e.key = ?1 AND e.tick = 9223372036854775807 AND e.owner = -1"                              \
	                     " AND a.state IN ('PENDING','APPROVED') AND a.frozen_tick IS NULL")                                \
	SQL(LOOP_KEYS,       "SELECT key, max(window_ms) FROM limit_window WHERE key > ?1 AND key < 'loop ' GROUP BY key"       \
	                     " ORDER BY key LIMIT ?2")                                                                          \
	SQL(KEY_FORGET,      "DELETE FROM limit_entry WHERE key = ?1")                                                          \
	SQL(KEY_FORGET_WINDOWS, "DELETE FROM limit_window WHERE key = ?1")                                                      \
	SQL(HELD_TAKE,       "UPDATE limit_window SET live = live - (SELECT count(*) FROM limit_entry AS e WHERE e.owner = ?1"   \
	                     " AND e.tick = 9223372036854775807 AND e.key = limit_window.key) WHERE key IN (SELECT key"         \
	                     " FROM limit_entry WHERE owner = ?1 AND tick = 9223372036854775807)")                              \
	SQL(HELD_DROP,       "DELETE FROM limit_entry WHERE owner = ?1 AND tick = 9223372036854775807")                         \
	/* calls under way and unknown */                                                                                       \
	SQL(FLIGHT_PUT,      "INSERT INTO flight (call, owner, tenant, agent, backend, tool, args_hash, intent_seq,"            \
	                     " started_tick, deadline_tick, keys, unknown_hold_ms, approval) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)") \
	SQL(FLIGHT_GET,      "SELECT started_tick, stamped_tick, keys, unknown_hold_ms, approval FROM flight WHERE call = ?1 AND owner = ?2") \
	SQL(FLIGHT_DROP,     "DELETE FROM flight WHERE call = ?1 AND owner = ?2")                                               \
	SQL(FLIGHT_STAMP,    "UPDATE flight SET stamped_tick = ?3 WHERE call = ?1 AND owner = ?2 AND stamped_tick = 0"          \
	                     " RETURNING started_tick, 0, keys, unknown_hold_ms, approval")                                     \
	SQL(FLIGHT_IS,       "SELECT 1 FROM flight WHERE call = ?1 AND owner = ?2 AND intent_seq & 0xffffffff = ?3")            \
	SQL(FLIGHT_SAME,     "SELECT owner, deadline_tick FROM flight WHERE tenant = ?1 AND agent = ?2 AND backend = ?3 AND tool = ?4" \
	                     " AND args_hash = ?5 AND owner <> ?6")                                                             \
	SQL(FLIGHT_OF,       "SELECT owner, call, tenant, agent, backend, tool, args_hash FROM flight"                          \
	                     " WHERE owner = ?1 LIMIT 1")                                                                       \
	SQL(FLIGHT_LATE,     "SELECT owner, call, tenant, agent, backend, tool, args_hash FROM flight"                          \
	                     " WHERE deadline_tick < ?1 AND owner <> ?2 LIMIT 1")                                               \
	SQL(UNKNOWN_PUT,     "INSERT INTO unknown (call, tenant, agent, backend, tool, args_hash, since_tick, since_at,"        \
	                     " hold_until_tick, approval) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) ON CONFLICT (call) DO NOTHING") \
	SQL(UNKNOWN_SETTLE,  "UPDATE unknown SET settled_at = ?2, settled_by = ?3, settled_as = ?4"                             \
	                     " WHERE call = ?1 AND settled_at IS NULL")                                                         \
	SQL(UNKNOWN_UNDER,   "SELECT approval FROM unknown WHERE call = ?1")                                                    \
	SQL(UNKNOWN_IS,      "SELECT 1 FROM unknown WHERE call = ?1")                                                           \
	SQL(UNKNOWN_SAME,    "SELECT call, since_at, hold_until_tick FROM unknown WHERE tenant = ?1 AND agent = ?2"             \
	                     " AND backend = ?3 AND tool = ?4 AND args_hash = ?5 AND settled_at IS NULL"                        \
	                     " AND hold_until_tick > ?6 ORDER BY hold_until_tick DESC LIMIT 1")                                 \
	SQL(UNKNOWNS,        "SELECT call, agent, backend, tool, since_at, hold_until_tick, settled_at, settled_by, settled_as," \
	                     " args_hash FROM unknown WHERE ?1 = 0 OR settled_at IS NULL ORDER BY since_tick, call")            \
	SQL(UNKNOWN_FORGET,  "DELETE FROM unknown WHERE hold_until_tick < ?1")                                                  \
	/* approvals */                                                                                                           \
	SQL(APPROVAL_BY_ID,  "SELECT " APPROVAL_COLUMNS " FROM approval AS a WHERE a.id = ?1")                                    \
	SQL(APPROVAL_BY_SHORT,"SELECT " APPROVAL_COLUMNS " FROM approval AS a WHERE a.short = ?1")                                \
	SQL(APPROVAL_OF_CALL,"SELECT " APPROVAL_COLUMNS " FROM approval AS a WHERE a.tenant = ?1 AND a.agent = ?2 AND a.level = ?3 AND" \
	                     " a.backend = ?4 AND a.tool = ?5 AND a.args_hash = ?6 AND a.state IN ('PENDING','APPROVED')")        \
	SQL(APPROVAL_OVERDUE,"SELECT " APPROVAL_COLUMNS " FROM approval AS a WHERE a.state IN ('PENDING','APPROVED') AND a.expires_tick <= ?1" \
	                     " AND " APPROVAL_RUNS " ORDER BY a.expires_tick LIMIT 1")                                            \
	SQL(APPROVAL_LIVE,   "SELECT " APPROVAL_COLUMNS " FROM approval AS a WHERE a.state IN ('PENDING','APPROVED') AND a.id > ?1" \
	                     " AND (?2 = '' OR a.agent = ?2) ORDER BY a.id")                                                      \
	SQL(APPROVAL_ALL,    "SELECT " APPROVAL_COLUMNS " FROM approval AS a WHERE (?2 = '' OR a.agent = ?2) ORDER BY a.id DESC") \
	SQL(APPROVAL_DUE,    "SELECT min(a.expires_tick) FROM approval AS a WHERE a.state IN ('PENDING','APPROVED') AND " APPROVAL_RUNS) \
	SQL(APPROVAL_PENDING,"SELECT count(*) FROM approval WHERE agent = ?1 AND tenant = ?2 AND state = 'PENDING'")              \
	SQL(APPROVAL_PENDING_TO,"SELECT min(expires_tick) FROM approval WHERE agent = ?1 AND tenant = ?2 AND state = 'PENDING'"   \
	                     " AND frozen_tick IS NULL")                                                                          \
	SQL(APPROVAL_ASKS,   "SELECT count(*) FROM approval WHERE agent = ?1 AND created_tick > ?3 AND tenant = ?2")              \
	SQL(APPROVAL_ASKED_AT,"SELECT created_tick FROM approval WHERE agent = ?1 AND created_tick > ?3 AND tenant = ?2"          \
	                     " ORDER BY created_tick DESC LIMIT 1 OFFSET ?4")                                                     \
	SQL(APPROVAL_REFUSED_AT,"SELECT max(decided_tick) FROM approval WHERE agent = ?1 AND tool = ?3 AND state = 'REJECTED'"    \
	                     " AND tenant = ?2 AND backend = ?4")                                                                 \
	SQL(APPROVAL_REFUSED_LAST, "SELECT id FROM approval WHERE agent = ?1 AND tool = ?3 AND state = 'REJECTED'"              \
	                     " AND decided_tick = ?5 AND tenant = ?2 AND backend = ?4"                                          \
	                     " ORDER BY args_hash = ?6 DESC LIMIT 1")                                                           \
	SQL(APPROVAL_OWED,   "SELECT id FROM approval WHERE agent = ?1 AND tool = ?3 AND owed_until_tick > 0 AND tenant = ?2"   \
	                     " AND backend = ?4 AND level = ?5 AND args_hash = ?6 AND owed_until_tick > ?7 LIMIT 1")            \
	SQL(APPROVAL_TOLD,   "UPDATE approval SET owed_until_tick = 0 WHERE id = ?1")                                           \
	SQL(APPROVAL_IS_SHORT,"SELECT 1 FROM approval WHERE short = ?1")                                                          \
	SQL(APPROVAL_PUT,    "INSERT INTO approval (id, short, state, tenant, agent, level, uid, client, backend, tool, args,"    \
	                     " args_hash, tool_hash, fingerprint, rule, quorum, is_auth_required, created_at, created_tick, expires_tick, redeem_ms," \
	                     " keys) VALUES (?1,?2,'PENDING',?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21)") \
	SQL(APPROVAL_EDGE,   "UPDATE approval SET state = ?3, decided_at = ifnull(decided_at, ?4), decided_tick = ifnull(decided_tick, ?5)," \
	                     " decided_by = CASE decided_by WHEN '' THEN ?6 ELSE decided_by END,"                                 \
	                     " decided_means = CASE decided_means WHEN '' THEN ?7 ELSE decided_means END,"                        \
	                     " reason = CASE ?8 WHEN '' THEN reason ELSE ?8 END, consumed_by = ?9,"                               \
	                     " expires_tick = CASE ?3 WHEN 'APPROVED' THEN ?5 + redeem_ms ELSE expires_tick END,"                 \
	                     " owed_until_tick = CASE WHEN ?3 = 'REJECTED' AND NOT EXISTS (SELECT 1 FROM approval_waiter AS w"   \
	                     " WHERE w.approval = ?1) THEN ?5 + redeem_ms ELSE 0 END,"                                           \
	                     " frozen_tick = CASE WHEN ?3 = 'APPROVED' AND frozen_tick IS NOT NULL THEN ?5 END WHERE id = ?1 AND state = ?2") \
	SQL(APPROVAL_FREEZE, "UPDATE approval SET frozen_tick = ?2 WHERE id = ?1 AND frozen_tick IS NULL")                        \
	SQL(APPROVAL_THAW,   "UPDATE approval SET expires_tick = expires_tick + ?2 - frozen_tick, frozen_tick = NULL"             \
	                     " WHERE id = ?1 AND frozen_tick IS NOT NULL")                                                        \
	SQL(APPROVAL_OLD,    "SELECT id FROM approval WHERE id < ?1 AND state NOT IN ('PENDING','APPROVED') ORDER BY id LIMIT 1")  \
	SQL(APPROVAL_BEFORE, "SELECT " APPROVAL_COLUMNS " FROM approval AS me JOIN approval AS a ON a.backend = me.backend AND"    \
	                     " a.tool = me.tool AND (a.created_tick, a.id) < (me.created_tick, me.id) WHERE me.id = ?1 AND"      \
	                     " a.tenant = me.tenant AND a.agent = me.agent AND a.state = 'CONSUMED'"                             \
	                     " ORDER BY a.created_tick DESC, a.id DESC LIMIT 1")                                                \
	SQL(APPROVAL_RAN,    "UPDATE approval SET outcome = ?2, executed_at = ?3 WHERE id = ?1 AND outcome <> ?2")              \
	SQL(APPROVAL_UNTOLD, "SELECT id FROM approval AS a WHERE state = 'CONSUMED' AND outcome = '' AND decided_at < ?1"        \
	                     " AND NOT EXISTS (SELECT 1 FROM flight AS f WHERE f.approval = a.id)"                              \
	                     " AND EXISTS (SELECT 1 FROM message AS m WHERE m.approval = a.id) LIMIT 1")                        \
	SQL(APPROVAL_DROP,   "DELETE FROM approval WHERE id = ?1")                                                              \
	SQL(VOTE_DROP,       "DELETE FROM approval_vote WHERE approval = ?1")                                                   \
	SQL(WAITER_PUT,      "INSERT INTO approval_waiter (approval, call, owner, joined_tick) VALUES (?1,?2,?3,?4)"              \
	                     " ON CONFLICT DO NOTHING")                                                                           \
	SQL(WAITER_DROP,     "DELETE FROM approval_waiter WHERE approval = ?1 AND call = ?2")                                     \
	SQL(WAITER_DROP_OF,  "DELETE FROM approval_waiter WHERE owner = ?1")                                                      \
	SQL(WAITER_OWNERS,   "SELECT DISTINCT owner FROM approval_waiter WHERE approval = ?1 UNION SELECT number FROM session"    \
	                     " WHERE kind <> 'shim'")                                                                             \
	SQL(VOTE_PUT,        "INSERT INTO approval_vote (approval, voter, verdict, means, origin, reason, is_late, at)"           \
	                     " VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET verdict = ?3, means = ?4, origin = ?5, reason = ?6, at = ?8") \
	SQL(VOTE_IS_SAID,    "SELECT 1 FROM approval_vote WHERE approval = ?1 AND voter = ?2 AND is_late = ?4"                        \
	                     " AND (verdict = ?3 OR (is_late = 1 AND at > ?5))")                                                  \
	SQL(VOTERS_FOR,      "SELECT voter FROM approval_vote WHERE approval = ?1 AND verdict = 'approve' AND is_late = 0 ORDER BY at") \
	SQL(VOTES_OF,        "SELECT voter, verdict, means, origin, reason, is_late, at FROM approval_vote WHERE approval = ?1 ORDER BY at") \
	/* what people are told */                                                                                              \
	SQL(EVENT_PUT,       "INSERT INTO approval_event (approval, what, at) VALUES (?1, ?2, ?3)")                             \
	SQL(EVENT_LAST,      "SELECT max(seq) FROM approval_event")                                                             \
	SQL(EVENT_LAST_OF,   "SELECT max(seq) FROM approval_event WHERE approval = ?1")                                         \
	SQL(EVENTS,          "SELECT seq, approval, what, at FROM approval_event WHERE seq > ?1 ORDER BY seq LIMIT ?2")         \
	SQL(EVENTS_OF,       "SELECT seq, approval, what, at FROM approval_event WHERE seq > ?1 AND approval = ?3"              \
	                     " ORDER BY seq LIMIT ?2")                                                                          \
	SQL(EVENT_DROP_OF,   "DELETE FROM approval_event WHERE approval = ?1 AND seq < (SELECT max(seq) FROM approval_event)")   \
	SQL(EVENT_STRAY,     "SELECT seq FROM (SELECT seq, approval FROM approval_event WHERE seq < (SELECT max(seq) FROM"       \
	                     " approval_event) ORDER BY seq LIMIT 64) AS e WHERE NOT EXISTS (SELECT 1 FROM approval AS a"       \
	                     " WHERE a.id = e.approval) LIMIT 1")                                                               \
	SQL(EVENT_DROP,      "DELETE FROM approval_event WHERE seq = ?1")                                                       \
	SQL(MESSAGE_PUT,     "INSERT INTO message (approval, channel, state, due_tick, owed_tick, created_at)"                  \
	                     " VALUES (?1,?2,'DUE',?3,?3,?4) ON CONFLICT DO NOTHING")                                           \
	SQL(MESSAGE_OWE,     "UPDATE message SET state = 'DUE', due_tick = ?2, owed_tick = ?2, attempts = 0 WHERE approval = ?1" \
	                     " AND state = 'SENT'")                                                                             \
	SQL(MESSAGES,        "SELECT " MESSAGE_COLUMNS " FROM message AS m WHERE (?1 = '' OR approval = ?1) AND (?2 = '' OR"     \
	                     " channel = ?2) AND (?3 = 0 OR state NOT IN ('SENT','DROPPED')) ORDER BY approval, channel LIMIT ?4") \
	SQL(MESSAGES_OF,     "SELECT " MESSAGE_COLUMNS " FROM message AS m WHERE approval = ?1 AND (?2 = '' OR channel = ?2)"    \
	                     " AND (?3 = 0 OR state NOT IN ('SENT','DROPPED')) ORDER BY channel LIMIT ?4")                      \
	SQL(MESSAGES_DUE,    "SELECT " MESSAGE_COLUMNS " FROM message AS m WHERE state = 'DUE' AND due_tick <= ?3 AND"           \
	                     " (?1 = '' OR approval = ?1) AND (?2 = '' OR channel = ?2) ORDER BY due_tick, approval, channel LIMIT ?4") \
	SQL(MESSAGE_NEXT,    "SELECT due_tick FROM message WHERE state = 'DUE' ORDER BY due_tick LIMIT 1")                      \
	SQL(MESSAGE_SENDING, "SELECT 1 FROM message WHERE state = 'SENDING' LIMIT 1")                                           \
	SQL(MESSAGE_TAKE,    "UPDATE message SET state = 'SENDING', attempts = attempts + 1, tries = tries + 1"                 \
	                     " WHERE approval = ?1 AND channel = ?2 AND state = 'DUE' RETURNING tries")                         \
	SQL(MESSAGE_END,     "UPDATE message SET state = ?4, told_seq = max(told_seq, ?5), due_tick = ?6, owed_tick ="          \
	                     " CASE WHEN ?4 = 'DUE' AND ?7 = 1 THEN ?6 ELSE owed_tick END, attempts = CASE ?7 WHEN 1 THEN 0"    \
	                     " ELSE attempts END, is_maybe_out = CASE ?7 WHEN 1 THEN 0 ELSE max(is_maybe_out, ?8) END,"         \
	                     " ref = CASE ?9 WHEN '' THEN ref ELSE ?9 END, last_error = ?10,"                                   \
	                     " sent_at = CASE ?7 WHEN 1 THEN ?11 ELSE sent_at END"                                              \
	                     " WHERE approval = ?1 AND channel = ?2 AND state = 'SENDING' AND tries = ?3")                      \
	SQL(MESSAGE_RECOVER, "UPDATE message SET state = 'DUE', due_tick = ?1, is_maybe_out = 1 WHERE state = 'SENDING'")       \
	SQL(MESSAGE_AGAIN,   "UPDATE message SET state = 'DUE', due_tick = ?3, owed_tick = ?3, attempts = 0 WHERE state = 'DEAD'" \
	                     " AND (?1 = '' OR approval = ?1) AND (?2 = '' OR channel = ?2)")                                   \
	SQL(MESSAGE_DROP_OF, "DELETE FROM message WHERE approval = ?1")                                                         \
	SQL(ATTEMPT_PUT,     "INSERT INTO message_attempt (approval, channel, n, event_seq, at) VALUES (?1,?2,?3,?4,?5)")       \
	SQL(ATTEMPT_END,     "UPDATE message_attempt SET took_ms = ?4, result = ?5, said = ?6"                                  \
	                     " WHERE approval = ?1 AND channel = ?2 AND n = ?3 AND result = ''")                                \
	SQL(ATTEMPTS,        "SELECT approval, channel, result, said, n, event_seq, at, took_ms FROM message_attempt"           \
	                     " WHERE approval = ?1 AND (?2 = '' OR channel = ?2) ORDER BY channel, n")                          \
	SQL(ATTEMPT_DROP_OF, "DELETE FROM message_attempt WHERE approval = ?1")                                                 \
	SQL(SEEN_PUT,        "INSERT INTO seen_callback (channel, ref, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")         \
	SQL(SEEN_OLD,        "SELECT 1 FROM seen_callback WHERE at < ?1 LIMIT 1")                                               \
	SQL(SEEN_FORGET,     "DELETE FROM seen_callback WHERE (channel, ref) IN (SELECT channel, ref FROM seen_callback"        \
	                     " WHERE at < ?1 LIMIT ?2)")                                                                        \
	/* who may ask over TCP */                                                                                              \
	SQL(TOKEN_BY_HASH,   "SELECT " TOKEN_COLUMNS " FROM token WHERE hash = ?1 AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?2)") \
	SQL(TOKENS,          "SELECT " TOKEN_COLUMNS " FROM token WHERE ?1 = 0 OR (revoked_at = 0 AND (expires_at = 0 OR expires_at > ?2))" \
	                     " ORDER BY kind, name, created_at, id")                                                            \
	SQL(TOKEN_NAMED,     "SELECT id, expires_at FROM token WHERE kind = ?1 AND revoked_at = 0 AND (name = ?2 OR id = ?2)"    \
	                     " ORDER BY id = ?2 DESC LIMIT 1")                                                                  \
	SQL(TOKEN_PUT,       "INSERT INTO token (id, hash, kind, name, role, person, agent, room, created_at, created_by, expires_at)" \
	                     " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")                                                    \
	SQL(TOKEN_ROTATE,    "UPDATE token SET hash = ?2, expires_at = ?3, last_used_at = 0 WHERE id = ?1")                     \
	SQL(TOKEN_REVOKE,    "UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at = 0")                               \
	SQL(TOKEN_LAST_USED, "SELECT last_used_at FROM token WHERE id = ?1")                                                    \
	SQL(TOKEN_USED,      "UPDATE token SET last_used_at = ?2 WHERE id = ?1 AND last_used_at <= ?2 - 60000")                 \
	SQL(TOKEN_OLD,       "SELECT 1 FROM token WHERE revoked_at > 0 AND revoked_at < ?1 LIMIT 1")                            \
	SQL(TOKEN_FORGET,    "DELETE FROM token WHERE id IN (SELECT id FROM token WHERE revoked_at > 0 AND revoked_at < ?1 LIMIT ?2)") \
	/* what stops calls for a time */                                                                                       \
	SQL(SWITCHES,        "SELECT EXISTS (SELECT 1 FROM brake),"                                                             \
	                     " ifnull((SELECT until_tick FROM cooldown WHERE backend = ?1), 0)")                                \
	SQL(BRAKES,          "SELECT scope, subject, by, reason, since_at FROM brake ORDER BY since_tick, scope, subject")      \
	SQL(BRAKE_PUT,       "INSERT INTO brake (scope, subject, by, reason, since_at, since_tick)"                             \
	                     " VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (scope, subject) DO NOTHING")                             \
	SQL(BRAKE_DROP,      "DELETE FROM brake WHERE scope = ?1 AND subject = ?2")                                             \
	SQL(COOLDOWN_GET,    "SELECT until_tick, cause FROM cooldown WHERE backend = ?1")                                       \
	SQL(COOLDOWN_PUT,    "INSERT INTO cooldown (backend, until_tick, cause) VALUES (?1, ?2, ?3) ON CONFLICT (backend)"      \
	                     " DO UPDATE SET until_tick = ?2, cause = ?3 WHERE until_tick < ?2")                                \
	SQL(COOLDOWN_DROP,   "DELETE FROM cooldown WHERE backend = ?1")                                                         \
	SQL(COOLDOWN_FORGET, "DELETE FROM cooldown WHERE until_tick <= ?1")                                                     \
	SQL(COOLDOWNS,       "SELECT backend, cause, until_tick FROM cooldown WHERE until_tick > ?1 ORDER BY backend")          \
	/* the queue; its columns: above */                                                                                     \
	SQL(QUEUE_GET,       "SELECT concurrency, delay_min_ms, delay_max_ms, took_ms FROM queue WHERE backend = ?1")           \
	SQL(QUEUE_NEXT,      "SELECT backend FROM queue WHERE backend > ?1 ORDER BY backend LIMIT 1")                           \
	SQL(QUEUE_PUT,       "INSERT INTO queue (backend, next_number, concurrency, delay_min_ms, delay_max_ms) VALUES (?1,1,?2,?3,?4)" \
	                     " ON CONFLICT (backend) DO UPDATE SET concurrency = ?2, delay_min_ms = ?3, delay_max_ms = ?4"      \
	                     " WHERE concurrency <> ?2 OR delay_min_ms <> ?3 OR delay_max_ms <> ?4")                            \
	SQL(QUEUE_NUMBER,    "UPDATE queue SET next_number = next_number + 1 WHERE backend = ?1 RETURNING next_number - 1")     \
	SQL(QUEUE_TOOK,      "UPDATE queue SET took_ms = ?2 WHERE backend = ?1")                                                \
	SQL(SLOTS_N,         "SELECT count(*) FROM queue_slot WHERE backend = ?1")                                              \
	SQL(SLOTS,           "SELECT ready_us, ifnull(number, 0) FROM queue_slot WHERE backend = ?1 AND slot < ?2")           \
	SQL(SLOT_PUT,        "INSERT INTO queue_slot (backend, slot, ready_us) VALUES (?1, ?2, 0)")                           \
	SQL(SLOT_CLAMP,      "UPDATE queue_slot SET ready_us = ?2 WHERE backend = ?1 AND number IS NULL AND ready_us > ?2") \
	SQL(SLOT_FREE,       "SELECT slot, ready_us FROM queue_slot WHERE backend = ?1 AND slot < ?2 AND number IS NULL"      \
	                     " AND (SELECT count(*) FROM queue_slot WHERE backend = ?1 AND number IS NOT NULL) < ?2"            \
	                     " ORDER BY ready_us LIMIT 1")                                                                    \
	SQL(SLOT_STARTED,    "SELECT ready_us FROM queue_slot WHERE backend = ?1 AND number = ?2")                            \
	SQL(SLOT_TAKE,       "UPDATE queue_slot SET number = ?3, ready_us = ?4 WHERE backend = ?1 AND slot = ?2")             \
	SQL(SLOT_LEAVE,      "UPDATE queue_slot SET number = NULL, ready_us = ?3 WHERE backend = ?1 AND number = ?2")         \
	SQL(STOPS,           "SELECT EXISTS (SELECT 1 FROM brake) OR EXISTS (SELECT 1 FROM cooldown)")                          \
	SQL(TICKET_PUT,      "INSERT INTO ticket (backend, number, call, owner, tenant, agent, tool, args_hash, approval, keys," \
	                     " state, joined_tick) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,'WAITING',?11)")                      \
	SQL(TICKET_OF_CALL,  "SELECT " TICKET_COLUMNS " FROM ticket WHERE call = ?1")                                           \
	SQL(TICKET_OF,       "SELECT " TICKET_COLUMNS " FROM ticket WHERE owner = ?1 AND NOT EXISTS (SELECT 1 FROM flight"      \
	                     " WHERE flight.call = ticket.call) LIMIT 1")                                                       \
	SQL(TICKET_OVERDUE,  "SELECT " TICKET_COLUMNS " FROM ticket WHERE state = 'PARKED' AND keep_until_tick <= ?1 LIMIT 1")  \
	SQL(TICKET_PARKED,   "SELECT " TICKET_COLUMNS " FROM ticket WHERE state = 'PARKED' AND tenant = ?1 AND agent = ?2"      \
	                     " AND backend = ?3 AND tool = ?4 AND args_hash = ?5 AND approval = ?6"                             \
	                     " AND (keep_until_tick IS NULL OR keep_until_tick > ?8) ORDER BY owner <> ?7, number")             \
	SQL(TICKETS_N,       "SELECT count(*) FROM ticket WHERE backend = ?1 AND state <> 'FORWARDING'")                        \
	SQL(TICKETS_WAITING, "SELECT " PASS_COLUMNS " FROM ticket WHERE backend = ?1 AND state = 'WAITING' ORDER BY number")    \
	SQL(TICKETS_UP_TO,   "SELECT " PASS_COLUMNS ", epoch FROM ticket WHERE backend = ?1 AND number <= ?2"                   \
	                     " AND state = 'WAITING' ORDER BY number")                                                          \
	SQL(TICKETS_RUNNING, "SELECT owner FROM ticket WHERE backend = ?1 AND state = 'FORWARDING' ORDER BY number")            \
	SQL(TICKETS_ALL,     "SELECT " PASS_COLUMNS ", state, joined_tick, ifnull(keep_until_tick, 0) FROM ticket"              \
	                     " WHERE backend = ?1 ORDER BY number")                                                             \
	SQL(TICKET_TAKE_UP,  "UPDATE ticket SET call = ?3, owner = ?4, keys = ?5, state = 'WAITING', keep_until_tick = NULL"    \
	                     " WHERE backend = ?1 AND number = ?2")                                                             \
	SQL(TICKET_RENUMBER, "UPDATE ticket SET number = ?3, aside_until_tick = 0 WHERE backend = ?1 AND number = ?2")          \
	SQL(TICKET_PARK,     "UPDATE ticket SET number = ?3, state = 'PARKED', keep_ms = ?4, aside_until_tick = 0"              \
	                     " WHERE backend = ?1 AND number = ?2")                                                             \
	SQL(TICKET_TURN,     "UPDATE ticket SET keep_until_tick = ?3 + keep_ms WHERE backend = ?1 AND number < ?2"              \
	                     " AND state = 'PARKED' AND keep_until_tick IS NULL")                                               \
	SQL(TICKET_START,    "UPDATE ticket SET state = 'FORWARDING' WHERE backend = ?1 AND number = ?2")                       \
	SQL(TICKET_ASIDE,    "UPDATE ticket SET aside_until_tick = ?4 WHERE backend = ?1 AND number = ?2 AND owner = ?3"        \
	                     " AND state = 'WAITING' AND aside_until_tick < 9223372036854775807")                               \
	SQL(TICKET_PASS,     "UPDATE ticket SET epoch = epoch + 1, aside_until_tick = ?3 WHERE backend = ?1 AND owner = ?2"     \
	                     " AND state = 'WAITING' AND aside_until_tick < ?3")                                                \
	SQL(TICKET_DROP,     "DELETE FROM ticket WHERE backend = ?1 AND number = ?2")                                           \
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
