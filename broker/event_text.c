#include "broker/event_text.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "broker/jsonput.h"

static bool parse_number(const char **at, uint64_t *out)
{
	const char *begin = *at;

	*out = 0;
	for (; **at >= '0' && **at <= '9' && *at - begin < 18; (*at)++)
		*out = *out * 10 + (uint64_t)(**at - '0');
	return *at > begin;
}

bool event_cursor_parse(const char *text, struct event_cursor *out)
{
	return parse_number(&text, &out->events) && *text++ == '.' && parse_number(&text, &out->audit) && *text == '\0';
}

static bool begin(struct buf *b, const struct event_cursor *at, const char *event)
{
	return buf_printf(b, "id: %" PRIu64 ".%" PRIu64 "\nevent: %s\ndata: ", at->events, at->audit, event);
}

/* One line: JSON as we write it has no line ends of its own. */
static bool end(struct buf *b, size_t before, struct jsonput *p, bool has_begun)
{
	if (has_begun && jsonput_end(p) && buf_append_text(b, "\n\n"))
		return true;
	buf_truncate(b, before);
	return false;
}

static void put_approval(struct jsonput *p, const struct approval *a)
{
	put_text(p, "short_id", a->short_id);
	put_text(p, "state", approval_state_text(a->is_overdue ? APPROVAL_EXPIRED : a->state));
	put_name(p, "agent_id", a->agent);
	put_name(p, "backend_id", a->backend);
	put_name(p, "tool_name", a->tool);
	put_hash(p, "arguments_hash", a->args_hash);
	put_time(p, "created_at", a->created_at_ms);
	put_text(p, "decided_by", a->decided_by);
	put_text(p, "decided_means", a->decided_means);
	put_text(p, "reason", a->reason);
	put_number(p, "quorum", a->quorum);
	put_number(p, "votes", a->votes);
	put_text(p, "outcome", a->outcome);
}

bool event_text_approval(struct buf *b, const struct event_cursor *at, const struct approval_event *e, const struct approval *a)
{
	size_t before = b->len;
	bool has_begun = begin(b, at, "approval");
	struct jsonput p = jsonput_begin(b);

	put_open(&p, NULL, '{');
	put_number(&p, "seq", (int64_t)e->seq);
	put_text(&p, "what", approval_what_text(e->what));
	put_time(&p, "at", e->at_ms);
	put_text(&p, "id", e->approval);
	if (a)
		put_approval(&p, a);
	put_close(&p, '}');
	return end(b, before, &p, has_begun);
}

bool event_text_audit(struct buf *b, const struct event_cursor *at, const struct audit_row *row)
{
	size_t before = b->len;
	bool has_begun = begin(b, at, "audit");
	struct jsonput p = jsonput_begin(b);

	put_open(&p, NULL, '{');
	put_number(&p, "seq", (int64_t)row->seq);
	put_time(&p, "at", row->at_ms);
	put_text(&p, "kind", row->kind);
	put_text(&p, "call", row->call);
	put_name(&p, "agent_id", row->agent);
	put_name(&p, "backend_id", row->backend);
	put_name(&p, "tool_name", row->tool);
	put_text(&p, "verdict", row->verdict);
	put_close(&p, '}');
	return end(b, before, &p, has_begun);
}
