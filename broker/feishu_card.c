#include "broker/feishu_card.h"
#include <json.h>
#include "base/clock.h"
#include "broker/feishu_text.h"
#include "data/jsonscan.h"
#include "data/secret.h"

#define ARGS_MOST    12000               /* as shown; fewer where the card does not fit */
#define NAME_MOST    500                 /* of one name, as it comes out */
#define TITLE_MOST   150
#define SENTENCE_MOST 3000
#define FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

struct draft {
	const struct feishu_card *card;
	struct json_object *elements;
	size_t args_most;
	bool is_cut;                     /* something of what is asked is not shown whole */
};

/* ---- pieces of JSON -------------------------------------------------------------------------------------------------------------------- */

static struct json_object *text_of(const char *tag, struct span content)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "tag", json_object_new_string(tag));
	json_object_object_add(o, "content", json_object_new_string_len(content.at ? content.at : "", (int)content.len));
	return o;
}

/* What comes out is whole characters of at most `most` bytes. */
static struct json_object *plain(const char *text, size_t most)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	size_t taken;

	buf_init(&b, most + 8);
	return feishu_text(&b, span_of(text), FEISHU_PLAIN, most, &taken) ? text_of("plain_text", buf_span(&b)) : text_of("plain_text", SPAN(""));
}

static struct json_object *element(const char *tag, const char *key, struct json_object *inside)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "tag", json_object_new_string(tag));
	json_object_object_add(o, key, inside);
	return o;
}

static void add(struct draft *d, struct json_object *o)
{
	json_object_array_add(d->elements, o);
}

static void add_sentence(struct draft *d, const char *text)
{
	add(d, element("div", "text", plain(text, SENTENCE_MOST)));
}

static void add_rule(struct draft *d)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "tag", json_object_new_string("hr"));
	add(d, o);
}

static struct json_object *card_of(struct json_object *title, const char *colour, struct json_object *elements)
{
	struct json_object *card = json_object_new_object(), *config = json_object_new_object(), *header = json_object_new_object();

	json_object_object_add(config, "wide_screen_mode", json_object_new_boolean(true));
	json_object_object_add(config, "update_multi", json_object_new_boolean(true));
	json_object_object_add(config, "enable_forward", json_object_new_boolean(false));
	json_object_object_add(header, "title", title);
	json_object_object_add(header, "template", json_object_new_string(colour));
	json_object_object_add(card, "config", config);
	json_object_object_add(card, "header", header);
	json_object_object_add(card, "elements", elements);
	return card;
}

/* Takes card. */
static bool put_card(struct json_object *card, struct buf *out)
{
	size_t n;
	const char *text = json_object_to_json_string_length(card, FLAGS, &n);
	bool is_whole = buf_append(out, text, n);

	json_object_put(card);
	return is_whole;
}

/* ---- what it says ---------------------------------------------------------------------------------------------------------------------- */

struct look { const char *title, *colour; };

static struct look look_of_used(const char *outcome)
{
	if (strcmp(outcome, "ok") == 0)
		return (struct look){ "Approved and done", "green" };
	if (strcmp(outcome, "failed") == 0)
		return (struct look){ "Approved, and the call failed", "carmine" };
	if (strcmp(outcome, "unknown") == 0)
		return (struct look){ "Approved, outcome unknown", "yellow" };
	if (strcmp(outcome, "not_run") == 0)
		return (struct look){ "Approved, and not run", "grey" };
	return (struct look){ "Approved, running", "turquoise" };
}

static struct look look_of(const struct approval *a)
{
	switch (a->state) {
	case APPROVAL_PENDING: return (struct look){ "Approval needed", "orange" };
	case APPROVAL_APPROVED: return (struct look){ "Approved", "blue" };
	case APPROVAL_REJECTED: return (struct look){ "Refused", "red" };
	case APPROVAL_EXPIRED: return (struct look){ "Expired", "grey" };
	case APPROVAL_CANCELLED: return (struct look){ "Cancelled", "grey" };
	case APPROVAL_CONSUMED: break;
	}
	return look_of_used(a->outcome);
}

/* "Aegis" stands in it so that a custom bot may ask for this keyword. */
static struct json_object *title_of(const struct approval *a)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, TITLE_MOST * 40);
	bool is_whole = buf_printf(&b, "Aegis %s: %s: %.*s", a->short_id, look_of(a).title, TITLE_MOST * 4, a->tool);
	return plain(is_whole ? b.data : "Aegis", TITLE_MOST);
}

static void add_field(struct draft *d, struct json_object *fields, const char *label, const char *value)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct json_object *o = json_object_new_object();
	size_t taken = 0, n = strlen(value);

	buf_init(&b, NAME_MOST + 100);
	bool is_whole = buf_printf(&b, "**%s**\n", label) && feishu_text(&b, (struct span){ value, n }, FEISHU_LARK_MD, NAME_MOST, &taken);
	d->is_cut = d->is_cut || !is_whole || taken < n;
	json_object_object_add(o, "is_short", json_object_new_boolean(true));
	json_object_object_add(o, "text", text_of("lark_md", buf_span(&b)));
	json_object_array_add(fields, o);
}

static void add_deadline(struct draft *d, struct json_object *fields)
{
	char at[32] = "";

	if (d->card->expires_at_ms > 0)
		clock_format_utc(d->card->expires_at_ms / 1000 * 1000, at, sizeof(at));
	add_field(d, fields, "Decide before", *at ? at : "paused: its clock stands still");
}

static void add_fields(struct draft *d)
{
	const struct approval *a = d->card->approval;
	struct json_object *fields = json_object_new_array();
	char who[300], votes[40];

	snprintf(who, sizeof(who), "uid %u on %s, identity level %d", (unsigned)a->uid, d->card->host, a->level);
	snprintf(votes, sizeof(votes), "%u of %u", a->votes, a->quorum);
	add_field(d, fields, "Approval", a->short_id);
	add_field(d, fields, "Agent", a->agent);
	add_field(d, fields, "Tool", a->tool);
	add_field(d, fields, "Backend", a->backend);
	add_field(d, fields, "Client", *a->client ? a->client : "unknown");
	add_field(d, fields, "User", who);
	add_field(d, fields, "Rule", a->rule);
	if (a->state == APPROVAL_PENDING)
		add_deadline(d, fields);
	if (a->quorum > 1)
		add_field(d, fields, "Persons who agreed", votes);
	add(d, element("div", "fields", fields));
}

static void add_arguments(struct draft *d)
{
	struct span args = span_of(d->card->approval->args);
	CLEANUP(buf_release) struct buf b = { 0 };
	size_t taken = 0;

	buf_init(&b, d->args_most + 100);
	bool is_whole = buf_printf(&b, "Arguments, %zu bytes:\n", args.len) && feishu_text(&b, args, FEISHU_PLAIN, d->args_most, &taken);
	d->is_cut = d->is_cut || !is_whole || taken < args.len;
	add(d, element("div", "text", text_of("plain_text", buf_span(&b))));
}

/* ---- buttons --------------------------------------------------------------------------------------------------------------------------- */

static struct json_object *button(const char *label, const char *type)
{
	struct json_object *o = element("button", "text", plain(label, 100));

	json_object_object_add(o, "type", json_object_new_string(type));
	return o;
}

static struct json_object *decider(const struct approval *a, bool is_approving)
{
	struct json_object *o = button(is_approving ? "Approve once" : "Refuse", is_approving ? "primary" : "danger");
	struct json_object *value = json_object_new_object();
	char hex[65];

	hex_encode(hex, a->args_hash, 32);
	json_object_object_add(value, "id", json_object_new_string(a->id));
	json_object_object_add(value, "hash", json_object_new_string(hex));
	json_object_object_add(value, "action", json_object_new_string(is_approving ? "approve" : "reject"));
	json_object_object_add(o, "value", value);
	if (is_approving) {
		struct json_object *confirm = json_object_new_object();

		json_object_object_add(confirm, "title", plain("Approve this call?", 100));
		json_object_object_add(confirm, "text", plain("It may then be made once, with exactly these arguments.", 200));
		json_object_object_add(o, "confirm", confirm);
	}
	return o;
}

static struct json_object *opener(const char *url)
{
	struct json_object *o = button("Open in Aegis", "default");

	json_object_object_add(o, "url", json_object_new_string(url));
	return o;
}

static void add_buttons(struct draft *d)
{
	const struct feishu_card *c = d->card;
	struct json_object *actions = json_object_new_array();

	if (c->has_buttons && !d->is_cut)
		json_object_array_add(actions, decider(c->approval, true));
	if (c->has_buttons)
		json_object_array_add(actions, decider(c->approval, false));
	if (*c->page_url)
		json_object_array_add(actions, opener(c->page_url));
	if (json_object_array_length(actions) > 0)
		add(d, element("action", "actions", actions));
	else
		json_object_put(actions);
}

/* A card of version 1 has no input for a reason that all clients show: where one is given is said instead. */
static void add_hints(struct draft *d)
{
	const struct feishu_card *c = d->card;
	struct json_object *texts = json_object_new_array();
	char hint[300];

	if (d->is_cut)
		snprintf(hint, sizeof(hint), "Not all of it is shown here, so it cannot be approved here: %s `aegisctl approvals show %s`.",
			*c->page_url ? "open it in Aegis, or use" : "use", c->approval->short_id);
	else if (!c->has_buttons && !*c->page_url)
		snprintf(hint, sizeof(hint), "To decide: `aegisctl approvals approve %s` or `aegisctl approvals reject %s`.",
			c->approval->short_id, c->approval->short_id);
	else
		snprintf(hint, sizeof(hint), "To refuse with a reason: %s `aegisctl approvals reject %s --reason ...`.",
			*c->page_url ? "open it in Aegis, or use" : "use", c->approval->short_id);
	json_object_array_add(texts, plain(hint, sizeof(hint)));
	add(d, element("note", "elements", texts));
}

/* ---- the card -------------------------------------------------------------------------------------------------------------------------- */

static struct json_object *draft_of(const struct feishu_card *c, size_t args_most)
{
	struct draft d = { .card = c, .elements = json_object_new_array(), .args_most = args_most };

	add_fields(&d);
	add_arguments(&d);
	if (c->approval->state == APPROVAL_PENDING) {
		add_buttons(&d);
		add_hints(&d);
	} else {
		add_rule(&d);
		add_sentence(&d, c->standing);
	}
	return card_of(title_of(c->approval), look_of(c->approval).colour, d.elements);
}

/* As a string inside JSON every quote and backslash takes one more byte. */
static size_t quoted_length(struct json_object *card)
{
	size_t n, quoted = 2;
	const char *text = json_object_to_json_string_length(card, FLAGS, &n);

	for (size_t i = 0; i < n; i++)
		quoted += text[i] == '"' || text[i] == '\\' ? 2 : 1;
	return quoted;
}

bool feishu_card_write(const struct feishu_card *c, size_t cap_bytes, struct buf *out)
{
	size_t args_most = ARGS_MOST;
	struct json_object *card = draft_of(c, args_most);

	while (quoted_length(card) > cap_bytes && args_most > 100) {
		json_object_put(card);
		args_most = args_most / 4 * 3;
		card = draft_of(c, args_most);
	}
	return put_card(card, out);
}

bool feishu_card_write_standing(const struct feishu_card *c, struct buf *out)
{
	struct draft d = { .card = c, .elements = json_object_new_array() };

	add_sentence(&d, c->standing);
	return put_card(card_of(title_of(c->approval), look_of(c->approval).colour, d.elements), out);
}

bool feishu_card_write_notice(const char *title, const char *text, struct buf *out)
{
	struct draft d = { .elements = json_object_new_array() };

	add_sentence(&d, text);
	return put_card(card_of(plain(title, TITLE_MOST), "blue", d.elements), out);
}

/* ---- a press --------------------------------------------------------------------------------------------------------------------------- */

/* The bytes of a string of 2n lower-case hex digits. */
static bool read_hex(struct json_value v, uint8_t *out, size_t n)
{
	if (v.kind != JSON_STRING || v.text.len != 2 * n + 2)
		return false;
	struct span inside = { v.text.at + 1, 2 * n };
	for (size_t i = 0; i < inside.len; i++)
		if (inside.at[i] >= 'A' && inside.at[i] <= 'Z')
			return false;
	return secret_from_hex(inside, out, n);
}

bool feishu_press_read(struct json_value value, struct feishu_press *out)
{
	struct json_value action = json_get(value, "action");
	uint8_t id[(ID_SIZE - 1) / 2];

	if (!read_hex(json_get(value, "id"), id, sizeof(id)) || !read_hex(json_get(value, "hash"), out->args_hash, sizeof(out->args_hash)))
		return false;
	hex_encode(out->approval, id, sizeof(id));
	out->is_approving = json_string_is(action, "approve");
	return out->is_approving || json_string_is(action, "reject");
}
