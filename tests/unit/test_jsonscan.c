#include "unit/unit.h"
#include "base/buf.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

static enum jsonscan_fault check(struct span text)
{
	struct json_value root;

	/* A copy of exactly its size, so that a sanitizer sees every byte read beyond. */
	char *copy = xmalloc(text.len);
	if (text.len)
		memcpy(copy, text.at, text.len);
	enum jsonscan_fault f = jsonscan_check((struct span){ copy, text.len }, &root, NULL);
	free(copy);
	return f;
}

static struct json_value parse(const char *text)
{
	struct json_value root = { 0 };
	enum jsonscan_fault f = jsonscan_check(span_of(text), &root, NULL);

	ck_assert_msg(f == JSONSCAN_OK, "%s: %s", text, jsonscan_fault_text(f));
	return root;
}

static void ck_canonical(const char *text, const char *expected)
{
	struct buf b;

	buf_init(&b, 1000);
	ck_assert(json_canonical(parse(text), &b));
	ck_assert_str_eq(b.len ? b.data : "", expected);
	buf_release(&b);
}

/* ---- what is JSON -------------------------------------------------------------------------------------------------------- */

static const char *const good[] = {
	"{}", "[]", " [ ] ", "\t{\r\n}\n", "0", "-0", "-1", "10", "1.5", "1e5", "1E+5", "1.25e-5", "1e400", "123456789012345678901234567890",
	"0.1", "0e0", "true", "false", "null", "\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\uD83D\\uDE00\"",
	"\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"", "\"\x7f\"", "\"caf\xc3\xa9\"", "\"\xe4\xb8\xad\"", "\"\xf0\x9f\x98\x80\"",
	"\"\xef\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\"", "\"\xed\x9f\xbf\"", "[1,2,3]", "[[],{},[[]]]", "{\"a\":1,\"b\":[{\"a\":1}],\"A\":2}",
	"{\"\":1}", "{\"a\":{\"a\":{\"a\":1}}}", "[{\"a\":1},{\"a\":1}]", "[ 1 , 2 ]", "{ \"a\" : 1 , \"b\" : 2 }",
	"{\"a\\u0062\":1,\"ab \":2}", "{\"\\uD83D\\uDE00\":1,\"\\uD83D\\uDE01\":2}",
};

START_TEST(accepts_every_form_of_rfc_8259)
{
	enum jsonscan_fault f = check(span_of(good[_i]));

	ck_assert_msg(f == JSONSCAN_OK, "%s: %s", good[_i], jsonscan_fault_text(f));
}
END_TEST

static const struct {
	const char *text;
	enum jsonscan_fault fault;
	size_t offset;
} bad[] = {
	{ "", JSONSCAN_EMPTY, 0 },
	{ " \n", JSONSCAN_EMPTY, 2 },
	{ "\xef\xbb\xbf{}", JSONSCAN_SYNTAX, 0 },
	{ "{}{}", JSONSCAN_TRAILING, 2 },
	{ "1 2", JSONSCAN_TRAILING, 2 },
	{ "{\"name\":\"a\"}{\"name\":\"b\"}", JSONSCAN_TRAILING, 12 },
	{ "01", JSONSCAN_TRAILING, 1 },
	{ "-01", JSONSCAN_TRAILING, 2 },
	{ "-", JSONSCAN_SYNTAX, 1 },
	{ "+1", JSONSCAN_SYNTAX, 0 },
	{ "1.", JSONSCAN_SYNTAX, 2 },
	{ ".5", JSONSCAN_SYNTAX, 0 },
	{ "-.5", JSONSCAN_SYNTAX, 1 },
	{ "1e", JSONSCAN_SYNTAX, 2 },
	{ "1e+", JSONSCAN_SYNTAX, 3 },
	{ "0x10", JSONSCAN_TRAILING, 1 },
	{ "NaN", JSONSCAN_SYNTAX, 0 },
	{ "Infinity", JSONSCAN_SYNTAX, 0 },
	{ "-Infinity", JSONSCAN_SYNTAX, 1 },
	{ "nul", JSONSCAN_SYNTAX, 0 },
	{ "True", JSONSCAN_SYNTAX, 0 },
	{ "truex", JSONSCAN_TRAILING, 4 },
	{ "\"", JSONSCAN_SYNTAX, 1 },
	{ "\"abc", JSONSCAN_SYNTAX, 4 },
	{ "\"abcdefghijkl", JSONSCAN_SYNTAX, 13 },
	{ "\"\\\"", JSONSCAN_SYNTAX, 3 },
	{ "\"\\", JSONSCAN_SYNTAX, 1 },
	{ "\"\\u", JSONSCAN_SYNTAX, 1 },
	{ "\"\\u12\"", JSONSCAN_SYNTAX, 1 },
	{ "\"\\u123g\"", JSONSCAN_SYNTAX, 1 },
	{ "\"\\x41\"", JSONSCAN_SYNTAX, 1 },
	{ "\"\\a\"", JSONSCAN_SYNTAX, 1 },
	{ "\"\\'\"", JSONSCAN_SYNTAX, 1 },
	{ "\"tab\there\"", JSONSCAN_SYNTAX, 4 },
	{ "\"line\nbreak\"", JSONSCAN_SYNTAX, 5 },
	{ "\"12345678\x1f\"", JSONSCAN_SYNTAX, 9 },
	{ "'a'", JSONSCAN_SYNTAX, 0 },
	{ "[1,]", JSONSCAN_SYNTAX, 3 },
	{ "[,1]", JSONSCAN_SYNTAX, 1 },
	{ "[1 2]", JSONSCAN_SYNTAX, 3 },
	{ "[1}", JSONSCAN_SYNTAX, 2 },
	{ "{\"a\":1]", JSONSCAN_SYNTAX, 6 },
	{ "[", JSONSCAN_SYNTAX, 1 },
	{ "{", JSONSCAN_SYNTAX, 1 },
	{ "]", JSONSCAN_SYNTAX, 0 },
	{ "{\"a\"", JSONSCAN_SYNTAX, 4 },
	{ "{\"a\":", JSONSCAN_SYNTAX, 5 },
	{ "{\"a\":1", JSONSCAN_SYNTAX, 6 },
	{ "{\"a\":1,", JSONSCAN_SYNTAX, 7 },
	{ "{\"a\":1,}", JSONSCAN_SYNTAX, 7 },
	{ "{\"a\" 1}", JSONSCAN_SYNTAX, 5 },
	{ "{a:1}", JSONSCAN_SYNTAX, 1 },
	{ "{1:1}", JSONSCAN_SYNTAX, 1 },
	{ "{'s':1}", JSONSCAN_SYNTAX, 1 },
	{ "[1]//x", JSONSCAN_TRAILING, 3 },
	{ "/**/1", JSONSCAN_SYNTAX, 0 },
	{ "\v1", JSONSCAN_SYNTAX, 0 },
	{ "\xc2\xa0"
	  "1",
		JSONSCAN_SYNTAX, 0 },
	{ "\"\x80\"", JSONSCAN_UTF8, 1 },             /* a tail without lead */
	{ "\"\xff\"", JSONSCAN_UTF8, 1 },
	{ "\"\xc3\"", JSONSCAN_UTF8, 1 },             /* a lead without tail */
	{ "\"\xe4\xb8\"", JSONSCAN_UTF8, 1 },
	{ "\"\xe4\xb8", JSONSCAN_UTF8, 1 },
	{ "\"\xc0\xaf\"", JSONSCAN_UTF8, 1 },         /* overlong */
	{ "\"\xc1\xbf\"", JSONSCAN_UTF8, 1 },
	{ "\"\xe0\x9f\xbf\"", JSONSCAN_UTF8, 1 },
	{ "\"\xf0\x8f\xbf\xbf\"", JSONSCAN_UTF8, 1 },
	{ "\"\xed\xa0\x80\"", JSONSCAN_UTF8, 1 },     /* a surrogate */
	{ "\"\xf4\x90\x80\x80\"", JSONSCAN_UTF8, 1 }, /* above U+10FFFF */
	{ "\"\xf8\x88\x80\x80\x80\"", JSONSCAN_UTF8, 1 },
	{ "\"\xe4\xb8\xad\xc3(\"", JSONSCAN_UTF8, 4 },
	{ "{\"name\":\"safe\",\"name\":\"drop\"}", JSONSCAN_DUPLICATE_KEY, 15 },
	{ "{\"name\":\"safe\",\"n\\u0061me\":\"drop\"}", JSONSCAN_DUPLICATE_KEY, 15 },
	{ "{\"\":1,\"\":2}", JSONSCAN_DUPLICATE_KEY, 6 },
	{ "{\"/\":1,\"\\/\":2}", JSONSCAN_DUPLICATE_KEY, 7 },
	{ "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", JSONSCAN_DUPLICATE_KEY, 18 },
	{ "[0,{\"x\":[{\"a\":{},\"a\":[]}]}]", JSONSCAN_DUPLICATE_KEY, 17 },
	{ "{\"a long key of 30 bytes or more\":1,\"b\":2,\"a long key of 30 bytes or more\":3}", JSONSCAN_DUPLICATE_KEY, 42 },
	{ "{\"a\\u0000b\":1}", JSONSCAN_NUL_IN_KEY, 3 },
	{ "{\"\\ud800\":1}", JSONSCAN_SURROGATE_IN_KEY, 2 },
	{ "{\"\\udc00\\ud800\":1}", JSONSCAN_SURROGATE_IN_KEY, 2 },
	{ "{\"\\ud800x\\udc00\":1}", JSONSCAN_SURROGATE_IN_KEY, 2 },
};

START_TEST(refuses_all_else_and_names_the_byte)
{
	struct json_value root;
	size_t offset = 9999;
	enum jsonscan_fault f = jsonscan_check(span_of(bad[_i].text), &root, &offset);

	ck_assert_msg(f == bad[_i].fault && offset == bad[_i].offset, "%s: %s at %zu", bad[_i].text,
		jsonscan_fault_text(f), offset);
	ck_assert_int_eq(check(span_of(bad[_i].text)), bad[_i].fault);
}
END_TEST

START_TEST(refuses_bytes_after_a_nul)
{
	ck_assert_int_eq(check(SPAN("{\"s\":1}\0{\"t\":2}")), JSONSCAN_TRAILING);
	ck_assert_int_eq(check(SPAN("{}\0")), JSONSCAN_TRAILING);
	ck_assert_int_eq(check(SPAN("\"a\0b\"")), JSONSCAN_SYNTAX);
	ck_assert_int_eq(check(SPAN("\0")), JSONSCAN_SYNTAX);
	ck_assert_int_eq(check((struct span){ NULL, 0 }), JSONSCAN_EMPTY);
}
END_TEST

START_TEST(no_truncation_of_a_document_is_a_document)
{
	const char text[] = "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\xe4\xb8\xad\"],\"b\":{}}";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		ck_assert_int_ne(check((struct span){ text, n }), JSONSCAN_OK);
	ck_assert_int_eq(check(span_of(text)), JSONSCAN_OK);
}
END_TEST

START_TEST(stops_at_the_65th_level)
{
	struct json_value root;
	size_t offset = 0, n = 100000;
	char *deep = xmalloc(2 * n);

	memset(deep, '[', n);
	memset(deep + n, ']', n);
	ck_assert_int_eq(check((struct span){ deep + n - 64, 128 }), JSONSCAN_OK);
	ck_assert_int_eq(check((struct span){ deep + n - 65, 130 }), JSONSCAN_DEEP);
	ck_assert_int_eq(jsonscan_check((struct span){ deep, 2 * n }, &root, &offset), JSONSCAN_DEEP);
	ck_assert_uint_eq(offset, 64);
	free(deep);
}
END_TEST

/* An object of n keys; the one numbered twin (if any) repeats the first. */
static char *object_of(int n, int twin, const char *format)
{
	struct buf b;
	bool fits;

	buf_init(&b, 100 << 20);
	fits = buf_append_char(&b, '{');
	for (int i = 0; i < n; i++) {
		char key[80];

		snprintf(key, sizeof(key), "k_%08d_of_some_length", i == twin ? 0 : i);
		fits = fits && buf_append_text(&b, i ? ",\"" : "\"") && buf_append_text(&b, i == twin ? format : "") &&
			buf_append_text(&b, i == twin && *format ? key + 1 : key) && buf_append_text(&b, "\":0");
	}
	ck_assert(fits && buf_append_char(&b, '}'));
	return buf_take(&b);
}

START_TEST(finds_a_duplicate_at_any_place_in_objects_of_any_size)
{
	static const int sizes[] = { 2, 3, 15, 16, 17, 18, 63, 64, 65, 100, 1000 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int n = sizes[i], twins[] = { -1, 1, n / 2, n - 1 };

		for (size_t j = 0; j < ARRAY_LEN(twins); j++) {
			CLEANUP(free_charp) char *plain = object_of(n, twins[j], "");
			CLEANUP(free_charp) char *escaped = object_of(n, twins[j], "\\u006b");
			enum jsonscan_fault expected = twins[j] > 0 ? JSONSCAN_DUPLICATE_KEY : JSONSCAN_OK;

			ck_assert_int_eq(check(span_of(plain)), expected);
			ck_assert_int_eq(check(span_of(escaped)), expected);
		}
	}
}
END_TEST

START_TEST(keys_of_an_outer_object_survive_a_large_inner_one)
{
	CLEANUP(free_charp) char *inner = object_of(500, -1, "");
	CLEANUP(free_charp) char *twin = xasprintf("{\"a\":1,\"b\":%s,\"a\":2}", inner);
	CLEANUP(free_charp) char *fine = xasprintf("{\"a\":1,\"b\":%s,\"c\":%s}", inner, inner);

	ck_assert_int_eq(check(span_of(twin)), JSONSCAN_DUPLICATE_KEY);
	ck_assert_int_eq(check(span_of(fine)), JSONSCAN_OK);
}
END_TEST

START_TEST(keys_alike_in_head_tail_and_length_are_told_apart)
{
	ck_assert_int_eq(check(SPAN("{\"12345678a12345678\":1,\"12345678b12345678\":2}")), JSONSCAN_OK);
	ck_assert_int_eq(check(SPAN("{\"1234567\":1,\"12345678\":2,\"123456789\":3,\"123456\":4}")), JSONSCAN_OK);
	ck_assert_int_eq(check(SPAN("{\"a\":1,\"aa\":2,\"\":3}")), JSONSCAN_OK);
}
END_TEST

/* ---- walking ------------------------------------------------------------------------------------------------------------- */

START_TEST(root_is_the_value_without_blanks)
{
	struct json_value root = parse(" \n{\"a\" : 1} \t");

	ck_assert_int_eq(root.kind, JSON_OBJECT);
	ck_assert(span_is(root.text, "{\"a\" : 1}"));
	ck_assert(span_is(parse(" -1.50 ").text, "-1.50"));
	ck_assert_int_eq(parse("\"x\"").kind, JSON_STRING);
	ck_assert_int_eq(parse("true").kind, JSON_TRUE);
	ck_assert_int_eq(parse("false").kind, JSON_FALSE);
	ck_assert_int_eq(parse("null").kind, JSON_NULL);
	ck_assert_int_eq(parse("0").kind, JSON_NUMBER);
	ck_assert_int_eq(parse("[]").kind, JSON_ARRAY);
}
END_TEST

START_TEST(members_come_with_their_exact_bytes)
{
	struct json_value root = parse("{ \"a\" : [ 1, {\"x\":\"]}\"} ] ,\n\"b\\\"}\":\"\\\\\",\"c\":-1e5 , \"d\":{}}"), v;
	static const char *const expected[][2] = {
		{ "\"a\"", "[ 1, {\"x\":\"]}\"} ]" }, { "\"b\\\"}\"", "\"\\\\\"" }, { "\"c\"", "-1e5" }, { "\"d\"", "{}" }
	};
	struct json_iter it = json_iter(root);
	struct span key;
	size_t n = 0;

	for (; json_next(&it, &key, &v); n++) {
		ck_assert(n < ARRAY_LEN(expected));
		ck_assert(span_is(key, expected[n][0]));
		ck_assert(span_is(v.text, expected[n][1]));
	}
	ck_assert_uint_eq(n, 4);
	it = json_iter(json_get(root, "a"));
	ck_assert(json_next(&it, &key, &v) && key.at == NULL && span_is(v.text, "1"));
	ck_assert(json_next(&it, &key, &v) && v.kind == JSON_OBJECT);
	ck_assert(!json_next(&it, &key, &v));
}
END_TEST

START_TEST(what_is_no_container_has_no_members)
{
	static const char *const texts[] = { "{ }", "[\n]", "1", "\"{\"", "null" };
	struct json_value v;
	struct span key;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct json_iter it = json_iter(parse(texts[i]));

		ck_assert(!json_next(&it, &key, &v));
	}
	struct json_iter it = json_iter((struct json_value){ 0 });
	ck_assert(!json_next(&it, &key, &v));
	ck_assert_int_eq(json_get((struct json_value){ 0 }, "a").kind, JSON_NONE);
	ck_assert_int_eq(json_get(parse("[\"a\"]"), "a").kind, JSON_NONE);
}
END_TEST

START_TEST(keys_are_found_however_they_are_written)
{
	struct json_value root = parse("{\"n\\u0061me\":1,\"namex\":2,\"nam\":3,\"caf\\u00e9\":4,\"\":5}");

	ck_assert(span_is(json_get(root, "name").text, "1"));
	ck_assert(span_is(json_get(root, "nam").text, "3"));
	ck_assert(span_is(json_get(root, "caf\xc3\xa9").text, "4"));
	ck_assert(span_is(json_get(root, "").text, "5"));
	ck_assert_int_eq(json_get(root, "Name").kind, JSON_NONE);
	ck_assert_int_eq(json_get(root, "na").kind, JSON_NONE);
	ck_assert(json_key_is(SPAN("\"\\u006eame\""), "name"));
	ck_assert(!json_key_is(SPAN("\"\\u006eam\""), "name"));
	ck_assert(!json_key_is((struct span){ NULL, 0 }, ""));
}
END_TEST

START_TEST(strings_are_unescaped)
{
	struct buf b;

	buf_init(&b, 100);
	ck_assert(json_unescape(parse("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u4e2d\\uD83d\\uDE00z\""), &b));
	ck_assert_str_eq(b.data, "a\"\\/\b\f\n\r\tA\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z");
	buf_clear(&b);
	ck_assert(json_unescape(parse("\"\\ud800\\ud800\\udc00\\udc00\\u0000\""), &b));
	ck_assert(span_equal(buf_span(&b), SPAN("\xed\xa0\x80\xf0\x90\x80\x80\xed\xb0\x80\0")));
	b.cap_bytes = b.len + 3;
	ck_assert(!json_unescape(parse("\"abcd\""), &b));
	ck_assert(json_unescape(parse("\"abc\""), &b));
	ck_assert(!json_unescape(parse("1"), &b));
	buf_release(&b);
}
END_TEST

START_TEST(text_is_refused_when_c_would_cut_it_or_it_is_too_long)
{
	CLEANUP(free_charp) char *text = json_text(parse("\"ab\\u0063\""), 3);
	CLEANUP(free_charp) char *empty = json_text(parse("\"\""), 0);

	ck_assert_str_eq(text, "abc");
	ck_assert_str_eq(empty, "");
	ck_assert_ptr_null(json_text(parse("\"abcd\""), 3));
	ck_assert_ptr_null(json_text(parse("\"safe\\u0000drop\""), 100));
	ck_assert_ptr_null(json_text(parse("12"), 100));
	ck_assert_ptr_null(json_text((struct json_value){ 0 }, 100));
}
END_TEST

START_TEST(only_plain_integers_that_fit_become_numbers)
{
	static const struct {
		const char *text;
		bool fits;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 }, { "-0", true, 0 }, { "42", true, 42 }, { "-7", true, -7 },
		{ "9007199254740993", true, 9007199254740993 }, { "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN }, { "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 }, { "18446744073709551616", false, 0 }, { "1.0", false, 0 },
		{ "1e2", false, 0 }, { "\"1\"", false, 0 }, { "true", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t n = 0;

		ck_assert_int_eq(json_to_i64(parse(cases[i].text), &n), cases[i].fits);
		ck_assert_int_eq(n, cases[i].value);
	}
}
END_TEST

START_TEST(a_key_that_differs_only_by_case_is_a_twin)
{
	static const char *const names[] = { "name", "requestId", "task", "params" };
	static const char *const twins[] = { "{\"Name\":1}", "{\"a\":1,\"NAME\":2,\"name\":3}", "{\"requestid\":1}",
		"{\"REQUESTID\":1}", "{\"ta\xc5\xbfk\":1}", "{\"tas\xe2\x84\xaa\":1}", "{\"ta\\u017fk\":1}",
		"{\"tas\\u212A\":1}", "{\"\\u004eame\":1}", "{\"Param\\u017f\":1}" };
	static const char *const fine[] = { "{\"name\":1,\"requestId\":2,\"task\":3}", "{\"n\\u0061me\":1}", "{\"names\":1}",
		"{\"nam\":1}", "{\"\":1}", "{\"Other\":{\"Name\":1}}", "[\"Name\"]", "{}", "{\"na me\":1}", "\"Name\"" };
	struct span which;

	for (size_t i = 0; i < ARRAY_LEN(twins); i++)
		ck_assert_msg(json_has_case_twin(parse(twins[i]), names, ARRAY_LEN(names), &which), "%s", twins[i]);
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		ck_assert_msg(!json_has_case_twin(parse(fine[i]), names, ARRAY_LEN(names), &which), "%s", fine[i]);
	struct json_value object = parse("{\"name\":1,\"TA\\u017fk\":2}");
	ck_assert(json_has_case_twin(object, names, ARRAY_LEN(names), &which));
	ck_assert(span_is(which, "\"TA\\u017fk\""));
}
END_TEST

/* ---- canonical form ------------------------------------------------------------------------------------------------------ */

START_TEST(canonical_form_has_one_spelling)
{
	ck_canonical(" { \"b\" : 1 , \"a\" : [ 1 , 2 ] } ", "{\"a\":[1,2],\"b\":1}");
	ck_canonical("{\"c\":{\"z\":1,\"y\":{}},\"b\":[],\"a\":\"\"}", "{\"a\":\"\",\"b\":[],\"c\":{\"y\":{},\"z\":1}}");
	ck_canonical("[1.0,-0,1e400,1E5,0.30000000000000004]", "[1.0,-0,1e400,1E5,0.30000000000000004]");
	ck_canonical("\"\\u0061\\/\\u00e9\\u4E2d\\ud83d\\ude00\\u007f\"", "\"a/\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\x7f\"");
	ck_canonical("\"\\u0022\\u005c\\u0008\\u000C\\u000A\\u000d\\u0009\\u001F\\u0000\"",
		"\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u0000\"");
	ck_canonical("\"\\uD800 \\uDFFf\"", "\"\\ud800 \\udfff\"");
	ck_canonical("[true , false,null]", "[true,false,null]");
	ck_canonical("{}", "{}");
}
END_TEST

START_TEST(canonical_keys_are_sorted_by_unescaped_bytes)
{
	ck_canonical("{\"b\":1,\"\\u0061\":2}", "{\"a\":2,\"b\":1}");
	ck_canonical("{\"a\\\"\":1,\"a!\":2,\"a#\":3}", "{\"a!\":2,\"a\\\"\":1,\"a#\":3}");
	ck_canonical("{\"\\u00e9\":1,\"z\":2,\"\\ud83d\\ude00\":3,\"\\uffff\":4}",
		"{\"z\":2,\"\xc3\xa9\":1,\"\xef\xbf\xbf\":4,\"\xf0\x9f\x98\x80\":3}");
	ck_canonical("{\"ab\":1,\"a\":2,\"\":3,\"b\":4}", "{\"\":3,\"a\":2,\"ab\":1,\"b\":4}");
	ck_canonical("{\"a\\u0062\":1,\"a\\u0061\":2,\"a\":3}", "{\"a\":3,\"aa\":2,\"ab\":1}");
}
END_TEST

START_TEST(canonical_form_of_a_canonical_form_is_itself)
{
	CLEANUP(free_charp) char *object = object_of(1000, -1, "");
	CLEANUP(free_charp) char *text = xasprintf("{\"z\":%s,\"a\\u0001\":[%s,\"\\ud800\"]}", object, object);
	struct buf once, twice;
	struct json_value again;

	buf_init(&once, strlen(text));
	buf_init(&twice, strlen(text));
	ck_assert(json_canonical(parse(text), &once));
	ck_assert_int_eq(jsonscan_check(buf_span(&once), &again, NULL), JSONSCAN_OK);
	ck_assert(json_canonical(again, &twice));
	ck_assert(span_equal(buf_span(&once), buf_span(&twice)));
	buf_release(&once);
	buf_release(&twice);
}
END_TEST

START_TEST(canonical_form_keeps_the_cap)
{
	struct buf b;

	buf_init(&b, 6);
	ck_assert(!json_canonical(parse("[1,2,3]"), &b));
	ck_assert_uint_eq(b.len, 0);
	ck_assert(json_canonical(parse("[1,22]"), &b));
	buf_release(&b);
}
END_TEST

START_TEST(hashes_are_equal_for_one_meaning_only)
{
	uint8_t a[32], b[32];

	json_canonical_hash(parse("{\"a\":1,\"b\":\"x\"}"), a);
	json_canonical_hash(parse("{ \"b\":\"\\u0078\", \"a\":1 }"), b);
	ck_assert_mem_eq(a, b, 32);
	json_canonical_hash(parse("{\"a\":1.0,\"b\":\"x\"}"), b);
	ck_assert_mem_ne(a, b, 32);
	json_canonical_hash((struct json_value){ 0 }, a);
	json_canonical_hash(parse("{ }"), b);
	ck_assert_mem_eq(a, b, 32);
}
END_TEST

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

START_TEST(quoting_gives_json_for_any_bytes)
{
	struct buf b;
	struct json_value v;
	char every[256];

	buf_init(&b, 10000);
	ck_assert(json_quote(&b, SPAN("a\"b\\c\n\r\t\b\f\x01\x7f caf\xc3\xa9 \xff\xc3")));
	ck_assert_str_eq(b.data, "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u007f caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\"");
	buf_clear(&b);
	for (int i = 0; i < 256; i++)
		every[i] = (char)i;
	ck_assert(json_quote(&b, (struct span){ every, sizeof(every) }));
	ck_assert_int_eq(jsonscan_check(buf_span(&b), &v, NULL), JSONSCAN_OK);
	buf_clear(&b);
	ck_assert(json_quote(&b, (struct span){ NULL, 0 }));
	ck_assert_str_eq(b.data, "\"\"");
	buf_clear(&b);
	b.cap_bytes = 5;
	ck_assert(!json_quote(&b, SPAN("abcd")));
	ck_assert_uint_eq(b.len, 0);
	ck_assert(json_quote(&b, SPAN("abc")));
	buf_release(&b);
}
END_TEST

START_TEST(a_line_loses_its_breaks_and_nothing_else)
{
	struct buf b;

	buf_init(&b, 100);
	ck_assert(json_append_line(parse("{\r\n\t\"a\\n\" :\n[ 1,\r2 ]\n\n}"), &b));
	ck_assert_str_eq(b.data, "{\t\"a\\n\" :[ 1,2 ]}");
	buf_clear(&b);
	ck_assert(json_append_line(parse("[1, 2]"), &b));
	ck_assert_str_eq(b.data, "[1, 2]");
	b.cap_bytes = 9;
	ck_assert(!json_append_line(parse("[\n1,\n2]"), &b));
	ck_assert_str_eq(b.data, "[1, 2]");
	buf_release(&b);
}
END_TEST

START_TEST(an_outline_tells_members_of_the_root_from_those_below)
{
	struct json_outline o;
	struct json_value root;

	ck_assert_int_eq(jsonscan_outline(SPAN("{\"a\":{\"b\":[{\"x\":1}]},\"c\":2}"), &root, NULL, &o), JSONSCAN_OK);
	ck_assert(o.is_whole);
	ck_assert_uint_eq(o.n, 3);
	ck_assert(span_is(o.members[0].key, "\"a\"") && o.members[0].parent == -1);
	ck_assert(span_is(o.members[1].key, "\"b\"") && o.members[1].parent == 0);
	ck_assert(span_is(o.members[1].value.text, "[{\"x\":1}]"));
	ck_assert(span_is(o.members[2].value.text, "2") && o.members[2].parent == -1);
}
END_TEST

START_TEST(members_inside_an_array_are_none_of_the_roots)
{
	struct json_outline o;
	struct json_value root;

	ck_assert_int_eq(jsonscan_outline(SPAN("[{\"id\":1},{\"id\":2}]"), &root, NULL, &o), JSONSCAN_OK);
	ck_assert_uint_eq(o.n, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("jsonscan");
	TCase *t = tcase_create("check");

	tcase_add_loop_test(t, accepts_every_form_of_rfc_8259, 0, ARRAY_LEN(good));
	tcase_add_loop_test(t, refuses_all_else_and_names_the_byte, 0, ARRAY_LEN(bad));
	tcase_add_test(t, refuses_bytes_after_a_nul);
	tcase_add_test(t, no_truncation_of_a_document_is_a_document);
	tcase_add_test(t, stops_at_the_65th_level);
	tcase_add_test(t, finds_a_duplicate_at_any_place_in_objects_of_any_size);
	tcase_add_test(t, keys_of_an_outer_object_survive_a_large_inner_one);
	tcase_add_test(t, keys_alike_in_head_tail_and_length_are_told_apart);
	suite_add_tcase(s, t);
	t = tcase_create("walk");
	tcase_add_test(t, root_is_the_value_without_blanks);
	tcase_add_test(t, members_come_with_their_exact_bytes);
	tcase_add_test(t, what_is_no_container_has_no_members);
	tcase_add_test(t, keys_are_found_however_they_are_written);
	tcase_add_test(t, strings_are_unescaped);
	tcase_add_test(t, text_is_refused_when_c_would_cut_it_or_it_is_too_long);
	tcase_add_test(t, only_plain_integers_that_fit_become_numbers);
	tcase_add_test(t, a_key_that_differs_only_by_case_is_a_twin);
	suite_add_tcase(s, t);
	t = tcase_create("write");
	tcase_add_test(t, canonical_form_has_one_spelling);
	tcase_add_test(t, canonical_keys_are_sorted_by_unescaped_bytes);
	tcase_add_test(t, canonical_form_of_a_canonical_form_is_itself);
	tcase_add_test(t, canonical_form_keeps_the_cap);
	tcase_add_test(t, hashes_are_equal_for_one_meaning_only);
	tcase_add_test(t, quoting_gives_json_for_any_bytes);
	tcase_add_test(t, a_line_loses_its_breaks_and_nothing_else);
	tcase_add_test(t, an_outline_tells_members_of_the_root_from_those_below);
	tcase_add_test(t, members_inside_an_array_are_none_of_the_roots);
	suite_add_tcase(s, t);
	return s;
}
