#include "unit/unit.h"
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/slack_card.h"
#include "broker/slack_press.h"

#define ID    "0123456789abcdef0123456789abcdef"
#define HASH  "abababababababababababababababababababababababababababababababab"
#define VALUE ID "." HASH

static struct slack_press press;

static bool reads(const char *json)
{
	struct json_value root;

	ck_assert_int_eq(jsonscan_check(span_of(json), &root, NULL), JSONSCAN_OK);
	return slack_press_read(root, &press);
}

#define WHO    "\"user\":{\"id\":\"U1\",\"username\":\"root\"},\"team\":{\"id\":\"T1\"},\"api_app_id\":\"A1\",\"trigger_id\":\"1.2.x\","
#define ACTION "\"actions\":[{\"action_id\":\"aegis_approve\",\"value\":\"" VALUE "\",\"action_ts\":\"17.5\"}]"

START_TEST(a_press_names_who_what_and_the_arguments)
{
	ck_assert(reads("{\"type\":\"block_actions\"," WHO "\"channel\":{\"id\":\"C1\"},\"response_url\":\"https://hooks.slack.com/x\"," ACTION "}"));
	ck_assert_int_eq(press.kind, SLACK_PRESS_APPROVE);
	ck_assert_str_eq(press.team, "T1");
	ck_assert_str_eq(press.user, "U1");
	ck_assert_str_eq(press.app, "A1");
	ck_assert_str_eq(press.channel, "C1");
	ck_assert_str_eq(press.name, "17.5");
	ck_assert_str_eq(press.id, ID);
	ck_assert_uint_eq(press.args_hash[31], 0xab);
	ck_assert_str_eq(press.response_url, "https://hooks.slack.com/x");
}
END_TEST

START_TEST(who_comes_from_another_workspace_is_of_that_one)
{
	ck_assert(reads("{\"type\":\"block_actions\",\"user\":{\"id\":\"U1\",\"team_id\":\"T9\"},\"team\":{\"id\":\"T1\"}," ACTION "}"));
	ck_assert_str_eq(press.team, "T9");
}
END_TEST

START_TEST(the_form_brings_the_reason)
{
	ck_assert(reads("{\"type\":\"view_submission\"," WHO "\"view\":{\"id\":\"V1\",\"callback_id\":\"aegis_reason\",\"private_metadata\":\"" VALUE
		"\",\"state\":{\"values\":{\"aegis_reason\":{\"aegis_reason\":{\"type\":\"plain_text_input\",\"value\":\"not on\\na Friday\"}}}}}}"));
	ck_assert_int_eq(press.kind, SLACK_PRESS_REASON);
	ck_assert_str_eq(press.reason, "not on a Friday");
	ck_assert_str_eq(press.name, "V1");
	ck_assert(reads("{\"type\":\"view_submission\"," WHO "\"view\":{\"id\":\"V1\",\"callback_id\":\"aegis_reason\",\"private_metadata\":\"" VALUE
		"\",\"state\":{\"values\":{\"aegis_reason\":{\"aegis_reason\":{\"value\":null}}}}}}"));
	ck_assert_str_eq(press.reason, "");
}
END_TEST

START_TEST(what_we_did_not_make_is_taken_note_of)
{
	ck_assert(reads("{\"type\":\"block_actions\"," WHO "\"actions\":[{\"action_id\":\"aegis_open\",\"action_ts\":\"1\"}]}"));
	ck_assert_int_eq(press.kind, SLACK_PRESS_NOTHING);
	ck_assert(reads("{\"type\":\"view_closed\"," WHO "\"view\":{}}"));
	ck_assert_int_eq(press.kind, SLACK_PRESS_NOTHING);
	ck_assert(reads("{\"type\":\"view_submission\"," WHO "\"view\":{\"id\":\"V1\",\"callback_id\":\"other\"}}"));
	ck_assert_int_eq(press.kind, SLACK_PRESS_NOTHING);
	ck_assert(reads("{\"type\":\"block_actions\"," WHO "\"actions\":[{\"action_id\":\"aegis_test\",\"value\":\"n\",\"action_ts\":\"1\"}]}"));
	ck_assert_int_eq(press.kind, SLACK_PRESS_TEST);
}
END_TEST

START_TEST(what_slack_does_not_send_is_refused)
{
	static const char *const bad[] = {
		"[]", "{}", "{\"type\":1}",
		"{\"type\":\"block_actions\",\"team\":{\"id\":\"T1\"}," ACTION "}",
		"{\"type\":\"block_actions\",\"user\":{\"id\":\"U1\"}," ACTION "}",
		"{\"type\":\"block_actions\",\"user\":{\"id\":\"U1/x\"},\"team\":{\"id\":\"T1\"}," ACTION "}",
		"{\"type\":\"block_actions\",\"user\":{\"id\":[\"U1\"]},\"team\":{\"id\":\"T1\"}," ACTION "}",
		"{\"type\":\"block_actions\"," WHO "\"actions\":[]}",
		"{\"type\":\"block_actions\"," WHO "\"actions\":[{\"action_id\":\"aegis_approve\",\"value\":\"" ID "\",\"action_ts\":\"1\"}]}",
		"{\"type\":\"block_actions\"," WHO "\"actions\":[{\"action_id\":\"aegis_approve\",\"value\":\"" VALUE "\"}]}",
		"{\"type\":\"block_actions\"," WHO "\"actions\":[{\"action_id\":\"aegis_open\"},{\"action_id\":\"aegis_approve\",\"value\":\"" VALUE "\",\"action_ts\":\"1\"}]}",
		"{\"type\":\"view_submission\"," WHO "\"view\":{\"id\":\"V1\",\"callback_id\":\"aegis_reason\",\"private_metadata\":\"x\"}}",
	};
	CLEANUP(free_charp) char *long_id = xcalloc(1, 300), *text = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!reads(bad[i]), "%s", bad[i]);
	memset(long_id, 'U', 200);
	text = xasprintf("{\"type\":\"block_actions\",\"user\":{\"id\":\"%s\"},\"team\":{\"id\":\"T1\"}," ACTION "}", long_id);
	ck_assert(!reads(text));
}
END_TEST

START_TEST(the_form_is_bound_to_what_was_shown)
{
	CLEANUP(buf_release) struct buf b;

	buf_init(&b, 10000);
	ck_assert(reads("{\"type\":\"block_actions\"," WHO ACTION "}"));
	ck_assert(slack_form_write(&press, "APR-7F3K: <publish>", &b));
	ck_assert_ptr_nonnull(strstr(b.data, "\"private_metadata\":\"" VALUE "\""));
	ck_assert_ptr_nonnull(strstr(b.data, "\"trigger_id\":\"1.2.x\""));
	ck_assert_ptr_nonnull(strstr(b.data, "APR-7F3K: <publish>"));
	buf_clear(&b);
	ck_assert(slack_form_answer("no", true, &b));
	ck_assert_str_eq(b.data, "{\"response_action\":\"errors\",\"errors\":{\"aegis_reason\":\"no\"}}");
	buf_clear(&b);
	ck_assert(slack_form_answer("too late", false, &b));
	ck_assert_ptr_nonnull(strstr(b.data, "{\"response_action\":\"update\",\"view\":{\"type\":\"modal\""));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("slack_press");
	TCase *t = tcase_create("slack_press");

	tcase_add_test(t, a_press_names_who_what_and_the_arguments);
	tcase_add_test(t, who_comes_from_another_workspace_is_of_that_one);
	tcase_add_test(t, the_form_brings_the_reason);
	tcase_add_test(t, what_we_did_not_make_is_taken_note_of);
	tcase_add_test(t, what_slack_does_not_send_is_refused);
	tcase_add_test(t, the_form_is_bound_to_what_was_shown);
	suite_add_tcase(s, t);
	return s;
}
