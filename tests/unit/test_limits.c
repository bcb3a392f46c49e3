/* limits: which windows a call must pass, under which keys, and how durations are written. */
#include "base/xalloc.h"
#include "domain/limits.h"
#include "domain/queue.h"
#include "rules.h"

static struct config *config;
static struct claim_set claims;

static void setup(void)
{
	config = rules_of(RULES_BACKENDS
		"queue:\n"
		"  x:\n"
		"    enabled: true\n"
		"    bypass_tools: [\"list_*\"]\n"
		"    global_rate_limits:\n"
		"      post: { window: 1d, max_count: 10 }\n"
		"      \"*\": { window: 1h, max_count: 100 }\n"
		"agents:\n"
		"  a:\n"
		"    rate_limits: { \"*\": { window: 1m, max_count: 50 } }\n"
		"    backends:\n"
		"      x:\n"
		"        allowed: true\n"
		"        rate_limits:\n"
		"          post: [ { window: 30s, max_count: 1 }, { window: 1h, max_count: 3 } ]\n"
		"          \"po*\": { window: 2m, max_count: 9 }\n"
		"      y: { allowed: true, rate_limits: { post: { window: 30s, max_count: 1 } } }\n"
		"principals:\n"
		"  \"uid:7\": { rate_limits: { \"*\": { window: 5m, max_count: 5 } } }\n");
}

static void teardown(void)
{
	claims_release(&claims);
	config_free(config);
}

static void collect(const char *agent, const char *backend, int64_t uid, const char *tool)
{
	struct limit_subject who = { "", agent, backend, uid, span_of(tool) };

	claims_release(&claims);
	claims_collect(config, &who, &claims);
}

START_TEST(every_window_that_applies_is_claimed_in_fixed_order)
{
	static const struct {
		enum limit_scope scope;
		int64_t window_ms;
		uint32_t max_count;
	} want[] = {
		{ LIMIT_AGENT_TOOL, 30000, 1 }, { LIMIT_AGENT_TOOL, 3600000, 3 }, { LIMIT_AGENT_TOOL, 120000, 9 },
		{ LIMIT_AGENT, 60000, 50 },     { LIMIT_UID, 300000, 5 },         { LIMIT_GLOBAL, 86400000, 10 },
		{ LIMIT_GLOBAL, 3600000, 100 },
	};

	collect("a", "x", 7, "post");
	ck_assert_uint_eq(claims.n, ARRAY_LEN(want));
	for (size_t i = 0; i < claims.n; i++) {
		ck_assert_int_eq(claims.v[i].scope, want[i].scope);
		ck_assert_int_eq(claims.v[i].window_ms, want[i].window_ms);
		ck_assert_uint_eq(claims.v[i].max_count, want[i].max_count);
	}
	ck_assert(claims_need_full(&claims));
}
END_TEST

START_TEST(an_operator_sees_every_window_of_the_file_under_the_keys_calls_use)
{
	claims_release(&claims);
	claims_list(config, NULL, &claims);
	ck_assert_uint_eq(claims.n, 8);
	ck_assert_str_eq(claims.v[0].who, "a");
	ck_assert_str_eq(claims.v[0].backend, "x");
	ck_assert_str_eq(claims.v[2].tool, "po*");
	char *listed = xstrdup(claims.v[0].key);
	collect("a", "x", 0, "post");
	ck_assert_str_eq(claims.v[0].key, listed);
	free(listed);
}
END_TEST

START_TEST(an_unknown_agent_meets_only_what_principals_are_held_to)
{
	claims_release(&claims);
	claims_list(config, "nobody", &claims);
	ck_assert_uint_eq(claims.n, 1);
	ck_assert_int_eq(claims.v[0].scope, LIMIT_UID);
}
END_TEST

START_TEST(windows_of_one_rule_share_a_key_and_backends_do_not)
{
	collect("a", "x", 0, "post");
	ck_assert_str_eq(claims.v[0].key, claims.v[1].key);
	ck_assert_str_ne(claims.v[0].key, claims.v[2].key);
	char *on_x = claims.v[0].key;
	claims.v[0].key = NULL;
	collect("a", "y", 0, "post");
	ck_assert_str_ne(claims.v[0].key, on_x);
	free(on_x);
}
END_TEST

START_TEST(a_glob_is_one_bucket)
{
	collect("a", "x", 0, "poke");
	ck_assert_uint_eq(claims.n, 3);
	char *poke = claims.v[0].key;
	claims.v[0].key = NULL;
	collect("a", "x", 0, "pony");
	ck_assert_str_eq(claims.v[0].key, poke);
	free(poke);
}
END_TEST

START_TEST(only_the_uid_that_is_named_is_limited_as_a_user)
{
	collect("a", "y", 8, "echo");
	ck_assert_uint_eq(claims.n, 1);
	ck_assert_int_eq(claims.v[0].scope, LIMIT_AGENT);
	ck_assert(!claims_need_full(&claims));
}
END_TEST

static const struct {
	int64_t ms;
	const char *text;
} durations[] = {
	{ 86400000, "1d" }, { 604800000, "7d" }, { 5400000, "90m" }, { 129600000, "36h" },
	{ 3600000, "1h" },  { 30000, "30s" },    { 60000, "1m" },    { 1500, "1500ms" },
	{ 90000, "90s" },   { 0, "0ms" },
};

START_TEST(durations_are_exact)
{
	struct buf b;

	buf_init(&b, 64);
	ck_assert(limit_write_duration(&b, durations[_i].ms));
	ck_assert_str_eq(b.data, durations[_i].text);
	buf_release(&b);
}
END_TEST

START_TEST(a_tool_that_bypasses_stands_in_no_queue)
{
	const struct config_queue *q = config_queue(config, "x");

	ck_assert(queue_governs(q, SPAN("post")));
	ck_assert(!queue_governs(q, SPAN("list_posts")));
	ck_assert(!queue_governs(NULL, SPAN("post")));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("limits");
	TCase *t = tcase_create("limits");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_window_that_applies_is_claimed_in_fixed_order);
	tcase_add_test(t, windows_of_one_rule_share_a_key_and_backends_do_not);
	tcase_add_test(t, a_glob_is_one_bucket);
	tcase_add_test(t, an_operator_sees_every_window_of_the_file_under_the_keys_calls_use);
	tcase_add_test(t, an_unknown_agent_meets_only_what_principals_are_held_to);
	tcase_add_test(t, only_the_uid_that_is_named_is_limited_as_a_user);
	tcase_add_loop_test(t, durations_are_exact, 0, (int)ARRAY_LEN(durations));
	tcase_add_test(t, a_tool_that_bypasses_stands_in_no_queue);
	suite_add_tcase(s, t);
	return s;
}
