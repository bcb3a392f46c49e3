#include "unit/unit.h"
#include "broker/slack_call.h"
#include "broker/slack_settings.h"

static char error[64];

static enum slack_outcome read(const char *body)
{
	struct json_value answer;

	return slack_answer_read(span_of(body), &answer, error);
}

START_TEST(only_ok_means_done)
{
	ck_assert_int_eq(read("{\"ok\":true,\"ts\":\"1.2\"}"), SLACK_DONE);
	ck_assert_int_eq(read("{\"ok\":false,\"error\":\"invalid_auth\"}"), SLACK_REFUSED);
	ck_assert_str_eq(error, "invalid_auth");
	ck_assert_int_eq(read("{\"ok\":false,\"error\":\"in valid\\u001b[31m\"}"), SLACK_REFUSED);
	ck_assert_str_eq(error, "in");
	ck_assert_int_eq(read("{\"ok\":\"true\"}"), SLACK_UNHEARD);
	ck_assert_int_eq(read("{\"ok\":false}"), SLACK_UNHEARD);
	ck_assert_int_eq(read("{\"ok\":true"), SLACK_UNHEARD);
	ck_assert_int_eq(read("<html>"), SLACK_UNHEARD);
	ck_assert_int_eq(read("[]"), SLACK_UNHEARD);
	ck_assert_int_eq(read(""), SLACK_UNHEARD);
	ck_assert_int_eq(read("{\"ok\":false,\"ok\":true}"), SLACK_UNHEARD);
}
END_TEST

static struct delivered judged(enum slack_outcome outcome, int status, const char *word, int64_t retry_after_ms)
{
	static char said[400];
	struct slack_call c = { .outcome = outcome, .post = { .status = status, .cause = "", .retry_after_ms = retry_after_ms } };
	struct delivered out;

	(void)snprintf(c.error, sizeof c.error, "%s", word);
	slack_call_judge(&c, &out, said, sizeof said);
	return out;
}

START_TEST(what_an_operator_must_mend_is_given_up_and_says_how)
{
	static const char *const words[] = { "channel_not_found", "not_in_channel", "invalid_auth", "token_revoked", "missing_scope", "no_service", "invalid_blocks" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct delivered d = judged(SLACK_REFUSED, 200, words[i], -1);
		ck_assert_int_eq(d.result, MESSAGE_GIVEN_UP);
		ck_assert_ptr_nonnull(strstr(d.said, words[i]));
		ck_assert(!d.is_maybe_out);
	}
	ck_assert_ptr_nonnull(strstr(judged(SLACK_REFUSED, 200, "not_in_channel", -1).said, "/invite"));
}
END_TEST

START_TEST(the_rest_is_tried_again)
{
	struct delivered d = judged(SLACK_REFUSED, 429, "ratelimited", 7000);

	ck_assert_int_eq(d.result, MESSAGE_RETRY);
	ck_assert_int_eq(d.retry_after_ms, 7000);
	ck_assert(!d.is_maybe_out);
	d = judged(SLACK_REFUSED, 200, "internal_error", -1); /* "some aspect of it may have succeeded" */
	ck_assert_int_eq(d.result, MESSAGE_RETRY);
	ck_assert(d.is_maybe_out);
	ck_assert_int_eq(judged(SLACK_REFUSED, 200, "a_word_of_tomorrow", -1).result, MESSAGE_RETRY);
	d = judged(SLACK_UNHEARD, 429, "", 3000);
	ck_assert_int_eq(d.result, MESSAGE_RETRY);
	ck_assert_int_eq(d.retry_after_ms, 3000);
	ck_assert_int_eq(judged(SLACK_UNHEARD, 503, "", -1).result, MESSAGE_RETRY);
	d = judged(SLACK_UNHEARD, 200, "", -1); /* it may stand there all the same */
	ck_assert_int_eq(d.result, MESSAGE_RETRY);
	ck_assert(d.is_maybe_out);
}
END_TEST

START_TEST(a_message_somebody_deleted_is_no_trouble)
{
	ck_assert_int_eq(judged(SLACK_REFUSED, 200, "message_not_found", -1).result, MESSAGE_OK);
	ck_assert_int_eq(judged(SLACK_DONE, 200, "", -1).result, MESSAGE_OK);
}
END_TEST

START_TEST(private_answers_go_to_slack_only)
{
	char slack[] = "https://slack.com", other[] = "http://127.0.0.1:9";
	struct slack_settings real = { .base_url = slack }, test = { .base_url = other };

	ck_assert(slack_settings_owns(&real, "https://hooks.slack.com/actions/T1/1/x"));
	ck_assert(slack_settings_owns(&real, "https://hooks.slack-gov.com/actions/T1/1/x"));
	ck_assert(!slack_settings_owns(&real, "http://hooks.slack.com/x"));
	ck_assert(!slack_settings_owns(&real, "https://hooks.slack.com.evil.example/x"));
	ck_assert(!slack_settings_owns(&real, "https://hooks.slack.com@evil.example/x"));
	ck_assert(!slack_settings_owns(&real, "https://slack.com/x"));
	ck_assert(!slack_settings_owns(&real, "http://127.0.0.1:9/x"));
	ck_assert(!slack_settings_owns(&real, ""));
	ck_assert(slack_settings_owns(&test, "http://127.0.0.1:9/x"));
	ck_assert(!slack_settings_owns(&test, "http://127.0.0.1:99/x"));
	ck_assert(!slack_settings_owns(&test, "http://127.0.0.1:9@evil.example/x"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("slack_call");
	TCase *t = tcase_create("slack_call");

	tcase_add_test(t, only_ok_means_done);
	tcase_add_test(t, what_an_operator_must_mend_is_given_up_and_says_how);
	tcase_add_test(t, the_rest_is_tried_again);
	tcase_add_test(t, a_message_somebody_deleted_is_no_trouble);
	tcase_add_test(t, private_answers_go_to_slack_only);
	suite_add_tcase(s, t);
	return s;
}
