#include <sqlite3.h>
#include "base/xalloc.h"
#include "store/migrate.h"
#include "store/sqlite_db.h"
#include "unit/unit.h"

static sqlite3 *db;
static struct problem why;

static void setup(void)
{
	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	why = (struct problem){ 0 };
}

static void teardown(void)
{
	sqlite3_close(db);
}

static int64_t number(const char *sql)
{
	sqlite3_stmt *q = NULL;

	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, "%s: %s", sql,
		sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_step(q), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static void sql(const char *text)
{
	ck_assert_msg(
		sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
}

START_TEST(an_empty_file_is_brought_to_the_newest_schema)
{
	ck_assert_int_eq(migrate_run(db, &why), OK);
	ck_assert_int_eq(number("PRAGMA user_version"), store_schema_n);
	ck_assert_int_eq(number("PRAGMA application_id"), MIGRATE_APPLICATION_ID);
	ck_assert_int_eq(number("SELECT count(*) FROM audit"), 0);
}
END_TEST

START_TEST(migrating_twice_changes_nothing)
{
	ck_assert_int_eq(migrate_run(db, &why), OK);
	int64_t cookie = number("PRAGMA schema_version");
	ck_assert_int_eq(migrate_run(db, &why), OK);
	ck_assert_int_eq(number("PRAGMA schema_version"), cookie);
}
END_TEST

START_TEST(the_schema_needs_no_trust)
{
	ck_assert_int_eq(sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL), SQLITE_OK);
	ck_assert_int_eq(migrate_run(db, &why), OK);
	sql("INSERT INTO audit VALUES (1, '', 'boot', 0, '', '', '', '', '{}', x'', x'', x'')");
}
END_TEST

START_TEST(every_statement_of_the_store_fits_the_schema)
{
	static const char *const texts[] = {
#define SQL(name, text) [SQL_##name] = (text),
		SQL_TABLE(SQL)
#undef SQL
	};

	ck_assert_int_eq(migrate_run(db, &why), OK);
	for (int i = 0; i < SQL_N; i++) {
		sqlite3_stmt *q = NULL;
		const char *tail = NULL;
		ck_assert_msg(sqlite3_prepare_v2(db, texts[i], -1, &q, &tail) == SQLITE_OK,
			"%s: %s", texts[i], sqlite3_errmsg(db));
		ck_assert_msg(*tail == '\0', "%s", texts[i]);
		sqlite3_finalize(q);
	}
}
END_TEST

START_TEST(a_newer_schema_that_takes_us_is_left_as_it_is)
{
	ck_assert_int_eq(migrate_run(db, &why), OK);
	sql("INSERT INTO meta (one, min_reader, min_writer, schema, instance, created_at, high_tick, "
	    "high_at, is_synced)"
	    " VALUES (1, 1, 1, 50, '', 0, 0, 0, 1); PRAGMA user_version = 50");
	ck_assert_int_eq(migrate_run(db, &why), OK);
	ck_assert_int_eq(number("PRAGMA user_version"), 50);
}
END_TEST

START_TEST(a_newer_schema_that_refuses_us_is_named)
{
	ck_assert_int_eq(migrate_run(db, &why), OK);
	sql("INSERT INTO meta (one, min_reader, min_writer, schema, instance, created_at, high_tick, "
	    "high_at, is_synced)"
	    " VALUES (1, 50, 50, 50, '', 0, 0, 0, 1); PRAGMA user_version = 50");
	ck_assert_int_eq(migrate_run(db, &why), ERR_STORE_NEWER);
	ck_assert_ptr_nonnull(strstr(why.text, "newer"));
}
END_TEST

START_TEST(a_version_that_no_migration_of_ours_noted_is_refused)
{
	ck_assert_int_eq(migrate_run(db, &why), OK);
	sql("INSERT INTO meta (one, min_reader, min_writer, schema, instance, created_at, high_tick, "
	    "high_at, is_synced)"
	    " VALUES (1, 1, 1, 1, '', 0, 0, 0, 1); PRAGMA user_version = 50");
	ck_assert_int_eq(migrate_run(db, &why), ERR_STORE_NEWER);
}
END_TEST

static void bring_to(int version)
{
	for (int i = 0; i < version; i++)
		sql(store_schema[i]);
	CLEANUP(free_charp) char *done = xasprintf("INSERT INTO meta (one, min_reader, min_writer, schema, instance, created_at, high_tick, high_at,"
		" is_synced) VALUES (1, 1, %d, %d, 'i', 0, 0, 0, 1); PRAGMA user_version = %d", version, version, version);
	sql(done);
}

#define APPROVAL(id, state, used_by) "INSERT INTO approval (id, short, state, tenant, agent, level, uid, client, backend, tool, args, args_hash, tool_hash," \
	" fingerprint, rule, quorum, is_auth_required, created_at, created_tick, expires_tick, redeem_ms, keys, consumed_by) VALUES ('" id "', '" id "',"      \
	" '" state "', '', 'a', 0, 0, '', 'b', '" id "', '{}', x'', x'', x'', '', 1, 0, 70, 7, 99, 9, '', '" used_by "');"

START_TEST(approvals_and_calls_under_way_are_carried_from_schema_3_to_4)
{
	bring_to(3);
	sql(APPROVAL("p1", "PENDING", "") APPROVAL("p2", "APPROVED", "") APPROVAL("p3", "CONSUMED", "c3") APPROVAL("p4", "REJECTED", "")
	    APPROVAL("p5", "CONSUMED", "c5")
	    "INSERT INTO flight (call, owner, tenant, agent, backend, tool, args_hash, intent_seq, started_tick, deadline_tick, keys)"
	    " VALUES ('c3', 1, '', 'a', 'b', 't', x'', 1, 0, 9, ''), ('c4', 1, '', 'a', 'b', 't', x'', 2, 0, 9, '');"
	    "INSERT INTO unknown (call, tenant, agent, backend, tool, args_hash, since_tick, since_at, hold_until_tick)"
	    " VALUES ('c5', '', 'a', 'b', 't', x'', 0, 0, 9)");
	ck_assert_int_eq(migrate_run(db, &why), OK);
	ck_assert_int_eq(number("SELECT count(*) FROM approval WHERE outcome = '' AND executed_at = 0"), 5);
	ck_assert_int_eq(number("SELECT count(*) FROM approval_event WHERE what = 'asked' AND at = 70 AND approval IN ('p1','p2')"), 2);
	ck_assert_int_eq(number("SELECT count(*) FROM approval_event"), 2);
	ck_assert_int_eq(number("SELECT count(*) FROM flight WHERE (call, approval) IN (VALUES ('c3','p3'), ('c4',''))"), 2);
	ck_assert_int_eq(number("SELECT count(*) FROM unknown WHERE approval = 'p5'"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM message"), 0);
}
END_TEST

/* It would ask people without anybody being told. */
START_TEST(a_program_that_knows_no_messages_may_not_write_any_more)
{
	bring_to(3);
	ck_assert_int_eq(migrate_run(db, &why), OK);
	ck_assert_int_eq(number("SELECT min_writer FROM meta"), 4);
	ck_assert_int_eq(number("SELECT schema FROM meta"), store_schema_n);
	ck_assert(migrate_refuses(store_schema_n, store_schema_n, store_schema_n + 1));
	ck_assert(!migrate_refuses(store_schema_n, store_schema_n, store_schema_n));
}
END_TEST

START_TEST(the_database_of_another_program_is_not_touched)
{
	sql("CREATE TABLE theirs (x)");
	ck_assert_int_eq(migrate_run(db, &why), ERR_STORE_CORRUPT);
	ck_assert_int_eq(number("SELECT count(*) FROM sqlite_schema"), 1);
}
END_TEST

START_TEST(a_step_that_fails_leaves_nothing)
{
	sql("PRAGMA application_id = 0x41454749; CREATE TABLE limit_window (x)"); /* in the way of
										     step 1 */
	ck_assert_int_lt(migrate_run(db, &why), 0);
	ck_assert_int_eq(number("PRAGMA user_version"), 0);
	ck_assert_int_eq(number("SELECT count(*) FROM sqlite_schema"), 1);
	ck_assert_ptr_nonnull(strstr(why.text, "step 1"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("migrate");
	TCase *t = tcase_create("migrate");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_empty_file_is_brought_to_the_newest_schema);
	tcase_add_test(t, migrating_twice_changes_nothing);
	tcase_add_test(t, the_schema_needs_no_trust);
	tcase_add_test(t, every_statement_of_the_store_fits_the_schema);
	tcase_add_test(t, a_newer_schema_that_takes_us_is_left_as_it_is);
	tcase_add_test(t, a_newer_schema_that_refuses_us_is_named);
	tcase_add_test(t, a_version_that_no_migration_of_ours_noted_is_refused);
	tcase_add_test(t, approvals_and_calls_under_way_are_carried_from_schema_3_to_4);
	tcase_add_test(t, a_program_that_knows_no_messages_may_not_write_any_more);
	tcase_add_test(t, the_database_of_another_program_is_not_touched);
	tcase_add_test(t, a_step_that_fails_leaves_nothing);
	suite_add_tcase(s, t);
	return s;
}
