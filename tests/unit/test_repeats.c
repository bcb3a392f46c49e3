/* repeats: the first of a kind is a row, the rest are counted. */
#include "shim/repeats.h"
#include "unit/unit.h"

static struct repeats r;

static void setup(void)
{
	repeats_init(&r);
}

static void teardown(void)
{
	repeats_release(&r);
}

static bool refused(const char *tool, int64_t at_ms)
{
	struct repeat_kind of = { EVIDENCE_REFUSED, "", tool, "denied" };

	return repeats_is_first(&r, &of, at_ms);
}

START_TEST(the_first_is_a_row_the_others_are_counted)
{
	ck_assert(refused("t", 1000));
	ck_assert(!refused("t", 2000));
	ck_assert(!refused("t", 3000));
	ck_assert_ptr_null(repeats_due(&r, 4000, false));

	struct repeat *one = repeats_due(&r, 1000 + REPEATS_EVERY_MS, false);
	ck_assert_ptr_nonnull(one);
	ck_assert_uint_eq(one->count, 2);
	ck_assert_int_eq(one->first_at_ms, 2000);
	ck_assert_int_eq(one->last_at_ms, 3000);
	ck_assert_str_eq(one->of.target, "t");
}
END_TEST

START_TEST(tools_and_verdicts_are_counted_apart)
{
	struct repeat_kind other = { EVIDENCE_REFUSED, "", "t", "rate" };

	ck_assert(refused("t", 0));
	ck_assert(refused("u", 0));
	ck_assert(repeats_is_first(&r, &other, 0));
}
END_TEST

START_TEST(at_the_end_everything_counted_is_handed_out_at_once)
{
	ck_assert(refused("t", 0));
	ck_assert(!refused("t", 1));
	struct repeat *one = repeats_due(&r, 2, true);
	ck_assert_ptr_nonnull(one);
	repeats_written(one, 2);
	ck_assert_ptr_null(repeats_due(&r, 2, true));
}
END_TEST

START_TEST(a_kind_that_fell_silent_is_a_row_again)
{
	ck_assert(refused("t", 0));
	ck_assert_ptr_null(repeats_due(&r, REPEATS_EVERY_MS, false));
	ck_assert(!repeats_is_waiting(&r));
	ck_assert(refused("t", REPEATS_EVERY_MS + 1));
}
END_TEST

START_TEST(one_that_goes_on_is_a_row_a_minute)
{
	int rows = 0;

	ck_assert(refused("t", 0));
	for (int64_t at = 1; at <= 10 * REPEATS_EVERY_MS; at += 1000) {
		ck_assert(!refused("t", at));
		for (struct repeat *one; (one = repeats_due(&r, at, false)); rows++)
			repeats_written(one, at);
	}
	ck_assert_int_ge(rows, 9);
	ck_assert_int_le(rows, 10);
}
END_TEST

START_TEST(kinds_without_number_take_bounded_room)
{
	int rows = 0;

	for (int i = 0; i < 100 * REPEATS_MAX; i++) {
		char tool[32];
		snprintf(tool, sizeof(tool), "t%d", i);
		rows += refused(tool, i);
	}
	ck_assert_int_le(rows, REPEATS_MAX + 8);
	ck_assert_uint_le(map_size(r.by_kind), REPEATS_MAX + 8);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("repeats");
	TCase *t = tcase_create("repeats");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_first_is_a_row_the_others_are_counted);
	tcase_add_test(t, tools_and_verdicts_are_counted_apart);
	tcase_add_test(t, at_the_end_everything_counted_is_handed_out_at_once);
	tcase_add_test(t, a_kind_that_fell_silent_is_a_row_again);
	tcase_add_test(t, one_that_goes_on_is_a_row_a_minute);
	tcase_add_test(t, kinds_without_number_take_bounded_room);
	suite_add_tcase(s, t);
	return s;
}
