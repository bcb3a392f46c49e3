/* commands - what aegisctl can do. */
#include "broker/ctl/commands.h"

const struct ctl_option ctl_common[] = {
	{ "config", "FILE", "the rules to use instead of the ones found" },
	{ "state-dir", "DIR", "the state folder to use instead of the configured one" },
	{ "json", NULL, "answer in JSON on stdout" },
	{ "no-color", NULL, "no colours; also NO_COLOR, TERM=dumb, and where stdout is no terminal" },
	{ "help", NULL, "show this help" },
	{ "version", NULL, "show the version" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option list_options[] = {
	{ "limit", "N", "how many of the newest rows (default 20)" },
	{ "agent", "A", "only rows of this agent" },
	{ "backend", "B", "only rows of this backend" },
	{ "tool", "GLOB", "only tools whose name, as the backend has it, matches" },
	{ "verdict", "V", "only rows with this verdict" },
	{ "kind", "K", "only rows of this kind: intent, outcome, refused, request, decision, operator ..." },
	{ "call", "ID", "only rows of this call" },
	{ "since", "TIME", "not before: how long ago (2h), a date, or a time as 2026-11-20T10:15:30Z" },
	{ "until", "TIME", "before that" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option call_options[] = {
	{ "backend", "B", "only this backend" },
	{ "list", NULL, "show the tools instead of calling one" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option channel_test_options[] = {
	{ "wait", "TIME", "how long it may take, such as 2m (default 60s)" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option limits_options[] = {
	{ "agent", "A", "only what this agent may meet" },
	{ "watch", NULL, "look once a second: redraw on a terminal, else print what changed" },
	{ NULL, NULL, NULL },
};
#define SCOPE_OPTIONS                                                                                                            \
	{ "agent", "A", "only calls of this agent" }, { "backend", "B", "only calls to this backend" },                             \
	{ "tool", "GLOB", "only tools whose name, as the backend has it, matches" }, { "room", "R", "only calls from this room" }
static const struct ctl_option pause_options[] = {
	SCOPE_OPTIONS,
	{ "reason", "TEXT", "why; agents and the audit are told" },
	{ "list", NULL, "show what is paused or cooling down, change nothing" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option resume_options[] = {
	SCOPE_OPTIONS,
	{ "cooldown", NULL, "with --backend: end its cool-down early" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option queue_options[] = {
	{ "backend", "B", "only this backend's queue" },
	{ "watch", NULL, "look once a second: redraw on a terminal, else print what changed" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option repair_options[] = {
	{ "yes", NULL, "do not ask" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option status_options[] = {
	{ "watch", NULL, "look once a second: redraw on a terminal, else print what changed" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option api_options[] = {
	{ "data", "JSON|@FILE|-", "the body: as it stands here, in a file, or from stdin" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option token_create_options[] = {
	{ "role", "ROLE", "what it may: viewer, operator, approver or superuser" },
	{ "person", "P", "whom of the rules' people it speaks for" },
	{ "expires", "TIME", "how long it lasts, such as 30d (default: for ever)" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option token_rotate_options[] = {
	{ "expires", "TIME", "how long the new one lasts, such as 30d (default: as long as the old one would)" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option token_list_options[] = {
	{ "all", NULL, "also those that were revoked or have expired" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option unknown_list_options[] = {
	{ "all", NULL, "also those that were settled" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option approvals_options[] = {
	{ "agent", "A", "only what this agent asks for" },
	{ "all", NULL, "also what is over, newest first" },
	{ "limit", "N", "with --all: how many (default 100)" },
	{ NULL, NULL, NULL },
};
static const struct ctl_option reason_options[] = {
	{ "reason", "TEXT", "why; the agent is told" },
	{ NULL, NULL, NULL },
};

/* What approve, reject and cancel end with. */
#define DECISION_EXITS                                                                                          \
	"ID is the approval's name (APR-7F3K) or its id. Exit code 0: decided; 1: somebody was first, it is over, or there\n" \
	"is none; 3: you may not decide it; 5: your vote counts, and others must agree too."

const struct command commands[] = {
	{ .name = "api",
	  .synopsis = "METHOD PATH [--data JSON|@FILE|-]",
	  .help = "ask the broker over its socket, such as: api GET /api/v1/approvals/pending",
	  .details = "The answer's body goes to stdout as it comes. No token is needed: the kernel tells the broker who asks. Exit code\n"
		     "0: done; 1: the broker says no (4xx); 3: you may not; 5: accepted, and more is needed; 7: no broker runs, or it failed.",
	  .options = api_options,
	  .words_min = 2,
	  .words_max = 2,
	  .takes = { "GET|POST|DELETE|HEAD" },
	  .run = cmd_api },
	{ .name = "approvals approve",
	  .synopsis = "ID [--reason TEXT]",
	  .help = "let the call go that waits for it",
	  .details = "It goes with exactly these arguments, once.\n" DECISION_EXITS,
	  .options = reason_options,
	  .words_min = 1,
	  .words_max = 1,
	  .takes = { "APPROVAL" },
	  .run = cmd_approvals_approve },
	{ .name = "approvals cancel",
	  .synopsis = "ID [--reason TEXT]",
	  .help = "take back the question: nobody needs to decide it",
	  .details = "The agent is told that it was cancelled, and may ask again.\n" DECISION_EXITS,
	  .options = reason_options,
	  .words_min = 1,
	  .words_max = 1,
	  .takes = { "APPROVAL" },
	  .run = cmd_approvals_cancel },
	{ .name = "approvals list",
	  .synopsis = "[--agent A] [--all [--limit N]]",
	  .help = "show the calls that wait for a person's word",
	  .details = "The undecided and the approved ones that are not used yet. With --json: one array of objects, each with all of\n"
		     "its arguments.",
	  .options = approvals_options,
	  .run = cmd_approvals_list },
	{ .name = "approvals reject",
	  .synopsis = "ID [--reason TEXT]",
	  .help = "refuse the call that waits for it",
	  .details = "One refusal ends it, however many had to agree.\n" DECISION_EXITS,
	  .options = reason_options,
	  .words_min = 1,
	  .words_max = 1,
	  .takes = { "APPROVAL" },
	  .run = cmd_approvals_reject },
	{ .name = "approvals show",
	  .synopsis = "ID",
	  .help = "show all about one, its arguments whole",
	  .details = "Who has voted, which channels were told, what became of the call. Characters that do not show are written as\n"
		     "\\uXXXX, which means the same.",
	  .words_min = 1,
	  .words_max = 1,
	  .takes = { "APPROVAL" },
	  .run = cmd_approvals_show },
	{ .name = "approvals watch",
	  .synopsis = "",
	  .help = "see approvals as they come, and decide them by keys",
	  .details = "Keys: j and k or the arrows move, v shows all about one, a approves, r refuses and asks why, q quits. What does not\n"
		     "fit into its line must be read to the end (v, space) before it can be approved. Where there is no terminal: one\n"
		     "line for each change, with --json one object, until interrupted.",
	  .run = cmd_approvals_watch },
	{ .name = "audit list",
	  .synopsis = "[--limit N] [--agent A] [--tool GLOB] [--since TIME] ...",
	  .help = "show the newest rows of the audit",
	  .details = "With --json: one array, oldest row first, each with its body and its hashes.",
	  .options = list_options,
	  .run = cmd_audit_list },
	{ .name = "call",
	  .synopsis = "AGENT (TOOL ['{json}'|-] | --list) [--backend B]",
	  .help = "make one governed call as that agent, or list its tools",
	  .details = "Starts aegis-shim as an MCP client would. - reads the arguments from stdin.\n"
		     "The exit code tells the outcome (aegisctl --help). Where the agent has deny_as: result, a refusal\n"
		     "looks like an error of the tool.",
	  .options = call_options,
	  .words_min = 1,
	  .words_max = 3,
	  .takes = { "AGENT" },
	  .run = cmd_call },
	{ .name = "channel list",
	  .synopsis = "",
	  .help = "show where people are told of approvals, and what did not get there",
	  .details = "STATE: open; broken, and why; not told: it is left out of approval.channels.\n"
		     "WAITING: messages that are due or tried again. DEAD: given up after approval.give_up; make them due again with\n"
		     "aegisctl api POST /api/v1/messages/again. The broker must run.",
	  .run = cmd_channel_list },
	{ .name = "channel test",
	  .synopsis = "NAME [--wait TIME]",
	  .help = "send a test message by a channel and tell what happens, step by step",
	  .details = "NAME: slack, feishu, generic, notify or desktop. A real round trip by the running broker; nobody is asked to\n"
		     "decide anything. Exit code 0: it got there; 1: it did not, or no such channel is configured; 3: you may not;\n"
		     "7: no broker runs. With --json: one object for each step, in a line.",
	  .options = channel_test_options,
	  .takes = { "slack|feishu|generic|notify|desktop" },
	  .words_min = 1,
	  .words_max = 1,
	  .run = cmd_channel_test },
	{ .name = "completion",
	  .synopsis = "bash|zsh|fish",
	  .help = "print what teaches a shell to complete aegisctl's words",
	  .details = "bash: source <(aegisctl completion bash) in ~/.bashrc. zsh: the same in ~/.zshrc, behind compinit.\n"
		     "fish: aegisctl completion fish > ~/.config/fish/completions/aegisctl.fish. Packages install all three.",
	  .takes = { "bash|zsh|fish" },
	  .words_min = 1,
	  .words_max = 1,
	  .run = cmd_completion },
	{ .name = "config check",
	  .synopsis = "[FILE]",
	  .help = "say all that is wrong with the rules, each with its place",
	  .details = "Without FILE: the file whose rules count. Exit code 0: it loads; 1: it has errors; 7: there is none, or it\n"
		     "cannot be read. With --json: one object with file, ok and remarks.",
	  .words_max = 1,
	  .takes = { "FILE" },
	  .run = cmd_config_check },
	{ .name = "config init",
	  .synopsis = "[FILE|-]",
	  .help = "write a commented example to start from",
	  .details = "Without FILE (or --config FILE): where your own rules are looked for. - prints it. A file that is there is\n"
		     "never replaced (exit code 1).",
	  .words_max = 1,
	  .takes = { "FILE" },
	  .run = cmd_config_init },
	{ .name = "config reload",
	  .synopsis = "",
	  .help = "put the rules as they stand in the file now in force everywhere",
	  .details = "A changed file is seen without it, by a shim with its next call and by the broker within a second; this does it\n"
		     "now and says what is in force. A file with errors changes nothing: each is shown with its place, exit code 7.\n"
		     "Works without a broker too. Exit code 1: the broker goes by another file. With --json: one object.",
	  .run = cmd_config_reload },
	{ .name = "config schema",
	  .synopsis = "",
	  .help = "print the JSON Schema (draft-07) of the rules, for editors",
	  .run = cmd_config_schema },
	{ .name = "config show",
	  .synopsis = "[FILE]",
	  .help = "print the rules in force, defaults included, secrets hidden",
	  .details = "YAML, or JSON with --json; both load again. Secrets are shown by where they come from.",
	  .words_max = 1,
	  .takes = { "FILE" },
	  .run = cmd_config_show },
	{ .name = "help",
	  .synopsis = "[COMMAND]",
	  .help = "show what aegisctl can do, or all about one command",
	  .takes = { "COMMAND", "COMMAND" },
	  .words_max = 2,
	  .run = cmd_help },
	{ .name = "limits",
	  .synopsis = "[--agent A] [--watch]",
	  .help = "show how full each rate limit is, and when its next place frees",
	  .details = "A call that waits holds its place (+), one that was sent uses it (#) until the window has passed; what provably\n"
		     "did not run gives it back. Above the table: what is paused, and backends that cool down. With --json: one\n"
		     "array of windows (with --watch a line each); pause --list --json has the rest.",
	  .options = limits_options,
	  .run = cmd_limits },
	{ .name = "pause",
	  .synopsis = "[--agent A|--backend B|--tool GLOB|--room R] [--reason TEXT] | --list",
	  .help = "let calls wait from now on: all, or those named",
	  .details = "Calls that were sent go on. The others wait, before they ask for an approval and before they are sent; what\n"
		     "waits longer than its client does is answered \"paused\" and may come again. Approvals do not run out\n"
		     "meanwhile. It lasts until aegisctl resume, also across restarts. Several can be in force at once.",
	  .options = pause_options,
	  .run = cmd_pause },
	{ .name = "queue",
	  .synopsis = "[--backend B] [--watch]",
	  .help = "show which calls wait for a backend, and when each may start",
	  .details = "State: WAITING; ASIDE, passed over while it is paused, stopped or limited; PARKED, its client was told to come\n"
		     "again and its place is kept; FORWARDING, with the backend. Times are guesses. With --json: one array; with\n"
		     "--watch one whenever a call has moved, each in a line.",
	  .options = queue_options,
	  .run = cmd_queue },
	{ .name = "repair",
	  .synopsis = "[--yes]",
	  .help = "put a corrupt or missing database aside and begin a new one",
	  .details = "The old files are kept beside the new one. What can be read is carried over, what was lost is said,\n"
		     "and every rate limit counts as full for one window. A sound database stays as it is.",
	  .options = repair_options,
	  .run = cmd_repair },
	{ .name = "resume",
	  .synopsis = "[--agent A|--backend B [--cooldown]|--tool GLOB|--room R]",
	  .help = "end a pause, named as it was set",
	  .details = "Other pauses stay in force and are named. Exit code 1: there was no such pause. With --cooldown: calls need\n"
		     "not wait any more as long as the backend asked for (429, Retry-After).",
	  .options = resume_options,
	  .run = cmd_resume },
	{ .name = "status",
	  .synopsis = "[--watch]",
	  .help = "show how it all stands: broker, shims, what waits, what is wrong",
	  .details = "Works without a broker, from the store alone. Limits are shown from 80 % on, errors of the last day. Exit code 7:\n"
		     "the store cannot be read. With --json: one object, null where a thing is not known; with --watch one a line.",
	  .options = status_options,
	  .run = cmd_status },
	{ .name = "token create",
	  .synopsis = "NAME --role ROLE [--person P] [--expires 30d]",
	  .help = "make a token for a program that asks the broker over TCP",
	  .details = "The secret is printed on stdout, alone, this once; only its hash is kept. A viewer sees; an operator also cancels,\n"
		     "reloads and tries again; an approver also decides; a superuser may everything. With --person its decisions are that\n"
		     "person's. Needs the role superuser, or whoever owns the state folder.",
	  .options = token_create_options,
	  .words_min = 1,
	  .words_max = 1,
	  .run = cmd_token_create },
	{ .name = "token list",
	  .synopsis = "[--all]",
	  .help = "show the tokens: role, person, when they were used last",
	  .options = token_list_options,
	  .run = cmd_token_list },
	{ .name = "token revoke",
	  .synopsis = "NAME",
	  .help = "end a token now",
	  .words_min = 1,
	  .words_max = 1,
	  .takes = { "TOKEN" },
	  .run = cmd_token_revoke },
	{ .name = "token rotate",
	  .synopsis = "NAME [--expires 30d]",
	  .help = "give a token a new secret; the old one ends now",
	  .options = token_rotate_options,
	  .words_min = 1,
	  .words_max = 1,
	  .takes = { "TOKEN" },
	  .run = cmd_token_rotate },
	{ .name = "unknown list",
	  .synopsis = "[--all]",
	  .help = "show the calls whose outcome nobody knows",
	  .details = "They were sent and no usable answer came. With on_unknown: hold the same call is refused until one is\n"
		     "settled, or on_unknown_hold has passed.",
	  .options = unknown_list_options,
	  .run = cmd_unknown_list },
	{ .name = "unknown settle",
	  .synopsis = "ID done|not_done",
	  .help = "say what became of such a call; the same call is free again",
	  .details = "ID: as unknown list shows it, or any beginning or end of the whole id that names one call. Its place of a\n"
		     "rate limit stays used: only an answer of the backend proves that a call failed.",
	  .words_min = 2,
	  .words_max = 2,
	  .takes = { "UNKNOWN", "done|not_done" },
	  .run = cmd_unknown_settle },
	{ .name = "version",
	  .synopsis = "",
	  .help = "show the version",
	  .run = cmd_version },
	{ .name = NULL },
};
