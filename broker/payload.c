#include "broker/payload.h"
#include <inttypes.h>
#include "base/clock.h"
#include "base/id.h"
#include "data/jsonscan.h"

/* ---- members ------------------------------------------------------------------------------------------------------------------- */

static bool put_key(struct buf *out, const char *key)
{
	return buf_printf(out, "%s\"%s\":", out->len && out->data[out->len - 1] != '{' ? "," : "", key);
}

static bool put(struct buf *out, const char *key, const char *value)
{
	return put_key(out, key) && json_quote(out, span_of(value));
}

static bool put_if(struct buf *out, const char *key, const char *value)
{
	return !value || !value[0] || put(out, key, value);
}

/* RFC 3339, whole seconds. */
static bool put_time(struct buf *out, const char *key, int64_t wall_ms)
{
	char text[32];

	if (wall_ms <= 0)
		return true;
	clock_format_utc(wall_ms, text, sizeof(text));
	(void)snprintf(text + 19, sizeof(text) - 19, "Z");
	return put(out, key, text);
}

/* ---- the sentence --------------------------------------------------------------------------------------------------------------- */

/* A name somebody else gave, for a chat whose markup is unknown: nothing in it can be a link, a mention, or a line of its own. */
static bool put_name(struct buf *out, struct span name)
{
	for (size_t n = 0; n < 64 && n < name.len; n++) {
		char c = name.at[n];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
		if (!buf_append_char(out, is_plain ? c : '?'))
			return false;
	}
	return name.len <= 64 || buf_append_text(out, "...");
}

/* Several who agreed stand as "alice, bob". */
static bool put_names(struct buf *out, const char *names)
{
	for (const char *comma; (comma = strstr(names, ", ")) != NULL; names = comma + 2)
		if (!put_name(out, (struct span){ names, (size_t)(comma - names) }) || !buf_append_text(out, ", "))
			return false;
	return put_name(out, span_of(names));
}

static bool put_what(struct buf *out, const struct approval *a)
{
	return put_name(out, span_of(a->tool)) && buf_append_text(out, " (") && put_name(out, span_of(a->backend)) &&
	       buf_append_text(out, ") for agent ") && put_name(out, span_of(a->agent));
}

static bool put_by(struct buf *out, const struct approval *a)
{
	return !a->decided_by[0] || (buf_append_text(out, " by ") && put_names(out, a->decided_by));
}

static bool put_asked(struct buf *out, const struct notice *n)
{
	const struct approval *a = n->approval;

	if (!buf_printf(out, "Approval %s is needed: ", a->short_id) || !put_what(out, a))
		return false;
	return n->page_url[0] ? buf_printf(out, ". Look and decide: %s", n->page_url) :
	                        buf_printf(out, ". Look: aegisctl approvals show %s", a->short_id);
}

bool payload_text(struct buf *out, const struct notice *n)
{
	const struct approval *a = n->approval;
	const char *verb = "";

	switch (n->what) {
	case EVENT_ASKED:
	case EVENT_VOTED: return put_asked(out, n);
	case EVENT_DECIDED: verb = a->state == APPROVAL_REJECTED ? "refused" : "approved"; break;
	case EVENT_EXPIRED: verb = "expired"; break;
	case EVENT_CANCELLED: verb = "cancelled"; break;
	case EVENT_EXECUTED: verb = "used"; break;
	}
	bool is_put = buf_printf(out, "Approval %s was %s", a->short_id, verb) && (n->what == EVENT_EXPIRED || n->what == EVENT_EXECUTED || put_by(out, a)) &&
	              buf_append_text(out, ": ") && put_what(out, a);
	return is_put && (n->what != EVENT_EXECUTED || buf_printf(out, "; outcome: %s", a->outcome));
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------------- */

static const char *event_name(enum approval_what what)
{
	switch (what) {
	case EVENT_ASKED: return "approval_request";
	case EVENT_VOTED:
	case EVENT_DECIDED: return "approval_decided";
	case EVENT_EXPIRED: return "approval_expired";
	case EVENT_CANCELLED: return "approval_cancelled";
	case EVENT_EXECUTED: return "approval_executed";
	}
	return "";
}

/* As Aegis for Go had them. */
static bool put_first(struct buf *out, const struct payload *p)
{
	const struct approval *a = p->notice->approval;

	return put(out, "event", event_name(p->notice->what)) && put(out, "id", a->id) && put(out, "agent_id", a->agent) &&
	       put(out, "tool_name", a->tool) && put(out, "arguments", a->args ? a->args : "") && put_time(out, "created_at", a->created_at_ms) &&
	       put_if(out, "approve_url", p->approve_url) && put_if(out, "reject_url", p->reject_url);
}

static bool put_more(struct buf *out, const struct payload *p)
{
	const struct notice *n = p->notice;
	const struct approval *a = n->approval;
	char hash[2 * sizeof(a->args_hash) + 1];

	hex_encode(hash, a->args_hash, sizeof(a->args_hash));
	return put(out, "short_id", a->short_id) && put(out, "backend", a->backend) && put_if(out, "rule", a->rule) &&
	       put(out, "arguments_hash", hash) && put(out, "state", approval_state_text(a->state)) && put_time(out, "at", n->what_at_ms) &&
	       put_if(out, "approval_url", n->page_url) && put(out, "message_id", n->message_id);
}

static bool put_decider(struct buf *out, const struct approval *a)
{
	return put_if(out, "decided_by", a->decided_by) && put_if(out, "decided_means", a->decided_means) &&
	       put_time(out, "decided_at", a->decided_at_ms) && put(out, "reason", a->reason ? a->reason : "");
}

static bool put_of_event(struct buf *out, const struct payload *p)
{
	const struct approval *a = p->notice->approval;

	switch (p->notice->what) {
	case EVENT_ASKED: return a->state != APPROVAL_PENDING || put_time(out, "expires_at", p->now_ms + a->expires_in_ms);
	case EVENT_VOTED:
	case EVENT_DECIDED: return put(out, "decision", a->state == APPROVAL_REJECTED ? "rejected" : "approved") && put_decider(out, a);
	case EVENT_CANCELLED: return put_decider(out, a);
	case EVENT_EXPIRED: return true;
	case EVENT_EXECUTED: return put_decider(out, a) && put(out, "outcome", a->outcome) && put_time(out, "executed_at", a->executed_at_ms);
	}
	return true;
}

bool payload_write(struct buf *out, const struct payload *p)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 8192);
	return payload_text(&text, p->notice) && buf_append_char(out, '{') && put_first(out, p) && put_more(out, p) && put_of_event(out, p) &&
	       put(out, "text", text.data) && put(out, "content", text.data) && buf_append_char(out, '}');
}
