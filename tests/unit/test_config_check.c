/* config: what is refused or warned about, where and in which words. */
#include "unit/config_kit.h"
#include "domain/limits.h"

#define B "backends: { b: { url: \"http://127.0.0.1/\" } }\n"
#define GRANT(text) B "agents: { a: { backends: { b: { " text " } } } }\n"

/* text, and all that is said; a text of which only warnings are said loads */
static const struct {
	const char *text, *says;
} cases[] = {
	/* structure */
	{ "", "f: error: the file is empty; `aegisctl config init -` prints one to start from\n" },
	{ "- a\n", "f:1:1: error: expected keys such as backends: and agents:\n" },
	{ "just text\n", "f:1:1: error: expected keys such as backends: and agents:\n" },
	{ "agents: {}\n", "f:1:1: error: backends: is missing\n" },
	{ "backends: {}\n", "f:1:1: error: backends: at least one is needed\n" },
	{ "backends: [b]\n", "f:1:1: error: backends: expected a map of names\n" },
	{ B "version: 2\n", "f:2:10: error: version: must be from 1 to 1\n" },
	{ B "log: 3\n", "f:2:6: error: log: expected a section with keys\n" },
	{ B "log: { level: loud }\n", "f:2:15: error: log.level: expected error, warn, info or debug, not loud\n" },
	{ B "queue: { b: on }\n", "f:2:13: error: queue.b: expected a map of keys\n" },
	{ B "queue: { b: [x] }\nlog: [x]\n", "f:2:10: error: queue.b: expected a map of keys\nf:3:1: error: log: expected a section with keys\n" },
	{ B "require_room: [true]\n", "f:2:1: error: require_room: expected one value, not a list or map\n" },
	/* unknown keys, anywhere */
	{ B "bakends: {}\n", "f:2:1: error: bakends: unknown key, did you mean backends?\n" },
	{ B "zzzzzzzzzz: 1\n", "f:2:1: error: zzzzzzzzzz: unknown key\n" },
	{ GRANT("tool_denylst: []"), "f:2:33: error: agents.a.backends.b.tool_denylst: unknown key, did you mean tool_denylist?\n" },
	{ GRANT("rate_limits: { x: { window: 1h, max_count: 1, per: 2 } }"),
	  "f:2:79: error: agents.a.backends.b.rate_limits.x.per: unknown key\n" },
	{ B "rooms: { r: { rolls: 1 } }\n", "f:2:15: error: rooms.r.rolls: unknown key\n" },
	{ B "\"a\\eb\": 1\n", "f:2:1: error: a?b: unknown key\n" },
	/* all at once, in order of the file */
	{ "queue: { c: { enabled: yes } }\nbackends:\n  b: { url: 3, timeout: 5 }\nagents: { x: { annotate: si } }\n",
	  "f:1:10: error: queue.c: c is not in backends, did you mean b?\n"
	  "f:1:24: error: queue.c.enabled: expected true or false, not yes: write true\n"
	  "f:3:13: error: backends.b.url: expected a URL such as https://host/path or http://127.0.0.1:9100/mcp\n"
	  "f:3:25: error: backends.b.timeout: expected a duration such as 250ms, 30s, 5m, 1h30m, 1d or 1w, not 5: a number needs a unit, 30s for half a minute\n"
	  "f:4:26: error: agents.x.annotate: expected true, false or full, not si\n" },
	{ "backends:\n  b: { url: \"http://127.0.0.1/\" }\n  b: { url: \"http://127.0.0.1/\", x: 1 }\n",
	  "f:3:3: error: b stands here twice: first in line 2\n"
	  "f:3:34: error: backends.b.x: unknown key\n" },
	/* backends */
	{ "backends: { b: { } }\n", "f:1:13: error: backends.b: needs a url or a command\n" },
	{ "backends: { b: }\n", "f:1:13: error: backends.b: needs a url or a command\n" },
	{ "backends: { b: { url: \"http://127.0.0.1/\", command: [x] } }\n", "f:1:44: error: backends.b.command: either url or command, not both\n" },
	{ "backends: { b: { url: \"http://u:geheim@127.0.0.1/\" } }\n",
	  "f:1:23: error: backends.b.url: user and password do not belong into a URL; a backend has headers: { Authorization: { file: PATH } }\n" },
	{ "backends: { b: { url: \"http://mcp.example.com/\" } }\n",
	  "f:1:23: warning: backends.b.url: http without TLS to another machine: calls and credentials can be read on the way\n" },
	{ "backends: { b: { url: \"https://mcp.example.com/\" } }\n", "" },
	{ "backends: { b: { url: \"https://h/\", transport: stdio } }\n", "f:1:48: error: backends.b.transport: a url is reached by http or sse; stdio is for a command\n" },
	{ "backends: { b: { command: [x], transport: sse } }\n", "f:1:43: error: backends.b.transport: a command is reached by stdio; http and sse are for a url\n" },
	{ "backends: { b: { command: [x], headers: {} } }\n", "f:1:32: warning: backends.b.headers: has no effect beside command\n" },
	{ "backends: { b: { url: \"https://h/\", on_exit: restart } }\n", "f:1:46: warning: backends.b.on_exit: has no effect beside url\n" },
	{ "backends: { b: { command: x } }\n", "f:1:27: error: backends.b.command: expected a list: write [\"...\"]\n" },
	{ "backends: { b: { command: [x, \"\"] } }\n", "f:1:31: error: backends.b.command[1]: must not be empty\n" },
	{ "backends: { b: { command: [x, [y]] } }\n", "f:1:31: error: backends.b.command[1]: expected text\n" },
	{ "backends: { a__b: { command: [x] } }\n", "f:1:13: error: backends.a__b: a name must not hold __ (it parts backend and tool)\n" },
	{ "backends: { b: { command: [x], cwd: ~/x } }\n", "f:1:37: error: backends.b.cwd: write the whole path: ~ is not expanded\n" },
	/* headers and secrets */
	{ "backends: { b: { url: \"https://h/\", headers: { Authorization: \"Bearer x\" } } }\n",
	  "f:1:63: warning: backends.b.headers.Authorization: a secret in plain text: better {env: NAME} or {file: PATH}\n" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-Region: eu } } }\n", "" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-A: \"a\\r\\nHost: x\" } } }\n",
	  "f:1:53: error: backends.b.headers.X-A: control characters are not allowed here\n" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-A: 1, x-a: 2 } } }\n",
	  "f:1:56: error: backends.b.headers.x-a: this header stands here twice\n" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-A: { fil: x } } } }\n",
	  "f:1:60: error: backends.b.headers.X-A.fil: unknown key, expected file, env, credential or command\n" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-A: { file: x, env: y } } } }\n",
	  "f:1:48: error: backends.b.headers.X-A: expected text or one of {file: PATH}, {env: NAME}, {credential: NAME}, {command: [...]}\n" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-A: { env: \"A-B\" } } } }\n",
	  "f:1:60: error: backends.b.headers.X-A.env: A-B is no name of an environment variable\n" },
	{ "backends: { b: { url: \"https://h/\", headers: { X-A: { command: [] } } } }\n",
	  "f:1:55: error: backends.b.headers.X-A.command: expected a program and its arguments\n" },
	{ B "server: { api_token: geheim }\n",
	  "f:2:22: warning: server.api_token: a secret in plain text: better {env: NAME} or {file: PATH}\n"
	  "f:2:22: warning: server.api_token: shorter than 16 bytes: it opens every route and can be guessed\n" },
	{ B "server: { api_token: \"(hidden)\" }\n",
	  "f:2:22: error: server.api_token: this is the output of `aegisctl config show`, which hides the secret that stood here\n" },
	{ B "agents: { a: { auth_token: short } }\n",
	  "f:2:28: warning: agents.a.auth_token: a secret in plain text: better {env: NAME} or {file: PATH}\n"
	  "f:2:28: error: agents.a.auth_token: must have at least 16 bytes\n" },
	/* queue */
	{ B "queue: { b: { delay_min: 2m, delay_max: 1m } }\n",
	  "f:2:41: error: queue.b.delay_max: delay_max (default 600s) must not be shorter than delay_min (default 60s)\n" },
	{ B "queue: { b: { delay_min: 20m } }\n",
	  "f:2:26: error: queue.b.delay_min: delay_max (default 600s) must not be shorter than delay_min (default 60s)\n" },
	{ B "queue: { b: { delay_min: 20m, delay_max: 5x } }\n", /* no second guess about a value that was not understood */
	  "f:2:42: error: queue.b.delay_max: expected a duration such as 250ms, 30s, 5m, 1h30m, 1d or 1w, not 5x\n" },
	{ B "queue: { b: { delay_min: 0s, delay_max: 0s } }\n", "" },
	{ B "queue: { b: { max_pending: 0 } }\n", "f:2:28: error: queue.b.max_pending: must be from 1 to 10000\n" },
	{ B "queue: { b: { max_pending: 10001 } }\n", "f:2:28: error: queue.b.max_pending: must be from 1 to 10000\n" },
	/* agents */
	{ B "agents: { a: { backends: { bb: { allowed: true } } } }\n", "f:2:28: error: agents.a.backends.bb: bb is not in backends, did you mean b?\n" },
	{ B "agents: { a: { owner: bob } }\npeople: { rob: { uid: 1 } }\n", "f:2:23: error: agents.a.owner: bob is not in people, did you mean rob?\n" },
	{ B "principals: { \"uid:1\": { agents: [x] } }\n", "f:2:35: error: principals.uid:1.agents[0]: x is not in agents\n" },
	{ B "principals: { alice: { } }\n", "f:2:15: error: principals.alice: expected uid: and a user id, such as uid:1000\n" },
	{ GRANT("tool_denylist: [\"a[\"]"), "f:2:49: error: agents.a.backends.b.tool_denylist[0]: a[: the [ at character 2 is never closed; a literal [ is written [[]\n" },
	{ GRANT("tool_denylist: admin_reset"), "f:2:48: error: agents.a.backends.b.tool_denylist: expected a list: write [\"...\"]\n" },
	/* limits */
	{ GRANT("rate_limits: { x: { window: 0s, max_count: 1 } }"), "f:2:61: error: agents.a.backends.b.rate_limits.x.window: must be from 1ms to 366d\n" },
	{ GRANT("rate_limits: { x: { window: 367d, max_count: 1 } }"), "f:2:61: error: agents.a.backends.b.rate_limits.x.window: must be from 1ms to 366d\n" },
	{ GRANT("rate_limits: { x: { window: 1h, max_count: 100001 } }"), "f:2:76: error: agents.a.backends.b.rate_limits.x.max_count: must be from 0 to 100000\n" },
	{ GRANT("rate_limits: { x: { window: 1h, max_count: -1 } }"), "f:2:76: error: agents.a.backends.b.rate_limits.x.max_count: must be from 0 to 100000\n" },
	{ GRANT("rate_limits: { x: { max_count: 1 } }"), "f:2:48: error: agents.a.backends.b.rate_limits.x.window: is missing\n" },
	{ GRANT("rate_limits: { x: [ { window: 1h, max_count: 0 }, 3 ] }"),
	  "f:2:83: error: agents.a.backends.b.rate_limits.x[1]: expected a limit such as { window: 1h, max_count: 10 }, or a list of them\n" },
	{ GRANT("rate_limits: { \"[\": { window: 1h, max_count: 0 } }"),
	  "f:2:48: error: agents.a.backends.b.rate_limits.[: [: the [ at character 1 is never closed; a literal [ is written [[]\n" },
	/* modes and later features */
	{ B "mode: enforced\n", "f:2:7: error: mode: enforced is only possible in /etc/aegis/aegis.yaml, which belongs to the system\n" },
	{ B "approval: { channels: [slak] }\n", "f:2:24: error: approval.channels[0]: expected slack, feishu, generic or notify, not slak (did you mean slack?)\n" },
	{ B "approval: { channels: [slack] }\n", "f:2:13: error: approval.channels: slack is not configured: fill in approval.slack\n" },
	{ B "approval: { slack: { signing_secret: { env: S } } }\n",
	  "f:2:22: error: approval.slack.signing_secret: buttons call back: set server.listen, or app_token for Socket Mode\n" },
	{ B "approval: { slack: { signing_secret: { env: S } } }\nserver: { listen: \":1\" }\n", "" },
	{ B "approval: { slack: { bot_token: { env: S } } }\n",
	  "f:2:22: error: approval.slack.bot_token: the bot needs channel: the id of the channel it writes to\n" },
	{ B "approval: { slack: { bot_token: { env: S }, channel: C1, base_url: \"http://slack.example\", app_token: { env: A } } }\n",
	  "f:2:68: error: approval.slack.base_url: the bot's token would travel for all to read: use https\n" },
	{ B "approval: { slack: { bot_token: { env: S }, channel: C1, base_url: \"http://127.0.0.1:1\", app_token: { env: A } } }\n", "" },
	{ B "approval: { slack: { bot_token: { env: S }, channel: C1 } }\n",
	  "f:2:22: warning: approval.slack.bot_token: its messages can only be read: app_token or signing_secret gives them buttons, callback_base_url a link\n" },
	{ B "approval: { generic: { webhook_url: \"ftp://geheim\" }, slack: { webhook_url: \"\" }, feishu: { webhook_url: geheim } }\n",
	  "f:2:37: error: approval.generic.webhook_url: expected a URL such as https://hooks.example.com/path\n"
	  "f:2:106: error: approval.feishu.webhook_url: expected a URL such as https://hooks.example.com/path\n" },
	{ B "server: { listen: \":1\" }\napproval: { callback_base_url: \"https://h/x?y=1\" }\n",
	  "f:3:32: error: approval.callback_base_url: a path is put behind it: it ends before any ? or #\n" },
	{ B "approval: { feishu: { app_id: x, app_secret: {env: S}, chat_id: oc_1, encrypt_key: {env: E}, verification_token: {env: V} } }\n",
	  "f:2:31: error: approval.feishu.app_id: cards call back: set server.listen\n" },
	{ B "approval: { feishu: { base_url: \"http://lark.example\", app_id: x, app_secret: {env: S}, chat_id: oc_1, encrypt_key: {env: E},"
	  " verification_token: {env: V} } }\nserver: { listen: \"127.0.0.1:18070\" }\n",
	  "f:2:33: error: approval.feishu.base_url: the app's secret would travel for all to read: use https\n" },
	{ B "server: { listen: \"127.0.0.1:18070\" }\napproval: { feishu: { app_id: x } }\n",
	  "f:3:31: error: approval.feishu.app_id: an app bot needs app_secret: without it Feishu gives no access\n"
	  "f:3:31: error: approval.feishu.app_id: an app bot needs chat_id: without it it does not know where to write\n"
	  "f:3:31: error: approval.feishu.app_id: an app bot needs encrypt_key: without it a pressed button cannot be told from a forged one (it stands in the developer console)\n"
	  "f:3:31: error: approval.feishu.app_id: an app bot needs verification_token: without it a pressed button cannot be told from a forged one (it stands in the developer console)\n" },
	{ B "approval: { callback_base_url: \"http://h:1\" }\n",
	  "f:2:32: warning: approval.callback_base_url: nothing listens behind these links: set server.listen\n" },
	{ B "approval: { quorum: 0 }\n", "f:2:21: error: approval.quorum: must be from 1 to 100\n" },
	/* people */
	{ B "people: { a: { roles: [aprover] } }\n", "f:2:24: error: people.a.roles[0]: expected viewer, operator, approver or superuser, not aprover (did you mean approver?)\n" },
	{ B "people: { a: { slack: U1 } }\n", "f:2:23: error: people.a.slack: must be the ids of team and user, such as T0123/U0456\n" },
	{ B "people: { a: { slack: T1/ } }\n", "f:2:23: error: people.a.slack: must be the ids of team and user, such as T0123/U0456\n" },
	{ B "people: { a: { uid: 1, slack: T/U, feishu: o }, b: { uid: 1, slack: T/U, feishu: o } }\n", "f:2:59: error: people.b.uid: is a's already: an identity belongs to one person\n"
	  "f:2:69: error: people.b.slack: is a's already: an identity belongs to one person\n"
	  "f:2:82: error: people.b.feishu: is a's already: an identity belongs to one person\n" },
	{ B "people: { a: {}, b: {} }\n", "" },
	{ B "approval: { quorum: 2 }\n", "f:2:21: warning: approval.quorum: so many persons can never agree: 1 may decide (people, approvers)\n" },
	{ B "people: { a: { roles: [approver] }, b: { roles: [operator] } }\napproval: { quorum: 2 }\n", "f:3:21: warning: approval.quorum: so many persons can never agree: 1 may decide (people, approvers)\n" },
	{ B "people: { a: { roles: [approver] }, b: { roles: [superuser] } }\napproval: { quorum: 2 }\n", "" },
	{ B "people: { a: {}, b: {} }\napproval: { quorum: 2, approvers: [a, b] }\n", "" },
	{ B "audit: { checkpoint: { push: { url: x } } }\n", "f:2:24: error: audit.checkpoint.push: this version cannot do that; leave it out\n" },
	{ B "audit: { checkpoint: { push: none } }\n", "" },
	{ B "policies: [ { mode: block } ]\n", "f:2:13: error: policies[0].name: is missing\n" },
	{ B "policies: [ { name: x } ]\n", "f:2:13: error: policies[0].mode: is missing\n" },
	{ B "rooms: { r: { repository: x } }\n", "f:2:27: error: rooms.r.repository: expected owner/name\n" },
};

START_TEST(every_slip_is_told_with_place_and_reason)
{
	bool has_errors = strstr(cases[_i].says, ": error: ") != NULL;
	struct rules r = rules_parse(cases[_i].text, has_errors ? ERR_INVALID : OK);

	ck_assert_str_eq(r.said.data, cases[_i].says);
	rules_release(&r);
}
END_TEST

START_TEST(in_enforced_mode_autostart_belongs_to_the_service_manager)
{
	struct rules r = rules_parse_span("/etc/aegis/aegis.yaml", SPAN(B "mode: enforced\nbroker: { autostart: true }\n"), ERR_INVALID);

	ck_assert_ptr_nonnull(strstr(r.said.data, "broker.autostart: in enforced mode the service manager starts the broker"));
	rules_release(&r);
}
END_TEST

/* n globs with one window each, or one name with n windows, for a grant */
static struct rules parse_limits(size_t globs, size_t windows, enum err expected)
{
	struct buf b;

	buf_init(&b, 100000);
	ck_assert(buf_append_text(&b, B "queue: { b: { global_rate_limits: { x: { window: 1h, max_count: 1 } } } }\n"
				      "agents: { a: { rate_limits: { \"*\": { window: 1h, max_count: 1 } }, backends: { b: { rate_limits: {\n"));
	for (size_t i = 0; i < globs; i++)
		ck_assert(buf_printf(&b, "  \"g%zu*\": { window: 1h, max_count: 1 },\n", i));
	for (size_t i = 0; i < 100; i++) /* names of which a call has only one */
		ck_assert(buf_printf(&b, "  n%zu: { window: 1h, max_count: 1 },\n", i));
	ck_assert(buf_append_text(&b, "  one: ["));
	for (size_t i = 0; i < windows; i++)
		ck_assert(buf_printf(&b, "{ window: %zuh, max_count: 1 },", i + 1));
	ck_assert(buf_append_text(&b, "] } } } } }\n"));
	struct rules r = rules_parse(b.data, expected);
	buf_release(&b);
	return r;
}

START_TEST(a_call_may_have_to_pass_only_so_many_windows)
{
	size_t most = LIMITS_MAX_CLAIMS - 2; /* one of the agent, one of the queue */
	struct rules fits = parse_limits(most - 5, 5, OK);
	struct rules beyond = parse_limits(most - 5, 6, ERR_INVALID);

	ck_assert_str_eq(fits.said.data, "");
	ck_assert_ptr_nonnull(strstr(beyond.said.data, "agents.a.backends.b: a call could have to pass 65 windows"));
	rules_release(&fits);
	rules_release(&beyond);
}
END_TEST

START_TEST(a_file_full_of_errors_is_told_in_bounded_space)
{
	struct buf b;

	buf_init(&b, CONFIG_MAX_BYTES);
	ck_assert(buf_append_text(&b, B));
	for (int i = 0; i < 20000; i++)
		ck_assert(buf_printf(&b, "zz%d: 1\n", i));
	struct rules r = rules_parse(b.data, ERR_INVALID);
	ck_assert_uint_eq(r.report.n, 200);
	ck_assert_ptr_nonnull(strstr(r.said.data, "f: error: more than 200 remarks, the rest is not shown\n"));
	rules_release(&r);
	buf_release(&b);
}
END_TEST

START_TEST(the_hundredth_header_is_refused)
{
	struct buf b;

	buf_init(&b, 100000);
	ck_assert(buf_append_text(&b, "backends: { b: { url: \"https://h/\", headers: {"));
	for (int i = 0; i < 100; i++)
		ck_assert(buf_printf(&b, "X-%d: v,", i));
	ck_assert(buf_append_text(&b, "} } }\n"));
	struct rules r = rules_parse(b.data, ERR_INVALID);
	ck_assert_str_eq(r.said.data, "f:1:37: error: backends.b.headers: more than 64 names\n");
	rules_release(&r);
	buf_release(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config_check");
	TCase *t = tcase_create("config_check");

	tcase_add_loop_test(t, every_slip_is_told_with_place_and_reason, 0, ARRAY_LEN(cases));
	tcase_add_test(t, in_enforced_mode_autostart_belongs_to_the_service_manager);
	tcase_add_test(t, a_call_may_have_to_pass_only_so_many_windows);
	tcase_add_test(t, a_file_full_of_errors_is_told_in_bounded_space);
	tcase_add_test(t, the_hundredth_header_is_refused);
	suite_add_tcase(s, t);
	return s;
}
