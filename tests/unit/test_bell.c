/* A descriptor that is readable when its time has come. */
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>
#include "base/clock.h"
#include "store/bell.h"
#include "unit/unit.h"

static int bell;

static void setup(void)
{
	bell = bell_open();
	ck_assert_int_ge(bell, 0);
}

static void teardown(void)
{
	close(bell);
}

static bool rings_within(int ms)
{
	return poll(&(struct pollfd){ .fd = bell, .events = POLLIN }, 1, ms) == 1;
}

START_TEST(it_is_silent_until_set)
{
	ck_assert(!rings_within(20));
}
END_TEST

START_TEST(now_is_now_and_lasts_until_it_is_set_again)
{
	bell_set(bell, BELL_NOW);
	ck_assert(rings_within(1000));
	ck_assert(rings_within(0));
	bell_set(bell, BELL_NEVER);
	ck_assert(!rings_within(20));
	bell_set(bell, BELL_NOW);
	ck_assert(rings_within(1000));
	bell_set(bell, 60000);
	ck_assert(!rings_within(20));
}
END_TEST

START_TEST(it_waits_its_time)
{
	int64_t start = clock_mono_us();

	bell_set(bell, 1100);
	ck_assert(rings_within(20000));
	ck_assert_int_ge(clock_mono_us() - start, 1100000);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("bell");
	TCase *t = tcase_create("bell");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, it_is_silent_until_set);
	tcase_add_test(t, now_is_now_and_lasts_until_it_is_set_again);
	tcase_add_test(t, it_waits_its_time);
	suite_add_tcase(s, t);
	return s;
}
