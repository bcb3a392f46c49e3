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

START_TEST(a_window_admits_max_count_and_no_more)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(use("k", HOUR, 3), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 3), COMMIT_LIMITED);
	ck_assert_int_eq(use("other", HOUR, 3), COMMITTED);
}
END_TEST

START_TEST(a_place_is_free_when_the_use_is_older_than_the_window_and_the_guard)
{
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	hands_move(&kit.hands, MINUTE + GUARD);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	hands_move(&kit.hands, 1);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
}
END_TEST

START_TEST(a_refund_gives_the_place_back)
{
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 1 }), REFUND), COMMITTED);
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 1 }), UNKNOWN), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
}
END_TEST

static Suite *limits(void)
{
	Suite *s = suite_create("store_limits");
	TCase *t = tcase_create("limits");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_window_admits_max_count_and_no_more);
	tcase_add_test(t, a_place_is_free_when_the_use_is_older_than_the_window_and_the_guard);
	tcase_add_test(t, a_refund_gives_the_place_back);
	suite_add_tcase(s, t);
	return s;
}

Suite *suite(void)
{
	return limits();
}
