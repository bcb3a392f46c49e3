#include "broker/audit_log.h"
#include "base/attr.h"
#include "unit/unit.h"

static struct audit_log *audit;
static struct audit_query query;
static struct buf text;
static struct jsonput p;
static uint64_t seq;

static void setup(void)
{
	query = (struct audit_query){ 0 };
	audit = audit_log_new(&query);
	buf_init(&text, 65536);
	p = jsonput_begin(&text);
	seq = 100;
}

static void teardown(void)
{
	audit_log_free(audit);
	buf_release(&text);
}

/* Newest first, as the store gives them. */
static bool row(const char *kind, const char *call, const char *verdict, const char *body)
{
	struct audit_row r = { .seq = seq, .call = call, .kind = kind, .agent = "ann", .backend = "shop", .tool = "buy", .verdict = verdict,
		.body = body, .at_ms = 1700000000000 + (int64_t)seq };

	seq--;
	bool is_one = audit_log_take(audit, &r);
	if (is_one)
		audit_log_put(audit, &p);
	return is_one;
}

static void says(const char *part)
{
	ck_assert_msg(text.len > 0 && strstr(text.data, part) != NULL, "no %s in %s", part, text.len ? text.data : "");
}

START_TEST(intent_and_outcome_become_one_row)
{
	ck_assert(!row("outcome", "c1", "succeeded", "{\"duration_ms\":12,\"executed\":\"yes\"}"));
	ck_assert(row("intent", "c1", "allowed", "{\"approval\":\"a1\",\"arguments\":{\"n\":\"1\"},\"queue_position\":2,\"queue_wait_ms\":7,\"uid\":1000}"));
	says("\"request_id\":\"c1\",\"agent_id\":\"ann\",\"backend_id\":\"shop\",\"tool_name\":\"buy\",\"arguments\":\"{\\\"n\\\":\\\"1\\\"}\"");
	says("\"acl_result\":\"allowed\",\"rate_limit_result\":\"allowed\",\"approval_result\":\"approved\",\"queue_position\":2,\"queue_wait_ms\":7");
	says("\"exec_status\":\"success\",\"exec_duration_ms\":12,\"error_message\":\"\"");
}
END_TEST

START_TEST(a_call_without_outcome_is_open_and_failures_say_why)
{
	ck_assert(row("intent", "c2", "allowed", "{\"uid\":1}"));
	says("\"approval_result\":\"\"");
	says("\"exec_status\":\"open\"");
	ck_assert(!row("outcome", "c1", "unknown", "{\"cause\":\"the connection broke\",\"executed\":\"unknown\"}"));
	ck_assert(row("intent", "c1", "allowed", "{}"));
	says("\"exec_status\":\"error\"");
	says("the connection broke");
}
END_TEST

START_TEST(a_refusal_tells_how_far_it_came)
{
	static const struct { const char *body, *verdict, *says; } rows[] = {
		{ "{\"stage\":\"acl\",\"message\":\"no\"}", "denied", "\"acl_result\":\"denied\",\"rate_limit_result\":\"\",\"approval_result\":\"\"" },
		{ "{\"stage\":\"limits\"}", "rate", "\"acl_result\":\"allowed\",\"rate_limit_result\":\"denied\",\"approval_result\":\"\"" },
		{ "{\"stage\":\"approval\"}", "refused", "\"rate_limit_result\":\"allowed\",\"approval_result\":\"rejected\"" },
		{ "{\"stage\":\"approval\"}", "expired", "\"approval_result\":\"expired\"" },
		{ "{\"stage\":\"approval\"}", "deferred", "\"exec_status\":\"deferred\"" },
		{ "{\"count\":7,\"first_at\":1,\"last_at\":2}", "rate", "\"count\":7" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&text);
		ck_assert(row("refused", "c", rows[i].verdict, rows[i].body));
		says(rows[i].says);
	}
}
END_TEST

START_TEST(what_is_very_long_is_left_out)
{
	CLEANUP(buf_release) struct buf body = { 0 };

	buf_init(&body, 1 << 20);
	ck_assert(buf_append_text(&body, "{\"arguments\":{\"n\":\""));
	for (int i = 0; i < 70000; i++)
		ck_assert(buf_append_char(&body, 'x'));
	ck_assert(buf_append_text(&body, "\"}}"));
	ck_assert(row("intent", "c1", "allowed", body.data));
	says("\"arguments\":\"(70008 bytes, left out here)\",\"arguments_left_out\":true");
}
END_TEST

START_TEST(what_is_no_call_is_left_out)
{
	ck_assert(!row("request", "c", "forwarded", "{}"));
	ck_assert(!row("operator", "c", "pause", "{}"));
	ck_assert(!row("decision", "c", "approve", "{}"));
	ck_assert(!row("refused", "c", "blocked", "{\"method\":\"resources/read\",\"message\":\"no\"}"));
	ck_assert(!row("outcome", "c9", "succeeded", "no json at all"));
	ck_assert(row("intent", "c9", "allowed", "neither"));
	says("\"arguments\":\"\"");
}
END_TEST

START_TEST(filters_are_joined_by_and)
{
	static const struct { struct audit_query q; bool is_found; } rows[] = {
		{ { .agent = "ann", .backend = "shop", .tool = "b*", .user = "7" }, true },
		{ { .agent = "bob" }, false }, { { .backend = "x" }, false }, { { .tool = "s*" }, false }, { { .user = "8" }, false },
		{ { .room = "r" }, false }, { { .tenant = "t" }, false }, { { .verdict = "allowed" }, true }, { { .verdict = "open" }, true },
		{ { .verdict = "denied" }, false }, { { .since_ms = 1700000000000 }, true }, { { .since_ms = 1700000001000 }, false },
		{ { .until_ms = 1700000001000 }, true }, { { .until_ms = 1700000000000 }, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		query = rows[i].q;
		seq = 100;
		ck_assert_msg(row("intent", "c", "allowed", "{\"uid\":7}") == rows[i].is_found, "row %zu", i);
	}
}
END_TEST

START_TEST(times_are_read_as_people_and_programs_write_them)
{
	static const struct { const char *text; int64_t ms; } good[] = {
		{ "2023-11-14", 1699920000000 }, { "2023-11-14T22:13:20Z", 1700000000000 }, { "2023-11-14T22:13:20.5Z", 1700000000500 },
		{ "2023-11-14T22:13:20.123456Z", 1700000000123 }, { "2023-11-14T23:13:20+01:00", 1700000000000 },
		{ "2023-11-14T21:13:20-01:00", 1700000000000 }, { "1700000000000", 1700000000000 },
	};
	static const char *const bad[] = { "", "yesterday", "2023-13-14", "2023-11-14T", "2023-11-14T22:13:20", "2023-11-14T22:13:20.Z", "12",
		"2023-11-14T22:13:20+1:00", "2023-11-14T22:13:20+01:00x", "2023-11-14x", "-1700000000000", "2023-11-14T22:13:20+99:00" };
	int64_t ms = 0;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(audit_time_parse(good[i].text, &ms), "%s", good[i].text);
		ck_assert_msg(ms == good[i].ms, "%s: %lld", good[i].text, (long long)ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!audit_time_parse(bad[i], &ms), "%s", bad[i]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("audit_log");
	TCase *t = tcase_create("audit_log");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, intent_and_outcome_become_one_row);
	tcase_add_test(t, a_call_without_outcome_is_open_and_failures_say_why);
	tcase_add_test(t, a_refusal_tells_how_far_it_came);
	tcase_add_test(t, what_is_very_long_is_left_out);
	tcase_add_test(t, what_is_no_call_is_left_out);
	tcase_add_test(t, filters_are_joined_by_and);
	tcase_add_test(t, times_are_read_as_people_and_programs_write_them);
	suite_add_tcase(s, t);
	return s;
}
