/* translate_text and translate_schema: what becomes of a message on its way between the eras, and what stays. */
#include "base/xalloc.h"
#include "shim/translate_schema.h"
#include "shim/translate_text.h"
#include "unit/unit.h"

#define ENVELOPE "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c\"},\"io.modelcontextprotocol/clientCapabilities\":{}"
#define E "{E}"                    /* stands for it in what is expected */

static struct json_value parsed(const char *text)
{
	struct json_value v;

	ck_assert_msg(jsonscan_check(span_of(text), &v, NULL) == JSONSCAN_OK, "%s", text);
	return v;
}

static struct jsonrpc read_line(const char *line)
{
	struct jsonrpc m;

	jsonrpc_read(span_of(line), &m);
	ck_assert_msg(m.kind != JSONRPC_INVALID, "%s: %s", line, m.why);
	return m;
}

static void assert_text(const struct buf *got, const char *wanted)
{
	const char *at = strstr(wanted, E);
	char full[2048];

	if (at)
		(void)snprintf(full, sizeof(full), "%.*s%s%s", (int)(at - wanted), wanted, ENVELOPE, at + strlen(E));
	else
		(void)snprintf(full, sizeof(full), "%s", wanted);
	ck_assert_str_eq(got->data, full);
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------------ */
START_TEST(the_envelope_is_made_of_what_initialize_said)
{
	struct buf b;

	buf_init(&b, 4096);
	ck_assert(translate_envelope(parsed("{\"name\":\"c\"}"), (struct json_value){ 0 }, (struct span){ 0 }, &b));
	ck_assert_str_eq(b.data, ENVELOPE);
	buf_clear(&b);
	ck_assert(translate_envelope((struct json_value){ 0 }, parsed("{\"roots\":{}}"), SPAN("\"info\""), &b));
	ck_assert_ptr_nonnull(strstr(b.data, "clientInfo\":{\"name\":\"aegis-shim\",\"version\":\""));
	ck_assert_ptr_nonnull(strstr(b.data, "clientCapabilities\":{\"roots\":{}},\"io.modelcontextprotocol/logLevel\":\"info\""));
	buf_release(&b);
}
END_TEST

static const struct { const char *line, *wanted; } requests[] = {
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{" E "}}}" },
	{ "{\"method\":\"x\",\"params\":{},\"id\":\"\\u0061\", \"jsonrpc\":\"2.0\" }",
	  "{\"method\":\"x\",\"params\":{\"_meta\":{" E "}},\"id\":\"\\u0061\", \"jsonrpc\":\"2.0\" }" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{ \"a\" : 1.10 }}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{" E "}, \"a\" : 1.10 }}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"a\":1, \"_meta\":{ \"t\": [ 1 ] } ,\"b\":2}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"a\":1, \"_meta\":{" E ",\"t\":[ 1 ]} ,\"b\":2}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"\\u005fmeta\":{\"io.modelcontextprotocol/client\\u0049nfo\":7,\"io.modelcontextprotocol/other\":8}}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"\\u005fmeta\":{" E ",\"io.modelcontextprotocol/other\":8}}}" },
};

START_TEST(a_request_gains_its_envelope_and_nothing_else)
{
	struct jsonrpc m = read_line(requests[_i].line);
	struct buf b;

	buf_init(&b, 4096);
	ck_assert(translate_request(&m, SPAN(ENVELOPE), &b));
	assert_text(&b, requests[_i].wanted);
	buf_release(&b);
}
END_TEST

START_TEST(what_has_no_room_for_an_envelope_is_not_framed)
{
	static const char *const lines[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[]}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":null}}",
	};
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct jsonrpc m = read_line(lines[i]);
		ck_assert(!translate_request(&m, SPAN(ENVELOPE), &b));
	}
	buf_release(&b);
}
END_TEST

START_TEST(the_next_leg_carries_answers_and_state_in_place_of_the_clients_own)
{
	struct jsonrpc m = read_line("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"requestState\":\"old\",\"name\":\"n\",\"arguments\":{ },\"_meta\":{\"p\":1},\"inputResponses\":{}}}");
	struct retry r = { parsed("\"2\""), SPAN(ENVELOPE), SPAN("{\"k\":{}}"), SPAN("\"st\\u0061te\"") };
	struct buf b;

	buf_init(&b, 4096);
	ck_assert(translate_retry(&m, &r, &b));
	assert_text(&b, "{\"jsonrpc\":\"2.0\",\"id\":\"2\",\"method\":\"tools/call\",\"params\":{\"_meta\":{" E ",\"p\":1},\"name\":\"n\",\"arguments\":{ },\"inputResponses\":{\"k\":{}},\"requestState\":\"st\\u0061te\"}}");
	buf_clear(&b);
	r.responses = r.state = (struct span){ 0 };
	ck_assert(translate_retry(&m, &r, &b));
	assert_text(&b, "{\"jsonrpc\":\"2.0\",\"id\":\"2\",\"method\":\"tools/call\",\"params\":{\"_meta\":{" E ",\"p\":1},\"name\":\"n\",\"arguments\":{ }}}");
	buf_release(&b);
}
END_TEST

/* ---- answers ------------------------------------------------------------------------------------------------------------------------- */
#define SERVER "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"s\"}"

static const struct { const char *method; bool wraps; const char *result, *wanted; } results[] = {
	{ "tools/list", false, "{\"resultType\":\"complete\",\"tools\":[ {\"name\":\"a\"} ,{\"x\":1}],\"ttlMs\":1,\"cacheScope\":\"public\",\"nextCursor\":\"c\"}",
	  "{\"tools\":[{\"name\":\"a\"},{\"x\":1}],\"nextCursor\":\"c\"}" },
	{ "tools/call", false, "{\"content\":[],\"ttlMs\":1,\"result\\u0054ype\":\"x\"}", "{\"content\":[],\"ttlMs\":1}" },
	{ "x", false, "{\"_meta\":{" SERVER "}}", "{}" },
	{ "x", false, "{\"_meta\":{" SERVER ",\"a\":1},\"b\":2}", "{\"_meta\":{\"a\":1},\"b\":2}" },
	{ "x", false, "{\"_meta\":{}}", "{\"_meta\":{}}" },
	{ "x", false, "[1]", "[1]" },
	{ "tools/call", false, "{\"content\":[],\"structuredContent\":{\"a\":1}}", "{\"content\":[],\"structuredContent\":{\"a\":1}}" },
	{ "tools/call", true, "{\"content\":[],\"structuredContent\":{\"a\":1}}", "{\"content\":[],\"structuredContent\":{\"result\":{\"a\":1}}}" },
	{ "tools/call", false, "{\"structuredContent\":null,\"content\":[{\"type\":\"image\"}]}",
	  "{\"structuredContent\":{\"result\":null},\"content\":[{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"null\"}]}" },
	{ "tools/call", false, "{\"content\":[{\"type\":\"text\",\"text\":\"t\"}],\"structuredContent\":[\"a\"]}",
	  "{\"content\":[{\"type\":\"text\",\"text\":\"t\"}],\"structuredContent\":{\"result\":[\"a\"]}}" },
	{ "prompts/get", true, "{\"structuredContent\":[1]}", "{\"structuredContent\":[1]}" },
};

START_TEST(a_result_loses_what_the_older_revisions_do_not_know)
{
	char line[1024], wanted[1024];
	struct buf b;

	(void)snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":\"ours\",\"result\":%s}", results[_i].result);
	(void)snprintf(wanted, sizeof(wanted), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":%s}", results[_i].wanted);
	struct jsonrpc m = read_line(line);
	struct translate_answer to = { results[_i].method, parsed("7"), results[_i].wraps };
	buf_init(&b, 4096);
	ck_assert(translate_result(&m, &to, &b));
	ck_assert_str_eq(b.data, wanted);
	buf_release(&b);
}
END_TEST

START_TEST(an_error_stays_as_it_is)
{
	struct jsonrpc m = read_line("{\"jsonrpc\":\"2.0\",\"id\":\"ours\",\"error\":{\"code\":-32602, \"message\":\"m\",\"resultType\":1}}");
	struct translate_answer to = { "tools/call", parsed("7"), true };
	struct buf b;

	buf_init(&b, 4096);
	ck_assert(translate_result(&m, &to, &b));
	ck_assert_str_eq(b.data, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602, \"message\":\"m\",\"resultType\":1}}");
	buf_release(&b);
}
END_TEST

START_TEST(a_notification_loses_the_number_of_its_stream)
{
	static const struct { const char *line, *wanted; } cases[] = {
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"l\"},\"uri\":\"u\"}}",
		  "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"uri\":\"u\"}}" },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_meta\":{\"a\":1,\"io.modelcontextprotocol/subscriptionId\":7}} }",
		  "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"_meta\":{\"a\":1}} }" },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}", "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}" },
	};
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jsonrpc m = read_line(cases[i].line);
		buf_clear(&b);
		ck_assert(translate_notification(&m, &b));
		ck_assert_str_eq(b.data, cases[i].wanted);
	}
	buf_release(&b);
}
END_TEST

static const struct { const char *discovered, *wanted, *result; } openings[] = {
	{ "{\"capabilities\":{\"tools\":{}},\"instructions\":\"i\",\"_meta\":{" SERVER "}}", "\"2025-06-18\"",
	  "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"s\"},\"instructions\":\"i\"}" },
	{ "{}", "\"2026-07-28\"", "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"serverInfo\":{\"name\":\"demo\",\"version\":\"0\"}}" },
	{ "{\"instructions\":7}", "7", "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"serverInfo\":{\"name\":\"demo\",\"version\":\"0\"}}" },
};

START_TEST(initialize_is_answered_from_what_was_discovered)
{
	struct translate_opening o = { parsed(openings[_i].discovered), parsed(openings[_i].wanted), "demo" };
	struct buf b;

	buf_init(&b, 4096);
	ck_assert(translate_opening(&o, &b));
	ck_assert_str_eq(b.data, openings[_i].result);
	buf_release(&b);
}
END_TEST

/* ---- schemas ------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *schema, *wanted; } schemas[] = {
	{ "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/a\"}}", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/properties/result/$defs/a\"}}" },
	{ "{\"anyOf\":[{\"$ref\":\"#\"},{\"$dynamicRef\":\"#/x\"},{\"$ref\":\"#name\"},{\"$ref\":\"https://x/y#/z\"}]}",
	  "{\"anyOf\":[{\"$ref\":\"#/properties/result\"},{\"$dynamicRef\":\"#/properties/result/x\"},{\"$ref\":\"#name\"},{\"$ref\":\"https://x/y#/z\"}]}" },
	{ "{\"const\":{\"$ref\":\"#/a\"},\"properties\":{\"const\":{\"$ref\":\"#/a\"},\"$ref\":{\"$ref\":\"#/a\"}}}",
	  "{\"const\":{\"$ref\":\"#/a\"},\"properties\":{\"const\":{\"$ref\":\"#/properties/result/a\"},\"$ref\":{\"$ref\":\"#/properties/result/a\"}}}" },
	{ "{\"$id\":\"https://x\",\"items\":{\"$ref\":\"#/a\"}}", "{\"$id\":\"https://x\",\"items\":{\"$ref\":\"#/a\"}}" },
	{ "{\"$id\":\"#x\",\"items\":{\"$id\":\"y\",\"$ref\":\"#/a\"},\"not\":{\"$ref\":\"#/a\"}}",
	  "{\"$id\":\"#x\",\"items\":{\"$id\":\"y\",\"$ref\":\"#/a\"},\"not\":{\"$ref\":\"#/properties/result/a\"}}" },
};

START_TEST(references_follow_a_schema_that_is_wrapped)
{
	char tools[1024], wanted[1024];
	struct buf b;

	ck_assert(translate_schema_wraps(parsed(schemas[_i].schema)));
	(void)snprintf(tools, sizeof(tools), "[{\"name\":\"a\",\"outputSchema\":%s, \"z\":1}]", schemas[_i].schema);
	(void)snprintf(wanted, sizeof(wanted), "[{\"name\":\"a\",\"outputSchema\":{\"type\":\"object\",\"properties\":{\"result\":%s},\"required\":[\"result\"]}, \"z\":1}]",
	               schemas[_i].wanted);
	buf_init(&b, 4096);
	ck_assert(translate_tools(parsed(tools), &b));
	ck_assert_str_eq(b.data, wanted);
	buf_release(&b);
}
END_TEST

START_TEST(schemas_of_objects_stay)
{
	static const char tools[] = "[{\"outputSchema\":{ \"type\":\"object\",\"items\":{\"$ref\":\"#/a\"}}},{},7]";
	struct buf b;

	ck_assert(!translate_schema_wraps(parsed("{\"type\":\"object\"}")));
	ck_assert(!translate_schema_wraps(parsed("true")));
	ck_assert(!translate_schema_wraps((struct json_value){ 0 }));
	buf_init(&b, 4096);
	ck_assert(translate_tools(parsed(tools), &b));
	ck_assert_str_eq(b.data, tools);
	buf_release(&b);
}
END_TEST

START_TEST(a_cap_that_would_be_passed_is_an_answer)
{
	struct jsonrpc m = read_line(requests[2].line);
	struct buf b;

	for (size_t cap = 0; cap < strlen(requests[2].line) + strlen(ENVELOPE); cap++) {
		buf_init(&b, cap);
		ck_assert(!translate_request(&m, SPAN(ENVELOPE), &b));
		buf_release(&b);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("translate");
	TCase *t = tcase_create("requests");

	tcase_add_test(t, the_envelope_is_made_of_what_initialize_said);
	tcase_add_loop_test(t, a_request_gains_its_envelope_and_nothing_else, 0, ARRAY_LEN(requests));
	tcase_add_test(t, what_has_no_room_for_an_envelope_is_not_framed);
	tcase_add_test(t, the_next_leg_carries_answers_and_state_in_place_of_the_clients_own);
	tcase_add_test(t, a_cap_that_would_be_passed_is_an_answer);
	suite_add_tcase(s, t);
	t = tcase_create("answers");
	tcase_add_loop_test(t, a_result_loses_what_the_older_revisions_do_not_know, 0, ARRAY_LEN(results));
	tcase_add_test(t, an_error_stays_as_it_is);
	tcase_add_test(t, a_notification_loses_the_number_of_its_stream);
	tcase_add_loop_test(t, initialize_is_answered_from_what_was_discovered, 0, ARRAY_LEN(openings));
	suite_add_tcase(s, t);
	t = tcase_create("schemas");
	tcase_add_loop_test(t, references_follow_a_schema_that_is_wrapped, 0, ARRAY_LEN(schemas));
	tcase_add_test(t, schemas_of_objects_stay);
	suite_add_tcase(s, t);
	return s;
}
