#include "broker/slack_press.h"
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/slack_block.h"
#include "broker/slack_card.h"

#define FORM         "aegis_reason"      /* callback_id, and the names of its one field */
#define FORM_LETTERS 250                 /* of four bytes each at most */

/* A text member. Absent and null are ""; false: another kind, or too long. */
static bool read(struct json_value o, const char *key, char *out, size_t size)
{
	struct json_value v = json_get(o, key);
	CLEANUP(free_charp) char *text = json_text(v, size - 1);

	(void)snprintf(out, size, "%s", text ? text : "");
	return text != NULL || v.kind == JSON_NONE || v.kind == JSON_NULL;
}

/* Ids of Slack are letters and digits; time stamps have a dot besides. */
static bool is_id(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.") == strlen(text);
}

/* In a channel shared between workspaces somebody of another one may press: then it is that one that counts. */
static bool read_who(struct json_value payload, struct slack_press *out)
{
	struct json_value user = json_get(payload, "user"), team = json_get(payload, "team");
	char own[SLACK_MAX_ID];

	if (!read(user, "id", out->user, sizeof out->user) || !read(team, "id", out->team, sizeof out->team) ||
	    !read(user, "team_id", own, sizeof own) || !read(payload, "api_app_id", out->app, sizeof out->app))
		return false;
	if (own[0])
		(void)snprintf(out->team, sizeof out->team, "%s", own);
	return out->user[0] && out->team[0] && is_id(out->user) && is_id(out->team);
}

static bool read_where(struct json_value payload, struct slack_press *out)
{
	const char *key = "id";
	struct json_value channel = json_get(payload, "channel");

	if (channel.kind != JSON_OBJECT) {
		channel = json_get(payload, "container");
		key = "channel_id";
	}
	return read(channel, key, out->channel, sizeof out->channel) && is_id(out->channel) &&
	       read(payload, "trigger_id", out->trigger, sizeof out->trigger) &&
	       read(payload, "response_url", out->response_url, sizeof out->response_url);
}

static enum slack_press_kind kind_of(struct json_value action)
{
	struct json_value id = json_get(action, "action_id");

	return json_string_is(id, "aegis_approve")  ? SLACK_PRESS_APPROVE
	       : json_string_is(id, "aegis_reject") ? SLACK_PRESS_REJECT
	       : json_string_is(id, "aegis_test")   ? SLACK_PRESS_TEST
	                                            : SLACK_PRESS_NOTHING;
}

static bool read_action(struct json_value payload, struct slack_press *out)
{
	struct json_iter it = json_iter(json_get(payload, "actions"));
	struct json_value action, more;
	struct span key;

	if (!json_next(&it, &key, &action) || action.kind != JSON_OBJECT || json_next(&it, &key, &more))
		return false;
	out->kind = kind_of(action);
	if (out->kind == SLACK_PRESS_NOTHING)
		return true;
	if (!read(action, "value", out->value, sizeof out->value) || !read(action, "action_ts", out->name, sizeof out->name) || !out->name[0] ||
	    !is_id(out->name))
		return false;
	return out->kind == SLACK_PRESS_TEST || slack_value_read(out->value, out->id, out->args_hash);
}

/* The agent is told it in one line. */
static void put_on_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

static bool read_form(struct json_value payload, struct slack_press *out)
{
	struct json_value view = json_get(payload, "view"), values = json_get(json_get(view, "state"), "values");
	struct json_value field = json_get(json_get(values, FORM), FORM);

	if (!json_string_is(json_get(view, "callback_id"), FORM))
		return true;
	out->kind = SLACK_PRESS_REASON;
	bool is_whole = read(view, "private_metadata", out->value, sizeof out->value) && slack_value_read(out->value, out->id, out->args_hash) &&
	                read(view, "id", out->name, sizeof out->name) && out->name[0] && is_id(out->name) &&
	                read(field, "value", out->reason, sizeof out->reason);
	put_on_one_line(out->reason);
	return is_whole;
}

bool slack_press_read(struct json_value payload, struct slack_press *out)
{
	struct json_value type = json_get(payload, "type");

	*out = (struct slack_press){ .kind = SLACK_PRESS_NOTHING };
	if (payload.kind != JSON_OBJECT || type.kind != JSON_STRING || !read_who(payload, out) || !read_where(payload, out))
		return false;
	if (json_string_is(type, "block_actions"))
		return read_action(payload, out);
	return !json_string_is(type, "view_submission") || read_form(payload, out);
}

/* ---- the form ---------------------------------------------------------------------------------------------------------------------------- */

static struct json_object *modal(const char *title, const char *close)
{
	struct json_object *view = json_object_new_object();

	slack_put(view, "type", "modal");
	(void)json_object_object_add(view, "title", slack_plain(title, 24));
	(void)json_object_object_add(view, "close", slack_plain(close, 24));
	(void)json_object_object_add(view, "blocks", json_object_new_array());
	return view;
}

static void add_block(struct json_object *view, struct json_object *block)
{
	(void)json_object_array_add(json_object_object_get(view, "blocks"), block);
}

static struct json_object *field_of(void)
{
	struct json_object *block = json_object_new_object(), *element = json_object_new_object();

	slack_put(element, "type", "plain_text_input");
	slack_put(element, "action_id", FORM);
	(void)json_object_object_add(element, "multiline", json_object_new_boolean(true));
	(void)json_object_object_add(element, "max_length", json_object_new_int(FORM_LETTERS));
	slack_put(block, "type", "input");
	slack_put(block, "block_id", FORM);
	(void)json_object_object_add(block, "optional", json_object_new_boolean(true));
	(void)json_object_object_add(block, "label", slack_plain("Reason (the agent is told)", 48));
	(void)json_object_object_add(block, "element", element);
	return block;
}

bool slack_form_write(const struct slack_press *p, const char *about, struct buf *out)
{
	struct json_object *o = json_object_new_object(), *view = modal("Reject this call", "Back");
	char value[SLACK_VALUE_SIZE];

	slack_value_write(p->id, p->args_hash, value);
	slack_put(view, "callback_id", FORM);
	slack_put(view, "private_metadata", value);
	(void)json_object_object_add(view, "submit", slack_plain("Reject", 24));
	add_block(view, slack_section(about));
	add_block(view, field_of());
	slack_put(o, "trigger_id", p->trigger);
	(void)json_object_object_add(o, "view", view);
	return slack_json(o, out);
}

bool slack_form_answer(const char *said, bool is_again, struct buf *out)
{
	struct json_object *o = json_object_new_object();

	slack_put(o, "response_action", is_again ? "errors" : "update");
	if (is_again) {
		struct json_object *errors = json_object_new_object();
		slack_put(errors, FORM, said);
		(void)json_object_object_add(o, "errors", errors);
	} else {
		struct json_object *view = modal("Not rejected by you", "Close");
		add_block(view, slack_section(said));
		(void)json_object_object_add(o, "view", view);
	}
	return slack_json(o, out);
}
