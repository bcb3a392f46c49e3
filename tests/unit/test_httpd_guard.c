#include "broker/httpd_guard.h"
#include "unit/unit.h"

struct line { const char *name, *value; };

static const char *fault_of(const struct line *lines)
{
	struct framing f = { 0 };

	for (; lines->name; lines++)
		framing_note(&f, span_of(lines->name), span_of(lines->value));
	return framing_fault(&f);
}

START_TEST(one_host_and_one_length_are_beyond_doubt)
{
	const struct line plain[] = { { "Host", "a" }, { "content-length", "3" }, { "X-Other", "\tä" }, { 0 } };
	const struct line chunked[] = { { "host", "a" }, { "Transfer-Encoding", "Chunked" }, { 0 } };

	ck_assert_ptr_null(fault_of(plain));
	ck_assert_ptr_null(fault_of(chunked));
}
END_TEST

static const struct line doubtful[][5] = {
	{ { "Accept", "x" } },
	{ { "Host", "a" }, { "HOST", "b" } },
	{ { "Host", "a" }, { "Content-Length", "3" }, { "content-length", "3" } },
	{ { "Host", "a" }, { "Content-Length", "3" }, { "Transfer-Encoding", "chunked" } },
	{ { "Host", "a" }, { "Transfer-Encoding", "gzip" } },
	{ { "Host", "a" }, { "Transfer-Encoding", "chunked, chunked" } },
	{ { "Host", "a" }, { "Transfer-Encoding", "chunked" }, { "Transfer-Encoding", "chunked" } },
	{ { "Host", "a" }, { "Content-Length ", "3" } },
	{ { "Host", "a" }, { "", "3" } },
	{ { "Host", "a\nX-Other: b" } },
	{ { "Host", "a" }, { "X", "\x01" } },
};

START_TEST(what_two_readers_could_understand_differently_is_refused)
{
	ck_assert_msg(fault_of(doubtful[_i]) != NULL, "case %d", _i);
}
END_TEST

START_TEST(a_target_is_a_path_without_nul_blanks_or_controls)
{
	static const char *const good[] = { "/", "/a?b=c%20d", "/%41", "/%0" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_msg(framing_target_is_plain(span_of(good[i])), "%s", good[i]);
	static const char *const bad[] = { "", "a", "*", "http://a/", "/a%00b", "/%00", "/a b", "/a\tb", "/a\x7f" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!framing_target_is_plain(span_of(bad[i])), "%s", bad[i]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("httpd_guard");
	TCase *t = tcase_create("guard");

	tcase_add_test(t, one_host_and_one_length_are_beyond_doubt);
	tcase_add_loop_test(t, what_two_readers_could_understand_differently_is_refused, 0, ARRAY_LEN(doubtful));
	tcase_add_test(t, a_target_is_a_path_without_nul_blanks_or_controls);
	suite_add_tcase(s, t);
	return s;
}
