#include "domain/config_check.h"
#include "domain/config_table.h"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    1024LL
#define MIB    (1024 * KIB)

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define KEYS(list) .keys = (list), .n = ARRAY_LEN(list)

#define OBJECTS(type, list) KEYS(list), .size = sizeof(type), .line_offset = offsetof(type, line)

#define GO       .flags = KEY_OF_GO
#define MAP_OF(type, member) offsetof(type, member), offsetof(type, member##_n)

/* ---- one limit ------------------------------------------------------------------------------- */
#define AT(member) offsetof(struct config_limit, member)
static const struct config_key limit_keys[] = {
	{ "window", CONFIG_DURATION, AT(window_ms), .min = 1, .max = 366 * DAY,
	  .flags = KEY_OF_GO | KEY_REQUIRED, .sample = "1h",
	  .doc = "Length of the sliding window." },
	{ "max_count", CONFIG_COUNT, AT(max_count), .min = 0, .max = 100000,
	  .flags = KEY_OF_GO | KEY_REQUIRED, .sample = "100",
	  .doc = "Calls in any such window; 0 refuses every call." },
};
#undef AT
const struct config_table config_limit_table = { KEYS(limit_keys), .size = sizeof(struct config_limit) };

/* ---- backends -------------------------------------------------------------------------------- */
#define AT(member) offsetof(struct config_backend, member)
static const struct config_key backend_keys[] = {
	{ "url", CONFIG_STRING, AT(url), .form = FORM_URL, .flags = KEY_OF_GO | KEY_SAMPLE_IS_LIVE,
	  .sample = "\"http://127.0.0.1:9100/mcp\"",
	  .doc = "Where the MCP server listens. Exactly one of url and command." },
	{ "command", CONFIG_LIST, AT(command), .form = FORM_TEXT,
	  .sample = "[npx, -y, \"@modelcontextprotocol/server-filesystem\", /srv]",
	  .doc = "Program and arguments of an MCP server on stdio; no shell." },
	{ "transport", CONFIG_WORD, AT(transport), .fallback = "auto",
	  .words = WORDS("auto", "http", "sse", "stdio"),
	  .doc = "auto tries Streamable HTTP, then HTTP+SSE; a command is stdio." },
	{ "headers", CONFIG_SECRETS, AT(headers), .form = FORM_HEADER,
	  .sample = "{ Authorization: { env: EXAMPLE_AUTH } }", .flags = KEY_OF_URL,
	  .doc = "Sent with every request to the url; values are secrets." },
	{ "env", CONFIG_SECRETS, AT(env), .form = FORM_VARIABLE,
	  .sample = "{ API_KEY: { file: secrets/api_key } }", .flags = KEY_OF_COMMAND,
	  .doc = "Environment of the command, beside PATH, HOME, LANG and TMPDIR; values are secrets." },
	{ "cwd", CONFIG_STRING, AT(cwd), .form = FORM_PATH, .flags = KEY_OF_COMMAND,
	  .doc = "Folder the command starts in; empty: the one of the shim." },
	{ "timeout", CONFIG_DURATION, AT(timeout_ms), .min = 1, .max = 7 * DAY, .fallback = "120s", GO,
	  .doc = "From the last byte of a request to its answer." },
	{ "connect_timeout", CONFIG_DURATION, AT(connect_timeout_ms), .min = 1, .max = HOUR,
	  .fallback = "10s", .flags = KEY_OF_URL,
	  .doc = "Longest time until a connection stands." },
	{ "health_url", CONFIG_STRING, AT(health_url), .form = FORM_URL, GO,
	  .doc = "Asked by the broker's /health only." },
	{ "ca_file", CONFIG_STRING, AT(ca_file), .form = FORM_PATH, .flags = KEY_OF_URL,
	  .doc = "Certificates to trust instead of the system's." },
	{ "proxy", CONFIG_STRING, AT(proxy), .form = FORM_PROXY, .flags = KEY_OF_URL,
	  .doc = "Proxy for this backend; never taken from the environment." },
	{ "on_exit", CONFIG_WORD, AT(on_exit), .fallback = "fail", .words = WORDS("fail", "restart"),
	  .flags = KEY_OF_COMMAND,
	  .doc = "What happens when the command ends by itself." },
	{ "max_restarts", CONFIG_INT, AT(max_restarts), .min = 0, .max = 1000, .fallback = "5",
	  .flags = KEY_OF_COMMAND,
	  .doc = "Most restarts in 10 minutes, with on_exit: restart." },
	{ "run_as", CONFIG_STRING, AT(run_as), .form = FORM_NAME, .fallback = "aegis-tools",
	  .flags = KEY_OF_COMMAND,
	  .doc = "User the command runs as in enforced mode." },
	{ "tools_cache", CONFIG_DURATION, AT(tools_cache_ms), .min = 0, .max = 30 * DAY,
	  .fallback = "60s",
	  .doc = "How long a list of tools serves the next shims; 0s: not at all." },
	{ "on_tool_change", CONFIG_WORD, AT(on_tool_change), .fallback = "warn",
	  .words = WORDS("warn", "block", "allow"),
	  .doc = "What happens when a tool's definition is no longer the one first seen." },
	{ "max_body", CONFIG_SIZE, AT(max_body_bytes), .min = KIB, .max = 256 * MIB, .fallback = "10MiB",
	  .doc = "Largest message, in both directions; a larger result is replaced by an error that says so." },
	{ "cooldown_max", CONFIG_DURATION, AT(cooldown_max_ms), .min = 0, .max = DAY, .fallback = "10m",
	  .doc = "Longest pause a Retry-After (429, 503) of the backend imposes on all agents; 429 without one: 10s. 0: none." },
};
#undef AT
static const struct config_table backend_table = {
	OBJECTS(struct config_backend, backend_keys),
	.sample_name = "demo", .check = config_check_backend, .idle = config_backend_idle_key,
};

/* ---- queue ----------------------------------------------------------------------------------- */
#define AT(member) offsetof(struct config_queue, member)
static const struct config_key queue_keys[] = {
	{ "enabled", CONFIG_BOOL, AT(is_enabled), .fallback = "false", GO,
	  .doc = "Calls to this backend wait their turn." },
	{ "delay_min", CONFIG_DURATION, AT(delay_min_ms), .min = 0, .max = 30 * DAY, .fallback = "60s",
	  GO,
	  .doc = "Shortest pause between the end of one call and the start of the next; 0s is possible." },
	{ "delay_max", CONFIG_DURATION, AT(delay_max_ms), .min = 0, .max = 30 * DAY, .fallback = "600s",
	  GO,
	  .doc = "Longest pause; each is drawn at random between the two." },
	{ "max_pending", CONFIG_INT, AT(max_pending), .min = 1, .max = 10000, .fallback = "50", GO,
	  .doc = "Calls that may wait, or were told to come again, without those that run." },
	{ "bypass_tools", CONFIG_LIST, AT(bypass_tools), .form = FORM_GLOB, GO, .sample = "[\"list_*\"]",
	  .doc = "Tools that skip queue and delay; limits still apply." },
	{ "concurrency", CONFIG_INT, AT(concurrency), .min = 1, .max = 1000, .fallback = "1",
	  .doc = "Calls in flight at once; every place has its own delay." },
	{ "max_wait", CONFIG_DURATION, AT(max_wait_ms), .min = 0, .max = 30 * DAY, .fallback = "30m",
	  .doc = "Longest wait in the queue; 0s: as long as the client waits." },
	{ "keep_place", CONFIG_DURATION, AT(keep_place_ms), .min = 0, .max = DAY, .fallback = "2m",
	  .doc = "How long a call that was told to come again keeps its number after its turn." },
	{ "stall_timeout", CONFIG_DURATION, AT(stall_timeout_ms), .min = 1, .max = DAY, .fallback = "30s",
	  .doc = "A shim that is stopped at its turn is passed over after this." },
	{ "global_rate_limits", CONFIG_LIMITS, AT(global_rate_limits), GO,
	  .sample = "{ publish_post: { window: 1d, max_count: 10 }, \"*\": { window: 1h, max_count: 100 } }",
	  .doc = "Limits over all agents, by tool or glob (a glob is one bucket); apply even if the queue is not enabled." },
};
#undef AT
static const struct config_table queue_table = {
	OBJECTS(struct config_queue, queue_keys),
	.sample_name = "demo", .check = config_check_queue,
};

/* ---- agents ---------------------------------------------------------------------------------- */
#define AT(member) offsetof(struct config_grant, member)
static const struct config_key grant_keys[] = {
	{ "allowed", CONFIG_BOOL, AT(is_allowed), .fallback = "false",
	  .flags = KEY_OF_GO | KEY_SAMPLE_IS_LIVE, .sample = "true",
	  .doc = "The agent may use this backend." },
	{ "tool_allowlist", CONFIG_LIST, AT(tool_allowlist), .form = FORM_GLOB, .sample = "[\"*\"]",
	  .doc = "Tools it may call; absent: all." },
	{ "tool_denylist", CONFIG_LIST, AT(tool_denylist), .form = FORM_GLOB, GO,
	  .sample = "[\"admin_*\"]",
	  .doc = "Tools it may not call; wins over everything." },
	{ "rate_limits", CONFIG_LIMITS, AT(rate_limits), GO,
	  .sample = "{ publish_post: [{ window: 1h, max_count: 3 }, { window: 1d, max_count: 10 }] }",
	  .doc = "Limits by tool or glob; one or a list each; every entry that matches applies." },
	{ "approval_required", CONFIG_LIST, AT(approval_required), .form = FORM_GLOB, GO,
	  .sample = "[\"publish_*\"]",
	  .doc = "Tools a person must approve, call by call." },
	{ "resource_allowlist", CONFIG_LIST, AT(resource_allowlist), .form = FORM_GLOB,
	  .sample = "[\"*\"]",
	  .doc = "URIs it may read; absent: all." },
	{ "resource_denylist", CONFIG_LIST, AT(resource_denylist), .form = FORM_GLOB,
	  .sample = "[\"file:///etc/*\"]",
	  .doc = "URIs it may not read." },
	{ "prompt_allowlist", CONFIG_LIST, AT(prompt_allowlist), .form = FORM_GLOB, .sample = "[\"*\"]",
	  .doc = "Prompts it may get; absent: all." },
	{ "prompt_denylist", CONFIG_LIST, AT(prompt_denylist), .form = FORM_GLOB,
	  .sample = "[\"debug_*\"]",
	  .doc = "Prompts it may not get." },
};
#undef AT
static const struct config_table grant_table = {
	OBJECTS(struct config_grant, grant_keys),
	.sample_name = "demo",
};

#define AT(member) offsetof(struct config_agent, member)
static const struct config_key server_requests_keys[] = {
	{ "sampling", CONFIG_SWITCH, AT(may_sample), .fallback = "allow",
	  .words = WORDS("block", "allow"),
	  .doc = "Requests that use the agent's model." },
	{ "elicitation", CONFIG_SWITCH, AT(may_elicit), .fallback = "allow",
	  .words = WORDS("block", "allow"),
	  .doc = "Questions to the agent's user." },
	{ "roots", CONFIG_SWITCH, AT(may_list_roots), .fallback = "allow",
	  .words = WORDS("block", "allow"),
	  .doc = "The list of the agent's folders." },
};
static const struct config_table server_requests_table = { KEYS(server_requests_keys) };

static const struct config_key agent_keys[] = {
	{ "display_name", CONFIG_STRING, AT(display_name), GO, .sample = "Claude Code",
	  .doc = "What people see; default: the name." },
	{ "auth_token", CONFIG_SECRET, AT(auth_token), GO, .sample = "{ file: secrets/agent_token }",
	  .doc = "Set: a shim must bring it to be this agent; at least 16 bytes." },
	{ "deny_as", CONFIG_WORD, AT(deny_as), .fallback = "error", .words = WORDS("error", "result"),
	  .doc = "Refusals are JSON-RPC errors, or tool results with isError." },
	{ "annotate", CONFIG_WORD, AT(annotate), .fallback = "true",
	  .words = WORDS("true", "false", "full"),
	  .doc = "Descriptions of tools begin with their limits; full adds the queue." },
	{ "owner", CONFIG_STRING, AT(owner), .form = FORM_PERSON,
	  .doc = "Whose agent this is: a name in people." },
	{ "rate_limits", CONFIG_LIMITS, AT(rate_limits),
	  .sample = "{ \"*\": { window: 1h, max_count: 500 } }",
	  .doc = "Limits of this agent over all its backends, by tool or glob." },
	{ "hold_max", CONFIG_DURATION, AT(hold_max_ms), .min = 0, .max = DAY, .fallback = "auto",
	  .flags = KEY_AUTO,
	  .doc = "How long its client bears a waiting call, which is told to come again shortly before; auto: by client." },
	{ "server_requests", CONFIG_SECTION, .table = &server_requests_table,
	  .doc = "What backends may ask of this agent's client." },
	{ "backends", CONFIG_MAP, MAP_OF(struct config_agent, grants), .form = FORM_BACKEND,
	  .flags = KEY_OF_GO | KEY_SAMPLE_IS_LIVE, .table = &grant_table,
	  .doc = "What it may do where; a backend that is not named is not allowed." },
};
#undef AT
static const struct config_table agent_table = {
	OBJECTS(struct config_agent, agent_keys),
	.sample_name = "claude-code", .check = config_check_agent,
};

/* ---- principals and people ------------------------------------------------------------------- */
#define AT(member) offsetof(struct config_principal, member)
static const struct config_key principal_keys[] = {
	{ "agents", CONFIG_LIST, AT(agents), .form = FORM_AGENT, .sample = "[claude-code]",
	  .doc = "Which agents this user's programs may be; absent: any." },
	{ "rate_limits", CONFIG_LIMITS, AT(rate_limits),
	  .sample = "{ \"*\": { window: 1m, max_count: 120 } }",
	  .doc = "Limits of this user over all agents and backends, by tool or glob." },
};
#undef AT
static const struct config_table principal_table = {
	OBJECTS(struct config_principal, principal_keys),
	.sample_name = "uid:1000", .check = config_check_principal,
};

#define AT(member) offsetof(struct config_person, member)
static const struct config_key person_keys[] = {
	{ "uid", CONFIG_INT, AT(uid), .min = 0, .max = UINT32_MAX - 1, .sample = "1000",
	  .doc = "User id on this machine." },
	{ "slack", CONFIG_STRING, AT(slack), .sample = "T1/U1",
	  .doc = "Slack team and user id: who presses a button there." },
	{ "feishu", CONFIG_STRING, AT(feishu), .sample = "ou_x",
	  .doc = "Feishu or Lark open_id: likewise." },
	{ "roles", CONFIG_LIST, AT(roles), .sample = "[approver]",
	  .words = WORDS("viewer", "operator", "approver", "superuser"),
	  .doc = "viewer sees, operator also pauses, reloads and cancels, approver also decides, superuser may all." },
};
#undef AT
static const struct config_table person_table = {
	OBJECTS(struct config_person, person_keys),
	.sample_name = "alice", .check = config_check_person,
};

/* ---- policies and rooms ---------------------------------------------------------------------- */
#define AT(member) offsetof(struct config_policy, member)
static const struct config_key policy_keys[] = {
	{ "name", CONFIG_STRING, AT(name), .form = FORM_NAME, .flags = KEY_REQUIRED,
	  .sample = "no-publishing-at-night",
	  .doc = "Its name in refusals and audit." },
	{ "priority", CONFIG_INT, AT(priority), .min = -1000000, .max = 1000000, .fallback = "100",
	  .doc = "Lower numbers are asked first, then order of the file." },
	{ "mode", CONFIG_WORD, AT(mode), .flags = KEY_REQUIRED, .fallback = "block",
	  .words = WORDS("allow", "block", "require_approval"),
	  .doc = "What happens to a call that matches." },
	{ "agents", CONFIG_LIST, AT(agents), .form = FORM_AGENT, .flags = KEY_ONE_OR_MORE,
	  .sample = "[claude-code]",
	  .doc = "Agents it is for; absent: all." },
	{ "roles", CONFIG_LIST, AT(roles), .form = FORM_NAME, .flags = KEY_ONE_OR_MORE,
	  .sample = "[DEVELOPER]",
	  .doc = "Roles it is for; absent: all." },
	{ "rooms", CONFIG_LIST, AT(rooms), .form = FORM_ROOM, .flags = KEY_ONE_OR_MORE,
	  .doc = "Rooms it is for; absent: all." },
	{ "backends", CONFIG_LIST, AT(backends), .form = FORM_BACKEND, .flags = KEY_ONE_OR_MORE,
	  .sample = "[demo]",
	  .doc = "Backends it is for; absent: all." },
	{ "tool", CONFIG_LIST, AT(tool), .form = FORM_GLOB, .flags = KEY_ONE_OR_MORE,
	  .sample = "[\"publish_*\"]",
	  .doc = "Tools it is for; absent: all." },
	{ "when", CONFIG_STRING, AT(when), .form = FORM_TEXT, .sample = "hour < 7 or hour > 22",
	  .doc = "SQL condition over args, agent, user, role, room, tool, hour, weekday ..." },
	{ "limits", CONFIG_LIMITS, AT(limits), .sample = "{ \"*\": { window: 1h, max_count: 10 } }",
	  .doc = "Limits for the calls that match." },
	{ "shadow", CONFIG_BOOL, AT(is_shadow), .fallback = "false",
	  .doc = "Only record what it would have done." },
};
#undef AT
static const struct config_table policy_table = {
	OBJECTS(struct config_policy, policy_keys),
};

#define AT(member) offsetof(struct config_room, member)
static const struct config_key room_keys[] = {
	{ "repository", CONFIG_STRING, AT(repository), .form = FORM_REPOSITORY, .sample = "owner/name",
	  .doc = "The one repository calls may name." },
	{ "tenant", CONFIG_STRING, AT(tenant), .form = FORM_NAME, .sample = "acme",
	  .doc = "Limits, approvals and credentials of different tenants never meet." },
	{ "backends", CONFIG_LIST, AT(backends), .form = FORM_BACKEND, .sample = "[demo]",
	  .doc = "Backends of the room; absent: all." },
	{ "agents", CONFIG_LIST, AT(agents), .form = FORM_AGENT, .sample = "[claude-code]",
	  .doc = "Agents that may enter; absent: all." },
	{ "active", CONFIG_BOOL, AT(is_active), .fallback = "true",
	  .doc = "A room that is not active is closed." },
};
#undef AT
static const struct config_table room_table = {
	OBJECTS(struct config_room, room_keys),
	.sample_name = "backend-team",
};

/* ---- approval -------------------------------------------------------------------------------- */
#define AT(member) offsetof(struct config, approval.member)
static const struct config_key feishu_keys[] = {
	{ "webhook_url", CONFIG_SECRET, AT(feishu.webhook_url), .flags = KEY_OF_GO | KEY_PLAIN_IS_FINE,
	  .doc = "Webhook of a custom bot: cards with a link to the page; not used beside app_id." },
	{ "sign_secret", CONFIG_SECRET, AT(feishu.sign_secret),
	  .doc = "Secret of a custom bot that wants signatures." },
	{ "app_id", CONFIG_SECRET, AT(feishu.app_id), .flags = KEY_PLAIN_IS_FINE,
	  .doc = "cli_...: an app bot, whose cards have buttons; needs the next four keys and server.listen." },
	{ "app_secret", CONFIG_SECRET, AT(feishu.app_secret),
	  .doc = "Secret of the app bot." },
	{ "chat_id", CONFIG_STRING, AT(feishu.chat_id),
	  .doc = "Chat the app bot writes to: oc_... of a group; or a person's ou_... or address of mail." },
	{ "encrypt_key", CONFIG_SECRET, AT(feishu.encrypt_key),
	  .doc = "Encrypt Key of the app's callbacks, which go to /callback/feishu." },
	{ "verification_token", CONFIG_SECRET, AT(feishu.verification_token),
	  .doc = "Verification Token in the app's callbacks." },
	{ "base_url", CONFIG_STRING, AT(feishu.base_url), .form = FORM_URL,
	  .fallback = "https://open.feishu.cn",
	  .doc = "Where the app's API is; https://open.larksuite.com for Lark." },
};
static const struct config_key slack_keys[] = {
	{ "webhook_url", CONFIG_SECRET, AT(slack.webhook_url), .flags = KEY_PLAIN_IS_FINE,
	  .doc = "Incoming webhook, where there is no bot: messages with a link, no buttons." },
	{ "bot_token", CONFIG_SECRET, AT(slack.bot_token), .sample = "{ file: secrets/slack_bot }",
	  .doc = "xoxb-..., scope chat:write: messages with buttons that change as things go on." },
	{ "channel", CONFIG_STRING, AT(slack.channel), .sample = "C0123456789",
	  .doc = "Id of the channel the bot writes to; it must be a member." },
	{ "signing_secret", CONFIG_SECRET, AT(slack.signing_secret),
	  .doc = "For buttons that call back to /callback/slack, a public address." },
	{ "app_token", CONFIG_SECRET, AT(slack.app_token),
	  .doc = "xapp-..., scope connections:write: for buttons by Socket Mode, without a public address." },
	{ "base_url", CONFIG_STRING, AT(slack.base_url), .form = FORM_URL,
	  .fallback = "https://slack.com",
	  .doc = "Where Slack's API is; https://slack-gov.com for GovSlack." },
};
static const struct config_key generic_keys[] = {
	{ "webhook_url", CONFIG_SECRET, AT(generic.webhook_url), .flags = KEY_OF_GO | KEY_PLAIN_IS_FINE,
	  .doc = "Where each step of an approval is posted as JSON." },
	{ "secret", CONFIG_SECRET, AT(generic.secret),
	  .doc = "Signs what is posted (X-Aegis-Signature: t=SECONDS,v1=HEX)." },
	{ "get_decides", CONFIG_BOOL, AT(generic.get_decides), .fallback = "true",
	  .doc = "The payload has approve_url and reject_url, which decide when opened; never for chats." },
};
static const struct config_key notify_keys[] = {
	{ "command", CONFIG_LIST, AT(notify.command), .form = FORM_TEXT,
	  .sample = "[/usr/local/bin/page-me]",
	  .doc = "Program and arguments, no shell, run in /; gets each step as JSON on stdin, exits with 0 (75: again)." },
};
static const struct config_table feishu_table = { KEYS(feishu_keys) };
static const struct config_table slack_table = { KEYS(slack_keys) };
static const struct config_table generic_table = { KEYS(generic_keys) };
static const struct config_table notify_table = { KEYS(notify_keys) };

static const struct config_key approval_keys[] = {
	{ "timeout", CONFIG_DURATION, AT(timeout_ms), .min = 1, .max = 30 * DAY, .fallback = "600s", GO,
	  .doc = "How long people may take to decide." },
	{ "redeem_within", CONFIG_DURATION, AT(redeem_within_ms), .min = 1, .max = 30 * DAY,
	  .fallback = "15m",
	  .doc = "How long an approved call may be made." },
	{ "mode", CONFIG_WORD, AT(mode), .fallback = "auto", .words = WORDS("auto", "hold", "defer"),
	  .doc = "hold lets the client wait, defer answers at once, auto holds as long as the client can." },
	{ "heartbeat", CONFIG_DURATION, AT(heartbeat_ms), .min = 1, .max = HOUR, .fallback = "10s",
	  .doc = "Time between signs of life to a waiting client." },
	{ "callback_base_url", CONFIG_STRING, AT(callback_base_url), .form = FORM_URL, GO,
	  .sample = "https://aegis.example.com",
	  .doc = "What links in messages begin with; empty: no links." },
	{ "channels", CONFIG_LIST, AT(channels), .words = WORDS("slack", "feishu", "generic", "notify"),
	  .sample = "[slack]",
	  .doc = "Ways by which people are asked; empty: all that are configured." },
	{ "give_up", CONFIG_DURATION, AT(give_up_ms), .min = 1, .max = 30 * DAY, .fallback = "24h",
	  .doc = "How long a message is tried that cannot be delivered (aegisctl channel list)." },
	{ "approvers", CONFIG_LIST, AT(approvers), .form = FORM_PERSON, .sample = "[alice]",
	  .doc = "Names in people: only these decide, whatever the role; empty: anyone with the role approver." },
	{ "quorum", CONFIG_INT, AT(quorum), .min = 1, .max = 100, .fallback = "1",
	  .doc = "How many persons of people must approve; one refusal ends it." },
	{ "self_approve", CONFIG_WORD, AT(self_approve), .fallback = "auto",
	  .words = WORDS("false", "true", "auto"),
	  .doc = "Whether an agent's own user, or its owner, may decide for it; auto: in cooperative mode." },
	{ "approver_auth", CONFIG_SWITCH, AT(is_auth_required), .fallback = "any",
	  .words = WORDS("any", "required"),
	  .doc = "required: only persons of people decide; links and tokens, which name nobody, do not." },
	{ "max_pending_per_agent", CONFIG_INT, AT(max_pending_per_agent), .min = 1, .max = 10000,
	  .fallback = "5",
	  .doc = "Most undecided requests of one agent." },
	{ "max_asks_per_hour", CONFIG_INT, AT(max_asks_per_hour), .min = 1, .max = 100000,
	  .fallback = "20",
	  .doc = "Most requests of one agent in an hour." },
	{ "cooldown_after_refusal", CONFIG_DURATION, AT(cooldown_after_refusal_ms), .min = 0, .max = DAY,
	  .fallback = "30s",
	  .doc = "Pause after a refusal before the same agent may ask for the same tool again." },
	{ "feishu", CONFIG_SECTION, .table = &feishu_table, GO,
	  .doc = "Feishu or Lark." },
	{ "slack", CONFIG_SECTION, .table = &slack_table,
	  .doc = "Slack." },
	{ "generic", CONFIG_SECTION, .table = &generic_table, GO,
	  .doc = "Any program that takes a webhook." },
	{ "notify", CONFIG_SECTION, .table = &notify_table,
	  .doc = "A program on this machine." },
};
#undef AT
static const struct config_table approval_table = { KEYS(approval_keys), .check = config_check_approval };

/* ---- the rest -------------------------------------------------------------------------------- */
#define AT(member) offsetof(struct config, member)
static const struct config_key log_keys[] = {
	{ "level", CONFIG_STRING, AT(log_level), .fallback = "info",
	  .words = WORDS("error", "warn", "info", "debug"),
	  .doc = "Least important lines that are written; the option --log-level wins." },
	{ "format", CONFIG_STRING, AT(log_format), .fallback = "text", .words = WORDS("text", "json"),
	  .doc = "How the lines on stderr look." },
};
static const struct config_table log_table = { KEYS(log_keys) };

static const struct config_key server_keys[] = {
	{ "listen", CONFIG_STRING, AT(server.listen), .form = FORM_ADDRESS, GO,
	  .sample = "\"127.0.0.1:18070\"",
	  .doc = "Where the broker listens, also \":18070\" (all addresses); empty: nowhere but on its socket. Moves without a restart." },
	{ "read_timeout", CONFIG_DURATION, AT(server.read_timeout_ms), .min = 1, .max = DAY,
	  .fallback = "300s", GO,
	  .doc = "Longest time a request may take to arrive, and a connection be idle." },
	{ "write_timeout", CONFIG_DURATION, AT(server.write_timeout_ms), .min = 1, .max = DAY,
	  .fallback = "300s", GO,
	  .doc = "Longest time an answer may take to leave; streams of events excepted." },
	{ "api_token", CONFIG_SECRET, AT(server.api_token), GO, .sample = "{ file: secrets/api_token }",
	  .doc = "Opens every route over TCP, for nobody by name; empty: one is made in state_dir/api_token. More: aegisctl token create." },
	{ "allowed_hosts", CONFIG_LIST, AT(server.allowed_hosts), .sample = "[aegis.example.com]",
	  .doc = "Host names accepted over TCP beside loopback, listen and callback_base_url." },
	{ "admin_socket", CONFIG_STRING, AT(server.admin_socket), .form = FORM_PATH,
	  .doc = "Empty: run/admin.sock in the state folder; enforced: /run/aegis/admin.sock." },
};
static const struct config_table server_table = { KEYS(server_keys) };

static const struct config_key broker_keys[] = {
	{ "autostart", CONFIG_BOOL, AT(broker.autostart), .fallback = "true",
	  .doc = "A shim that needs the broker starts it; only in cooperative mode." },
	{ "idle_exit", CONFIG_DURATION, AT(broker.idle_exit_ms), .min = 1, .max = 30 * DAY,
	  .fallback = "10m",
	  .doc = "When a broker that a shim started ends by itself." },
};
static const struct config_table broker_table = { KEYS(broker_keys), .check = config_check_broker };

static const struct config_key limits_keys[] = {
	{ "count_failures", CONFIG_BOOL, AT(count_failures), .fallback = "false",
	  .doc = "true counts every forwarded call; false gives back the place of one that provably failed." },
};
static const struct config_table limits_table = { KEYS(limits_keys) };

static const struct config_key loop_keys[] = {
	{ "max_repeats", CONFIG_INT, AT(loop_max_repeats), .min = 0, .max = 1000000, .fallback = "0",
	  .doc = "Identical calls of one agent within window before the next is refused; 0: off. Calls that need an approval do not count." },
	{ "window", CONFIG_DURATION, AT(loop_window_ms), .min = 1, .max = 30 * DAY, .fallback = "5m",
	  .doc = "Time in which repeats are counted." },
};
static const struct config_table loop_table = { KEYS(loop_keys) };

static const struct config_key checkpoint_keys[] = {
	{ "every", CONFIG_DURATION, AT(audit.checkpoint_every_ms), .min = 1, .max = DAY,
	  .fallback = "60s",
	  .doc = "Longest time between two signatures." },
	{ "rows", CONFIG_INT, AT(audit.checkpoint_rows), .min = 1, .max = 1000000, .fallback = "4096",
	  .doc = "Most rows between two signatures." },
	{ "push", CONFIG_EMPTY,
	  .doc = "Where signatures are sent." },
};
static const struct config_table checkpoint_table = { KEYS(checkpoint_keys) };

static const struct config_key audit_keys[] = {
	{ "db_path", CONFIG_STRING, AT(audit.db_path), .flags = KEY_OF_GO | KEY_IS_IGNORED,
	  .doc = "Accepted and ignored: the audit lives in state_dir." },
	{ "retention_days", CONFIG_INT, AT(audit.retention_days), .min = 0, .max = 36500,
	  .fallback = "90", GO,
	  .doc = "How long rows are kept." },
	{ "results", CONFIG_WORD, AT(audit.results), .fallback = "errors",
	  .words = WORDS("none", "errors", "head", "full"),
	  .doc = "How much of a result is recorded." },
	{ "redact", CONFIG_LIST, AT(audit.redact), .fallback = "tokens keys",
	  .doc = "What is blacked out: tokens, keys, JSON pointers, globs." },
	{ "checkpoint", CONFIG_SECTION, .table = &checkpoint_table,
	  .doc = "Signatures over the audit." },
};
static const struct config_table audit_table = { KEYS(audit_keys) };

static const struct config_key telemetry_keys[] = {
	{ "otlp_endpoint", CONFIG_STRING, AT(otlp_endpoint), .form = FORM_URL,
	  .doc = "Where traces are sent; empty: nowhere." },
};
static const struct config_table telemetry_table = { KEYS(telemetry_keys) };

static const struct config_key root_keys[] = {
	{ "version", CONFIG_INT, AT(version), .min = 1, .max = 1, .fallback = "1",
	  .doc = "Version of this file's format." },
	{ "mode", CONFIG_WORD, AT(mode), .fallback = "cooperative",
	  .words = WORDS("cooperative", "enforced"),
	  .doc = "enforced: only in /etc/aegis/aegis.yaml, which then counts alone." },
	{ "state_dir", CONFIG_STRING, AT(state_dir), .form = FORM_PATH,
	  .doc = "Empty: $XDG_STATE_HOME/aegis; enforced: /var/lib/aegis." },
	{ "durability", CONFIG_WORD, AT(durability), .fallback = "auto",
	  .words = WORDS("auto", "full", "normal"),
	  .doc = "full syncs the disk at every commit; normal gives up limits on power loss; auto chooses by what is at stake." },
	{ "log", CONFIG_SECTION, .table = &log_table,
	  .doc = "What the programs say on stderr." },
	{ "server", CONFIG_SECTION, .table = &server_table, GO,
	  .doc = "The broker's listener." },
	{ "broker", CONFIG_SECTION, .table = &broker_table,
	  .doc = "The broker's life." },
	{ "backends", CONFIG_MAP, MAP_OF(struct config, backends), .min = 1, .form = FORM_NAME,
	  .flags = KEY_OF_GO | KEY_SAMPLE_IS_LIVE | KEY_REQUIRED, .table = &backend_table,
	  .doc = "The MCP servers behind Aegis, by name." },
	{ "queue", CONFIG_MAP, MAP_OF(struct config, queues), .form = FORM_BACKEND, GO,
	  .table = &queue_table,
	  .doc = "Queues and global limits, by backend." },
	{ "limits", CONFIG_SECTION, .table = &limits_table,
	  .doc = "How limits count." },
	{ "agents", CONFIG_MAP, MAP_OF(struct config, agents), .form = FORM_NAME,
	  .flags = KEY_OF_GO | KEY_SAMPLE_IS_LIVE, .table = &agent_table,
	  .doc = "Who may call what, by the name given to aegis-shim --agent." },
	{ "principals", CONFIG_MAP, MAP_OF(struct config, principals), .form = FORM_UID,
	  .table = &principal_table,
	  .doc = "Rules for the users of this machine, by uid." },
	{ "people", CONFIG_MAP, MAP_OF(struct config, people), .form = FORM_NAME, .table = &person_table,
	  .doc = "Who decides, by name." },
	{ "approval", CONFIG_SECTION, .table = &approval_table, GO,
	  .doc = "How people are asked." },
	{ "on_unknown", CONFIG_WORD, AT(on_unknown), .fallback = "allow", .words = WORDS("allow", "hold"),
	  .doc = "The same call again after one whose outcome is unknown: hold refuses it until somebody settles that (aegisctl unknown)." },
	{ "on_unknown_hold", CONFIG_DURATION, AT(on_unknown_hold_ms), .min = 0, .max = 30 * DAY,
	  .fallback = "10m",
	  .doc = "When the hold of on_unknown ends, if nobody settles it." },
	{ "loop", CONFIG_SECTION, .table = &loop_table,
	  .doc = "Guard against agents that repeat themselves." },
	{ "audit", CONFIG_SECTION, .table = &audit_table, GO,
	  .doc = "What is recorded, and for how long." },
	{ "policy_default", CONFIG_WORD, AT(policy_default), .fallback = "allow",
	  .words = WORDS("allow", "block", "require_approval"),
	  .doc = "What happens to a call that no policy matches." },
	{ "policies", CONFIG_OBJECTS, MAP_OF(struct config, policies), .table = &policy_table,
	  .doc = "Rules; the first that matches decides." },
	{ "rooms", CONFIG_MAP, MAP_OF(struct config, rooms), .form = FORM_NAME, .table = &room_table,
	  .doc = "A repository, its backends and who may enter, by name." },
	{ "require_room", CONFIG_BOOL, AT(require_room), .fallback = "false",
	  .doc = "Refuse agents that are in no room." },
	{ "telemetry", CONFIG_SECTION, .table = &telemetry_table,
	  .doc = "Traces." },
};
#undef AT
const struct config_table config_root = { KEYS(root_keys), .size = sizeof(struct config), .check = config_check_root };
