/* term, table: nothing an operator is shown may steer the terminal. */
#include "unit/unit.h"
#include "base/xalloc.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"

static const struct {
	const char *text, *shown;
} cases[] = {
	{ "plain text, \xc3\xa4\xe6\x97\xa5", "plain text, \xc3\xa4\xe6\x97\xa5" },
	{ "", "" },
	{ "a\x1b[2Jb", "a<U+001B>[2Jb" },
	{ "two\nlines\tand\r", "two\\nlines\\tand\\r" },
	{ "\x7f\xc2\x9b", "<U+007F><U+009B>" },
	{ "\xe2\x80\xae" "evil" "\xe2\x80\xac", "<U+202E>evil<U+202C>" },
	{ "\xe2\x81\xa6x\xe2\x81\xa9", "<U+2066>x<U+2069>" },
	{ "ad\xe2\x80\x8bmin", "ad<U+200B>min" },
	{ "\xef\xbb\xbf", "<U+FEFF>" },
	{ "\xf3\xa0\x81\x81", "<U+E0041>" },
	{ "\xff\xc0\xaf", "<0xFF><0xC0><0xAF>" },
	{ "cut \xe2\x80", "cut <0xE2><0x80>" },
	{ "\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b", "<U+001B><U+001B><U+001B><U+001B><U+001B><U+001B><U+001B><U+001B>" },
};

START_TEST(what_a_terminal_would_obey_or_hide_is_made_visible)
{
	CLEANUP(free_charp) char *shown = term_text(cases[_i].text);

	ck_assert_str_eq(shown, cases[_i].shown);
}
END_TEST

START_TEST(an_answer_keeps_its_lines_and_nothing_else)
{
	struct buf b CLEANUP(buf_release);

	buf_init(&b, 100);
	ck_assert(term_append(&b, SPAN("a\n\tb\r\x1b"), TERM_KEEP_LINES));
	ck_assert_str_eq(b.data, "a\n\tb\\r<U+001B>");
}
END_TEST

START_TEST(a_nul_byte_does_not_cut_the_text)
{
	struct buf b CLEANUP(buf_release);

	buf_init(&b, 100);
	ck_assert(term_append(&b, SPAN("a\0b"), TERM_ONE_LINE));
	ck_assert_str_eq(b.data, "a<U+0000>b");
}
END_TEST

START_TEST(columns_are_aligned_by_characters_and_cells_are_made_visible)
{
	static const char *const headings[] = { "agent", "tool" };
	CLEANUP(free_charp) char *shown = NULL;
	struct table t CLEANUP(table_release);
	size_t n = 0;
	FILE *to = open_memstream(&shown, &n);

	table_init(&t, headings, 2);
	table_add(&t, "\xc3\xa4");
	table_add(&t, "x\x1b[1m");
	table_add(&t, "somebody");
	table_addf(&t, "%d", 7);
	table_print(&t, to);
	fclose(to);
	ck_assert_str_eq(shown, "agent     tool\n"
		"\xc3\xa4         x<U+001B>[1m\n"
		"somebody  7\n");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("term");
	TCase *t = tcase_create("term");

	tcase_add_loop_test(t, what_a_terminal_would_obey_or_hide_is_made_visible, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(t, an_answer_keeps_its_lines_and_nothing_else);
	tcase_add_test(t, a_nul_byte_does_not_cut_the_text);
	tcase_add_test(t, columns_are_aligned_by_characters_and_cells_are_made_visible);
	suite_add_tcase(s, t);
	return s;
}
