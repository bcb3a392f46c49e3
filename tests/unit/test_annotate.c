/* annotate: the prefix of a description. */
#include "domain/annotate.h"
#include "rules.h"

static struct config *config;

static void setup(void)
{
	config = rules_of(RULES_BACKENDS
		"queue:\n"
		"  x:\n"
		"    enabled: true\n"
		"    delay_min: 60s\n"
		"    delay_max: 600s\n"
		"    bypass_tools: [\"free\"]\n"
		"    global_rate_limits: { post: { window: 24h, max_count: 10 } }\n"
		"agents:\n"
		"  a:\n"
		"    backends:\n"
		"      x:\n"
		"        allowed: true\n"
		"        rate_limits: { post: [ { window: 1h, max_count: 3 }, { window: 36h, max_count: 9 } ], slow: { window: 90m, max_count: 1 } }\n"
		"        approval_required: [\"post\"]\n"
		"  full: { annotate: full, backends: { x: { allowed: true } } }\n"
		"  mute: { annotate: false, backends: { x: { allowed: true, approval_required: [\"*\"] } } }\n");
}

static void teardown(void)
{
	config_free(config);
}

static const struct {
	const char *agent, *tool, *prefix;
} cases[] = {
	{ "a", "post", "[Rate:3/1h|Rate:9/36h|GlobalRate:10/1d|ApprovalRequired] " },
	{ "a", "slow", "[Rate:1/90m] " },
	{ "a", "free", "" },
	{ "full", "other", "[Queued:1m-10m] " },
	{ "full", "post", "[GlobalRate:10/1d|Queued:1m-10m] " },
	{ "full", "free", "" },
	{ "mute", "post", "" },
};

START_TEST(the_prefix_says_what_restricts_the_tool)
{
	const struct config_agent *agent = config_agent(config, cases[_i].agent);
	struct annotate_facts f = { config, agent, config_grant(agent, "x"), span_of(cases[_i].tool) };
	struct buf b;

	buf_init(&b, 1024);
	ck_assert(annotate_prefix(&f, &b));
	ck_assert_str_eq(b.data ? b.data : "", cases[_i].prefix);
	buf_release(&b);
}
END_TEST

START_TEST(a_prefix_that_does_not_fit_leaves_nothing)
{
	const struct config_agent *agent = config_agent(config, "a");
	struct annotate_facts f = { config, agent, config_grant(agent, "x"), SPAN("post") };
	struct buf b;

	buf_init(&b, 12);
	ck_assert(!annotate_prefix(&f, &b));
	ck_assert_uint_eq(b.len, 0);
	buf_release(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("annotate");
	TCase *t = tcase_create("annotate");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, the_prefix_says_what_restricts_the_tool, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(t, a_prefix_that_does_not_fit_leaves_nothing);
	suite_add_tcase(s, t);
	return s;
}
