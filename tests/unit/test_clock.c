#include "unit/unit.h"
#include <string.h>
#include <sys/time.h>
#include "base/clock.h"

START_TEST(clocks_go_forward)
{
	int64_t boot = clock_boot_ms(), mono = clock_mono_us(), boot_since;

	ck_assert_int_gt(boot, 0);
	do /* until the coarser one has moved */
		boot_since = clock_boot_ms() - boot;
	while (boot_since == 0);
	ck_assert_int_gt(boot_since, 0);
	ck_assert_int_ge(clock_mono_us() - mono, boot_since * 1000 - 1000);
}
END_TEST

START_TEST(wall_time_is_the_time_of_day_in_ms)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	int64_t apart = clock_wall_ms() - ((int64_t)now.tv_sec * 1000 + now.tv_usec / 1000);
	ck_assert_int_ge(apart, 0);
	ck_assert_int_lt(apart, 60000);
}
END_TEST

START_TEST(the_boot_has_one_name)
{
	char a[128], b[128], small[5];

	clock_boot_name(a, sizeof(a));
	clock_boot_name(b, sizeof(b));
	ck_assert_str_eq(a, b);
	ck_assert_ptr_nonnull(strchr(a, ':'));
	ck_assert_uint_gt(strlen(a), 30);
	ck_assert_uint_eq(strcspn(a, " \n"), strlen(a));
	clock_boot_name(small, sizeof(small));
	ck_assert_uint_eq(strlen(small), 4);
}
END_TEST

static const struct {
	int64_t ms;
	const char *text;
} times[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ 1795169730123, "2026-11-20T10:15:30.123Z" },
	{ 951782400007, "2000-02-29T00:00:00.007Z" },
	{ 253402300799999, "9999-12-31T23:59:59.999Z" },
	{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
	{ -1, "1970-01-01T00:00:00.000Z" },
};

START_TEST(utc_is_written_with_ms)
{
	char text[25];

	clock_format_utc(times[_i].ms, text, sizeof(text));
	ck_assert_str_eq(text, times[_i].text);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("clock");

	tcase_add_test(t, clocks_go_forward);
	tcase_add_test(t, wall_time_is_the_time_of_day_in_ms);
	tcase_add_test(t, the_boot_has_one_name);
	tcase_add_loop_test(t, utc_is_written_with_ms, 0, ARRAY_LEN(times));
	suite_add_tcase(s, t);
	return s;
}
