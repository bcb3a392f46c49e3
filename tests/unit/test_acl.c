/* acl: who may use what. */
#include "domain/acl.h"
#include "rules.h"

static struct config *config;

static void setup(void)
{
	config = rules_of(RULES_BACKENDS
		"agents:\n"
		"  claude:\n"
		"    backends:\n"
		"      x: { allowed: true, tool_denylist: [\"admin_*\"], approval_required: [\"publish_*\"] }\n"
		"      y: { allowed: false }\n"
		"  picky:\n"
		"    backends:\n"
		"      x: { allowed: true, tool_allowlist: [\"get_*\", \"admin_x\"], tool_denylist: [\"admin_x\"] }\n"
		"  mute:\n"
		"    backends:\n"
		"      x: { allowed: true, tool_allowlist: [] }\n"
		"  reader:\n"
		"    backends:\n"
		"      x: { allowed: true, resource_allowlist: [\"file:///*\"], resource_denylist: [\"file:///secret/*\"],"
		" prompt_denylist: [\"admin_*\"] }\n"
		"principals:\n"
		"  \"uid:1000\": { agents: [\"claude\"] }\n");
}

static void teardown(void)
{
	config_free(config);
}

static enum acl_verdict verdict(const char *agent, const char *backend, const char *tool)
{
	struct acl_subject who = { agent, backend, 7 };

	return acl_tool(config, &who, span_of(tool)).verdict;
}

START_TEST(an_unknown_agent_is_refused)
{
	ck_assert_int_eq(verdict("nobody", "x", "echo"), ACL_UNKNOWN_AGENT);
}
END_TEST

START_TEST(a_backend_must_be_allowed)
{
	ck_assert_int_eq(verdict("claude", "y", "echo"), ACL_NO_BACKEND);
	ck_assert_int_eq(verdict("claude", "z", "echo"), ACL_NO_BACKEND);
	ck_assert_int_eq(verdict("picky", "y", "get_x"), ACL_NO_BACKEND);
}
END_TEST

START_TEST(what_is_not_denied_is_allowed)
{
	ck_assert_int_eq(verdict("claude", "x", "echo"), ACL_ALLOWED);
	ck_assert_int_eq(verdict("claude", "x", "admin_reset"), ACL_DENIED);
}
END_TEST

START_TEST(an_allowlist_closes_the_rest_and_a_denylist_wins)
{
	ck_assert_int_eq(verdict("picky", "x", "get_weather"), ACL_ALLOWED);
	ck_assert_int_eq(verdict("picky", "x", "echo"), ACL_DENIED);
	ck_assert_int_eq(verdict("picky", "x", "admin_x"), ACL_DENIED);
}
END_TEST

START_TEST(an_empty_allowlist_allows_nothing)
{
	ck_assert_int_eq(verdict("mute", "x", "echo"), ACL_DENIED);
}
END_TEST

static enum acl_verdict named(const char *agent, enum acl_subject_kind kind, const char *name)
{
	struct acl_subject who = { agent, "x", 7 };

	return acl_named(config, &who, kind, span_of(name)).verdict;
}

START_TEST(resources_and_prompts_have_lists_of_their_own)
{
	ck_assert_int_eq(named("reader", ACL_RESOURCE, "file:///a"), ACL_ALLOWED);
	ck_assert_int_eq(named("reader", ACL_RESOURCE, "db://a"), ACL_DENIED);
	ck_assert_int_eq(named("reader", ACL_RESOURCE, "file:///secret/a"), ACL_DENIED);
	ck_assert_int_eq(named("reader", ACL_PROMPT, "admin_reset"), ACL_DENIED);
	ck_assert_int_eq(named("reader", ACL_PROMPT, "file:///secret/a"), ACL_ALLOWED);
	ck_assert_int_eq(named("reader", ACL_TOOL, "admin_reset"), ACL_ALLOWED);
	ck_assert_int_eq(named("claude", ACL_RESOURCE, "admin_reset"), ACL_ALLOWED);
	ck_assert_int_eq(named("nobody", ACL_PROMPT, "hello"), ACL_UNKNOWN_AGENT);
}
END_TEST

START_TEST(uris_are_compared_byte_by_byte)
{
	ck_assert_int_eq(named("reader", ACL_RESOURCE, "FILE:///a"), ACL_DENIED);
	ck_assert_int_eq(named("reader", ACL_RESOURCE, "file:///%73ecret/a"), ACL_ALLOWED);
}
END_TEST

START_TEST(only_lists_that_are_set_restrict)
{
	struct acl_subject reader = { "reader", "x", 7 }, mute = { "mute", "x", 7 };

	ck_assert(acl_restricts(acl_backend(config, &reader).grant, ACL_RESOURCE));
	ck_assert(acl_restricts(acl_backend(config, &reader).grant, ACL_PROMPT));
	ck_assert(!acl_restricts(acl_backend(config, &reader).grant, ACL_TOOL));
	ck_assert(acl_restricts(acl_backend(config, &mute).grant, ACL_TOOL));
	ck_assert(!acl_restricts(acl_backend(config, &mute).grant, ACL_PROMPT));
}
END_TEST

START_TEST(a_uid_may_only_be_the_agents_named_for_it)
{
	struct acl_subject claude = { "claude", "x", 1000 }, picky = { "picky", "x", 1000 };

	ck_assert_int_eq(acl_backend(config, &claude).verdict, ACL_ALLOWED);
	ck_assert_int_eq(acl_backend(config, &picky).verdict, ACL_WRONG_USER);
}
END_TEST

START_TEST(the_rule_that_asks_for_approval_is_named)
{
	const struct config_grant *g = config_grant(config_agent(config, "claude"), "x");
	const char *rule = NULL;

	ck_assert(acl_approval_required(g, SPAN("publish_post"), &rule));
	ck_assert_str_eq(rule, "publish_*");
	ck_assert(!acl_approval_required(g, SPAN("echo"), NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("acl");
	TCase *t = tcase_create("acl");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_unknown_agent_is_refused);
	tcase_add_test(t, a_backend_must_be_allowed);
	tcase_add_test(t, what_is_not_denied_is_allowed);
	tcase_add_test(t, an_allowlist_closes_the_rest_and_a_denylist_wins);
	tcase_add_test(t, an_empty_allowlist_allows_nothing);
	tcase_add_test(t, resources_and_prompts_have_lists_of_their_own);
	tcase_add_test(t, uris_are_compared_byte_by_byte);
	tcase_add_test(t, only_lists_that_are_set_restrict);
	tcase_add_test(t, a_uid_may_only_be_the_agents_named_for_it);
	tcase_add_test(t, the_rule_that_asks_for_approval_is_named);
	suite_add_tcase(s, t);
	return s;
}
