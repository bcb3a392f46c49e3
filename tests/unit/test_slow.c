#include "broker/slow.h"
#include <stdio.h>
#include "unit/unit.h"

START_TEST(each_failure_costs_more_up_to_a_limit_and_a_quiet_minute_is_forgotten)
{
	static const int64_t expected[] = { 0, 200, 400, 800, 1600, 3200, 5000, 5000 };
	struct slow s = { 0 };

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ck_assert_int_eq(slow_failure(&s, "10.0.0.1", 1000 + (int64_t)i), expected[i]);
	ck_assert_int_eq(slow_failure(&s, "10.0.0.2", 1010), 0);
	ck_assert_int_eq(slow_failure(&s, "10.0.0.1", 1007 + SLOW_FORGET_MS), SLOW_MOST_MS);
	ck_assert_int_eq(slow_failure(&s, "10.0.0.1", 1007 + 2 * SLOW_FORGET_MS + 1), 0);
}
END_TEST

START_TEST(many_addresses_push_out_the_one_that_was_quiet_longest)
{
	static struct slow s;
	char address[64];

	for (int i = 0; i < SLOW_ADDRESSES; i++) {
		snprintf(address, sizeof(address), "10.1.%d.%d", i / 256, i % 256);
		ck_assert_int_eq(slow_failure(&s, address, i), 0);
	}
	ck_assert_int_eq(slow_failure(&s, "10.1.0.0", 5000), 200);
	ck_assert_int_eq(slow_failure(&s, "10.2.0.0", 5001), 0);    /* in place of 10.1.0.1 */
	ck_assert_int_eq(slow_failure(&s, "10.1.0.1", 5002), 0);
	ck_assert_int_eq(slow_failure(&s, "10.1.0.0", 5003), 400);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("slow");
	TCase *t = tcase_create("slow");

	tcase_add_test(t, each_failure_costs_more_up_to_a_limit_and_a_quiet_minute_is_forgotten);
	tcase_add_test(t, many_addresses_push_out_the_one_that_was_quiet_longest);
	suite_add_tcase(s, t);
	return s;
}
