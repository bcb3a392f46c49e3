/* progress: values under one token rise for the client, whoever they are from. */
#include "shim/progress.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include "unit/unit.h"

START_TEST(ours_are_small_and_rise)
{
	double last = 0;

	for (int i = 0; i < 1000; i++) {
		double next = progress_above(last);
		ck_assert(next > last);
		last = next;
	}
	ck_assert(last < 1.01);
}
END_TEST

START_TEST(theirs_pass_as_soon_as_they_are_above)
{
	ck_assert(progress_shown(0.06, 1) == 1);
	ck_assert(progress_shown(0.06, 0.07) == 0.07);
	ck_assert(progress_shown(0, 1e300) == 1e300);
}
END_TEST

START_TEST(theirs_below_or_equal_are_one_step_more)
{
	static const double sent[] = { 0, 0, -5, 0.05, 0.2, 0.2, 0.1, 50, 49, 100 };
	double last = 0.06;

	for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
		double shown = progress_shown(last, sent[i]);
		ck_assert(shown > last);
		last = shown;
	}
	ck_assert(last == 100);
}
END_TEST

START_TEST(they_rise_where_a_step_is_lost_in_the_size)
{
	static const double large[] = { 1e13, 9007199254740992.0, 1e17, -1e17, 1e300 };

	for (size_t i = 0; i < ARRAY_LEN(large); i++)
		ck_assert(progress_above(large[i]) > large[i]);
	ck_assert(!isfinite(progress_above(DBL_MAX)));
}
END_TEST

START_TEST(a_number_is_json_short_and_reads_back)
{
	static const struct { double value; const char *text; } numbers[] = {
		{ 0.001, "0.001" }, { 0.061, "0.061" }, { 3, "3" }, { -5, "-5" }, { 1e300, "1e+300" }, { 0.1 + 0.2, "0.30000000000000004" },
	};
	char text[PROGRESS_NUMBER_SIZE];
	double last = 0;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		progress_number(text, numbers[i].value);
		ck_assert_str_eq(text, numbers[i].text);
	}
	for (int i = 0; i < 5000; i++) {
		last = progress_above(last);
		progress_number(text, last);
		ck_assert(strtod(text, NULL) == last);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("progress");
	TCase *t = tcase_create("values");

	tcase_add_test(t, ours_are_small_and_rise);
	tcase_add_test(t, theirs_pass_as_soon_as_they_are_above);
	tcase_add_test(t, theirs_below_or_equal_are_one_step_more);
	tcase_add_test(t, they_rise_where_a_step_is_lost_in_the_size);
	tcase_add_test(t, a_number_is_json_short_and_reads_back);
	suite_add_tcase(s, t);
	return s;
}
