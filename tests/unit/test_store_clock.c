#include "unit/store_kit.h"

static struct kit kit;

static void setup(void)
{
	kit_init(&kit);
}

static void teardown(void)
{
	kit_release(&kit);
}

static int use(const char *key, int64_t window_ms, uint32_t max_count)
{
	return call_once(&kit, LIMITS({ key, window_ms, max_count }), DONE);
}

/* The machine loses power: what is on disk stays, nobody says goodbye. Works on a copy, since the
 * process here lives on. */
static void power_fails(void)
{
	CLEANUP(free_charp)
	char *copy = xasprintf(
		"cp -r %s %s.cut && rm -rf %s.cut/run", kit.folder, kit.folder, kit.folder);
	CLEANUP(free_charp)
	char *back = xasprintf("rm -rf %s && mv %s.cut %s", kit.folder, kit.folder, kit.folder);

	ck_assert_int_eq(system(copy), 0);
	kit_close(&kit);
	ck_assert_int_eq(system(back), 0);
}

START_TEST(time_goes_on_across_a_clean_reboot_by_the_wall_clock)
{
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	int64_t before = kit_tick(&kit);
	kit_close(&kit);
	hands_reboot(&kit.hands, "b2:1", 30 * MINUTE);
	kit_open(&kit);
	ck_assert_int_eq(kit_tick(&kit), before + 30 * MINUTE);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	hands_move(&kit.hands, 30 * MINUTE + GUARD + 1);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
}
END_TEST

START_TEST(a_wall_clock_that_went_back_across_a_reboot_frees_nothing)
{
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	int64_t before = kit_tick(&kit);
	kit_close(&kit);
	hands_reboot(&kit.hands, "b2:1", -100 * HOUR);
	kit_open(&kit);
	ck_assert_int_ge(kit_tick(&kit), before);
	hands_move(&kit.hands, HOUR);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	hands_move(&kit.hands, GUARD + 1);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
}
END_TEST

START_TEST(steps_of_the_wall_clock_before_the_last_use_do_not_count_at_a_reboot)
{
	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	kit.hands.wall_ms += 500 * HOUR;
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	int64_t before = kit_tick(&kit);
	kit_close(&kit);
	hands_reboot(&kit.hands, "b2:1", MINUTE);
	kit_open(&kit);
	ck_assert_int_eq(kit_tick(&kit), before + MINUTE);
	ck_assert_int_eq(use("k", HOUR, 2), COMMIT_LIMITED);
}
END_TEST

START_TEST(suspend_counts_as_time)
{
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	kit.hands.boot_ms += 2 * HOUR; /* and the wall clock has not noticed yet */
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
}
END_TEST

START_TEST(after_an_unclean_boot_short_windows_count_as_full_from_its_beginning)
{
	ck_assert_int_eq(use("short", 10 * MINUTE, 9), COMMITTED);
	ck_assert_int_eq(use("long", 11 * MINUTE, 9), COMMITTED);
	power_fails();
	hands_reboot(&kit.hands, "b2:1", HOUR); /* runs for 20 s by now */
	kit_open(&kit);
	ck_assert_int_eq(use("long", 11 * MINUTE, 9), COMMITTED);
	ck_assert_int_eq(use("short", 10 * MINUTE, 9), COMMIT_LIMITED);
	ck_assert_int_eq(use("never used", MINUTE, 9), COMMIT_LIMITED);
	hands_move(&kit.hands, 10 * MINUTE - 20 * SECOND + GUARD);
	ck_assert_int_eq(use("short", 10 * MINUTE, 9), COMMIT_LIMITED);
	hands_move(&kit.hands, 1);
	ck_assert_int_eq(use("short", 10 * MINUTE, 9), COMMITTED);
}
END_TEST

START_TEST(after_a_quiet_end_nothing_counts_as_lost)
{
	ck_assert_int_eq(use("k", MINUTE, 9), COMMITTED);
	while (store_next_due_ms(kit.store, kit.hands.mono_ms) >= 0) {
		hands_move(&kit.hands, store_next_due_ms(kit.store, kit.hands.mono_ms));
		store_idle(kit.store);
	}
	power_fails();
	hands_reboot(&kit.hands, "b2:1", HOUR);
	kit_open(&kit);
	ck_assert_int_eq(use("k", MINUTE, 9), COMMITTED);
}
END_TEST

START_TEST(the_refusal_after_an_unclean_boot_says_when_it_ends)
{
	struct job j;

	ck_assert_int_eq(use("k", MINUTE, 9), COMMITTED);
	power_fails();
	hands_reboot(&kit.hands, "b2:1", HOUR);
	kit_open(&kit);
	job_init(&j, &kit, LIMITS({ "k", MINUTE, 9 }));
	ck_assert_int_eq(job_commit(&j), COMMIT_LIMITED);
	ck_assert_int_eq(j.why.retry_after_ms, MINUTE - 20 * SECOND + GUARD + 1);
	job_release(&j);
}
END_TEST

START_TEST(the_first_process_of_each_boot_leaves_a_row)
{
	const char *boots = "SELECT count(*) FROM audit WHERE kind = 'boot'";

	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	ck_assert_int_eq(file_number(&kit, boots), 1);
	kit_close(&kit);
	kit_open(&kit);
	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	ck_assert_int_eq(file_number(&kit, boots), 1);
	kit_close(&kit);
	hands_reboot(&kit.hands, "b2:1", MINUTE);
	kit_open(&kit);
	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	ck_assert_int_eq(file_number(&kit, boots), 2);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM clock"), 1);
}
END_TEST

/* The same boot, seen with a boot clock that is so far ahead of the one in "b1:1". */
static void enter_namespace(const char *boot, int64_t ahead_ms)
{
	kit_close(&kit);
	snprintf(kit.hands.boot, sizeof(kit.hands.boot), "%s", boot);
	kit.hands.boot_ms += ahead_ms;
	kit_open(&kit);
}

START_TEST(a_time_namespace_cannot_make_time_pass)
{
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	enter_namespace("b1:ns77", 1000 * HOUR);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'boot'"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM clock"), 2);
}
END_TEST

START_TEST(a_time_namespace_that_says_how_far_it_is_ahead_needs_no_wall_clock)
{
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	int64_t before = kit_tick(&kit);
	kit.hands.wall_ms += 2 * HOUR;
	enter_namespace("b1:3600001", HOUR);
	ck_assert_int_eq(kit_tick(&kit), before);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	enter_namespace("b1:-3599999", -2 * HOUR);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	hands_move(&kit.hands, HOUR + SECOND);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
}
END_TEST

START_TEST(time_never_goes_back)
{
	int64_t last = kit_tick(&kit);

	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	kit.hands.boot_ms -= MINUTE;
	ck_assert_int_ge(kit_tick(&kit), last);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_clock");
	TCase *t = tcase_create("clock");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, time_goes_on_across_a_clean_reboot_by_the_wall_clock);
	tcase_add_test(t, a_wall_clock_that_went_back_across_a_reboot_frees_nothing);
	tcase_add_test(t, steps_of_the_wall_clock_before_the_last_use_do_not_count_at_a_reboot);
	tcase_add_test(t, suspend_counts_as_time);
	tcase_add_test(t, after_an_unclean_boot_short_windows_count_as_full_from_its_beginning);
	tcase_add_test(t, after_a_quiet_end_nothing_counts_as_lost);
	tcase_add_test(t, the_refusal_after_an_unclean_boot_says_when_it_ends);
	tcase_add_test(t, the_first_process_of_each_boot_leaves_a_row);
	tcase_add_test(t, a_time_namespace_cannot_make_time_pass);
	tcase_add_test(t, a_time_namespace_that_says_how_far_it_is_ahead_needs_no_wall_clock);
	tcase_add_test(t, time_never_goes_back);
	suite_add_tcase(s, t);
	return s;
}
