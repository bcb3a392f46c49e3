/* A database of a newer Aegis is refused or used as its own meta says, under running processes too. */
#include "store/migrate.h"
#include "unit/store_kit.h"

static struct kit kit;

static void setup(void)
{
	kit_init(&kit);
}

static void teardown(void)
{
	if (kit.store)
		kit_close(&kit);
	scratch_remove(kit.folder);
}

static int use(void)
{
	return call_once(&kit, LIMITS({ "k", HOUR, 1000 }), DONE);
}

static void sql_our_version(void)
{
	char text[64];

	snprintf(text, sizeof(text), "PRAGMA user_version = %d", store_schema_n);
	kit_sql(&kit, text);
}

START_TEST(a_newer_database_that_refuses_us_is_refused)
{
	kit_sql(&kit, "PRAGMA user_version = 99; UPDATE meta SET min_writer = 99");
	ck_assert_int_eq(use(), ERR_STORE_NEWER);
	kit_close(&kit);
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_NEWER);
	ck_assert_ptr_nonnull(strstr(kit.why.text, "newer"));
	kit_sql(&kit, "UPDATE meta SET min_writer = 1");
	sql_our_version();
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
}
END_TEST

START_TEST(a_newer_database_that_still_takes_us_is_used)
{
	kit_sql(&kit, "PRAGMA user_version = 99; UPDATE meta SET schema = 99;"
		" ALTER TABLE flight ADD COLUMN later TEXT NOT NULL DEFAULT ''");
	ck_assert_int_eq(use(), COMMITTED);
	kit_close(&kit);
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
}
END_TEST

START_TEST(a_version_nobody_noted_is_refused_while_it_stands)
{
	kit_sql(&kit, "PRAGMA user_version = 99");
	ck_assert_int_eq(use(), ERR_STORE_NEWER);
	kit_close(&kit);
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_NEWER);
	sql_our_version();
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_newer");
	TCase *t = tcase_create("newer");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_newer_database_that_refuses_us_is_refused);
	tcase_add_test(t, a_newer_database_that_still_takes_us_is_used);
	tcase_add_test(t, a_version_nobody_noted_is_refused_while_it_stands);
	suite_add_tcase(s, t);
	return s;
}
