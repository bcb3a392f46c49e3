#include "unit/unit.h"
#include "base/xalloc.h"
#include "data/jsonrpc.h"

#define V "\"jsonrpc\":\"2.0\","

static struct jsonrpc read_line(const char *line)
{
	struct jsonrpc m;

	jsonrpc_read(span_of(line), &m);
	return m;
}

/* ---- kinds --------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *line;
	enum jsonrpc_kind kind;
	const char *id, *method;
} good[] = {
	{ "{" V "\"id\":1,\"method\":\"ping\"}", JSONRPC_REQUEST, "1", "ping" },
	{ "{" V "\"id\":\"a-1\",\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}", JSONRPC_REQUEST, "\"a-1\"", "tools/call" },
	{ "{" V "\"id\":-12345678901234567890123,\"method\":\"x\"}", JSONRPC_REQUEST, "-12345678901234567890123", "x" },
	{ "{" V "\"id\":\"\",\"method\":\"x\",\"params\":[1]}", JSONRPC_REQUEST, "\"\"", "x" },
	{ "{\"method\":\"tools\\/c\\u0061ll\",\"id\":7,\"jsonrpc\":\"2\\u002e0\"}", JSONRPC_REQUEST, "7", "tools/call" },
	{ "{" V "\"method\":\"notifications/initialized\"}", JSONRPC_NOTIFICATION, "", "notifications/initialized" },
	{ "{" V "\"method\":\"x\",\"extra\":{\"Method\":1}}", JSONRPC_NOTIFICATION, "", "x" },
	{ "{" V "\"method\":\"x\",\"params\":{\"arguments\":{\"Name\":1,\"NAME\":2}}}", JSONRPC_NOTIFICATION, "", "x" },
	{ " {" V "\"id\":1,\"result\":{\"Name\":\"x\"}} ", JSONRPC_RESULT, "1", "" },
	{ "{" V "\"id\":1,\"result\":null}", JSONRPC_RESULT, "1", "" },
	{ "{" V "\"id\":1,\"error\":{\"code\":1,\"message\":\"x\"}}", JSONRPC_ERROR, "1", "" },
	{ "{" V "\"id\":null,\"error\":{}}", JSONRPC_ERROR, "null", "" },
	{ "{" V "\"error\":{}}", JSONRPC_ERROR, "", "" },
	{ "[{" V "\"method\":\"x\"}]", JSONRPC_BATCH, "", "" },
	{ "[]", JSONRPC_BATCH, "", "" },
};

START_TEST(tells_what_a_message_is)
{
	struct jsonrpc m = read_line(good[_i].line);

	ck_assert_msg(m.kind == good[_i].kind, "%s: %s", good[_i].line, m.why);
	ck_assert(span_is(m.id.text, good[_i].id));
	ck_assert_str_eq(m.method, good[_i].method);
}
END_TEST

/* ---- what only began ----------------------------------------------------------------------------------------------------- */
static const struct { const char *text; enum jsonrpc_kind kind; const char *id; } begun[] = {
	{ "{\"result\":{\"content\":[{\"te", JSONRPC_RESULT, "" },
	{ " {\"jsonrpc\" : \"2.0\", \"id\" : 7 , \"result\" : ", JSONRPC_RESULT, "7" },
	{ "{\"id\":\"a\\\"b\",\"error\":{", JSONRPC_ERROR, "\"a\\\"b\"" },
	{ "{\"_meta\":{\"result\":[\"error\",{\"method\":1}]},\"method\":\"x\",\"params", JSONRPC_REQUEST, "" },
	{ "{\"x\":[1,\"result\",2],\"y\":\"result\",\"id\":1}", JSONRPC_INVALID, "1" },
	{ "{\"id\":1.5,\"result\":", JSONRPC_RESULT, "" },
	{ "{\"id\":12", JSONRPC_INVALID, "" },
	{ "{\"id\":", JSONRPC_INVALID, "" },
	{ "{\"id\"", JSONRPC_INVALID, "" },
	{ "{\"res", JSONRPC_INVALID, "" },
	{ "[{\"result\":1", JSONRPC_INVALID, "" },
	{ "\"result\"", JSONRPC_INVALID, "" },
	{ "{\"a\":\"\\", JSONRPC_INVALID, "" },
	{ "{", JSONRPC_INVALID, "" },
	{ " ", JSONRPC_INVALID, "" },
	{ "", JSONRPC_INVALID, "" },
};

START_TEST(guesses_what_a_message_would_be_from_its_beginning)
{
	struct span s = span_of(begun[_i].text);
	CLEANUP(free_charp) char *exact = xmalloc(s.len + 1); /* so that a sanitizer sees a read beyond */
	struct json_value id;

	memcpy(exact, s.at, s.len);
	ck_assert_int_eq(jsonrpc_guess((struct span){ exact, s.len }, &id), begun[_i].kind);
	ck_assert_msg(span_is(id.text, begun[_i].id), "%s: %.*s", begun[_i].text, SPAN_ARGS(id.text));
}
END_TEST

/* Enough members that the line has no outline. */
#define MANY "\"m\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"n\":1,\"o\":1," \
	"\"p\":1,\"q\":1,\"r\":1,\"s\":1,\"t\":1,\"u\":1,\"v\":1,\"w\":1,\"x\":1,\"y\":1,\"z\":1},"

START_TEST(arguments_are_those_of_params)
{
	struct jsonrpc m = read_line("{" V "\"id\":1,\"method\":\"x\",\"arguments\":1,\"params\":{\"a\":{\"arguments\":3},\"argument\\u0073\":{\"k\":4}}}");

	ck_assert(span_is(m.arguments.text, "{\"k\":4}"));
	m = read_line("{" V MANY "\"id\":1,\"method\":\"x\",\"params\":{\"arguments\":{\"k\":5}}}");
	ck_assert(span_is(m.arguments.text, "{\"k\":5}"));
	m = read_line("{" V "\"id\":1,\"method\":\"x\",\"params\":{}}");
	ck_assert_int_eq(m.arguments.kind, JSON_NONE);
}
END_TEST

START_TEST(meta_is_that_of_params)
{
	struct jsonrpc m = read_line("{" V "\"id\":1,\"method\":\"x\",\"_meta\":1,\"other\":{\"_meta\":2},\"params\":{\"a\":{\"_meta\":3},\"\\u005fmeta\":{\"k\":4}}}");

	ck_assert(span_is(m.meta.text, "{\"k\":4}"));
	m = read_line("{" V MANY "\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"k\":5}}}");
	ck_assert(span_is(m.meta.text, "{\"k\":5}"));
	m = read_line("{" V "\"id\":1,\"method\":\"x\",\"params\":{}}");
	ck_assert_int_eq(m.meta.kind, JSON_NONE);
}
END_TEST

START_TEST(a_result_that_asks_for_input_is_told)
{
	ck_assert(read_line("{" V "\"id\":1,\"result\":{\"resultType\":\"input_required\"}}").is_input_required);
	ck_assert(read_line("{" V MANY "\"id\":1,\"result\":{\"resultType\":\"input_\\u0072equired\"}}").is_input_required);
	ck_assert(!read_line("{" V "\"id\":1,\"result\":{\"resultType\":\"complete\",\"a\":{\"resultType\":\"input_required\"}}}").is_input_required);
	ck_assert(!read_line("{" V "\"id\":1,\"result\":{}}").is_input_required);
}
END_TEST

START_TEST(members_are_the_exact_bytes)
{
	struct jsonrpc m = read_line(" {" V "\"id\":1,\"method\":\"x\",\"params\": { \"a\" : 1.0 } }");

	ck_assert(span_is(m.params.text, "{ \"a\" : 1.0 }"));
	ck_assert_int_eq(m.params.kind, JSON_OBJECT);
	ck_assert_int_eq(m.result.kind, JSON_NONE);
	m = read_line("{" V "\"id\":1,\"result\":[ 1 ]}");
	ck_assert(span_is(m.result.text, "[ 1 ]"));
	m = read_line("{" V "\"id\":1,\"error\":{ }}");
	ck_assert(span_is(m.error.text, "{ }"));
	m = read_line(" [ 1 ] ");
	ck_assert(span_is(m.root.text, "[ 1 ]"));
}
END_TEST

static const struct {
	const char *line;
	int code;
	const char *id; /* that the answer may name */
	const char *why;
} bad[] = {
	{ "", -32700, "", "nothing but blanks" },
	{ "hello", -32700, "", "not JSON" },
	{ "{" V "\"id\":1,\"method\":\"x\"", -32700, "", "not JSON" },
	{ "{" V "\"id\":1,\"method\":\"x\"}{}", -32700, "", "bytes after the end" },
	{ "{" V "\"id\":1,\"method\":\"\xff\"}", -32700, "", "invalid UTF-8" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"method\":\"y\"}", -32600, "1", "duplicate key at byte 37" },
	{ "{" V "\"method\":\"x\",\"params\":{\"arguments\":{\"a\":1,\"\\u0061\":2}},\"id\":5}", -32600, "5", "duplicate key" },
	{ "{" V "\"method\":\"x\",\"params\":{\"a\\u0000\":1},\"id\":\"q\"}", -32600, "\"q\"", "NUL in a key" },
	{ "{" V "\"method\":\"x\",\"ID\\u0000\\u0000\\u0000\":1,\"id\":3}", -32600, "3", "NUL in a key" },
	{ "{" V "\"id\":1,\"id\":2,\"method\":\"x\"}", -32600, "", "duplicate key" },
	{ "{" V "\"id\":1,\"\\u0069d\":2,\"method\":\"x\"}", -32600, "", "duplicate key" },
	{ "{" V "\"id\":1,\"result\":{\"a\":1,\"a\":2}}", -32600, "", "duplicate key" },
	{ "12", -32600, "", "not an object" },
	{ "\"x\"", -32600, "", "not an object" },
	{ "{}", -32600, "", "\"jsonrpc\"" },
	{ "{\"id\":1,\"method\":\"x\"}", -32600, "1", "\"jsonrpc\"" },
	{ "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}", -32600, "1", "\"jsonrpc\"" },
	{ "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"x\"}", -32600, "1", "\"jsonrpc\"" },
	{ "{" V "\"id\":1}", -32600, "1", "neither" },
	{ "{" V "\"id\":1,\"method\":7}", -32600, "1", "method" },
	{ "{" V "\"id\":1,\"method\":\"\"}", -32600, "1", "method" },
	{ "{" V "\"id\":1,\"method\":\"a\\u0000b\"}", -32600, "1", "method" },
	{ "{" V "\"id\":1,\"method\":\"a\\ud800b\"}", -32600, "1", "method" },
	{ "{" V "\"id\":1,\"method\":null}", -32600, "1", "method" },
	{ "{" V "\"id\":null,\"method\":\"x\"}", -32600, "", "id" },
	{ "{" V "\"id\":1.0,\"method\":\"x\"}", -32600, "", "id" },
	{ "{" V "\"id\":1e2,\"method\":\"x\"}", -32600, "", "id" },
	{ "{" V "\"id\":true,\"method\":\"x\"}", -32600, "", "id" },
	{ "{" V "\"id\":{},\"method\":\"x\"}", -32600, "", "id" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"params\":\"y\"}", -32600, "1", "params" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"params\":null}", -32600, "1", "params" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"result\":1}", -32600, "", "beside" },
	{ "{" V "\"id\":1,\"result\":1,\"error\":{}}", -32600, "", "beside" },
	{ "{" V "\"id\":1,\"error\":\"x\"}", -32600, "", "error" },
	{ "{" V "\"id\":null,\"result\":1}", -32600, "", "id" },
	{ "{" V "\"result\":1}", -32600, "", "id" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"Method\":\"y\"}", -32600, "1", "case" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"PARAMS\":{}}", -32600, "1", "case" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"ID\":2}", -32600, "", "case" },
	{ "{" V "\"Id\":1,\"method\":\"x\"}", -32600, "", "case" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"params\":{\"name\":\"safe\",\"NAME\":\"drop\"}}", -32600, "1", "case" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"params\":{\"Name\":\"drop\"}}", -32600, "1", "case" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"params\":{\"argument\xc5\xbf\":1}}", -32600, "1", "case" },
	{ "{" V "\"id\":1,\"method\":\"x\",\"params\":{\"ta\\u017Fk\":1}}", -32600, "1", "case" },
};

START_TEST(refuses_what_peers_might_read_differently)
{
	struct jsonrpc m = read_line(bad[_i].line);

	ck_assert_msg(m.kind == JSONRPC_INVALID, "%s", bad[_i].line);
	ck_assert_msg(m.code == bad[_i].code && strstr(m.why, bad[_i].why), "%s: %d %s", bad[_i].line, m.code, m.why);
	ck_assert_msg(span_is(m.id.text, bad[_i].id), "%s: %.*s", bad[_i].line, SPAN_ARGS(m.id.text));
	ck_assert_str_eq(m.method, "");
}
END_TEST

START_TEST(long_ids_and_methods_have_an_end)
{
	char name[200];

	memset(name, 'a', sizeof(name));
	for (int n = 120; n < 140; n++) {
		CLEANUP(free_charp) char *id = xasprintf("{" V "\"id\":\"%.*s\",\"method\":\"x\"}", n, name);
		CLEANUP(free_charp) char *method = xasprintf("{" V "\"id\":1,\"method\":\"%.*s\"}", n, name);
		CLEANUP(free_charp) char *escaped = xasprintf("{" V "\"id\":1,\"method\":\"%.*s\\u0061\"}", n - 1, name);

		ck_assert_int_eq(read_line(id).kind, n + 2 <= JSONRPC_MAX_ID_BYTES ? JSONRPC_REQUEST : JSONRPC_INVALID);
		ck_assert_int_eq(read_line(method).kind, n <= 128 ? JSONRPC_REQUEST : JSONRPC_INVALID);
		ck_assert_int_eq(read_line(escaped).kind, n <= 128 ? JSONRPC_REQUEST : JSONRPC_INVALID);
	}
}
END_TEST

START_TEST(members_of_a_batch_are_told_one_by_one)
{
	static const enum jsonrpc_kind kinds[] = { JSONRPC_REQUEST, JSONRPC_INVALID, JSONRPC_INVALID };
	struct jsonrpc batch = read_line("[{" V "\"id\":1,\"method\":\"x\"},1,[]]"), m;
	struct json_iter it = json_iter(batch.root);
	struct json_value v;
	struct span key;

	for (size_t i = 0; json_next(&it, &key, &v); i++) {
		jsonrpc_classify(v, &m);
		ck_assert_int_eq(m.kind, kinds[i]);
	}
}
END_TEST

/* ---- ids ----------------------------------------------------------------------------------------------------------------- */

static char *key_of(const char *id)
{
	CLEANUP(free_charp) char *line = xasprintf("{" V "\"id\":%s,\"method\":\"x\"}", id);
	struct buf key;

	buf_init(&key, 200);
	ck_assert(jsonrpc_id_key(read_line(line).id, &key));
	return buf_take(&key);
}

START_TEST(ids_are_compared_by_meaning)
{
	CLEANUP(free_charp) char *number = key_of("1"), *string = key_of("\"1\""), *escaped = key_of("\"\\u0031\"");
	struct buf key;

	ck_assert_str_ne(number, string);
	ck_assert_str_eq(string, escaped);
	buf_init(&key, 200);
	ck_assert(!jsonrpc_id_key((struct json_value){ 0 }, &key));
	ck_assert(!jsonrpc_id_key((struct json_value){ JSON_NULL, SPAN("null") }, &key));
	buf_release(&key);
}
END_TEST

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

START_TEST(what_is_written_can_be_read)
{
	struct json_value id = { JSON_STRING, SPAN("\"a\\u0031\"") };
	struct jsonrpc m;
	struct buf b;

	buf_init(&b, 300);
	ck_assert(jsonrpc_write_error(&b, id, -32001, SPAN("no \"x\" \n"), SPAN("{\"a\":1}")));
	ck_assert_str_eq(b.data, "{" V "\"id\":\"a\\u0031\",\"error\":{\"code\":-32001,\"message\":\"no \\\"x\\\" \\n\",\"data\":{\"a\":1}}}");
	jsonrpc_read(buf_span(&b), &m);
	ck_assert_int_eq(m.kind, JSONRPC_ERROR);
	buf_clear(&b);
	ck_assert(jsonrpc_write_error(&b, (struct json_value){ 0 }, -32700, SPAN("x"), (struct span){ 0 }));
	ck_assert_str_eq(b.data, "{" V "\"id\":null,\"error\":{\"code\":-32700,\"message\":\"x\"}}");
	buf_clear(&b);
	ck_assert(jsonrpc_write_result(&b, id, SPAN("{}")));
	ck_assert_str_eq(b.data, "{" V "\"id\":\"a\\u0031\",\"result\":{}}");
	buf_clear(&b);
	ck_assert(jsonrpc_write_call(&b, id, "tools/list", SPAN("{\"cursor\":\"x\"}")));
	ck_assert_str_eq(b.data, "{" V "\"id\":\"a\\u0031\",\"method\":\"tools/list\",\"params\":{\"cursor\":\"x\"}}");
	buf_clear(&b);
	ck_assert(jsonrpc_write_call(&b, (struct json_value){ 0 }, "x", (struct span){ 0 }));
	ck_assert_str_eq(b.data, "{" V "\"method\":\"x\"}");
	buf_release(&b);
}
END_TEST

START_TEST(a_message_that_does_not_fit_leaves_nothing)
{
	struct json_value id = { JSON_NUMBER, SPAN("1") };
	struct buf b;

	for (size_t cap = 1; cap < 30; cap++) {
		buf_init(&b, cap);
		ck_assert(buf_append_char(&b, '>'));
		ck_assert(!jsonrpc_write_error(&b, id, 1, SPAN("x"), SPAN("{}")));
		ck_assert(!jsonrpc_write_result(&b, id, SPAN("{}")));
		ck_assert(!jsonrpc_write_call(&b, id, "x", SPAN("{}")));
		ck_assert_str_eq(b.data, ">");
		buf_release(&b);
	}
}
END_TEST

/* Big objects leave the outline; what is read from it and what is read by walking must not differ. */
static void read_with_members(int before, int inside, const char *flag, struct jsonrpc *out)
{
	static struct buf b;

	buf_release(&b);
	buf_init(&b, 65536);
	ck_assert(buf_append_text(&b, "{\"jsonrpc\":\"2.0\""));
	for (int i = 0; i < before; i++)
		ck_assert(buf_printf(&b, ",\"x%d\":{\"isError\":true}", i));
	ck_assert(buf_append_text(&b, ",\"result\":{\"a\":{\"isError\":true},\"b\":[{\"isError\":true}]"));
	for (int i = 0; i < inside; i++)
		ck_assert(buf_printf(&b, ",\"y%d\":%d", i, i));
	ck_assert(buf_printf(&b, "%s},\"id\":7}", flag));
	jsonrpc_read(buf_span(&b), out);
}

START_TEST(a_result_says_whether_it_is_an_error_however_large_it_is)
{
	static const struct {
		const char *flag;
		bool is_error;
	} flags[] = { { "", false }, { ",\"isError\":true", true }, { ",\"isError\":false", false },
		{ ",\"is\\u0045rror\":true", true }, { ",\"isError\":\"true\"", false } };
	struct jsonrpc m;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		for (int size = 0; size < 40; size += 3) {
			read_with_members(size % 7, size, flags[i].flag, &m);
			ck_assert_int_eq(m.kind, JSONRPC_RESULT);
			ck_assert(span_is(m.id.text, "7"));
			ck_assert_msg(m.is_error_result == flags[i].is_error, "%s with %d members", flags[i].flag, size);
		}
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("jsonrpc");
	TCase *t = tcase_create("jsonrpc");

	tcase_add_loop_test(t, guesses_what_a_message_would_be_from_its_beginning, 0, ARRAY_LEN(begun));
	tcase_add_loop_test(t, tells_what_a_message_is, 0, ARRAY_LEN(good));
	tcase_add_test(t, members_are_the_exact_bytes);
	tcase_add_test(t, arguments_are_those_of_params);
	tcase_add_test(t, meta_is_that_of_params);
	tcase_add_test(t, a_result_that_asks_for_input_is_told);
	tcase_add_loop_test(t, refuses_what_peers_might_read_differently, 0, ARRAY_LEN(bad));
	tcase_add_test(t, long_ids_and_methods_have_an_end);
	tcase_add_test(t, members_of_a_batch_are_told_one_by_one);
	tcase_add_test(t, ids_are_compared_by_meaning);
	tcase_add_test(t, what_is_written_can_be_read);
	tcase_add_test(t, a_message_that_does_not_fit_leaves_nothing);
	tcase_add_test(t, a_result_says_whether_it_is_an_error_however_large_it_is);
	suite_add_tcase(s, t);
	return s;
}
