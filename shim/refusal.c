#include "shim/refusal.h"
#include <inttypes.h>
#include "base/clock.h"
#include "shim/waiting.h"

#define DATA_CAP (8 * 1024)

static const struct { const char *text; int code; } reasons[] = {
	[REFUSED_NONE]            = { "none",               -32603 },
	[REFUSED_DENIED]          = { "denied",             -32001 },
	[REFUSED_UNKNOWN_TOOL]    = { "unknown_tool",       -32001 },
	[REFUSED_UNKNOWN_AGENT]   = { "unknown_agent",      -32001 },
	[REFUSED_ROOM]            = { "room",               -32001 },
	[REFUSED_POLICY]          = { "policy",             -32001 },
	[REFUSED_LOOP]            = { "loop",               -32001 },
	[REFUSED_RATE]            = { "rate",               -32002 },
	[REFUSED_HELD]            = { "held",               -32002 },
	[REFUSED_COOLDOWN]        = { "cooldown",           -32002 },
	[REFUSED_QUEUE_FULL]      = { "queue_full",         -32003 },
	[REFUSED_QUEUE]           = { "queue_wait",         -32003 },
	[REFUSED_APPROVAL]        = { "refused",            -32004 },
	[REFUSED_EXPIRED]         = { "expired",            -32004 },
	[REFUSED_CANCELLED]       = { "cancelled",          -32004 },
	[REFUSED_TOO_MANY_PENDING] = { "too_many_pending",  -32004 },
	[REFUSED_RECENTLY]        = { "refused_recently",   -32004 },
	[REFUSED_APPROVAL_USED]   = { "approval_used",      -32004 },
	[REFUSED_UNREACHABLE]     = { "unreachable",        -32005 },
	[REFUSED_UNKNOWN_OUTCOME] = { "unknown_outcome",    -32006 },
	[REFUSED_AFTER_UNKNOWN]   = { "held_after_unknown", -32006 },
	[REFUSED_STORE]           = { "store",              -32603 },
	[REFUSED_CONFIG]          = { "config",             -32603 },
	[REFUSED_INVALID]         = { "invalid",            -32602 },
	[REFUSED_DEFERRED]        = { "deferred",           0      },
};

const char *refusal_reason_text(enum refusal_reason r)
{
	return reasons[r].text;
}

int refusal_code(enum refusal_reason r)
{
	return reasons[r].code;
}

void refusal_set(struct refusal *r, enum refusal_reason why, const char *fmt, ...)
{
	va_list ap;

	*r = (struct refusal){ .reason = why, .executed = EXECUTED_NO, .retry_after_ms = -1 };
	va_start(ap, fmt);
	vsnprintf(r->sentence, sizeof(r->sentence), fmt, ap);
	va_end(ap);
}

/* ---- limits ---------------------------------------------------------------------------------------------------------------- */
static const char *by_whom(enum limit_scope s)
{
	switch (s) {
	case LIMIT_AGENT_TOOL: return "by this agent";
	case LIMIT_AGENT:      return "by this agent over all its backends";
	case LIMIT_UID:        return "by this user";
	case LIMIT_GLOBAL:     return "by all agents together";
	case LIMIT_LOOP:       break;
	}
	return "";
}

static const struct unit { int64_t s; const char *name; } units[] = {
	{ 24 * 3600, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" },
};

void refusal_wait_text(char out[REFUSAL_WAIT_SIZE], int64_t ms)
{
	const size_t size = REFUSAL_WAIT_SIZE;
	int64_t s = ms > 1000 ? (ms + 999) / 1000 : 1;
	const struct unit *big = units, *small;

	while (s < big->s)
		big++;
	small = big->s > 1 ? big + 1 : big;
	s = (s + small->s - 1) / small->s * small->s;
	if (big > units && s == big[-1].s)      /* 59 min 59.9 s */
		small = --big;
	if (s % big->s == 0)
		snprintf(out, size, "%" PRId64 " %s", s / big->s, big->name);
	else
		snprintf(out, size, "%" PRId64 " %s %" PRId64 " %s", s / big->s, big->name, s % big->s / small->s, small->name);
}

static void write_subject(char *out, size_t size, const char *backend, const struct limit_claim *claim)
{
	if (strcmp(claim->tool, "*") != 0)
		snprintf(out, size, "%.128s", claim->tool);
	else if (claim->scope == LIMIT_AGENT || claim->scope == LIMIT_UID)
		snprintf(out, size, "all tools");
	else
		snprintf(out, size, "all tools of backend %.64s", backend);
}

static void say_rate(struct refusal *r, const char *backend, const struct limit_refusal *c, const char *window, const char *wait)
{
	char subject[200];
	bool is_known = c->retry_after_ms >= 0;

	write_subject(subject, sizeof(subject), backend, c->claim);
	refusal_set(r, c->is_held ? REFUSED_HELD : REFUSED_RATE,
	            "rate limit for %s: %u of %u calls in %s %s %s; next free %s%s. The call was not executed.", subject,
	            c->used + c->held, c->claim->max_count, window, c->is_held ? "held for waiting calls" : "used",
	            by_whom(c->claim->scope), is_known ? "in " : "when one of them ends", is_known ? wait : "");
	snprintf(r->rule, sizeof(r->rule), "rate limit %.128s %u/%s", c->claim->tool, c->claim->max_count, window);
}

static void say_loop(struct refusal *r, const struct limit_refusal *c, const char *window, const char *wait)
{
	refusal_set(r, REFUSED_LOOP, "exactly this call, with these arguments, was made %u times within %s, which looks like a loop: it is not "
	            "made again for %s. Do something else, or find out why its answer does not help. The call was not executed.",
	            c->used + c->held, window, wait);
	snprintf(r->rule, sizeof(r->rule), "loop.max_repeats %u/%s", c->claim->max_count, window);
}

void refusal_set_limit(struct refusal *r, const char *backend, const struct limit_refusal *c)
{
	char wait[REFUSAL_WAIT_SIZE], window_text[48];
	struct buf window;

	buf_init(&window, sizeof(window_text) - 1);
	snprintf(window_text, sizeof(window_text), "%s", limit_write_duration(&window, c->claim->window_ms) ? window.data : "?");
	buf_release(&window);
	refusal_wait_text(wait, c->retry_after_ms);
	if (c->claim->scope == LIMIT_LOOP)
		say_loop(r, c, window_text, wait);
	else
		say_rate(r, backend, c, window_text, wait);
	r->retry_after_ms = c->retry_after_ms;
	r->has_limit = true;
	r->limit.scope = limit_scope_text(c->claim->scope);
	r->limit.window_ms = c->claim->window_ms;
	r->limit.max_count = c->claim->max_count;
	r->limit.used = c->used;
	r->limit.held = c->held;
}

/* ---- not yet ---------------------------------------------------------------------------------------------------------------- */
#define COME_AGAIN "The call has NOT been executed; repeat exactly the same call later"

static void defer_for_approval(struct refusal *r, const struct waiting *w)
{
	r->status = "require_approval";
	snprintf(r->sentence, sizeof(r->sentence), "approval %s is still pending, the call has NOT been executed; repeat exactly the same "
	         "call later to collect its result, and do not work around it. An operator decides with `aegisctl approvals approve %s`.",
	         w->name, w->name);
}

static void defer_in_queue(struct refusal *r, const char *backend, const struct waiting *w)
{
	char place[60] = "", eta[REFUSAL_WAIT_SIZE], about[80] = "";

	r->status = "queued";
	if (w->position > 0)
		snprintf(place, sizeof(place), ", position %" PRIu32, w->position);
	if (w->eta_ms >= 0) {
		refusal_wait_text(eta, w->eta_ms);
		snprintf(about, sizeof(about), ", its turn comes in about %s", eta);
	}
	snprintf(r->sentence, sizeof(r->sentence), "the call waits in the queue of backend %s%s%s. " COME_AGAIN ": its place is kept.",
	         backend, place, about);
}

static void defer_paused(struct refusal *r, const struct waiting *w)
{
	r->status = "paused";
	snprintf(r->sentence, sizeof(r->sentence), "an operator has paused this call%s%s. " COME_AGAIN ".", w->reason[0] ? ": " : "",
	         w->reason);
}

static void defer_cooling(struct refusal *r, const char *backend, const struct waiting *w)
{
	char eta[REFUSAL_WAIT_SIZE], about[80] = "";

	r->status = "queued";
	if (w->eta_ms >= 0) {
		refusal_wait_text(eta, w->eta_ms);
		snprintf(about, sizeof(about), ", about %s more", eta);
	}
	snprintf(r->sentence, sizeof(r->sentence), "backend %s asked to be left alone for a while%s. " COME_AGAIN ": its place is kept.",
	         backend, about);
}

void refusal_set_deferral(struct refusal *r, const char *backend, const struct waiting *w, int64_t retry_after_ms)
{
	refusal_set(r, REFUSED_DEFERRED, "%s", "");
	r->retry_after_ms = retry_after_ms;
	snprintf(r->approval, sizeof(r->approval), "%s", w->name);
	switch (w->what) {
	case WAITING_APPROVAL:
		defer_for_approval(r, w);
		break;
	case WAITING_NOTHING:
	case WAITING_QUEUE:
		defer_in_queue(r, backend, w);
		break;
	case WAITING_BRAKE:
		defer_paused(r, w);
		break;
	case WAITING_COOLDOWN:
		defer_cooling(r, backend, w);
		break;
	}
}

/* ---- what stops calls for a time ------------------------------------------------------------------------------------------------ */
void refusal_set_cooldown(struct refusal *r, const char *backend, const struct obstacle *why)
{
	char wait[REFUSAL_WAIT_SIZE];

	refusal_wait_text(wait, why->until_ms);
	refusal_set(r, REFUSED_COOLDOWN, "backend %.64s asked to be left alone%s%.150s%s: no agent's call is sent to it for %s. "
	            "The call was not executed.", backend, why->text[0] ? " (" : "", why->text, why->text[0] ? ")" : "", wait);
	snprintf(r->rule, sizeof(r->rule), "cool-down of backend %.64s", backend);
	r->retry_after_ms = why->until_ms;
}

void refusal_set_after_unknown(struct refusal *r, const char *backend, const char *tool, const struct obstacle *why)
{
	char wait[REFUSAL_WAIT_SIZE], since[32];
	size_t n = strlen(why->call);
	const char *id = n > 8 ? why->call + n - 8 : why->call;

	refusal_wait_text(wait, why->until_ms);
	clock_format_utc(why->since_at_ms, since, sizeof(since));
	refusal_set(r, REFUSED_AFTER_UNKNOWN, "exactly this call of %.128s was sent to backend %.64s before (call %s), and since %.19sZ nobody "
	            "knows whether it was executed. It is not sent again until a person has found out and says so (aegisctl unknown settle "
	            "%s done|not_done), or in %s. The call was not executed.", tool, backend, id, since, id, wait);
	snprintf(r->rule, sizeof(r->rule), "on_unknown: hold");
	r->retry_after_ms = why->until_ms;
}

/* ---- who may use what --------------------------------------------------------------------------------------------------------- */
static const struct { const char *noun, *end; } subjects[] = {
	[ACL_TOOL]     = { "tool",     "The call was not executed." },
	[ACL_RESOURCE] = { "resource", "The request was not executed." },
	[ACL_PROMPT]   = { "prompt",   "The request was not executed." },
};

static void refuse_token(struct refusal *r, const char *agent, const char *end)
{
	refusal_set(r, REFUSED_UNKNOWN_AGENT, "agent %s must prove itself with a token (auth_token), which this version of Aegis cannot "
	            "check; no call is let through. %s", agent, end);
	snprintf(r->rule, sizeof(r->rule), "auth_token");
}

bool refusal_set_acl(struct refusal *r, const struct acl_answer *a, const struct acl_subject *who, enum acl_subject_kind kind,
                     const char *name)
{
	const char *end = subjects[kind].end;

	switch (a->verdict) {
	case ACL_ALLOWED:
		if (a->agent->auth_token.source == SECRET_NONE)
			return false;
		refuse_token(r, who->agent, end);
		return true;
	case ACL_UNKNOWN_AGENT:
		refusal_set(r, REFUSED_UNKNOWN_AGENT, "the rules know no agent %s. %s", who->agent, end);
		break;
	case ACL_WRONG_USER:
		refusal_set(r, REFUSED_UNKNOWN_AGENT, "this user may not be agent %s. %s", who->agent, end);
		break;
	case ACL_NO_BACKEND:
		refusal_set(r, REFUSED_DENIED, "agent %s may not use backend %s. %s", who->agent, who->backend, end);
		break;
	case ACL_DENIED:
		refusal_set_absent(r, REFUSED_DENIED, who, kind, name);
		break;
	}
	snprintf(r->rule, sizeof(r->rule), "%s", a->rule);
	return true;
}

void refusal_set_absent(struct refusal *r, enum refusal_reason why, const struct acl_subject *who, enum acl_subject_kind kind,
                        const char *name)
{
	refusal_set(r, why, "agent %s has no %s %.200s on backend %s. %s", who->agent, subjects[kind].noun, name, who->backend,
	            subjects[kind].end);
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */
/* Whether a tool is forbidden or does not exist is for the audit, not for the agent: nothing may tell the two apart. */
static bool is_hidden(const struct refusal *r)
{
	return r->reason == REFUSED_DENIED || r->reason == REFUSED_UNKNOWN_TOOL;
}

static bool write_data(const struct refusal *r, const char *request_id, struct buf *b)
{
	const char *reason = refusal_reason_text(is_hidden(r) ? REFUSED_DENIED : r->reason);
	bool ok = buf_printf(b, "{\"reason\":\"%s\",\"executed\":\"%s\"", reason, executed_text(r->executed));

	if (ok && request_id && *request_id)
		ok = buf_printf(b, ",\"request_id\":\"%s\"", request_id);
	if (ok && r->rule[0] && !is_hidden(r))
		ok = buf_append_text(b, ",\"rule\":") && json_quote(b, span_of(r->rule));
	if (ok && r->retry_after_ms >= 0)
		ok = buf_printf(b, ",\"retry_after_ms\":%" PRId64, r->retry_after_ms);
	if (ok && r->approval[0])
		ok = buf_append_text(b, ",\"approval_id\":") && json_quote(b, span_of(r->approval));
	if (ok && r->has_limit)
		ok = buf_printf(b, ",\"limit\":{\"scope\":\"%s\",\"window\":%" PRId64 ",\"max_count\":%u,\"used\":%u,\"held\":%u}",
		                r->limit.scope, r->limit.window_ms, r->limit.max_count, r->limit.used, r->limit.held);
	return ok && buf_append_char(b, '}');
}

static bool write_deferral(const struct refusal *r, struct buf *b)
{
	bool ok = buf_printf(b, ",\"_meta\":{\"aegis/status\":\"%s\"", r->status);

	if (ok && r->approval[0])
		ok = buf_append_text(b, ",\"aegis/approval_id\":") && json_quote(b, span_of(r->approval));
	if (ok && r->retry_after_ms >= 0)
		ok = buf_printf(b, ",\"aegis/retry_after_ms\":%" PRId64, r->retry_after_ms);
	return ok && buf_append_char(b, '}');
}

static bool write_result(const struct refusal *r, struct json_value id, struct buf *out)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, DATA_CAP);
	return buf_append_text(&b, "{\"content\":[{\"type\":\"text\",\"text\":") && json_quote(&b, span_of(r->sentence)) &&
	       buf_append_text(&b, "}],\"isError\":true") && (r->reason != REFUSED_DEFERRED || write_deferral(r, &b)) &&
	       buf_append_char(&b, '}') && jsonrpc_write_result(out, id, buf_span(&b));
}

bool refusal_write(const struct refusal *r, struct json_value id, const char *request_id, enum config_deny_as as, struct buf *out)
{
	CLEANUP(buf_release) struct buf data = { 0 };

	buf_init(&data, DATA_CAP);
	if (r->reason == REFUSED_DEFERRED || (as == DENY_AS_RESULT && r->reason != REFUSED_INVALID))
		return write_result(r, id, out);
	return write_data(r, request_id, &data) &&
	       jsonrpc_write_error(out, id, refusal_code(r->reason), span_of(r->sentence), buf_span(&data));
}
