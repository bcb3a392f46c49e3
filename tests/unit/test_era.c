/* Which era a message claims, and which a backend's answer tells of. */
#include "shim/era.h"
#include "unit/unit.h"

static struct jsonrpc read_line(const char *line)
{
	struct jsonrpc m;

	jsonrpc_read(span_of(line), &m);
	ck_assert_msg(m.kind != JSONRPC_INVALID, "%s", line);
	return m;
}

#define CALL(meta) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"x\",\"_meta\":" meta "}}"
#define VERSION(v) CALL("{\"io.modelcontextprotocol/protocolVersion\":" v "}")

START_TEST(a_message_claims_the_revision_in_its_envelope)
{
	static const struct { const char *line, *claim; } cases[] = {
		{ VERSION("\"2026-07-28\""), "\"2026-07-28\"" },
		{ VERSION("\"2027-01-01\""), "\"2027-01-01\"" },
		{ VERSION("\"2025-11-25\""), "" },
		{ VERSION("\"\""), "" },
		{ VERSION("7"), "" },
		{ CALL("{}"), "" },
		{ CALL("null"), "" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[1]}", "" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jsonrpc m = read_line(cases[i].line);
		ck_assert_msg(span_is(era_claim(&m).text, cases[i].claim), "%s", cases[i].line);
	}
}
END_TEST

#define ERROR(text) "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":" text "}"

START_TEST(an_answer_to_discover_tells_the_era)
{
	static const struct { const char *line; enum era era; } cases[] = {
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}", ERA_MODERN },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2030-01-01\",\"2026-07-28\"]}}", ERA_MODERN },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2030-01-01\"]}}", ERA_LEGACY },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":\"2026-07-28\"}}", ERA_LEGACY },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", ERA_LEGACY },
		{ ERROR("{\"code\":-32022,\"message\":\"m\",\"data\":{\"supported\":[\"2026-07-28\"]}}"), ERA_MODERN },
		{ ERROR("{\"code\":-32022,\"message\":\"m\",\"data\":{\"supported\":[\"2025-11-25\"]}}"), ERA_LEGACY },
		{ ERROR("{\"code\":-32022,\"message\":\"m\"}"), ERA_LEGACY },
		{ ERROR("{\"code\":-32601,\"message\":\"m\"}"), ERA_LEGACY },
		{ ERROR("{\"code\":-32000,\"message\":\"m\",\"data\":{\"supported\":[\"2026-07-28\"]}}"), ERA_LEGACY },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jsonrpc m = read_line(cases[i].line);
		ck_assert_msg(era_of_discover(&m) == cases[i].era, "%s", cases[i].line);
	}
}
END_TEST

START_TEST(only_some_refusals_of_initialize_are_worth_a_question)
{
	static const struct { int code; bool is_worth; } cases[] = {
		{ -32022, true }, { -32020, true }, { -32601, true }, { -32602, true }, { -32600, true }, { -32000, false }, { -32603, false }, { -32001, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char line[128];
		(void)snprintf(line, sizeof(line), ERROR("{\"code\":%d,\"message\":\"m\"}"), cases[i].code);
		struct jsonrpc m = read_line(line);
		ck_assert_msg(era_may_be_modern(&m) == cases[i].is_worth, "%d", cases[i].code);
	}
}
END_TEST

START_TEST(who_agrees_to_the_stateless_revision_is_worth_a_question)
{
	struct jsonrpc lax = read_line("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2026-07-28\"}}");
	ck_assert(era_may_be_modern(&lax));
	struct jsonrpc older = read_line("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\"}}");
	ck_assert(!era_may_be_modern(&older));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("era");
	TCase *t = tcase_create("era");

	tcase_add_test(t, a_message_claims_the_revision_in_its_envelope);
	tcase_add_test(t, an_answer_to_discover_tells_the_era);
	tcase_add_test(t, only_some_refusals_of_initialize_are_worth_a_question);
	tcase_add_test(t, who_agrees_to_the_stateless_revision_is_worth_a_question);
	suite_add_tcase(s, t);
	return s;
}
