/* Arguments as lines, and what changed between two. */
#include "unit/unit.h"
#include "broker/page_diff.h"

#define CAP 100000

static struct page_args lines_of(const char *json, size_t cap)
{
	struct page_args a;

	ck_assert(page_args_make(&a, span_of(json), cap));
	return a;
}

static void join(struct buf *b, const struct page_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		ck_assert((i == 0 || buf_append_char(b, '\n')) && buf_append_span(b, page_args_line(a, i)));
}

static void reads(const char *json, const char *expected)
{
	CLEANUP(page_args_release) struct page_args a = lines_of(json, CAP);
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, CAP);
	join(&b, &a);
	ck_assert_str_eq(b.data, expected);
	ck_assert_uint_eq(a.left_bytes, 0);
}

START_TEST(json_is_indented_and_nothing_else_changes)
{
	reads("{}", "{}");
	reads("[]", "[]");
	reads("\"a\"", "\"a\"");
	reads("{\"a\":1.50,\"b\":[true,null,{}],\"c\":{\"d\":\"x\"}}",
		"{\n  \"a\": 1.50,\n  \"b\": [\n    true,\n    null,\n    {}\n  ],\n  \"c\": {\n    \"d\": \"x\"\n  }\n}");
}
END_TEST

START_TEST(a_long_text_goes_on_behind_a_bar_after_each_line_end)
{
	reads("{\"t\":\"a\\nb\\\\nc\\n\"}", "{\n  \"t\": \"a\\n\n    \342\224\202 b\\\\nc\\n\"\n}");
	reads("\"a\\n\\nb\"", "\"a\\n\n  \342\224\202 \\n\n  \342\224\202 b\"");
}
END_TEST

START_TEST(a_key_is_told_from_its_value)
{
	CLEANUP(page_args_release) struct page_args a = lines_of("{\"k\":{\"m\":1}}", CAP);

	ck_assert_uint_eq(a.n, 5);
	ck_assert_uint_eq(a.lines[1].key, 5);
	ck_assert_uint_eq(a.lines[2].key, 7);
	ck_assert_uint_eq(a.lines[3].key, 0);
}
END_TEST

START_TEST(what_does_not_fit_is_counted_and_characters_stay_whole)
{
	CLEANUP(page_args_release) struct page_args a = lines_of("[\"aaaa\303\244bbbb\"]", 9);

	ck_assert_uint_eq(a.n, 2);
	ck_assert_str_eq(a.text.data, "[  \"aaaa");
	ck_assert_uint_eq(a.left_bytes, strlen("\303\244bbbb\"]"));
	for (size_t cap = 0; cap < 60; cap++) {
		CLEANUP(page_args_release) struct page_args b = lines_of("{\"a\":[1,2,{\"b\":\"x\\ny\"}]}", cap);
		ck_assert_uint_le(b.text.len, cap);
		ck_assert_msg(b.left_bytes > 0, "%zu", cap);
	}
}
END_TEST

START_TEST(what_is_no_json_is_refused)
{
	struct page_args a;

	ck_assert(!page_args_make(&a, SPAN("{"), CAP));
	ck_assert(!page_args_make(&a, SPAN(""), CAP));
}
END_TEST

/* ---- what changed ---- */

static void differs(const char *before, const char *after, const char *expected)
{
	CLEANUP(page_args_release) struct page_args a = lines_of(before, CAP), b = lines_of(after, CAP);
	CLEANUP(page_diff_release) struct page_diff d = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, CAP);
	ck_assert(page_diff_make(&d, &a, &b));
	for (size_t i = 0; i < d.n; i++) {
		const struct diff_row *row = &d.rows[i];
		if (row->kind == DIFF_SKIPPED)
			ck_assert(buf_printf(&out, "@%zu\n", row->at));
		else
			ck_assert(buf_append_char(&out, " -+"[row->kind]) && buf_append_span(&out, page_args_line(row->kind == DIFF_GONE ? &a : &b, row->at)) &&
				buf_append_char(&out, '\n'));
	}
	ck_assert_str_eq(out.data ? out.data : "", expected);
}

START_TEST(what_changed_stands_between_what_did_not)
{
	differs("{\"a\":1}", "{\"a\":1}", "");
	differs("{\"a\":1}", "{\"a\":2}", " {\n-  \"a\": 1\n+  \"a\": 2\n }\n");
	differs("{}", "{\"a\":1}", "-{}\n+{\n+  \"a\": 1\n+}\n");
	differs("{\"a\":1,\"c\":3}", "{\"a\":1,\"b\":2,\"c\":3}", " {\n   \"a\": 1,\n+  \"b\": 2,\n   \"c\": 3\n }\n");
	differs("{\"a\":1,\"b\":2}", "{\"a\":1}", " {\n   \"a\": 1\n-  \"b\": 2\n }\n");
	differs("[1,2,3,4,5,6,7,8,9]", "[1,2,3,4,5,6,7,8,0]", "@6\n   6,\n   7,\n   8,\n-  9\n+  0\n ]\n");
	differs("[0,2,3,4,5,6,7,8,9]", "[1,2,3,4,5,6,7,8,9]", " [\n-  0,\n+  1,\n   2,\n   3,\n   4,\n@6\n");
}
END_TEST

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static struct page_args some_lines(unsigned *seed)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, CAP);
	ck_assert(buf_append_text(&text, "[9"));
	for (unsigned n = next(seed) % 40; n > 0; n--)
		ck_assert(buf_printf(&text, ",%u", next(seed) % 4));
	ck_assert(buf_append_char(&text, ']'));
	return lines_of(text.data, CAP);
}

static bool is_same_line(const struct page_args *a, size_t i, const struct page_args *b, size_t j)
{
	struct span x = page_args_line(a, i), y = page_args_line(b, j);

	x.len -= x.at[x.len - 1] == ',';
	y.len -= y.at[y.len - 1] == ',';
	return span_equal(x, y);
}

/* Walking along it through both texts, every line is where it says. */
static void is_true(const struct page_diff *d, const struct page_args *a, const struct page_args *b)
{
	size_t x = 0, y = 0;

	for (size_t i = 0; i < d->n; i++) {
		size_t n = d->rows[i].kind == DIFF_SKIPPED ? d->rows[i].at : 1;
		bool is_gone = d->rows[i].kind == DIFF_GONE, is_new = d->rows[i].kind == DIFF_NEW;

		ck_assert(d->rows[i].kind == DIFF_SKIPPED || d->rows[i].at == (is_gone ? x : y));
		for (size_t k = 0; !is_gone && !is_new && k < n; k++)
			ck_assert(is_same_line(a, x + k, b, y + k));
		x += is_new ? 0 : n;
		y += is_gone ? 0 : n;
	}
	ck_assert(d->n == 0 ? a->n == b->n : x == a->n && y == b->n);
}

START_TEST(a_difference_is_true)
{
	unsigned seed = 1;

	for (int round = 0; round < 500; round++) {
		CLEANUP(page_args_release) struct page_args a = some_lines(&seed), b = some_lines(&seed);
		CLEANUP(page_diff_release) struct page_diff d = { 0 };

		ck_assert(page_diff_make(&d, &a, &b));
		is_true(&d, &a, &b);
	}
}
END_TEST

static struct page_args many_lines(int n)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, CAP);
	ck_assert(buf_append_text(&text, "[0"));
	for (int i = 1; i < n; i++)
		ck_assert(buf_printf(&text, ",%d", i));
	ck_assert(buf_append_char(&text, ']'));
	return lines_of(text.data, CAP);
}

START_TEST(too_many_changes_are_not_listed)
{
	CLEANUP(page_args_release) struct page_args one = many_lines(1), most = many_lines(1 + PAGE_DIFF_MAX), more = many_lines(2 + PAGE_DIFF_MAX);
	CLEANUP(page_diff_release) struct page_diff d = { 0 };

	ck_assert(!page_diff_make(&d, &one, &more));
	ck_assert_uint_eq(d.n, 0);
	ck_assert(page_diff_make(&d, &one, &most));
	is_true(&d, &one, &most);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("page_args");
	TCase *t = tcase_create("page_args");

	tcase_add_test(t, json_is_indented_and_nothing_else_changes);
	tcase_add_test(t, a_long_text_goes_on_behind_a_bar_after_each_line_end);
	tcase_add_test(t, a_key_is_told_from_its_value);
	tcase_add_test(t, what_does_not_fit_is_counted_and_characters_stay_whole);
	tcase_add_test(t, what_is_no_json_is_refused);
	tcase_add_test(t, what_changed_stands_between_what_did_not);
	tcase_add_test(t, a_difference_is_true);
	tcase_add_test(t, too_many_changes_are_not_listed);
	suite_add_tcase(s, t);
	return s;
}
