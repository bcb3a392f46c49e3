#include "broker/ctl/approval_history.h"
#include "base/clock.h"
#include "broker/ctl/term.h"

struct history {
	struct buf *b;
	size_t n;                /* written of the list at hand */
	bool is_whole;
};

static bool put_key(struct history *h, const char *key)
{
	return buf_printf(h->b, ",\"%s\":", key);
}

static bool put_text(struct history *h, const char *key, const char *text)
{
	return put_key(h, key) && term_quote(h->b, text);
}

static bool put_time(struct history *h, const char *key, int64_t at_ms)
{
	char at[32];

	clock_format_utc(at_ms, at, sizeof at);
	return at_ms > 0 ? put_text(h, key, at) : put_key(h, key) && buf_append_text(h->b, "null");
}

/* Opens a member of a list: {"first":"text" */
static bool put_first(struct history *h, const char *key, const char *text)
{
	return buf_printf(h->b, "%s{\"%s\":", h->n++ ? "," : "", key) && term_quote(h->b, text);
}

static bool put_vote(void *arg, const struct vote_row *v)
{
	struct history *h = arg;

	h->is_whole = put_first(h, "voter", v->voter) && put_text(h, "verdict", v->is_approving ? "approve" : "reject") &&
	              put_text(h, "means", v->means) && put_text(h, "origin", v->origin) && put_text(h, "reason", v->reason) &&
	              put_key(h, "is_late") && buf_append_text(h->b, v->is_late ? "true" : "false") && put_time(h, "at", v->at_ms) &&
	              buf_append_char(h->b, '}');
	return h->is_whole;
}

static bool put_message(void *arg, const struct message *m)
{
	struct history *h = arg;

	h->is_whole = put_first(h, "channel", m->channel) && put_text(h, "state", message_state_text(m->state)) &&
	              put_text(h, "last_error", m->last_error) && put_time(h, "sent_at", m->sent_at_ms) && buf_append_char(h->b, '}');
	return h->is_whole;
}

/* Something was told before it failed: then both count. */
static const char *told_how(const struct message *m)
{
	switch (m->state) {
	case MESSAGE_SENT:    return "was told";
	case MESSAGE_DROPPED: return "needed not be told any more";
	case MESSAGE_DEAD:    return "could not be told";
	case MESSAGE_DUE:
	case MESSAGE_SENDING: return m->sent_at_ms > 0 ? "was told, and is to be told more" : "is to be told";
	}
	return "";
}

static bool write_label(struct history *h, const char *label)
{
	return buf_printf(h->b, "%-10s ", h->n++ ? "" : label);
}

static bool write_at(struct history *h, int64_t at_ms)
{
	char at[32];

	clock_format_utc(at_ms, at, sizeof at);
	return at_ms <= 0 || buf_printf(h->b, " at %s", at);
}

static bool write_reason(struct history *h, const char *reason)
{
	return !*reason || (buf_append_text(h->b, ": ") && term_append(h->b, span_of(reason), TERM_ONE_LINE));
}

static bool write_vote(void *arg, const struct vote_row *v)
{
	struct history *h = arg;

	h->is_whole = write_label(h, "") && term_append(h->b, span_of(v->voter), TERM_ONE_LINE) &&
	              buf_printf(h->b, " %s (%s)", v->is_approving ? "approved" : "refused", v->means) && write_at(h, v->at_ms) &&
	              buf_append_text(h->b, v->is_late ? ", too late" : "") && write_reason(h, v->reason) && buf_append_char(h->b, '\n');
	return h->is_whole;
}

static bool write_message(void *arg, const struct message *m)
{
	struct history *h = arg;

	h->is_whole = write_label(h, "told") && buf_printf(h->b, "%s %s", m->channel, told_how(m)) && write_at(h, m->sent_at_ms) &&
	              (m->state == MESSAGE_SENT || m->state == MESSAGE_DROPPED || write_reason(h, m->last_error)) && buf_append_char(h->b, '\n');
	return h->is_whole;
}

static bool write_outcome(struct history *h, const struct approval *a)
{
	return !*a->outcome || (buf_printf(h->b, "%-10s %s", "outcome", a->outcome) && write_at(h, a->executed_at_ms) && buf_append_char(h->b, '\n'));
}

static enum err read_votes(struct history *h, struct store *s, const char *id, vote_row_fn *fn)
{
	enum err e = store_approval_votes(s, id, fn, h);

	h->n = 0;
	return e == OK && !h->is_whole ? ERR_TOO_LARGE : e;
}

static enum err read_messages(struct history *h, struct store *s, const char *id, message_fn *fn)
{
	const struct message_filter f = { .approval = id };
	enum err e = store_messages(s, &f, fn, h);

	return e == OK && !h->is_whole ? ERR_TOO_LARGE : e;
}

enum err approval_history_json(struct buf *b, struct store *s, const struct approval *a)
{
	struct history h = { .b = b };

	h.is_whole = buf_append_text(b, ",\"cast_votes\":[");
	enum err e = read_votes(&h, s, a->id, put_vote);
	h.is_whole = h.is_whole && buf_append_text(b, "],\"messages\":[");
	if (e == OK)
		e = read_messages(&h, s, a->id, put_message);
	return e == OK && !buf_append_char(b, ']') ? ERR_TOO_LARGE : e;
}

enum err approval_history_text(struct buf *b, struct store *s, const struct approval *a)
{
	struct history h = { .b = b, .n = 1, .is_whole = true };

	enum err e = read_votes(&h, s, a->id, write_vote);
	if (e == OK)
		e = read_messages(&h, s, a->id, write_message);
	return e == OK && !write_outcome(&h, a) ? ERR_TOO_LARGE : e;
}
