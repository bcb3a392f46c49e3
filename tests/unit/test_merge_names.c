/* merge_names: what a client sees leads back to one backend and its own name. */
#include "base/xalloc.h"
#include "shim/merge_names.h"
#include "unit/unit.h"

static char *shown(const char *backend, const char *name)
{
	struct buf out;

	buf_init(&out, 4096);
	ck_assert(merge_name_write(backend, span_of(name), &out));
	return buf_take(&out);
}

static char *repeated(const char *text, size_t times)
{
	struct buf out;

	buf_init(&out, 4096);
	while (times-- > 0)
		ck_assert(buf_append_text(&out, text));
	return buf_take(&out);
}

/* ---- names ----------------------------------------------------------------------------------------------------------------- */
static const struct { const char *backend, *name, *shown; } plain[] = {
	{ "demo", "echo", "demo__echo" },
	{ "a-b_c", "x", "a-b_c__x" },
	{ "a", "b__x", "a__b__x" },
	{ "a", "_x", "a___x" },
	{ "a", "\xc3\xa4 .", "a__\xc3\xa4 ." },
};

START_TEST(a_name_leads_back_to_its_backend_and_to_itself)
{
	CLEANUP(free_charp) char *text = shown(plain[_i].backend, plain[_i].name);
	struct span name;

	ck_assert_str_eq(text, plain[_i].shown);
	ck_assert(merge_name_split(span_of(text), plain[_i].backend, &name));
	ck_assert(span_is(name, plain[_i].name));
	ck_assert(!merge_name_may_be_cut(span_of(text), name));
}
END_TEST

START_TEST(a_name_of_no_backend_is_not_split)
{
	static const char *const others[] = { "", "demo", "demo_", "demo__", "demo_echo", "Demo__echo", "xdemo__echo", "dem__echo" };
	struct span name;

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		ck_assert_msg(!merge_name_split(span_of(others[i]), "demo", &name), "%s", others[i]);
}
END_TEST

START_TEST(a_name_of_64_bytes_stays_and_a_longer_one_is_cut_to_64)
{
	CLEANUP(free_charp) char *fits = repeated("n", 58), *longer = repeated("n", 59);
	CLEANUP(free_charp) char *whole = shown("demo", fits), *cut = shown("demo", longer);
	struct span name;

	ck_assert_uint_eq(strlen(whole), 64);
	ck_assert_uint_eq(strlen(cut), 64);
	ck_assert(merge_name_split(span_of(whole), "demo", &name) && !merge_name_may_be_cut(span_of(whole), name));
	ck_assert(merge_name_split(span_of(cut), "demo", &name) && merge_name_may_be_cut(span_of(cut), name));
}
END_TEST

START_TEST(names_that_differ_only_where_they_were_cut_stay_apart)
{
	CLEANUP(free_charp) char *same = repeated("very_", 20);
	struct buf a, b;

	buf_init(&a, 256);
	buf_init(&b, 256);
	ck_assert(buf_printf(&a, "%sone", same) && buf_printf(&b, "%stwo", same));
	CLEANUP(free_charp) char *shown_a = shown("demo", a.data), *shown_b = shown("demo", b.data);
	ck_assert_str_ne(shown_a, shown_b);
	ck_assert_int_eq(strncmp(shown_a, shown_b, 55), 0);
	buf_release(&a);
	buf_release(&b);
}
END_TEST

START_TEST(a_cut_ends_between_two_characters)
{
	for (size_t before = 0; before < 4; before++) {
		CLEANUP(free_charp) char *start = repeated("n", before), *rest = repeated("\xf0\x9f\x98\x80", 30);
		struct buf name;
		buf_init(&name, 256);
		ck_assert(buf_printf(&name, "%s%s", start, rest));
		CLEANUP(free_charp) char *text = shown("demo", name.data);
		struct span tail;
		ck_assert_uint_le(strlen(text), 64);
		ck_assert_uint_ge(strlen(text), 61);
		ck_assert_uint_eq((strlen(text) - strlen("demo__") - before - 9) % 4, 0);
		ck_assert(merge_name_split(span_of(text), "demo", &tail) && merge_name_may_be_cut(span_of(text), tail));
		buf_release(&name);
	}
}
END_TEST

START_TEST(a_backends_name_that_leaves_no_room_is_not_cut)
{
	CLEANUP(free_charp) char *backend = repeated("b", 64), *text = shown(backend, "echo");
	struct span name;

	ck_assert_uint_eq(strlen(text), 70);
	ck_assert(merge_name_split(span_of(text), backend, &name) && span_is(name, "echo"));
	ck_assert(!merge_name_may_be_cut(span_of(text), name));
}
END_TEST

START_TEST(backends_clash_when_one_name_could_be_both)
{
	ck_assert(merge_names_clash("a", "a_"));
	ck_assert(merge_names_clash("a", "a"));
	ck_assert(!merge_names_clash("a_", "a"));       /* asked for both ways */
	ck_assert(!merge_names_clash("a", "b"));
	ck_assert(!merge_names_clash("a", "a_b"));
	ck_assert(!merge_names_clash("a", "ab"));
	ck_assert(!merge_names_clash("a", "A_"));
}
END_TEST

/* ---- URIs --------------------------------------------------------------------------------------------------------------------- */
static const char *const uris[] = { "file:///x?y=1#z", "file:///{path}", "demo://a/b/../c", "x", "/", "", "aegis:b/x", "urn:a:b%20c" };

START_TEST(a_uri_leads_back_to_its_backend_and_to_itself)
{
	struct buf out;
	struct span backend, uri;

	buf_init(&out, 4096);
	ck_assert(merge_uri_write("Some_b-1", span_of(uris[_i]), &out));
	ck_assert_int_eq(strncmp(out.data, "aegis:Some_b-1/", 15), 0);
	ck_assert(merge_uri_split(buf_span(&out), &backend, &uri));
	ck_assert(span_is(backend, "Some_b-1"));
	ck_assert(span_is(uri, uris[_i]));
	buf_release(&out);
}
END_TEST

START_TEST(a_page_of_an_app_keeps_its_scheme)
{
	struct buf out;
	struct span backend, uri;

	buf_init(&out, 4096);
	ck_assert(merge_uri_write("b", SPAN("ui://weather/app.html"), &out));
	ck_assert_str_eq(out.data, "ui://aegis.b/ui://weather/app.html");
	ck_assert(merge_uri_split(buf_span(&out), &backend, &uri));
	ck_assert(span_is(backend, "b") && span_is(uri, "ui://weather/app.html"));
	buf_release(&out);
}
END_TEST

START_TEST(a_uri_without_the_prefix_is_not_split)
{
	struct span backend, uri;

	ck_assert(!merge_uri_split(SPAN("file:///x"), &backend, &uri));
	ck_assert(!merge_uri_split(SPAN("aegis:"), &backend, &uri));
	ck_assert(!merge_uri_split(SPAN("aegis:demo"), &backend, &uri));
	ck_assert(!merge_uri_split(SPAN("AEGIS:demo/x"), &backend, &uri));
	ck_assert(!merge_uri_split(SPAN("ui://aegis.b/x"), &backend, &uri));
	ck_assert(!merge_uri_split(SPAN("aegis:b/ui://x"), &backend, &uri));
	ck_assert(!merge_uri_split((struct span){ 0 }, &backend, &uri));
}
END_TEST

START_TEST(a_cap_that_would_be_passed_is_an_answer)
{
	struct buf out;

	buf_init(&out, 8);
	ck_assert(!merge_name_write("demo", SPAN("echo"), &out));
	buf_clear(&out);
	ck_assert(!merge_uri_write("demo", SPAN("x:y"), &out));
	buf_release(&out);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("merge_names");
	TCase *t = tcase_create("names");

	tcase_add_loop_test(t, a_name_leads_back_to_its_backend_and_to_itself, 0, ARRAY_LEN(plain));
	tcase_add_test(t, a_name_of_no_backend_is_not_split);
	tcase_add_test(t, a_name_of_64_bytes_stays_and_a_longer_one_is_cut_to_64);
	tcase_add_test(t, names_that_differ_only_where_they_were_cut_stay_apart);
	tcase_add_test(t, a_cut_ends_between_two_characters);
	tcase_add_test(t, a_backends_name_that_leaves_no_room_is_not_cut);
	tcase_add_test(t, backends_clash_when_one_name_could_be_both);
	suite_add_tcase(s, t);
	t = tcase_create("uris");
	tcase_add_loop_test(t, a_uri_leads_back_to_its_backend_and_to_itself, 0, ARRAY_LEN(uris));
	tcase_add_test(t, a_page_of_an_app_keeps_its_scheme);
	tcase_add_test(t, a_uri_without_the_prefix_is_not_split);
	tcase_add_test(t, a_cap_that_would_be_passed_is_an_answer);
	suite_add_tcase(s, t);
	return s;
}
