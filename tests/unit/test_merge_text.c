/* merge_text: what is replaced is replaced, every other byte stays; capabilities and cursors. */
#include "base/xalloc.h"
#include "shim/merge_text.h"
#include "unit/unit.h"

#define V "\"jsonrpc\":\"2.0\","

static struct json_value parsed(const char *text)
{
	struct json_value v;

	ck_assert_int_eq(jsonscan_check(span_of(text), &v, NULL), JSONSCAN_OK);
	return v;
}

/* ---- replacing ----------------------------------------------------------------------------------------------------------------- */
START_TEST(only_the_named_places_are_replaced_in_whatever_order_they_stand)
{
	static const char *const lines[] = {
		"{" V "\"id\":7,\"method\":\"x\",\"params\":{ \"_meta\":{\"progressToken\":\"t\"},\"n\":1.10} }",
		"{\"params\":{ \"_meta\":{\"progressToken\":\"t\"},\"n\":1.10}, \"method\":\"x\"," V "\"id\":7}",
	};
	static const char *const wanted[] = {
		"{" V "\"id\":1,\"method\":\"x\",\"params\":{ \"_meta\":{\"progressToken\":2},\"n\":1.10} }",
		"{\"params\":{ \"_meta\":{\"progressToken\":2},\"n\":1.10}, \"method\":\"x\"," V "\"id\":1}",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct buf out;
		struct jsonrpc rpc;
		jsonrpc_read(span_of(lines[i]), &rpc);
		struct merge_pair id = { rpc.id, SPAN("1") };
		struct merge_pair token = { json_get(json_get(rpc.params, "_meta"), "progressToken"), SPAN("2") };
		buf_init(&out, 4096);
		ck_assert(merge_edit_two(rpc.root.text, id, token, &out));
		ck_assert_str_eq(out.data, wanted[i]);
		buf_clear(&out);
		ck_assert(merge_edit_two(rpc.root.text, token, id, &out));
		ck_assert_str_eq(out.data, wanted[i]);
		buf_clear(&out);
		ck_assert(merge_edit_two(rpc.root.text, (struct merge_pair){ 0 }, (struct merge_pair){ 0 }, &out));
		ck_assert_str_eq(out.data, lines[i]);
		buf_release(&out);
	}
}
END_TEST

static const struct { const char *method, *result, *wanted; } answers[] = {
	{ "resources/read", "{\"contents\":[{\"uri\":\"a:1\",\"text\":\"uri\"},{\"text\":\"\"},{\"uri\":\"a:\\u0032\"}]}",
	  "{\"contents\":[{\"uri\":\"aegis:b/a:1\",\"text\":\"uri\"},{\"text\":\"\"},{\"uri\":\"aegis:b/a:2\"}]}" },
	{ "tools/call", "{\"content\":[{\"type\":\"resource_link\",\"uri\":\"a:1\"},{\"type\":\"text\",\"uri\":\"a:1\"}],\"structuredContent\":{\"uri\":\"a:1\"}}",
	  "{\"content\":[{\"type\":\"resource_link\",\"uri\":\"aegis:b/a:1\"},{\"type\":\"text\",\"uri\":\"a:1\"}],\"structuredContent\":{\"uri\":\"a:1\"}}" },
	{ "prompts/get", "{\"messages\":[{\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"a:1\"}}},{\"content\":[{\"type\":\"resource_link\",\"uri\":\"a:2\"}]}]}",
	  "{\"messages\":[{\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"aegis:b/a:1\"}}},{\"content\":[{\"type\":\"resource_link\",\"uri\":\"aegis:b/a:2\"}]}]}" },
	{ "tasks/result", "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":7}}]}", "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":7}}]}" },
	{ "completion/complete", "{\"contents\":[{\"uri\":\"a:1\"}]}", "{\"contents\":[{\"uri\":\"a:1\"}]}" },
	{ "tools/call", "{\"content\":\"none\"}", "{\"content\":\"none\"}" },
};

START_TEST(uris_of_what_an_answer_embeds_are_those_to_ask_for)
{
	struct buf line, out, wanted;
	struct jsonrpc rpc;

	buf_init(&line, 4096);
	buf_init(&out, 4096);
	buf_init(&wanted, 4096);
	ck_assert(buf_printf(&line, "{" V "\"id\":1,\"result\":%s}", answers[_i].result));
	ck_assert(buf_printf(&wanted, "{" V "\"id\":1,\"result\":%s}", answers[_i].wanted));
	jsonrpc_read(buf_span(&line), &rpc);
	ck_assert(merge_text_answer(&rpc, answers[_i].method, "b", &out));
	ck_assert_str_eq(out.data, wanted.data);
	buf_release(&line);
	buf_release(&out);
	buf_release(&wanted);
}
END_TEST

/* ---- uniting --------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *a, *b, *wanted; } unions[] = {
	{ "{}", "{}", "{}" },
	{ "{\"tools\":{}}", "{\"prompts\":{}}", "{\"tools\":{},\"prompts\":{}}" },
	{ "{\"r\":{\"subscribe\":false}}", "{\"r\":{\"subscribe\":true,\"listChanged\":false}}", "{\"r\":{\"subscribe\":true,\"listChanged\":false}}" },
	{ "{\"r\":{\"subscribe\":true}}", "{\"r\":{\"subscribe\":false}}", "{\"r\":{\"subscribe\":true}}" },
	{ "{\"x\":1}", "{\"x\":2,\"y\":[3]}", "{\"x\":1,\"y\":[3]}" },
	{ "{\"x\":{\"a\":{\"b\":1}}}", "{\"x\":{\"a\":{\"c\":2}}}", "{\"x\":{\"a\":{\"b\":1,\"c\":2}}}" },
	{ "{\"x\":{\"a\":1}}", "{\"x\":true}", "{\"x\":{\"a\":1}}" },
	{ "7", "{\"x\":1}", "{\"x\":1}" },
	{ "{\"\\u0078\":{\"a\":1}}", "{\"x\":{\"b\":2}}", "{\"\\u0078\":{\"a\":1,\"b\":2}}" },
};

START_TEST(capabilities_are_united)
{
	struct json_value v[] = { parsed(unions[_i].a), parsed(unions[_i].b), { 0 } };
	struct buf out;

	buf_init(&out, 4096);
	ck_assert(merge_text_unite(v, ARRAY_LEN(v), &out));
	ck_assert_str_eq(out.data, unions[_i].wanted);
	buf_release(&out);
}
END_TEST

START_TEST(more_than_can_be_united_is_refused)
{
	struct json_value v[MERGE_MAX_UNITED + 1] = { 0 };
	struct buf out;

	buf_init(&out, 4096);
	ck_assert(merge_text_unite(v, MERGE_MAX_UNITED, &out));
	ck_assert(!merge_text_unite(v, MERGE_MAX_UNITED + 1, &out));
	buf_release(&out);
}
END_TEST

/* ---- cursors ------------------------------------------------------------------------------------------------------------------- */
START_TEST(a_cursor_holds_those_of_all_unchanged)
{
	struct buf cursor, text, plain;
	struct json_value cursors;

	buf_init(&cursor, 4096);
	buf_init(&text, 4096);
	buf_init(&plain, 4096);
	ck_assert(merge_cursor_add(&cursor, "a", parsed("\"x\\\"\\u000ay\"")) && merge_cursor_add(&cursor, "b-1", parsed("\"\\ud83d\"")));
	ck_assert(merge_cursor_write(&cursor, &text));
	ck_assert(merge_cursor_read(parsed(text.data), &plain, &cursors));
	ck_assert(span_is(json_get(cursors, "a").text, "\"x\\\"\\u000ay\""));
	ck_assert(span_is(json_get(cursors, "b-1").text, "\"\\ud83d\""));
	ck_assert_int_eq(json_get(cursors, "c").kind, JSON_NONE);
	buf_release(&cursor);
	buf_release(&text);
	buf_release(&plain);
}
END_TEST

START_TEST(a_cursor_that_is_none_of_ours_is_refused)
{
	static const char *const others[] = { "7", "null", "\"\"", "\"x\"", "\"[1]\"", "\"{\\\"a\\\":1\"", "\"{\\\"a\\\":1,\\\"a\\\":2}\"" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct buf plain;
		struct json_value cursors;
		buf_init(&plain, 4096);
		ck_assert_msg(!merge_cursor_read(parsed(others[i]), &plain, &cursors), "%s", others[i]);
		buf_release(&plain);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("merge_text");
	TCase *t = tcase_create("text");

	tcase_add_test(t, only_the_named_places_are_replaced_in_whatever_order_they_stand);
	tcase_add_loop_test(t, uris_of_what_an_answer_embeds_are_those_to_ask_for, 0, ARRAY_LEN(answers));
	tcase_add_loop_test(t, capabilities_are_united, 0, ARRAY_LEN(unions));
	tcase_add_test(t, more_than_can_be_united_is_refused);
	tcase_add_test(t, a_cursor_holds_those_of_all_unchanged);
	tcase_add_test(t, a_cursor_that_is_none_of_ours_is_refused);
	suite_add_tcase(s, t);
	return s;
}
