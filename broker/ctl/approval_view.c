#include "broker/ctl/approval_view.h"
#include <inttypes.h>
#include "base/clock.h"
#include "base/utf8.h"
#include "data/jsonscan.h"

/* ---- JSON that shows all it holds ---- */
static bool write_indent(struct buf *b, int depth)
{
	return buf_append_char(b, '\n') && buf_printf(b, "%*s", 2 * depth, "");
}

static bool write_pretty(struct buf *b, struct json_value v, int depth)
{
	struct json_iter it = json_iter(v);
	bool is_object = v.kind == JSON_OBJECT, is_whole = true, is_first = true;
	struct json_value member;
	struct span key;

	if (!is_object && v.kind != JSON_ARRAY)
		return term_json(b, v.text);
	is_whole = buf_append_char(b, is_object ? '{' : '[');
	while (is_whole && json_next(&it, &key, &member)) {
		is_whole = (is_first || buf_append_char(b, ',')) && write_indent(b, depth + 1) &&
		           (!is_object || (term_json(b, key) && buf_append_text(b, ": "))) && write_pretty(b, member, depth + 1);
		is_first = false;
	}
	return is_whole && (is_first || write_indent(b, depth)) && buf_append_char(b, is_object ? '}' : ']');
}

bool approval_write_arguments(struct buf *b, const struct approval *a)
{
	return term_json(b, span_of(a->args));
}

static bool write_text(struct buf *b, const char *key, const char *text)
{
	return buf_printf(b, ",\"%s\":", key) && term_quote(b, text);
}

static bool write_hash(struct buf *b, const char *key, const uint8_t hash[32])
{
	char hex[65];

	hex_encode(hex, hash, 32);
	return write_text(b, key, hex);
}

static bool write_time(struct buf *b, const char *key, int64_t at_ms)
{
	char at[32];

	if (at_ms <= 0)
		return buf_printf(b, ",\"%s\":null", key);
	clock_format_utc(at_ms, at, sizeof at);
	return write_text(b, key, at);
}

static bool is_live(const struct approval *a)
{
	return a->state == APPROVAL_PENDING || a->state == APPROVAL_APPROVED;
}

/* 0: it does not expire, or its clock stands still. */
static int64_t expires_at(const struct approval *a, int64_t wall_ms)
{
	return is_live(a) && !a->is_frozen ? wall_ms + a->expires_in_ms : 0;
}

static bool write_who(struct buf *b, const struct approval *a)
{
	return write_text(b, "tenant", a->tenant) && write_text(b, "agent", a->agent) && buf_printf(b, ",\"level\":%d", a->level) &&
	       buf_printf(b, ",\"uid\":%u", (unsigned)a->uid) && write_text(b, "client", a->client) &&
	       write_text(b, "backend", a->backend) && write_text(b, "tool", a->tool) && write_text(b, "rule", a->rule);
}

static bool write_arguments(struct buf *b, const struct approval *a)
{
	return buf_append_text(b, ",\"arguments\":") && approval_write_arguments(b, a) && write_hash(b, "args_hash", a->args_hash) &&
	       write_hash(b, "tool_hash", a->tool_hash);
}

static bool write_times(struct buf *b, const struct approval *a, int64_t wall_ms)
{
	return write_time(b, "created_at", a->created_at_ms) && write_time(b, "expires_at", expires_at(a, wall_ms)) &&
	       buf_printf(b, ",\"expires_in_ms\":%" PRId64 ",\"waited_ms\":%" PRId64 ",\"is_frozen\":%s", a->expires_in_ms, a->waited_ms,
	                  a->is_frozen ? "true" : "false") &&
	       write_time(b, "decided_at", a->decided_at_ms);
}

static bool write_decision(struct buf *b, const struct approval *a)
{
	return write_text(b, "decided_by", a->decided_by) && write_text(b, "decided_means", a->decided_means) &&
	       write_text(b, "reason", a->reason) && write_text(b, "used_by", a->consumed_by) &&
	       write_text(b, "outcome", a->outcome) && write_time(b, "executed_at", a->executed_at_ms) &&
	       buf_printf(b, ",\"quorum\":%u,\"votes\":%u,\"waiting\":%u,\"needs_person\":%s}", a->quorum, a->votes, a->waiting,
	                  a->is_auth_required ? "true" : "false");
}

bool approval_write_json(struct buf *b, const struct approval *a, int64_t wall_ms)
{
	return buf_printf(b, "{\"id\":\"%s\",\"short\":\"%s\",\"state\":\"%s\"", a->id, a->short_id, approval_state_text(a->state)) &&
	       write_who(b, a) && write_arguments(b, a) && write_times(b, a, wall_ms) && write_decision(b, a);
}

/* ---- for people ---- */
enum term_colour approval_colour(enum approval_state s)
{
	switch (s) {
	case APPROVAL_PENDING:   return TERM_YELLOW;
	case APPROVAL_APPROVED:  return TERM_GREEN;
	case APPROVAL_REJECTED:  return TERM_RED;
	case APPROVAL_EXPIRED:
	case APPROVAL_CANCELLED:
	case APPROVAL_CONSUMED:  return TERM_DIM;
	}
	return TERM_PLAIN;
}

bool approval_write_duration(struct buf *b, int64_t ms)
{
	char span[TERM_SPAN];

	term_span(span, ms);
	return buf_append_text(b, span);
}

static bool write_line(struct buf *b, const char *label, const char *text)
{
	return buf_printf(b, "%-10s ", label) && term_append(b, span_of(text), TERM_ONE_LINE) && buf_append_char(b, '\n');
}

bool approval_write_decision(struct buf *b, const struct approval *a)
{
	char at[32] = "";

	if (a->decided_at_ms > 0)
		clock_format_utc(a->decided_at_ms, at, sizeof at);
	return (!*a->decided_by || (buf_append_text(b, " by ") && term_append(b, span_of(a->decided_by), TERM_ONE_LINE))) &&
	       (!*a->decided_means || buf_printf(b, " (%s)", a->decided_means)) &&
	       (!*at || buf_printf(b, " at %s", at)) &&
	       (!*a->reason || (buf_append_text(b, ": ") && term_append(b, span_of(a->reason), TERM_ONE_LINE)));
}

static bool write_state(struct buf *b, const struct approval *a)
{
	bool is_whole = buf_printf(b, "%-10s %s", "state", approval_state_text(a->state));

	if (is_live(a))
		is_whole = is_whole && buf_append_text(b, a->state == APPROVAL_PENDING ? ", to be decided within " : ", to be used within ") &&
		           approval_write_duration(b, a->expires_in_ms) && buf_append_text(b, a->is_frozen ? " (clock stands still)" : "");
	return is_whole && buf_append_char(b, '\n');
}

static bool write_decided(struct buf *b, const struct approval *a)
{
	if (a->state == APPROVAL_PENDING || (!*a->decided_by && !*a->reason))
		return true;
	return buf_printf(b, "%-10s", "decided") && approval_write_decision(b, a) && buf_append_char(b, '\n');
}

static bool write_asker(struct buf *b, const struct approval *a)
{
	return write_line(b, "agent", a->agent) && buf_printf(b, "%-10s uid %u, level %d, client ", "", (unsigned)a->uid, a->level) &&
	       term_append(b, span_of(*a->client ? a->client : "unknown"), TERM_ONE_LINE) && buf_append_char(b, '\n') &&
	       write_line(b, "backend", a->backend) && write_line(b, "tool", a->tool) && write_line(b, "rule", a->rule);
}

static bool write_asked(struct buf *b, const struct approval *a)
{
	return buf_printf(b, "%-10s ", "asked") && approval_write_duration(b, a->waited_ms) &&
	       buf_printf(b, " ago, %u call%s wait%s for it\n", a->waiting, a->waiting == 1 ? "" : "s", a->waiting == 1 ? "s" : "") &&
	       buf_printf(b, "%-10s %u of %u\n", "votes", a->votes, a->quorum);
}

bool approval_write_head(struct buf *b, const struct approval *a)
{
	return buf_printf(b, "%-10s %s  %s\n", "approval", a->short_id, a->id) && write_state(b, a) && write_decided(b, a) &&
	       write_asker(b, a) && write_asked(b, a);
}

bool approval_write_whole_arguments(struct buf *b, const struct approval *a)
{
	struct json_value args;
	char hex[65];

	hex_encode(hex, a->args_hash, 32);
	if (jsonscan_check(span_of(a->args), &args, NULL) != JSONSCAN_OK)
		return false;
	return buf_printf(b, "%-10s %zu bytes, BLAKE2b %s\n", "arguments", strlen(a->args), hex) &&
	       write_pretty(b, args, 0) && buf_append_char(b, '\n');
}

bool approval_write_details(struct buf *b, const struct approval *a)
{
	return approval_write_head(b, a) && approval_write_whole_arguments(b, a);
}
