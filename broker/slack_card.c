#include "broker/slack_card.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "broker/slack_block.h"
#include "broker/slack_text.h"

#define MAX_NAME 500 /* bytes of a name on a card */
#define MAX_WORD 200 /* bytes of a name in the text of a notification */
#define DOT      " \xc2\xb7 "

static bool fits(const char *text, size_t most_bytes)
{
	CLEANUP(buf_release) struct buf shown = { 0 };

	buf_init(&shown, most_bytes);
	return slack_text(&shown, span_of(text), most_bytes, SLACK_LITERAL) == 0;
}

static bool are_names_whole(const struct approval *a)
{
	return fits(a->tool, MAX_NAME) && fits(a->agent, MAX_NAME) && fits(a->backend, MAX_NAME);
}

bool slack_card_is_whole(const struct approval *a)
{
	return are_names_whole(a) && fits(a->args, SLACK_MAX_ARGUMENTS);
}

/* ---- what it says ------------------------------------------------------------------------------------------------------------------- */

static const char *used_text(const char *outcome)
{
	static const char *const texts[][2] = {
		{ "ok", "Approved and done" },
		{ "failed", "Approved, but the call failed" },
		{ "unknown", "Approved, outcome unknown" },
		{ "not_run", "Approved, but the call did not run" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(outcome, texts[i][0]) == 0)
			return texts[i][1];
	return "Approved, running";
}

static const char *headline(const struct approval *a)
{
	switch (a->state) {
	case APPROVAL_PENDING: return "Approval needed";
	case APPROVAL_APPROVED: return "Approved";
	case APPROVAL_REJECTED: return "Refused";
	case APPROVAL_EXPIRED: return "Expired";
	case APPROVAL_CANCELLED: return "Cancelled";
	case APPROVAL_CONSUMED: break;
	}
	return used_text(a->outcome);
}

static const char *level_text(int level)
{
	switch (level) {
	case 0: return "by its own word";
	case 1: return "known by uid";
	case 2: return "known by token";
	default: return "with a uid of its own";
	}
}

static bool write_who(struct buf *b, const struct slack_card *c)
{
	const struct approval *a = c->approval;

	return slack_text_line(b, a->agent, MAX_NAME, SLACK_LITERAL) &&
	       buf_printf(b, " (%s, uid %u, on ", level_text(a->level), (unsigned)a->uid) &&
	       slack_text_line(b, c->host, MAX_NAME, SLACK_LITERAL) && buf_append_char(b, ')');
}

static void add_facts(struct json_object *rich, const struct slack_card *c)
{
	const struct approval *a = c->approval;
	CLEANUP(buf_release) struct buf who = { 0 };

	buf_init(&who, 4 * MAX_NAME);
	slack_rich_line(rich, "Agent: ", write_who(&who, c) ? who.data : a->agent, 4 * MAX_NAME);
	if (a->client[0]) /* a word of its own, which could claim to be one of ours: alone */
		slack_rich_line(rich, "Client: ", a->client, MAX_NAME);
	slack_rich_line(rich, "Tool: ", a->tool, MAX_NAME);
	slack_rich_line(rich, "Backend: ", a->backend, MAX_NAME);
	if (a->tenant[0])
		slack_rich_line(rich, "Tenant: ", a->tenant, MAX_NAME);
	slack_rich_line(rich, "Rule: ", a->rule, MAX_NAME);
}

static void add_arguments(struct json_object *rich, const struct slack_card *c)
{
	slack_rich_line(rich, "Arguments:", "", 0);
	size_t left_out = slack_rich_verbatim(rich, span_of(c->approval->args), SLACK_MAX_ARGUMENTS);
	if (slack_card_is_whole(c->approval))
		return;
	char what[60] = "A name is not shown whole", more[200];
	if (left_out > 0)
		(void)snprintf(what, sizeof what, "%zu more bytes are not shown", left_out);
	(void)snprintf(more, sizeof more, "%s, so this cannot be approved here: %s", what,
	               c->page_url[0] ? "open the page" : "an operator sees all with aegisctl approvals show");
	slack_rich_line(rich, "", more, sizeof more);
}

static struct json_object *body_of(const struct slack_card *c)
{
	struct json_object *rich = slack_rich();

	add_facts(rich, c);
	add_arguments(rich, c);
	if (c->approval->state != APPROVAL_PENDING || c->approval->votes > 0)
		slack_rich_line(rich, "", c->standing, SLACK_MAX_SECTION);
	return rich;
}

static bool write_end_of_asking(struct buf *b, const struct slack_card *c)
{
	char at[32];

	if (c->approval->is_frozen)
		return buf_append_text(b, DOT "calls are paused, it does not expire meanwhile");
	clock_format_utc(c->expires_at_ms, at, sizeof at);
	return buf_printf(b, DOT "expires <!date^%" PRId64 "^{date_short_pretty} {time}|%s>", c->expires_at_ms / 1000, at);
}

/* Our own words, times and short name only: this is read as markup. */
static struct json_object *footer_of(const struct slack_card *c)
{
	const struct approval *a = c->approval;
	CLEANUP(buf_release) struct buf text = { 0 };
	bool is_open = a->state == APPROVAL_PENDING, has_way = c->has_buttons || c->page_url[0];

	buf_init(&text, 1000);
	bool is_whole = buf_append_text(&text, a->short_id) && (!is_open || write_end_of_asking(&text, c));
	if (is_whole && is_open && a->quorum > 1)
		is_whole = buf_printf(&text, DOT "%u of %u approvals", (unsigned)a->votes, (unsigned)a->quorum);
	if (is_whole && is_open && !has_way)
		is_whole = buf_printf(&text, DOT "decide with `aegisctl approvals approve %s`, or `reject`", a->short_id);
	return slack_context(is_whole ? text.data : a->short_id);
}

/* ---- buttons ------------------------------------------------------------------------------------------------------------------------ */

void slack_value_write(const char *id, const uint8_t args_hash[32], char out[SLACK_VALUE_SIZE])
{
	char hex[65];

	hex_encode(hex, args_hash, 32);
	(void)snprintf(out, SLACK_VALUE_SIZE, "%s.%s", id, hex);
}

static bool is_hex(const char *text, size_t n)
{
	return strspn(text, "0123456789abcdef") >= n;
}

static uint8_t digit_of(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool slack_value_read(const char *value, char id[ID_SIZE], uint8_t args_hash[32])
{
	const char *hex = value + ID_SIZE;

	if (strlen(value) != SLACK_VALUE_SIZE - 1 || value[ID_SIZE - 1] != '.' || !is_hex(value, ID_SIZE - 1) || !is_hex(hex, 64))
		return false;
	memcpy(id, value, ID_SIZE - 1);
	id[ID_SIZE - 1] = '\0';
	for (size_t i = 0; i < 32; i++)
		args_hash[i] = (uint8_t)(digit_of(hex[2 * i]) << 4 | digit_of(hex[2 * i + 1]));
	return true;
}

static bool write_confirmation(struct buf *b, const struct approval *a)
{
	return slack_text_line(b, a->tool, 100, SLACK_LITERAL) &&
	       buf_append_text(b, " will run once, with exactly these arguments, for agent ") &&
	       slack_text_line(b, a->agent, 100, SLACK_LITERAL);
}

static void add_approve(struct json_object *actions, const struct approval *a, const char *value)
{
	CLEANUP(buf_release) struct buf what = { 0 };
	struct json_object *button = slack_button(actions, "aegis_approve", "Approve once", value, "primary");

	buf_init(&what, SLACK_MAX_CONFIRM_TEXT);
	slack_button_confirm(button, "Approve this call?", write_confirmation(&what, a) ? what.data : "It will run once.", "Approve");
}

/* NULL: there is nothing to press. */
static struct json_object *actions_of(const struct slack_card *c)
{
	const struct approval *a = c->approval;
	bool has_page = c->page_url[0] && strlen(c->page_url) <= SLACK_MAX_BUTTON_URL;
	char value[SLACK_VALUE_SIZE];

	if (a->state != APPROVAL_PENDING || (!c->has_buttons && !has_page))
		return NULL;
	struct json_object *actions = slack_actions(c->message_id);
	slack_value_write(a->id, a->args_hash, value);
	if (c->has_buttons && slack_card_is_whole(a))
		add_approve(actions, a, value);
	if (c->has_buttons)
		(void)slack_button(actions, "aegis_reject", "Reject\xe2\x80\xa6", value, "danger");
	if (has_page)
		slack_put(slack_button(actions, "aegis_open", "Open page", NULL, NULL), "url", c->page_url);
	return actions;
}

/* ---- the message -------------------------------------------------------------------------------------------------------------------- */

static bool write_text(struct buf *b, const struct approval *a)
{
	return buf_printf(b, "%s: ", headline(a)) && slack_text_line(b, a->tool, MAX_WORD, SLACK_MRKDWN) &&
	       buf_append_text(b, " for agent ") && slack_text_line(b, a->agent, MAX_WORD, SLACK_MRKDWN) &&
	       buf_printf(b, " (%s)", a->short_id);
}

static void put_text(struct json_object *o, const struct approval *a)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 1000);
	slack_put(o, "text", write_text(&text, a) ? text.data : headline(a));
}

/* For programs that read the channel, and to tell a second copy of one event. */
static void put_metadata(struct json_object *o, const struct slack_card *c)
{
	struct json_object *metadata = json_object_new_object(), *payload = json_object_new_object();

	slack_put(payload, "id", c->approval->id);
	slack_put(payload, "short_id", c->approval->short_id);
	slack_put(payload, "message_id", c->message_id);
	slack_put(metadata, "event_type", "aegis_approval");
	(void)json_object_object_add(metadata, "event_payload", payload);
	(void)json_object_object_add(o, "metadata", metadata);
}

static struct json_object *message_of(const struct slack_card *c, struct json_object *blocks)
{
	struct json_object *o = json_object_new_object();
	bool is_bot = c->channel[0] != '\0';

	if (is_bot)
		slack_put(o, "channel", c->channel);
	if (c->ts[0])
		slack_put(o, "ts", c->ts);
	put_text(o, c->approval);
	(void)json_object_object_add(o, "unfurl_links", json_object_new_boolean(false));
	(void)json_object_object_add(o, "unfurl_media", json_object_new_boolean(false));
	if (is_bot) {
		slack_put(o, "parse", "none");
		(void)json_object_object_add(o, "link_names", json_object_new_boolean(false));
		put_metadata(o, c);
	}
	(void)json_object_object_add(o, "blocks", blocks);
	return o;
}

bool slack_card_write(const struct slack_card *c, struct buf *out)
{
	struct json_object *blocks = json_object_new_array(), *actions = actions_of(c);

	(void)json_object_array_add(blocks, slack_header(headline(c->approval)));
	(void)json_object_array_add(blocks, body_of(c));
	if (actions)
		(void)json_object_array_add(blocks, actions);
	(void)json_object_array_add(blocks, footer_of(c));
	return slack_json(message_of(c, blocks), out);
}

bool slack_card_write_end(const struct slack_card *c, struct buf *out)
{
	struct json_object *blocks = json_object_new_array();

	(void)json_object_array_add(blocks, slack_section(c->standing));
	return slack_json(message_of(c, blocks), out);
}
