#include "unit/unit.h"
#include "base/buf.h"
#include "base/xalloc.h"

static struct buf b;

static void make(void)
{
	buf_init(&b, 100);
}

static void release(void)
{
	buf_release(&b);
}

START_TEST(text_grows_and_stays_a_c_string)
{
	ck_assert(buf_append(&b, "ab", 2));
	ck_assert(buf_append_char(&b, 'c'));
	ck_assert(buf_append_text(&b, "de"));
	ck_assert(buf_append_span(&b, SPAN("f")));
	ck_assert(buf_printf(&b, "%d-%s", 12, "x"));
	ck_assert_str_eq(b.data, "abcdef12-x");
	ck_assert_uint_eq(b.len, 10);
	ck_assert(span_is(buf_span(&b), "abcdef12-x"));
}
END_TEST

START_TEST(the_cap_can_be_filled_and_not_passed)
{
	for (int i = 0; i < 100; i++)
		ck_assert(buf_append_char(&b, 'x'));
	ck_assert(!buf_append_char(&b, 'y'));
	ck_assert(!buf_printf(&b, "%d", 1));
	ck_assert_ptr_null(buf_reserve(&b, 1));
	ck_assert_uint_eq(b.len, 100);
	ck_assert_uint_le(b.room, 100);
	ck_assert_uint_eq(strlen(b.data), 100);
	ck_assert(buf_append(&b, "", 0));
}
END_TEST

START_TEST(what_does_not_fit_changes_nothing)
{
	ck_assert(buf_append_text(&b, "abc"));
	ck_assert(!buf_append(&b, "", (size_t)98));
	ck_assert(!buf_append(&b, "", SIZE_MAX));
	ck_assert(!buf_printf(&b, "%0200d", 7));
	ck_assert_str_eq(b.data, "abc");
}
END_TEST

START_TEST(reserved_room_is_counted_when_filled)
{
	char *to = buf_reserve(&b, 10);

	memcpy(to, "0123", 4);
	buf_added(&b, 4);
	ck_assert_str_eq(b.data, "0123");
}
END_TEST

START_TEST(consuming_drops_the_head)
{
	buf_consume(&b, 0);
	ck_assert(buf_append_text(&b, "abcdef"));
	buf_consume(&b, 2);
	ck_assert_str_eq(b.data, "cdef");
	buf_consume(&b, 4);
	ck_assert_str_eq(b.data, "");
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(truncating_drops_the_tail)
{
	buf_clear(&b);
	buf_truncate(&b, 0);
	ck_assert(buf_append_text(&b, "abcdef"));
	buf_truncate(&b, 2);
	ck_assert_str_eq(b.data, "ab");
	buf_clear(&b);
	ck_assert_str_eq(b.data, "");
}
END_TEST

START_TEST(the_text_can_be_taken)
{
	CLEANUP(free_charp) char *nothing = buf_take(&b);
	ck_assert(buf_append_text(&b, "abc"));
	CLEANUP(free_charp) char *text = buf_take(&b);

	ck_assert_str_eq(nothing, "");
	ck_assert_str_eq(text, "abc");
	ck_assert_uint_eq(b.len, 0);
	ck_assert(!buf_printf(&b, "%0101d", 1));
	ck_assert(buf_printf(&b, "%0100d", 1));
}
END_TEST

START_TEST(a_zeroed_buffer_may_be_released)
{
	struct buf zero = { 0 };

	buf_release(&zero);
	ck_assert(!buf_append_char(&zero, 'x'));
	ck_assert(buf_append(&zero, NULL, 0));
	buf_release(&zero);
}
END_TEST

START_TEST(numbers_are_written_in_full)
{
	static const struct {
		int64_t n;
		const char *text;
	} numbers[] = { { 0, "0" }, { 7, "7" }, { -7, "-7" }, { 1000000, "1000000" },
		{ INT64_MAX, "9223372036854775807" }, { INT64_MIN, "-9223372036854775808" } };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct buf own;
		buf_init(&own, 20);
		ck_assert(buf_append_int(&own, numbers[i].n));
		ck_assert_str_eq(own.data, numbers[i].text);
		ck_assert(strlen(numbers[i].text) < 20 || !buf_append_int(&own, 0));
		buf_release(&own);
	}
}
END_TEST

START_TEST(a_long_text_is_printed_like_a_short_one)
{
	struct buf own;

	buf_init(&own, 1000);
	ck_assert(buf_printf(&own, "%255d%256d", 1, 2));
	ck_assert_uint_eq(own.len, 511);
	ck_assert_int_eq(own.data[254], '1');
	ck_assert_int_eq(own.data[510], '2');
	ck_assert(!buf_printf(&own, "%490d", 3));
	ck_assert_uint_eq(own.len, 511);
	buf_release(&own);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("buf");
	TCase *t = tcase_create("buf");

	tcase_add_checked_fixture(t, make, release);
	tcase_add_test(t, text_grows_and_stays_a_c_string);
	tcase_add_test(t, the_cap_can_be_filled_and_not_passed);
	tcase_add_test(t, what_does_not_fit_changes_nothing);
	tcase_add_test(t, reserved_room_is_counted_when_filled);
	tcase_add_test(t, consuming_drops_the_head);
	tcase_add_test(t, truncating_drops_the_tail);
	tcase_add_test(t, the_text_can_be_taken);
	tcase_add_test(t, a_zeroed_buffer_may_be_released);
	tcase_add_test(t, numbers_are_written_in_full);
	tcase_add_test(t, a_long_text_is_printed_like_a_short_one);
	suite_add_tcase(s, t);
	return s;
}
