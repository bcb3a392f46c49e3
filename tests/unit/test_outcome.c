/* outcome: what an answer of the shim means, by exit code. */
#include "unit/unit.h"
#include "broker/ctl/outcome.h"

static struct outcome outcome_of_line(const char *line)
{
	struct jsonrpc message;

	jsonrpc_read(span_of(line), &message);
	ck_assert(message.kind == JSONRPC_RESULT || message.kind == JSONRPC_ERROR);
	return outcome_of(&message);
}

#define RESULT(members)  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{" members "}}"
#define ERROR_(members)  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"message\":\"m\"," members "}}"
#define OURS(code)       ERROR_("\"code\":" code ",\"data\":{\"reason\":\"r\",\"executed\":\"no\"}")

static const struct {
	const char *line, *name;
	enum ctl_exit exit;
} cases[] = {
	{ RESULT("\"content\":[]"), "executed", CTL_OK },
	{ RESULT("\"isError\":false"), "executed", CTL_OK },
	{ RESULT("\"isError\":true"), "tool_error", CTL_FAILED },
	{ RESULT("\"isError\":true,\"_meta\":{\"aegis/status\":\"queued\"}"), "waiting", CTL_WAITING },
	{ RESULT("\"isError\":true,\"_meta\":{\"aegis/status\":\"require_approval\"}"), "waiting", CTL_WAITING },
	{ RESULT("\"isError\":true,\"_meta\":{\"aegis/status\":\"later\"}"), "waiting", CTL_WAITING },
	{ RESULT("\"isError\":true,\"_meta\":{\"aegis/status\":1}"), "tool_error", CTL_FAILED },
	{ OURS("-32001"), "denied", CTL_DENIED },
	{ OURS("-32002"), "limited", CTL_LIMITED },
	{ OURS("-32003"), "waiting", CTL_WAITING },
	{ OURS("-32004"), "waiting", CTL_WAITING },
	{ OURS("-32005"), "unreachable", CTL_UNREACHABLE },
	{ OURS("-32006"), "unknown", CTL_UNREACHABLE },
	{ OURS("-32603"), "broken", CTL_BROKEN },
	{ OURS("-32000"), "backend_error", CTL_FAILED },
	{ ERROR_("\"code\":-32602"), "backend_error", CTL_FAILED },
};

START_TEST(an_answer_becomes_an_exit_code)
{
	struct outcome o = outcome_of_line(cases[_i].line);

	ck_assert_str_eq(o.name, cases[_i].name);
	ck_assert_int_eq(o.exit, cases[_i].exit);
}
END_TEST

START_TEST(a_call_that_waits_says_what_for)
{
	ck_assert_ptr_nonnull(strstr(outcome_of_line(RESULT("\"isError\":true,\"_meta\":{\"aegis/status\":\"paused\"}")).sentence, "resume"));
	ck_assert_ptr_nonnull(strstr(outcome_of_line(RESULT("\"isError\":true,\"_meta\":{\"aegis/status\":\"require_approval\"}")).sentence,
		"approvals"));
}
END_TEST

START_TEST(a_backend_that_uses_our_code_is_not_taken_for_a_refusal)
{
	ck_assert_str_eq(outcome_of_line(ERROR_("\"code\":-32001")).name, "backend_error");
	ck_assert_str_eq(outcome_of_line(ERROR_("\"code\":-32002,\"data\":{\"reason\":1}")).name, "backend_error");
}
END_TEST

START_TEST(a_start_that_fails_is_judged_by_its_code_alone)
{
	struct jsonrpc message;

	jsonrpc_read(SPAN(ERROR_("\"code\":-32603")), &message);
	ck_assert_int_eq(outcome_of_start(&message).exit, CTL_BROKEN);
	jsonrpc_read(SPAN(ERROR_("\"code\":-32001")), &message);
	ck_assert_int_eq(outcome_of_start(&message).exit, CTL_DENIED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("outcome");
	TCase *t = tcase_create("outcome");

	tcase_add_loop_test(t, an_answer_becomes_an_exit_code, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(t, a_call_that_waits_says_what_for);
	tcase_add_test(t, a_backend_that_uses_our_code_is_not_taken_for_a_refusal);
	tcase_add_test(t, a_start_that_fails_is_judged_by_its_code_alone);
	suite_add_tcase(s, t);
	return s;
}
