#include "unit/unit.h"
#include <json-c/json.h>
#include <stdio.h>
#include "broker/slack_block.h"
#include "broker/slack_card.h"
#include "data/jsonscan.h"

static struct approval an_approval(void)
{
	struct approval a = {
		.id = "0123456789abcdef0123456789abcdef", .short_id = "APR-7F3K", .state = APPROVAL_PENDING, .quorum = 1,
		.tenant = "", .agent = "claude", .client = "claude-code", .backend = "github", .tool = "delete_repo",
		.args = "{\"repo\":\"a/b\"}", .rule = "approval_required", .decided_by = "", .decided_means = "", .reason = "", .consumed_by = "",
		.uid = 1000,
	};
	memset(a.args_hash, 0xab, sizeof a.args_hash);
	return a;
}

static struct slack_card a_card(const struct approval *a)
{
	return (struct slack_card){ .approval = a, .standing = "APR-7F3K was approved by alice (slack)", .host = "box",
		.page_url = "https://aegis.example/a/t", .message_id = "m1", .channel = "C1", .ts = "", .expires_at_ms = 1700000900000,
		.has_buttons = true };
}

/* The body, checked by the strict scanner; the caller puts it. */
static struct json_object *written(const struct slack_card *c)
{
	CLEANUP(buf_release) struct buf b;
	struct json_value root;

	buf_init(&b, SLACK_MAX_CARD);
	ck_assert(slack_card_write(c, &b));
	ck_assert_int_eq(jsonscan_check(buf_span(&b), &root, NULL), JSONSCAN_OK);
	return json_tokener_parse(b.data);
}

static struct json_object *block(struct json_object *body, const char *type)
{
	struct json_object *blocks = json_object_object_get(body, "blocks");

	for (size_t i = 0; i < json_object_array_length(blocks); i++) {
		struct json_object *b = json_object_array_get_idx(blocks, i);
		if (strcmp(json_object_get_string(json_object_object_get(b, "type")), type) == 0)
			return b;
	}
	return NULL;
}

static struct json_object *button(struct json_object *body, const char *action)
{
	struct json_object *actions = block(body, "actions"), *elements = json_object_object_get(actions, "elements");

	for (size_t i = 0; actions && i < json_object_array_length(elements); i++) {
		struct json_object *b = json_object_array_get_idx(elements, i);
		if (strcmp(json_object_get_string(json_object_object_get(b, "action_id")), action) == 0)
			return b;
	}
	return NULL;
}

static const char *text_of(struct json_object *body)
{
	return json_object_get_string(json_object_object_get(body, "text"));
}

static bool mentions(struct json_object *o, const char *what)
{
	return strstr(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), what) != NULL;
}

START_TEST(people_see_what_is_asked_and_can_decide)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);
	struct json_object *body = written(&c);

	ck_assert_str_eq(text_of(body), "Approval needed: delete_repo for agent claude (APR-7F3K)");
	ck_assert(mentions(block(body, "rich_text"), "claude (by its own word, uid 1000, on box)"));
	ck_assert(mentions(block(body, "rich_text"), "\"claude-code\""));
	ck_assert(mentions(block(body, "rich_text"), "delete_repo"));
	ck_assert(mentions(block(body, "rich_text"), "github"));
	ck_assert(mentions(block(body, "rich_text"), "approval_required"));
	ck_assert(mentions(block(body, "rich_text"), "\"rich_text_preformatted\",\"elements\":[{\"type\":\"text\",\"text\":\"{\\\"repo\\\":\\\"a/b\\\"}\"}]"));
	ck_assert(mentions(block(body, "context"), "<!date^1700000900^{date_short_pretty} {time}|2023-11-14T22:28:20.000Z>"));
	ck_assert(mentions(button(body, "aegis_approve"), "0123456789abcdef0123456789abcdef.abababab"));
	ck_assert_ptr_nonnull(json_object_object_get(button(body, "aegis_approve"), "confirm"));
	ck_assert_ptr_nonnull(button(body, "aegis_reject"));
	ck_assert(mentions(button(body, "aegis_open"), "https://aegis.example/a/t"));
	ck_assert(mentions(body, "\"unfurl_links\":false,\"unfurl_media\":false"));
	ck_assert(mentions(json_object_object_get(body, "metadata"), a.id));
	ck_assert(!strstr(text_of(body), "repo\""));
	json_object_put(body);
}
END_TEST

START_TEST(arguments_that_were_cut_cannot_be_approved_here)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);
	char args[4000];

	(void)snprintf(args, sizeof args, "{\"a\":\"%0*d\"}", SLACK_MAX_ARGUMENTS - 8 + 1, 0);
	a.args = args;
	ck_assert_uint_eq(strlen(args), SLACK_MAX_ARGUMENTS + 1);
	struct json_object *body = written(&c);
	ck_assert_ptr_null(button(body, "aegis_approve"));
	ck_assert_ptr_nonnull(button(body, "aegis_reject"));
	ck_assert_ptr_nonnull(button(body, "aegis_open"));
	ck_assert(mentions(body, "1 more bytes are not shown, so this cannot be approved here: open the page"));
	json_object_put(body);
	(void)snprintf(args, sizeof args, "{\"a\":\"%0*d\"}", SLACK_MAX_ARGUMENTS - 8, 0);
	body = written(&c);
	ck_assert_ptr_nonnull(button(body, "aegis_approve"));
	json_object_put(body);
}
END_TEST

START_TEST(a_name_that_was_cut_cannot_be_approved_here)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);
	char name[600];

	memset(name, 'x', sizeof name);
	name[501] = '\0';
	a.tool = name;
	struct json_object *body = written(&c);
	ck_assert_ptr_null(button(body, "aegis_approve"));
	ck_assert_ptr_nonnull(button(body, "aegis_reject"));
	ck_assert(mentions(body, "A name is not shown whole, so this cannot be approved here: open the page"));
	json_object_put(body);
	name[500] = '\0';
	body = written(&c);
	ck_assert_ptr_nonnull(button(body, "aegis_approve"));
	ck_assert(!mentions(body, "cannot be approved here"));
	json_object_put(body);
}
END_TEST

START_TEST(hostile_words_stay_words)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);

	a.tool = "<!channel>```\xe2\x80\xae" "evil";
	a.agent = "<@U1>&";
	a.args = "{\"x\":\"<!here> \xe2\x80\x8b``` </pre> <http://e|f>\"}";
	struct json_object *body = written(&c);
	ck_assert_str_eq(text_of(body), "Approval needed: &lt;!channel&gt;``\xe2\x80\x8b`\\u202Eevil for agent &lt;@U1&gt;&amp; (APR-7F3K)");
	ck_assert(mentions(body, "\"text\":\"{\\\"x\\\":\\\"<!here> \\\\u200B``` </pre> <http://e|f>\\\"}\""));
	ck_assert(!mentions(block(body, "context"), "channel"));
	ck_assert(!mentions(body, "\xe2\x80\xae"));
	json_object_put(body);
}
END_TEST

START_TEST(when_it_is_over_nothing_can_be_pressed_and_all_can_read_how_it_ended)
{
	static const struct { enum approval_state state; const char *outcome, *title; } ends[] = {
		{ APPROVAL_APPROVED, "", "Approved" }, { APPROVAL_REJECTED, "", "Refused" }, { APPROVAL_EXPIRED, "", "Expired" },
		{ APPROVAL_CANCELLED, "", "Cancelled" }, { APPROVAL_CONSUMED, "", "Approved, running" },
		{ APPROVAL_CONSUMED, "ok", "Approved and done" }, { APPROVAL_CONSUMED, "failed", "Approved, but the call failed" },
		{ APPROVAL_CONSUMED, "unknown", "Approved, outcome unknown" }, { APPROVAL_CONSUMED, "not_run", "Approved, but the call did not run" },
	};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct approval a = an_approval();
		struct slack_card c = a_card(&a);
		c.ts = "17.1";
		a.state = ends[i].state;
		(void)snprintf(a.outcome, sizeof a.outcome, "%s", ends[i].outcome);
		struct json_object *body = written(&c);
		ck_assert_ptr_null(block(body, "actions"));
		ck_assert(mentions(block(body, "header"), ends[i].title));
		ck_assert(mentions(body, "was approved by alice (slack)"));
		ck_assert(!mentions(block(body, "context"), "expires"));
		ck_assert(mentions(body, "\"ts\":\"17.1\""));
		json_object_put(body);
	}
}
END_TEST

START_TEST(votes_so_far_are_told_and_a_pause_stops_the_clock)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);

	a.quorum = 2;
	a.votes = 1;
	a.is_frozen = true;
	struct json_object *body = written(&c);
	ck_assert(mentions(block(body, "context"), "1 of 2 approvals"));
	ck_assert(mentions(block(body, "context"), "paused"));
	ck_assert(!mentions(block(body, "context"), "expires <"));
	ck_assert_ptr_nonnull(button(body, "aegis_approve"));
	json_object_put(body);
}
END_TEST

START_TEST(without_callbacks_there_is_the_page_or_else_the_command)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);

	c.has_buttons = false;
	c.channel = "";
	struct json_object *body = written(&c);
	ck_assert_ptr_null(button(body, "aegis_approve"));
	ck_assert_ptr_null(button(body, "aegis_reject"));
	ck_assert_ptr_nonnull(button(body, "aegis_open"));
	ck_assert_ptr_null(json_object_object_get(body, "channel"));
	json_object_put(body);
	c.page_url = "";
	body = written(&c);
	ck_assert_ptr_null(block(body, "actions"));
	ck_assert(mentions(block(body, "context"), "aegisctl approvals approve APR-7F3K"));
	json_object_put(body);
}
END_TEST

START_TEST(long_names_keep_within_what_slack_takes)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);
	static char name[5000];

	memset(name, '<', sizeof name - 1);
	a.tool = a.agent = a.client = a.rule = a.backend = a.tenant = name;
	struct json_object *body = written(&c);
	ck_assert_ptr_null(button(body, "aegis_approve"));
	ck_assert_uint_le(strlen(text_of(body)), 600);
	json_object_put(body);
	name[256] = '\0'; /* the longest tool */
	body = written(&c);
	struct json_object *confirm = json_object_object_get(button(body, "aegis_approve"), "confirm");
	struct json_object *what = json_object_object_get(confirm, "text");
	ck_assert_uint_le(strlen(text_of(what)), SLACK_MAX_CONFIRM_TEXT);
	ck_assert_uint_le(strlen(text_of(body)), 600);
	json_object_put(body);
}
END_TEST

START_TEST(what_a_button_carries_is_read_back_and_nothing_else)
{
	char value[SLACK_VALUE_SIZE], id[ID_SIZE];
	uint8_t hash[32], back[32];

	for (int i = 0; i < 32; i++)
		hash[i] = (uint8_t)(i * 7);
	slack_value_write("0123456789abcdef0123456789abcdef", hash, value);
	ck_assert(slack_value_read(value, id, back));
	ck_assert_str_eq(id, "0123456789abcdef0123456789abcdef");
	ck_assert_mem_eq(hash, back, 32);
	ck_assert(!slack_value_read("", id, back));
	ck_assert(!slack_value_read("0123456789abcdef0123456789abcdef", id, back));
	value[32] = '!';
	ck_assert(!slack_value_read(value, id, back));
	value[32] = '.';
	value[40] = 'G';
	ck_assert(!slack_value_read(value, id, back));
}
END_TEST

START_TEST(a_webhook_is_told_the_end_in_one_line)
{
	struct approval a = an_approval();
	struct slack_card c = a_card(&a);
	CLEANUP(buf_release) struct buf b;

	buf_init(&b, SLACK_MAX_CARD);
	a.state = APPROVAL_REJECTED;
	c.channel = "";
	c.standing = "APR-7F3K was refused by <bob>";
	ck_assert(slack_card_write_end(&c, &b));
	ck_assert_ptr_nonnull(strstr(b.data, "APR-7F3K was refused by <bob>"));
	ck_assert_ptr_null(strstr(b.data, "actions"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("slack_card");
	TCase *t = tcase_create("slack_card");

	tcase_add_test(t, people_see_what_is_asked_and_can_decide);
	tcase_add_test(t, arguments_that_were_cut_cannot_be_approved_here);
	tcase_add_test(t, a_name_that_was_cut_cannot_be_approved_here);
	tcase_add_test(t, hostile_words_stay_words);
	tcase_add_test(t, when_it_is_over_nothing_can_be_pressed_and_all_can_read_how_it_ended);
	tcase_add_test(t, votes_so_far_are_told_and_a_pause_stops_the_clock);
	tcase_add_test(t, without_callbacks_there_is_the_page_or_else_the_command);
	tcase_add_test(t, long_names_keep_within_what_slack_takes);
	tcase_add_test(t, what_a_button_carries_is_read_back_and_nothing_else);
	tcase_add_test(t, a_webhook_is_told_the_end_in_one_line);
	suite_add_tcase(s, t);
	return s;
}
