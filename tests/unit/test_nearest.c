#include "unit/unit.h"
#include "base/nearest.h"

static const char *const words[] = { "audit list", "config check", "limits", "call", "repair", "window" };

static const char *near_to(const char *typed)
{
	return nearest_word(span_of(typed), words, ARRAY_LEN(words));
}

START_TEST(one_slip_finds_the_word)
{
	ck_assert_str_eq(near_to("limts"), "limits");
	ck_assert_str_eq(near_to("limitss"), "limits");
	ck_assert_str_eq(near_to("kall"), "call");
	ck_assert_str_eq(near_to("repiar"), "repair");
	ck_assert_str_eq(near_to("audit lsit"), "audit list");
	ck_assert_str_eq(near_to("call"), "call");
}
END_TEST

START_TEST(something_else_is_near_nothing)
{
	ck_assert_ptr_null(near_to("xyzzy"));
	ck_assert_ptr_null(near_to("ca"));
	ck_assert_ptr_null(near_to(""));
	ck_assert_ptr_null(near_to("limitslimitslimitslimitslimitslimitslimitslimitslimitslimitslimits"));
}
END_TEST

START_TEST(the_nearer_of_two_wins)
{
	const char *const both[] = { "max_coins", "max_count" };
	ck_assert_str_eq(nearest_word(SPAN("max_cout"), both, 2), "max_count");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("nearest");
	TCase *t = tcase_create("words");

	tcase_add_test(t, one_slip_finds_the_word);
	tcase_add_test(t, something_else_is_near_nothing);
	tcase_add_test(t, the_nearer_of_two_wins);
	suite_add_tcase(s, t);
	return s;
}
