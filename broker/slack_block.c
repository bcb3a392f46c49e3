#include "broker/slack_block.h"
#include "broker/slack_text.h"

#define MAX_LINE 8192 /* of any single text */

void slack_put(struct json_object *o, const char *key, const char *text)
{
	(void)json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *typed(const char *type)
{
	struct json_object *o = json_object_new_object();

	slack_put(o, "type", type);
	return o;
}

static void put_line(struct json_object *o, const char *foreign, size_t most_bytes)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, MAX_LINE);
	bool is_whole = slack_text_line(&line, foreign, most_bytes, SLACK_LITERAL);
	slack_put(o, "text", is_whole && line.len ? line.data : " "); /* an empty text is refused */
}

struct json_object *slack_plain(const char *foreign, size_t most_bytes)
{
	struct json_object *o = typed("plain_text");

	put_line(o, foreign, most_bytes);
	(void)json_object_object_add(o, "emoji", json_object_new_boolean(false));
	return o;
}

struct json_object *slack_mrkdwn(const char *ours)
{
	struct json_object *o = typed("mrkdwn");

	slack_put(o, "text", ours);
	return o;
}

struct json_object *slack_header(const char *foreign)
{
	struct json_object *o = typed("header");

	(void)json_object_object_add(o, "text", slack_plain(foreign, SLACK_MAX_HEADER));
	return o;
}

struct json_object *slack_section(const char *foreign)
{
	struct json_object *o = typed("section");

	(void)json_object_object_add(o, "text", slack_plain(foreign, SLACK_MAX_SECTION));
	return o;
}

struct json_object *slack_context(const char *ours)
{
	struct json_object *o = typed("context"), *elements = json_object_new_array();

	(void)json_object_array_add(elements, slack_mrkdwn(ours));
	(void)json_object_object_add(o, "elements", elements);
	return o;
}

struct json_object *slack_actions(const char *block_id)
{
	struct json_object *o = typed("actions");

	slack_put(o, "block_id", block_id);
	(void)json_object_object_add(o, "elements", json_object_new_array());
	return o;
}

struct json_object *slack_button(
	struct json_object *actions, const char *action_id, const char *label, const char *value, const char *style)
{
	struct json_object *button = typed("button");

	slack_put(button, "action_id", action_id);
	(void)json_object_object_add(button, "text", slack_plain(label, 75));
	if (value)
		slack_put(button, "value", value);
	if (style)
		slack_put(button, "style", style);
	(void)json_object_array_add(json_object_object_get(actions, "elements"), button);
	return button;
}

void slack_button_confirm(struct json_object *button, const char *title, const char *foreign, const char *confirm)
{
	struct json_object *o = json_object_new_object();

	(void)json_object_object_add(o, "title", slack_plain(title, SLACK_MAX_CONFIRM_TITLE));
	(void)json_object_object_add(o, "text", slack_plain(foreign, SLACK_MAX_CONFIRM_TEXT));
	(void)json_object_object_add(o, "confirm", slack_plain(confirm, 30));
	(void)json_object_object_add(o, "deny", slack_plain("Back", 30));
	(void)json_object_object_add(button, "confirm", o);
}

/* ---- rich text -------------------------------------------------------------------------------------------------------------------- */

struct json_object *slack_rich(void)
{
	struct json_object *o = typed("rich_text");

	(void)json_object_object_add(o, "elements", json_object_new_array());
	return o;
}

static struct json_object *rich_add(struct json_object *rich, const char *type)
{
	struct json_object *part = typed(type), *elements = json_object_new_array();

	(void)json_object_object_add(part, "elements", elements);
	(void)json_object_array_add(json_object_object_get(rich, "elements"), part);
	return elements;
}

void slack_rich_line(struct json_object *rich, const char *label, const char *foreign, size_t most_bytes)
{
	if (!label[0] && !foreign[0])
		return;          /* Slack refuses a line of nothing */
	struct json_object *elements = rich_add(rich, "rich_text_section");

	if (label[0]) {
		struct json_object *bold = typed("text"), *style = json_object_new_object();

		slack_put(bold, "text", label);
		(void)json_object_object_add(style, "bold", json_object_new_boolean(true));
		(void)json_object_object_add(bold, "style", style);
		(void)json_object_array_add(elements, bold);
	}
	if (!foreign[0])
		return;
	struct json_object *text = typed("text");
	put_line(text, foreign, most_bytes);
	(void)json_object_array_add(elements, text);
}

size_t slack_rich_verbatim(struct json_object *rich, struct span foreign, size_t most_bytes)
{
	struct json_object *elements = rich_add(rich, "rich_text_preformatted"), *text = typed("text");
	CLEANUP(buf_release) struct buf shown = { 0 };

	buf_init(&shown, most_bytes);
	size_t left_out = slack_text(&shown, foreign, most_bytes, SLACK_LITERAL);
	slack_put(text, "text", shown.len ? shown.data : " ");
	(void)json_object_array_add(elements, text);
	return left_out;
}

bool slack_json(struct json_object *o, struct buf *out)
{
	bool is_whole = buf_append_text(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(o);
	return is_whole;
}
