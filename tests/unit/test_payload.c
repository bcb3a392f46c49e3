#include "broker/payload.h"
#include "broker/chat_hosts.h"
#include "broker/signature.h"
#include "data/jsonscan.h"
#include "unit/unit.h"

#define URL "https://aegis.example/a/T"

static struct approval a;
static struct notice n;
static struct buf out;

static void setup(void)
{
	a = (struct approval){ .id = "0190a5c0ffee7000800000000000beef", .short_id = "APR-7F3K", .tenant = "", .agent = "claude", .client = "c",
		.backend = "blog", .tool = "publish_post", .args = "{\"text\":\"a\\nb \\\"c\\\"\"}", .rule = "publish_*", .decided_by = "", .decided_means = "",
		.reason = "", .consumed_by = "", .created_at_ms = 1763740800999, .expires_in_ms = 600000 };
	a.args_hash[0] = 0xab;
	n = (struct notice){ .approval = &a, .what = EVENT_ASKED, .what_at_ms = 1763740801000, .ref = "", .page_url = URL, .message_id = "m.1" };
	buf_init(&out, 100000);
}

static void teardown(void)
{
	buf_release(&out);
}

static void write_with(const char *approve, const char *reject)
{
	struct json_value root;

	buf_clear(&out);
	ck_assert(payload_write(&out, &(struct payload){ &n, 1763740860000, approve, reject }));
	ck_assert_msg(jsonscan_check(buf_span(&out), &root, NULL) == JSONSCAN_OK, "%s", out.data);
}

static void ck_text(const char *want)
{
	buf_clear(&out);
	ck_assert(payload_text(&out, &n));
	ck_assert_str_eq(out.data, want);
}

/* reference: Aegis for Go, field for field, then ours. */
START_TEST(a_request_begins_with_the_fields_of_the_predecessor)
{
	write_with("https://y", "https://n");
	ck_assert_str_eq(out.data, "{\"event\":\"approval_request\",\"id\":\"0190a5c0ffee7000800000000000beef\",\"agent_id\":\"claude\","
		"\"tool_name\":\"publish_post\",\"arguments\":\"{\\\"text\\\":\\\"a\\\\nb \\\\\\\"c\\\\\\\"\\\"}\",\"created_at\":\"2025-11-21T16:00:00Z\","
		"\"approve_url\":\"https://y\",\"reject_url\":\"https://n\",\"short_id\":\"APR-7F3K\",\"backend\":\"blog\",\"rule\":\"publish_*\","
		"\"arguments_hash\":\"ab00000000000000000000000000000000000000000000000000000000000000\",\"state\":\"PENDING\","
		"\"at\":\"2025-11-21T16:00:01Z\",\"approval_url\":\"" URL "\",\"message_id\":\"m.1\",\"expires_at\":\"2025-11-21T16:11:00Z\","
		"\"text\":\"Approval APR-7F3K is needed: publish_post (blog) for agent claude. Look and decide: " URL "\","
		"\"content\":\"Approval APR-7F3K is needed: publish_post (blog) for agent claude. Look and decide: " URL "\"}");
}
END_TEST

START_TEST(links_that_cannot_be_made_are_left_out)
{
	n.page_url = "";
	write_with("", NULL);
	ck_assert_ptr_null(strstr(out.data, "_url"));
	ck_text("Approval APR-7F3K is needed: publish_post (blog) for agent claude. Look: aegisctl approvals show APR-7F3K");
}
END_TEST

START_TEST(a_decision_says_who_how_when_and_why)
{
	n.what = EVENT_DECIDED;
	a.state = APPROVAL_REJECTED;
	a.decided_by = "alice";
	a.decided_means = "slack";
	a.decided_at_ms = 1763740900000;
	a.reason = "not \"today\"\n";
	write_with("https://y", "https://n");
	ck_assert_ptr_nonnull(strstr(out.data, "\"event\":\"approval_decided\""));
	ck_assert_ptr_nonnull(strstr(out.data, "\"decision\":\"rejected\",\"decided_by\":\"alice\",\"decided_means\":\"slack\","
		"\"decided_at\":\"2025-11-21T16:01:40Z\",\"reason\":\"not \\\"today\\\"\\n\""));
	ck_text("Approval APR-7F3K was refused by alice: publish_post (blog) for agent claude");
	a.state = APPROVAL_CONSUMED; /* it went on since */
	a.decided_by = "alice, bob";
	write_with(NULL, NULL);
	ck_assert_ptr_nonnull(strstr(out.data, "\"decision\":\"approved\""));
	ck_text("Approval APR-7F3K was approved by alice, bob: publish_post (blog) for agent claude");
}
END_TEST

START_TEST(the_other_ends_have_names_of_their_own)
{
	n.what = EVENT_EXPIRED;
	a.state = APPROVAL_EXPIRED;
	write_with(NULL, NULL);
	ck_assert_ptr_nonnull(strstr(out.data, "\"event\":\"approval_expired\""));
	ck_assert_ptr_null(strstr(out.data, "expires_at"));
	n.what = EVENT_CANCELLED;
	a.decided_by = "bob";
	write_with(NULL, NULL);
	ck_assert_ptr_nonnull(strstr(out.data, "\"event\":\"approval_cancelled\""));
	ck_assert_ptr_nonnull(strstr(out.data, "\"decided_by\":\"bob\""));
	ck_assert_ptr_null(strstr(out.data, "\"decision\""));
}
END_TEST

START_TEST(an_execution_says_its_outcome)
{
	n.what = EVENT_EXECUTED;
	a.state = APPROVAL_CONSUMED;
	snprintf(a.outcome, sizeof(a.outcome), "unknown");
	a.executed_at_ms = 1763741000000;
	write_with(NULL, NULL);
	ck_assert_ptr_nonnull(strstr(out.data, "\"event\":\"approval_executed\""));
	ck_assert_ptr_nonnull(strstr(out.data, "\"outcome\":\"unknown\",\"executed_at\":\"2025-11-21T16:03:20Z\""));
	ck_text("Approval APR-7F3K was used: publish_post (blog) for agent claude; outcome: unknown");
}
END_TEST

START_TEST(foreign_names_in_a_sentence_are_no_links_mentions_or_lines)
{
	a.tool = "evil.com/<!channel>\n@here\xe2\x80\xae[x](y)";
	ck_text("Approval APR-7F3K is needed: evil?com???channel???here????x??y? (blog) for agent claude. Look and decide: " URL);
	a.tool = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	ck_text("Approval APR-7F3K is needed: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa... (blog) for agent claude. "
		"Look and decide: " URL);
}
END_TEST

START_TEST(chats_are_known_by_their_host_however_it_is_written)
{
	static const char *const known[] = { "https://hooks.slack.com/services/T/B/x", "https://HOOKS.SLACK.COM:443/x", "https://hooks.slack.com./x",
		"https://discord.com/api/webhooks/1/x", "https://ptb.discord.com/api/webhooks/1/x", "https://a.webhook.office.com/x",
		"https://x.eu.logic.azure.com/workflows/1", "https://open.feishu.cn/open-apis/bot/v2/hook/x", "https://open.larksuite.com/x",
		"https://oapi.dingtalk.com/robot/send?access_token=x", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x",
		"https://chat.googleapis.com/v1/spaces/x" };
	static const char *const unknown[] = { "https://example.com/hooks.slack.com", "https://hooks.slack.com.example.com/", "https://xdiscord.com/",
		"https://webhook.office.com.evil/", "http://127.0.0.1:8080/" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		ck_assert_msg(chat_host_of(known[i]) != NULL, "%s", known[i]);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		ck_assert_msg(chat_host_of(unknown[i]) == NULL, "%s", unknown[i]);
}
END_TEST

START_TEST(each_chat_gets_its_own_shape)
{
	ck_assert(chat_host_write(&out, chat_host_of("https://discord.com/api/webhooks/1/x"), SPAN("a \"b\"")));
	ck_assert_str_eq(out.data, "{\"allowed_mentions\":{\"parse\":[]},\"flags\":4,\"content\":\"a \\\"b\\\"\"}");
	buf_clear(&out);
	ck_assert(chat_host_write(&out, chat_host_of("https://open.feishu.cn/x"), SPAN("a")));
	ck_assert_str_eq(out.data, "{\"msg_type\":\"text\",\"content\":{\"text\":\"a\"}}");
}
END_TEST

/* The vector that the documentation gives. */
START_TEST(a_signature_covers_its_time_and_the_body)
{
	char text[SIGNATURE_SIZE];

	signature_write(text, SPAN("s3cret"), 1763740800, SPAN("{\"a\":1}"));
	ck_assert_str_eq(text, "t=1763740800,v1=df25bd16addea7fc90bf5c440a6299578284221d20a4127e114d1ac0d3ae069a");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("payload");
	TCase *t = tcase_create("payload");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_request_begins_with_the_fields_of_the_predecessor);
	tcase_add_test(t, links_that_cannot_be_made_are_left_out);
	tcase_add_test(t, a_decision_says_who_how_when_and_why);
	tcase_add_test(t, the_other_ends_have_names_of_their_own);
	tcase_add_test(t, an_execution_says_its_outcome);
	tcase_add_test(t, foreign_names_in_a_sentence_are_no_links_mentions_or_lines);
	tcase_add_test(t, chats_are_known_by_their_host_however_it_is_written);
	tcase_add_test(t, each_chat_gets_its_own_shape);
	tcase_add_test(t, a_signature_covers_its_time_and_the_body);
	suite_add_tcase(s, t);
	return s;
}
