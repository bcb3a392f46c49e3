/* refusal: how a "no" is said. */
#include "shim/refusal.h"
#include "base/xalloc.h"
#include "shim/waiting.h"
#include "unit/unit.h"

static char *said(const struct refusal *r, enum config_deny_as as)
{
	struct json_value id = { JSON_NUMBER, SPAN("7") };
	struct buf out;

	buf_init(&out, 100000);
	ck_assert(refusal_write(r, id, "c1", as, &out));
	return buf_take(&out);
}

static struct refusal full_window(struct limit_claim *claim, bool is_held, int64_t retry_after_ms)
{
	struct limit_refusal why = { .claim = claim, .used = is_held ? 0 : 3, .held = is_held ? 3 : 0,
		.retry_after_ms = retry_after_ms, .is_held = is_held };
	struct refusal r;

	refusal_set_limit(&r, "x", &why);
	return r;
}

static char key[] = "k";

START_TEST(an_error_holds_code_sentence_and_data)
{
	struct refusal r;
	refusal_set(&r, REFUSED_APPROVAL, "%s says \"no\"", "who");
	CLEANUP(free_charp) char *text = said(&r, DENY_AS_ERROR);

	ck_assert_str_eq(text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32004,\"message\":\"who says \\\"no\\\"\","
		"\"data\":{\"reason\":\"refused\",\"executed\":\"no\",\"request_id\":\"c1\"}}}");
}
END_TEST

START_TEST(as_a_result_it_is_the_sentence_alone)
{
	struct refusal r;
	refusal_set(&r, REFUSED_DENIED, "no such tool");
	CLEANUP(free_charp) char *text = said(&r, DENY_AS_RESULT);

	ck_assert_str_eq(text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"no such tool\"}],"
		"\"isError\":true}}");
}
END_TEST

START_TEST(a_malformed_call_is_an_error_whatever_the_agent_wants)
{
	struct refusal r;
	refusal_set(&r, REFUSED_INVALID, "needs a name");
	CLEANUP(free_charp) char *text = said(&r, DENY_AS_RESULT);

	ck_assert_ptr_nonnull(strstr(text, "\"code\":-32602"));
}
END_TEST

START_TEST(nothing_tells_a_denied_tool_from_an_unknown_one)
{
	struct refusal denied, unknown;
	refusal_set(&denied, REFUSED_DENIED, "agent a has no tool t");
	refusal_set(&unknown, REFUSED_UNKNOWN_TOOL, "agent a has no tool t");
	snprintf(denied.rule, sizeof(denied.rule), "tool_denylist t");
	CLEANUP(free_charp) char *one = said(&denied, DENY_AS_ERROR);
	CLEANUP(free_charp) char *other = said(&unknown, DENY_AS_ERROR);

	ck_assert_str_eq(one, other);
}
END_TEST

START_TEST(a_full_window_is_named_with_its_count_and_time)
{
	struct limit_claim claim = { .key = key, .scope = LIMIT_AGENT_TOOL, .tool = "get_weather", .window_ms = 60000, .max_count = 3 };
	struct refusal r = full_window(&claim, false, 41500);
	CLEANUP(free_charp) char *text = said(&r, DENY_AS_ERROR);

	ck_assert_str_eq(r.sentence, "rate limit for get_weather: 3 of 3 calls in 1m used by this agent; next free in 42 s. "
		"The call was not executed.");
	ck_assert_ptr_nonnull(strstr(text, "\"code\":-32002"));
	ck_assert_ptr_nonnull(strstr(text, "\"retry_after_ms\":41500"));
	ck_assert_ptr_nonnull(strstr(text, "\"window\":60000,\"max_count\":3,\"used\":3,\"held\":0"));
}
END_TEST

START_TEST(a_window_full_of_holds_has_a_reason_of_its_own)
{
	struct limit_claim claim = { .key = key, .scope = LIMIT_GLOBAL, .tool = "*", .window_ms = 86400000, .max_count = 3 };
	struct refusal r = full_window(&claim, true, 90 * 60000);

	ck_assert_int_eq(r.reason, REFUSED_HELD);
	ck_assert_str_eq(r.sentence, "rate limit for all tools of backend x: 3 of 3 calls in 1d held for waiting calls by all agents "
		"together; next free in 1 h 30 min. The call was not executed.");
}
END_TEST

START_TEST(holds_that_do_not_run_out_by_themselves_promise_no_time)
{
	struct limit_claim claim = { .key = key, .scope = LIMIT_AGENT_TOOL, .tool = "t", .window_ms = 1000, .max_count = 3 };
	struct refusal r = full_window(&claim, true, -1);
	CLEANUP(free_charp) char *text = said(&r, DENY_AS_ERROR);

	ck_assert_str_eq(r.sentence, "rate limit for t: 3 of 3 calls in 1s held for waiting calls by this agent; next free when one of "
		"them ends. The call was not executed.");
	ck_assert_ptr_null(strstr(text, "retry_after_ms"));
}
END_TEST

START_TEST(a_loop_is_told_what_it_is)
{
	struct limit_claim claim = { .key = key, .scope = LIMIT_LOOP, .tool = "", .window_ms = 300000, .max_count = 3 };
	struct refusal r = full_window(&claim, false, 61000);

	ck_assert_int_eq(refusal_code(r.reason), -32001);
	ck_assert_str_eq(r.rule, "loop.max_repeats 3/5m");
	ck_assert_ptr_nonnull(strstr(r.sentence, "made 3 times within 5m"));
	ck_assert_ptr_nonnull(strstr(r.sentence, "not made again for 1 min 1 s"));
}
END_TEST

START_TEST(what_stops_calls_for_a_time_says_what_and_until_when)
{
	struct obstacle cool = { .text = "it answered HTTP 429", .until_ms = 30000 };
	struct obstacle lost = { .until_ms = 600000, .since_at_ms = 1763726400000, .call = "0123456789abcdef0123456789abcdef" };
	struct refusal r;

	refusal_set_cooldown(&r, "b", &cool);
	ck_assert_int_eq(refusal_code(r.reason), -32002);
	ck_assert_str_eq(r.sentence, "backend b asked to be left alone (it answered HTTP 429): no agent's call is sent to it for 30 s. "
		"The call was not executed.");
	ck_assert_int_eq(r.retry_after_ms, 30000);
	refusal_set_after_unknown(&r, "b", "pay", &lost);
	ck_assert_int_eq(refusal_code(r.reason), -32006);
	ck_assert_int_eq(r.executed, EXECUTED_NO);
	ck_assert_ptr_nonnull(strstr(r.sentence, "(call 89abcdef), and since 2025-11-21T12:00:00Z nobody knows"));
	ck_assert_ptr_nonnull(strstr(r.sentence, "aegisctl unknown settle 89abcdef done|not_done), or in 10 min."));
}
END_TEST

static const struct { int64_t ms; const char *text; } waits[] = {
	{ 0, "1 s" }, { 1, "1 s" }, { 1001, "2 s" }, { 59000, "59 s" }, { 59001, "1 min" }, { 60000, "1 min" }, { 60001, "1 min 1 s" },
	{ 119999, "2 min" }, { 3599000, "59 min 59 s" }, { 3599001, "1 h" }, { 3600050, "1 h 1 min" }, { 7260000, "2 h 1 min" },
	{ 86399999, "1 d" }, { 86400050, "1 d 1 h" }, { 7 * 86400000LL, "7 d" },
};

START_TEST(the_wait_is_told_in_its_two_largest_units_and_never_too_short)
{
	struct limit_claim claim = { .key = key, .scope = LIMIT_AGENT, .tool = "*", .window_ms = 86400000, .max_count = 3 };
	struct refusal r = full_window(&claim, false, waits[_i].ms);
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "; next free in %s. ", waits[_i].text);
	ck_assert_msg(strstr(r.sentence, wanted) != NULL, "%s not in %s", wanted, r.sentence);
}
END_TEST

static char *deferred(const struct waiting *w, int64_t retry_after_ms)
{
	struct refusal r;

	refusal_set_deferral(&r, "x", w, retry_after_ms);
	return said(&r, DENY_AS_ERROR);
}

START_TEST(a_deferral_is_a_result_that_says_what_it_waits_for)
{
	struct waiting w = { .what = WAITING_APPROVAL, .name = "APR-7F3K", .eta_ms = -1 };
	CLEANUP(free_charp) char *text = deferred(&w, 30000);

	ck_assert_str_eq(text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"approval APR-7F3K is still "
		"pending, the call has NOT been executed; repeat exactly the same call later to collect its result, and do not work around it. An operator decides with `aegisctl approvals approve APR-7F3K`."
		"\"}],\"isError\":true,\"_meta\":{\"aegis/status\":\"require_approval\",\"aegis/approval_id\":\"APR-7F3K\","
		"\"aegis/retry_after_ms\":30000}}}");
}
END_TEST

START_TEST(a_deferral_in_the_queue_says_the_place_and_when_its_turn_comes)
{
	struct waiting w = { .what = WAITING_QUEUE, .position = 3, .eta_ms = 150000 };
	CLEANUP(free_charp) char *text = deferred(&w, -1);

	ck_assert_ptr_nonnull(strstr(text, "queue of backend x, position 3, its turn comes in about 2 min 30 s. The call has NOT been executed"));
	ck_assert_ptr_nonnull(strstr(text, "\"_meta\":{\"aegis/status\":\"queued\"}}}"));
}
END_TEST

START_TEST(a_deferral_under_a_brake_says_the_operators_reason)
{
	struct waiting w = { .what = WAITING_BRAKE, .name = "APR-7F3K", .reason = "the \"site\" is down", .eta_ms = -1 };
	CLEANUP(free_charp) char *text = deferred(&w, -1);

	ck_assert_ptr_nonnull(strstr(text, "paused this call: the \\\"site\\\" is down. The call has NOT been executed"));
	ck_assert_ptr_nonnull(strstr(text, "{\"aegis/status\":\"paused\",\"aegis/approval_id\":\"APR-7F3K\"}"));
}
END_TEST

START_TEST(a_deferral_while_a_backend_cools_down_says_how_long)
{
	struct waiting w = { .what = WAITING_COOLDOWN, .eta_ms = 5000 };
	CLEANUP(free_charp) char *text = deferred(&w, 5000);

	ck_assert_ptr_nonnull(strstr(text, "about 5 s more"));
	ck_assert_ptr_nonnull(strstr(text, "{\"aegis/status\":\"queued\",\"aegis/retry_after_ms\":5000}"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("refusal");
	TCase *t = tcase_create("refusal");

	tcase_add_test(t, an_error_holds_code_sentence_and_data);
	tcase_add_test(t, as_a_result_it_is_the_sentence_alone);
	tcase_add_test(t, a_malformed_call_is_an_error_whatever_the_agent_wants);
	tcase_add_test(t, nothing_tells_a_denied_tool_from_an_unknown_one);
	tcase_add_test(t, a_full_window_is_named_with_its_count_and_time);
	tcase_add_test(t, a_window_full_of_holds_has_a_reason_of_its_own);
	tcase_add_test(t, holds_that_do_not_run_out_by_themselves_promise_no_time);
	tcase_add_test(t, a_loop_is_told_what_it_is);
	tcase_add_test(t, what_stops_calls_for_a_time_says_what_and_until_when);
	tcase_add_loop_test(t, the_wait_is_told_in_its_two_largest_units_and_never_too_short, 0, ARRAY_LEN(waits));
	tcase_add_test(t, a_deferral_is_a_result_that_says_what_it_waits_for);
	tcase_add_test(t, a_deferral_in_the_queue_says_the_place_and_when_its_turn_comes);
	tcase_add_test(t, a_deferral_under_a_brake_says_the_operators_reason);
	tcase_add_test(t, a_deferral_while_a_backend_cools_down_says_how_long);
	suite_add_tcase(s, t);
	return s;
}
