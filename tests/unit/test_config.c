/* config: what loads, with which meaning; defaults; the table itself. */
#include "unit/config_kit.h"
#include "domain/config_table.h"

#define MINIMAL "backends: { b: { url: \"http://127.0.0.1:9100/mcp\" } }\n"

static struct rules r;

static void set_up(void)
{
	r = (struct rules){ 0 };
}

static void tear_down(void)
{
	rules_release(&r);
}

static void load(const char *text)
{
	r = rules_parse(text, OK);
}

static void load_data(const char *name)
{
	CLEANUP(free_charp) char *text = rules_data(name);

	load(text);
}

START_TEST(the_worked_example_of_every_key_loads)
{
	load_data("every_key.yaml");
	ck_assert_str_eq(r.said.data, "");
	ck_assert_uint_eq(r.config->backends_n, 2);
	ck_assert_int_eq(config_queue(r.config, "twitter")->global_rate_limits.v[0].v[0].window_ms, 86400000);
	ck_assert_uint_eq(config_grant(config_agent(r.config, "claude-code"), "twitter")->rate_limits.v[0].n, 2);
	ck_assert_int_eq(r.config->principals[0].uid, 1000);
	ck_assert_str_eq(r.config->policies[0].tool.v[0], "publish_*");
	ck_assert_int_eq(r.config->policies[0].mode, POLICY_BLOCK);
}
END_TEST

static void keys_stand_in(const char *text, const struct config_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		CLEANUP(free_charp) char *key = xasprintf("%s:", table->keys[i].name);
		ck_assert_msg(strstr(text, key), "%s is missing in the worked example", key);
		if (table->keys[i].table)
			keys_stand_in(text, table->keys[i].table);
	}
}

START_TEST(the_worked_example_forgets_no_key)
{
	CLEANUP(free_charp) char *text = rules_data("every_key.yaml");

	keys_stand_in(text, &config_root);
}
END_TEST

START_TEST(a_file_of_the_go_predecessor_loads_with_its_meaning)
{
	load_data("go_predecessor.yaml");
	const struct config *c = r.config;
	const struct config_queue *q = config_queue(c, "social");
	const struct config_agent *claude = config_agent(c, "claude");
	const struct config_grant *social = config_grant(claude, "social"), *local = config_grant(claude, "local");

	ck_assert_str_eq(c->server.listen, ":18070");
	ck_assert_int_eq(c->server.write_timeout_ms, 300000);
	ck_assert_str_eq(c->server.api_token.text, "0123456789abcdef0123456789abcdef");
	ck_assert_int_eq(config_backend(c, "social")->timeout_ms, 90 * 60000);
	ck_assert_int_eq(config_backend(c, "local")->timeout_ms, 120000);
	ck_assert(q->is_enabled);
	ck_assert_int_eq(q->delay_min_ms, 300);
	ck_assert_int_eq(q->delay_max_ms, 1500);
	ck_assert_str_eq(q->bypass_tools.v[1], "get_weather");
	ck_assert_int_eq(q->global_rate_limits.v[1].v[0].window_ms, 168 * 3600000LL);
	ck_assert_uint_eq(q->global_rate_limits.v[1].v[0].max_count, 0);
	ck_assert_str_eq(claude->display_name, "Claude \xF0\x9F\xA4\x96");
	ck_assert(social->is_allowed && !local->is_allowed);
	ck_assert_str_eq(social->approval_required.v[0], "publish_post");
	ck_assert(!social->tool_allowlist.is_set);
	ck_assert_uint_eq(local->tool_denylist.n, 0);
	ck_assert_str_eq(config_agent(c, "blocked")->display_name, "4711");
	ck_assert_int_eq(c->approval.feishu.webhook_url.source, SECRET_PLAIN);
	ck_assert_int_eq(c->audit.retention_days, 90);
}
END_TEST

START_TEST(the_go_predecessors_file_draws_warnings_only_for_secrets_and_db_path)
{
	load_data("go_predecessor.yaml");
	ck_assert_str_eq(r.said.data,
		"f:6:14: warning: server.api_token: a secret in plain text: better {env: NAME} or {file: PATH}\n"
		"f:34:17: warning: agents.claude.auth_token: a secret in plain text: better {env: NAME} or {file: PATH}\n"
		"f:59:12: warning: audit.db_path: this key of older versions is ignored; the audit lives in the state folder (state_dir)\n");
}
END_TEST

START_TEST(defaults_are_those_of_the_design)
{
	load(MINIMAL "queue: { b: }\nagents: { a: { backends: { b: } } }\n");
	const struct config *c = r.config;
	const struct config_backend *b = config_backend(c, "b");
	const struct config_queue *q = config_queue(c, "b");
	const struct config_agent *a = config_agent(c, "a");

	ck_assert_int_eq(c->mode, MODE_COOPERATIVE);
	ck_assert_int_eq(c->durability, DURABILITY_AUTO);
	ck_assert_str_eq(c->state_dir, "");
	ck_assert_str_eq(c->log_level, "info");
	ck_assert_str_eq(c->server.listen, "");
	ck_assert_int_eq(c->server.read_timeout_ms, 300000);
	ck_assert_int_eq(c->server.api_token.source, SECRET_NONE);
	ck_assert(c->broker.autostart);
	ck_assert_int_eq(c->broker.idle_exit_ms, 600000);
	ck_assert_int_eq(b->transport, TRANSPORT_AUTO);
	ck_assert_int_eq(b->timeout_ms, 120000);
	ck_assert_int_eq(b->connect_timeout_ms, 10000);
	ck_assert_int_eq(b->max_body_bytes, 10 << 20);
	ck_assert_int_eq(b->tools_cache_ms, 60000);
	ck_assert_int_eq(b->on_tool_change, TOOL_CHANGE_WARN);
	ck_assert_int_eq(b->cooldown_max_ms, 600000);
	ck_assert_str_eq(b->run_as, "aegis-tools");
	ck_assert(!q->is_enabled);
	ck_assert_int_eq(q->delay_min_ms, 60000);
	ck_assert_int_eq(q->delay_max_ms, 600000);
	ck_assert_int_eq(q->max_pending, 50);
	ck_assert_int_eq(q->concurrency, 1);
	ck_assert_int_eq(q->max_wait_ms, 30 * 60000);
	ck_assert_int_eq(q->keep_place_ms, 120000);
	ck_assert_int_eq(q->stall_timeout_ms, 30000);
	ck_assert_str_eq(a->display_name, "a");
	ck_assert_int_eq(a->hold_max_ms, CONFIG_AUTO);
	ck_assert(a->may_sample && a->may_elicit && a->may_list_roots);
	ck_assert(!config_grant(a, "b")->is_allowed);
	ck_assert_int_eq(c->approval.timeout_ms, 600000);
	ck_assert_int_eq(c->approval.redeem_within_ms, 15 * 60000);
	ck_assert_int_eq(c->approval.quorum, 1);
	ck_assert_int_eq(c->approval.self_approve, TRISTATE_AUTO);
	ck_assert(!c->approval.is_auth_required);
	ck_assert(c->approval.generic.get_decides);
	ck_assert_int_eq(c->approval.max_pending_per_agent, 5);
	ck_assert_int_eq(c->approval.cooldown_after_refusal_ms, 30000);
	ck_assert_int_eq(c->on_unknown, ON_UNKNOWN_ALLOW);
	ck_assert_int_eq(c->audit.retention_days, 90);
	ck_assert_int_eq(c->audit.results, RESULTS_ERRORS);
	ck_assert_uint_eq(c->audit.redact.n, 2);
	ck_assert_str_eq(c->audit.redact.v[1], "keys");
	ck_assert_int_eq(c->policy_default, POLICY_ALLOW);
	ck_assert(!c->require_room && !c->count_failures);
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
	load(MINIMAL "agents: { a: { } }\n");
	ck_assert_ptr_null(config_backend(r.config, "c"));
	ck_assert_ptr_null(config_queue(r.config, "b"));
	ck_assert_ptr_null(config_agent(r.config, "A"));
	ck_assert_ptr_null(config_grant(config_agent(r.config, "a"), "b"));
}
END_TEST

START_TEST(an_empty_allowlist_is_not_an_absent_one)
{
	load(MINIMAL "agents: { a: { backends: { b: { tool_allowlist: [] } } } }\n");
	ck_assert(config_grant(config_agent(r.config, "a"), "b")->tool_allowlist.is_set);
}
END_TEST

START_TEST(secrets_are_read_in_all_five_ways)
{
	load("backends: { b: { url: \"https://h/\", headers: { X-One: plain, X-Two: { file: s/two }, X-Three: { file: /dev/null },\n"
	     "  X-Four: { env: FOUR }, X-Five: { credential: five }, X-Six: { command: [pass, show, six] } } } }\n");
	const struct config_named_secret *h = r.config->backends[0].headers.v;

	ck_assert_uint_eq(r.config->backends[0].headers.n, 6);
	ck_assert_int_eq(h[0].value.source, SECRET_PLAIN);
	ck_assert_int_eq(h[1].value.source, SECRET_FILE);
	ck_assert_str_eq(h[1].value.text, "./s/two");
	ck_assert_str_eq(h[2].value.text, "/dev/null");
	ck_assert_int_eq(h[3].value.source, SECRET_ENV);
	ck_assert_str_eq(h[3].name, "X-Four");
	ck_assert_int_eq(h[4].value.source, SECRET_CREDENTIAL);
	ck_assert_int_eq(h[5].value.source, SECRET_COMMAND);
	ck_assert_uint_eq(h[5].value.argv.n, 3);
	ck_assert_str_eq(r.said.data, "f:1:62: warning: backends.b.headers.X-Two: there is no such file yet; what needs it does not work until it is there\n");
}
END_TEST

START_TEST(relative_paths_are_relative_to_the_file)
{
	r = rules_parse_span("/no/such/aegis.yaml", SPAN("state_dir: here\nbackends: { b: { command: [x], cwd: there } }\n"), OK);
	ck_assert_str_eq(r.config->state_dir, "/no/such/here");
	ck_assert_str_eq(r.config->backends[0].cwd, "/no/such/there");
}
END_TEST

START_TEST(a_policy_takes_one_tool_or_a_list)
{
	load(MINIMAL "policies: [ { name: p, mode: block, tool: x }, { name: q, mode: allow, tool: [y, z] } ]\n");
	ck_assert_uint_eq(r.config->policies[0].tool.n, 1);
	ck_assert_uint_eq(r.config->policies[1].tool.n, 2);
	ck_assert_int_eq(r.config->policies[1].priority, 100);
}
END_TEST

START_TEST(the_hash_is_that_of_the_bytes)
{
	load(MINIMAL);
	struct rules other = rules_parse(MINIMAL "\n", OK);
	struct rules same = rules_parse(MINIMAL, OK);

	ck_assert_mem_ne(r.config->hash, other.config->hash, 32);
	ck_assert_mem_eq(r.config->hash, same.config->hash, 32);
	rules_release(&other);
	rules_release(&same);
}
END_TEST

START_TEST(enforced_mode_is_for_the_systems_file)
{
	r = rules_parse_span("/etc/aegis/aegis.yaml", SPAN("mode: enforced\n" MINIMAL), OK);
	ck_assert_int_eq(r.config->mode, MODE_ENFORCED);
	ck_assert(!r.config->broker.autostart);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, the_worked_example_of_every_key_loads);
	tcase_add_test(t, the_worked_example_forgets_no_key);
	tcase_add_test(t, a_file_of_the_go_predecessor_loads_with_its_meaning);
	tcase_add_test(t, the_go_predecessors_file_draws_warnings_only_for_secrets_and_db_path);
	tcase_add_test(t, defaults_are_those_of_the_design);
	tcase_add_test(t, what_is_not_there_is_not_found);
	tcase_add_test(t, an_empty_allowlist_is_not_an_absent_one);
	tcase_add_test(t, secrets_are_read_in_all_five_ways);
	tcase_add_test(t, relative_paths_are_relative_to_the_file);
	tcase_add_test(t, a_policy_takes_one_tool_or_a_list);
	tcase_add_test(t, the_hash_is_that_of_the_bytes);
	tcase_add_test(t, enforced_mode_is_for_the_systems_file);
	suite_add_tcase(s, t);
	return s;
}
