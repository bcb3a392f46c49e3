#include "unit/unit.h"
#include "broker/slack_text.h"

static const char *said(const char *text, size_t most, enum slack_carrier carrier)
{
	static struct buf b;

	buf_release(&b);
	buf_init(&b, 10000);
	ck_assert(buf_append_text(&b, ""));
	(void)slack_text(&b, span_of(text), most, carrier);
	return b.data;
}

START_TEST(markup_is_escaped_where_there_is_markup)
{
	ck_assert_str_eq(said("<!channel> <@U1> a&b <http://x|y>", 1000, SLACK_MRKDWN),
		"&lt;!channel&gt; &lt;@U1&gt; a&amp;b &lt;http://x|y&gt;");
	ck_assert_str_eq(said("<!channel> a&b", 1000, SLACK_LITERAL), "<!channel> a&b");
}
END_TEST

START_TEST(three_backticks_do_not_stay_together)
{
	ck_assert_str_eq(said("a```b", 1000, SLACK_MRKDWN), "a``\xe2\x80\x8b`b");
	ck_assert_str_eq(said("``````", 1000, SLACK_MRKDWN), "``\xe2\x80\x8b``\xe2\x80\x8b``");
	ck_assert_str_eq(said("`` `", 1000, SLACK_MRKDWN), "`` `");
	ck_assert_str_eq(said("```", 1000, SLACK_LITERAL), "```");
}
END_TEST

START_TEST(what_cannot_be_seen_is_shown)
{
	ck_assert_str_eq(said("a\xe2\x80\xae" "b", 1000, SLACK_LITERAL), "a\\u202Eb");
	ck_assert_str_eq(said("\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf\x1b\x7f", 1000, SLACK_MRKDWN), "\\u2066\\u200B\\uFEFF\\u001B\\u007F");
	ck_assert_str_eq(said("a\nb\tc\r", 1000, SLACK_LITERAL), "a\\nb\\tc\\r");
	ck_assert_str_eq(said("\xf3\xa0\x81\x81", 1000, SLACK_LITERAL), "\\uDB40\\uDC41"); /* U+E0041, a tag letter */
	ck_assert_str_eq(said("a\xff\xc3", 1000, SLACK_LITERAL), "a\\xFF\\xC3");
	ck_assert_str_eq(said("gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82", 1000, SLACK_MRKDWN), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82");
}
END_TEST

START_TEST(it_is_cut_between_characters_and_never_in_an_entity)
{
	struct buf b;

	ck_assert_str_eq(said("ab<cd", 5, SLACK_MRKDWN), "ab");
	ck_assert_str_eq(said("ab<cd", 6, SLACK_MRKDWN), "ab&lt;");
	ck_assert_str_eq(said("a\xc3\xbc", 2, SLACK_MRKDWN), "a");
	ck_assert_str_eq(said("a\xe2\x80\xae", 6, SLACK_LITERAL), "a");
	buf_init(&b, 100);
	ck_assert_uint_eq(slack_text(&b, SPAN("ab<cd"), 5, SLACK_MRKDWN), 3);
	ck_assert_uint_eq(slack_text(&b, SPAN("ab"), 2, SLACK_MRKDWN), 0);
	buf_release(&b);
	buf_init(&b, 3); /* the buffer's own end cuts too */
	ck_assert_uint_eq(slack_text(&b, SPAN("abcd"), 10, SLACK_LITERAL), 1);
	buf_release(&b);
}
END_TEST

START_TEST(a_line_that_was_cut_says_so_within_its_size)
{
	struct buf b;

	buf_init(&b, 100);
	ck_assert(slack_text_line(&b, "0123456789", 10, SLACK_LITERAL));
	ck_assert_str_eq(b.data, "0123456789");
	buf_clear(&b);
	ck_assert(slack_text_line(&b, "0123456789a", 10, SLACK_LITERAL));
	ck_assert_str_eq(b.data, "0123456\xe2\x80\xa6");
	buf_release(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("slack_text");
	TCase *t = tcase_create("slack_text");

	tcase_add_test(t, markup_is_escaped_where_there_is_markup);
	tcase_add_test(t, three_backticks_do_not_stay_together);
	tcase_add_test(t, what_cannot_be_seen_is_shown);
	tcase_add_test(t, it_is_cut_between_characters_and_never_in_an_entity);
	tcase_add_test(t, a_line_that_was_cut_says_so_within_its_size);
	suite_add_tcase(s, t);
	return s;
}
