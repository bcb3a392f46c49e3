/* Foreign text in a page stays text, and shows what it holds. */
#include "unit/unit.h"
#include "broker/html.h"

#define ODD(what) "<span class=odd>" what "</span>"

static void shows(struct span text, const char *expected)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 10000);
	ck_assert(html_text(&b, text));
	ck_assert_str_eq(b.data ? b.data : "", expected);
}

START_TEST(markup_is_text)
{
	shows(SPAN("<b a='1'>&amp;\"</b>"), "&lt;b a=&#39;1&#39;&gt;&amp;amp;&quot;&lt;/b&gt;");
	shows(SPAN("</title><script>"), "&lt;/title&gt;&lt;script&gt;");
	shows(SPAN(""), "");
	shows(SPAN("plain, \303\244 \344\270\255 \360\237\221\215"), "plain, \303\244 \344\270\255 \360\237\221\215");
}
END_TEST

START_TEST(what_cannot_be_seen_is_named)
{
	shows(SPAN("a\342\200\256b"), "a" ODD("\\u{202E}") "b");                 /* right-to-left override */
	shows(SPAN("\342\200\213"), ODD("\\u{200B}"));                           /* zero-width space */
	shows(SPAN("\033[2J"), ODD("\\u{1B}") "[2J");
	shows(SPAN("a\nb\0c"), "a" ODD("\\u{0A}") "b" ODD("\\u{00}") "c");
	shows(SPAN("\302\240"), ODD("\\u{A0}"));                                 /* looks like a blank */
	shows(SPAN("\343\200\200"), ODD("\\u{3000}"));
	shows(SPAN("\363\240\201\201"), ODD("\\u{E0041}"));                      /* a tag */
	shows(SPAN("\343\205\244"), ODD("\\u{3164}"));                           /* Hangul filler */
}
END_TEST

START_TEST(bytes_that_are_no_text_are_named)
{
	shows(SPAN("a\377b"), "a" ODD("\\x{FF}") "b");
	shows(SPAN("\303"), ODD("\\x{C3}"));
	shows(SPAN("\355\240\200"), ODD("\\x{ED}") ODD("\\x{A0}") ODD("\\x{80}"));      /* a surrogate */
	shows(SPAN("\300\274"), ODD("\\x{C0}") ODD("\\x{BC}"));                  /* an overlong '<' */
}
END_TEST

START_TEST(what_does_not_fit_leaves_nothing_half)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 10);
	ck_assert(buf_append_text(&b, "x"));
	ck_assert(!html_text(&b, SPAN("abcdefgh<")));
	ck_assert_str_eq(b.data, "x");
	ck_assert(html_text(&b, SPAN("abc<")));
	ck_assert_str_eq(b.data, "xabc&lt;");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("html");
	TCase *t = tcase_create("html");

	tcase_add_test(t, markup_is_text);
	tcase_add_test(t, what_cannot_be_seen_is_named);
	tcase_add_test(t, bytes_that_are_no_text_are_named);
	tcase_add_test(t, what_does_not_fit_leaves_nothing_half);
	suite_add_tcase(s, t);
	return s;
}
