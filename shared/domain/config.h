/* config - the rules of one aegis.yaml, checked and complete with defaults. Immutable once loaded; borrowed by everyone.
 * Durations and times are ms, sizes bytes. Strings are never NULL; "" means "not set". Paths are absolute once loaded.
 * One table of keys (config_table.c) loads, prints, documents and makes the JSON Schema. */
#pragma once
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define CONFIG_MAX_BYTES (1024 * 1024)
#define CONFIG_AUTO      (-1)                             /* a duration or count that is chosen by the program */

struct config_list { char **v; size_t n; bool is_set; };  /* names or globs */

struct config_limit { int64_t window_ms; uint32_t max_count; };
struct config_tool_limits { char *tool; struct config_limit *v; size_t n; int line; };  /* tool: name or glob, "*" = all */
struct config_limits { struct config_tool_limits *v; size_t n; };

enum config_secret_source { SECRET_NONE, SECRET_PLAIN, SECRET_FILE, SECRET_ENV, SECRET_CREDENTIAL, SECRET_COMMAND };
struct config_secret { enum config_secret_source source; char *text; struct config_list argv; };
struct config_named_secret { char *name; struct config_secret value; };
struct config_secrets { struct config_named_secret *v; size_t n; };

enum config_mode { MODE_COOPERATIVE, MODE_ENFORCED };
enum config_durability { DURABILITY_AUTO, DURABILITY_FULL, DURABILITY_NORMAL };
enum config_transport { TRANSPORT_AUTO, TRANSPORT_HTTP, TRANSPORT_SSE, TRANSPORT_STDIO };
enum config_on_exit { ON_EXIT_FAIL, ON_EXIT_RESTART };
enum config_on_tool_change { TOOL_CHANGE_WARN, TOOL_CHANGE_BLOCK, TOOL_CHANGE_ALLOW };
enum config_deny_as { DENY_AS_ERROR, DENY_AS_RESULT };
enum config_annotate { ANNOTATE_TRUE, ANNOTATE_FALSE, ANNOTATE_FULL };
enum config_on_unknown { ON_UNKNOWN_ALLOW, ON_UNKNOWN_HOLD };
enum config_approval_mode { APPROVAL_MODE_AUTO, APPROVAL_MODE_HOLD, APPROVAL_MODE_DEFER };
enum config_tristate { TRISTATE_FALSE, TRISTATE_TRUE, TRISTATE_AUTO };
enum config_audit_results { RESULTS_NONE, RESULTS_ERRORS, RESULTS_HEAD, RESULTS_FULL };
enum config_policy_mode { POLICY_ALLOW, POLICY_BLOCK, POLICY_REQUIRE_APPROVAL };

struct config_backend {
	char *name;
	char *url;                                        /* or command, never both */
	struct config_list command;
	enum config_transport transport;
	struct config_secrets headers, env;
	char *cwd, *health_url, *ca_file, *proxy, *run_as;
	int64_t timeout_ms, connect_timeout_ms, tools_cache_ms, cooldown_max_ms;
	int64_t max_body_bytes;
	enum config_on_exit on_exit;
	int64_t max_restarts;
	enum config_on_tool_change on_tool_change;
	int line;
};

struct config_queue {
	char *backend;
	bool is_enabled;
	int64_t delay_min_ms, delay_max_ms, max_wait_ms, keep_place_ms, stall_timeout_ms;
	int64_t max_pending, concurrency;
	struct config_list bypass_tools;
	struct config_limits global_rate_limits;
	int line;
};

struct config_grant {                                     /* agents.A.backends.B */
	char *backend;
	bool is_allowed;
	struct config_list tool_allowlist, tool_denylist, approval_required;
	struct config_list resource_allowlist, resource_denylist, prompt_allowlist, prompt_denylist;
	struct config_limits rate_limits;
	int line;
};

struct config_agent {
	char *name, *display_name, *owner;
	struct config_secret auth_token;
	enum config_deny_as deny_as;
	enum config_annotate annotate;
	struct config_limits rate_limits;                 /* over all its backends */
	int64_t hold_max_ms;                              /* CONFIG_AUTO = by client */
	bool may_sample, may_elicit, may_list_roots;      /* server_requests */
	struct config_grant *grants;
	size_t grants_n;
	int line;
};

struct config_principal { char *name; int64_t uid; struct config_list agents; struct config_limits rate_limits; int line; };
struct config_person { char *name; int64_t uid; char *slack, *feishu; struct config_list roles; int line; };

struct config_policy {
	char *name, *when;
	int64_t priority;
	enum config_policy_mode mode;
	struct config_list agents, roles, rooms, backends, tool;
	struct config_limits limits;
	bool is_shadow;
	int line;
};
struct config_room { char *name, *repository, *tenant; struct config_list backends, agents; bool is_active; int line; };

struct config_approval {
	int64_t timeout_ms, redeem_within_ms, heartbeat_ms, give_up_ms, cooldown_after_refusal_ms;
	enum config_approval_mode mode;
	char *callback_base_url;
	struct config_list channels, approvers;
	int64_t quorum, max_pending_per_agent, max_asks_per_hour;
	enum config_tristate self_approve;
	bool is_auth_required;                            /* approver_auth: required */
	struct { struct config_secret webhook_url, sign_secret, app_id, app_secret, encrypt_key, verification_token; char *chat_id, *base_url; } feishu;
	struct { struct config_secret webhook_url, bot_token, signing_secret, app_token; char *channel, *base_url; } slack;
	struct { struct config_secret webhook_url, secret; bool get_decides; } generic;
	struct { struct config_list command; } notify;
};

struct config {
	char *path;                                       /* real path of the file */
	uint8_t hash[32];                                 /* BLAKE2b-256 of its bytes */
	int64_t version;                                  /* of the format: 1 */
	enum config_mode mode;
	char *state_dir;                                  /* as configured; "" = the default place */
	enum config_durability durability;
	char *log_level, *log_format;
	struct { char *listen; int64_t read_timeout_ms, write_timeout_ms; struct config_secret api_token;
	         struct config_list allowed_hosts; char *admin_socket; } server;
	struct { bool autostart; int64_t idle_exit_ms; } broker;
	struct config_backend *backends;   size_t backends_n;
	struct config_queue *queues;       size_t queues_n;
	bool count_failures;
	struct config_agent *agents;       size_t agents_n;
	struct config_principal *principals; size_t principals_n;
	struct config_person *people;      size_t people_n;
	struct config_approval approval;
	enum config_on_unknown on_unknown;
	int64_t on_unknown_hold_ms;
	int64_t loop_max_repeats, loop_window_ms;
	struct { int64_t retention_days; enum config_audit_results results; struct config_list redact;
	         int64_t checkpoint_every_ms, checkpoint_rows; char *db_path; } audit;
	enum config_policy_mode policy_default;
	struct config_policy *policies;    size_t policies_n;
	struct config_room *rooms;         size_t rooms_n;
	bool require_room;
	char *otlp_endpoint;
};

/* What loading had to say: every error and warning at once, in order of the file. */
struct config_report {
	struct config_remark { bool is_error; struct problem problem; } *v;
	size_t n;
	char *path;
};
void config_report_release(struct config_report *r);
size_t config_report_errors(const struct config_report *r);
/* Appends "path:line:col: error: reason" lines. */
MUST_USE bool config_report_write(const struct config_report *r, struct buf *b);

/* Reads and checks a file. OK: *out is owned by the caller (report may still hold warnings). ERR_INVALID: the report says why.
 * ERR_NOT_FOUND, ERR_PERMISSION, ERR_TOO_LARGE, ERR_IO: of the file. A file others can write is an error, one others can read a warning. */
MUST_USE enum err config_load(const char *path, struct config **out, struct config_report *report);
/* The same for bytes at hand; path is only named in messages and for relative paths. */
MUST_USE enum err config_parse(const char *path, struct span text, struct config **out, struct config_report *report);
void config_free(struct config *c);

/* Where the rules come from (DESIGN.md section 1): /etc/aegis/aegis.yaml alone when it says "mode: enforced"; else given (--config),
 * $AEGIS_CONFIG, $XDG_CONFIG_HOME/aegis/aegis.yaml, /etc/aegis/aegis.yaml. *out owned. ERR_NOT_FOUND: why names the places and
 * `aegisctl config init`; ERR_INVALID: given, or $AEGIS_CONFIG, beside an enforced file (one that cannot be read or understood counts as
 * enforced). OK with a text in why: a user's own file is not used, and that is worth a line in the log. */
MUST_USE enum err config_find(const char *given, char **out, struct problem *why);

/* Owned path of the state folder: given (--state-dir; not in enforced mode) or the file's or the default of section 4.
 * NULL without a home. */
char *config_state_dir(const struct config *c, const char *given);

const struct config_backend *config_backend(const struct config *c, const char *name);   /* these: NULL when absent */
const struct config_queue *config_queue(const struct config *c, const char *backend);
const struct config_agent *config_agent(const struct config *c, const char *name);
const struct config_grant *config_grant(const struct config_agent *a, const char *backend);

/* Resolves a secret to owned text (free with secret_free). SECRET_NONE gives "". Caps 64 KiB, drops one trailing line end; an empty
 * secret or one with NUL is ERR_INVALID, a file others may open ERR_PERMISSION. May block: a {command} has 10 s. */
MUST_USE enum err config_secret_read(const struct config *c, const struct config_secret *s, char **out, struct problem *why);

/* A file that is not there; whether it may be read, or holds anything, is seen when it is needed. */
bool config_secret_is_missing(const struct config_secret *s);

/* The effective rules with defaults, as YAML or JSON; secrets are shown as {env: NAME} and the like, plain ones as "(hidden)". */
MUST_USE bool config_show(const struct config *c, bool as_json, struct buf *b);
MUST_USE bool config_schema(struct buf *b);               /* JSON Schema, draft-07 */
MUST_USE bool config_example(struct buf *b);              /* a commented aegis.yaml */
