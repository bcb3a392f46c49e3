/* pattern: what a glob matches. */
#include "domain/pattern.h"
#include "unit.h"

static const struct {
	const char *glob, *name;
	bool matches;
} cases[] = {
	{ "echo", "echo", true },
	{ "echo", "echo2", false },
	{ "echo", "Echo", false },
	{ "echo", "ech", false },
	{ "*", "", true },
	{ "*", "anything at all", true },
	{ "admin_*", "admin_reset", true },
	{ "admin_*", "admin", false },
	{ "*_reset", "admin_reset", true },
	{ "a*b*c", "a-b-b-c", true },
	{ "a*b*c", "a-c-b", false },
	{ "?", "x", true },
	{ "?", "", false },
	{ "?", "xy", false },
	{ "[a-c]x", "bx", true },
	{ "[a-c]x", "dx", false },
	{ "[!a-c]x", "dx", true },
	{ "[!a-c]x", "ax", false },
	{ "[]]", "]", true },
	{ "[*]", "*", true },
	{ "[*]", "x", false },
	{ "[a-]", "-", true },
	{ "x[", "x[", false },
	{ "**", "x", true },
};

START_TEST(table_cases)
{
	ck_assert_msg(pattern_match(cases[_i].glob, span_of(cases[_i].name)) == cases[_i].matches,
		"%s against %s", cases[_i].glob, cases[_i].name);
}
END_TEST

START_TEST(a_name_with_nul_is_matched_whole)
{
	ck_assert(!pattern_match("safe", SPAN("safe\0drop")));
	ck_assert(pattern_match("safe*", SPAN("safe\0drop")));
}
END_TEST

START_TEST(many_stars_do_not_explode)
{
	char name[2001];
	memset(name, 'a', sizeof(name));
	struct span long_name = { name, sizeof(name) };

	ck_assert(!pattern_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", long_name));
}
END_TEST

START_TEST(an_open_bracket_is_no_glob)
{
	size_t column = 99;

	ck_assert(!pattern_is_valid("list_[ab", &column));
	ck_assert_uint_eq(column, 5);
	ck_assert(!pattern_is_valid("", NULL));
	ck_assert(pattern_is_valid("list_[ab]*", NULL));
	ck_assert(pattern_is_glob("x?"));
	ck_assert(!pattern_is_glob("plain.name/x"));
}
END_TEST

START_TEST(the_first_match_of_many_is_named)
{
	char *globs[] = { (char *)"x*", (char *)"e*", (char *)"echo" };

	ck_assert_str_eq(pattern_match_any(globs, 3, SPAN("echo")), "e*");
	ck_assert_ptr_null(pattern_match_any(globs, 1, SPAN("echo")));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("pattern");
	TCase *t = tcase_create("pattern");

	tcase_add_loop_test(t, table_cases, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(t, a_name_with_nul_is_matched_whole);
	tcase_add_test(t, many_stars_do_not_explode);
	tcase_add_test(t, an_open_bracket_is_no_glob);
	tcase_add_test(t, the_first_match_of_many_is_named);
	suite_add_tcase(s, t);
	return s;
}
