#include "unit/unit.h"
#include <stdio.h>
#include "broker/slack_signature.h"

/* The example of Slack's documentation, which is also in python-slack-sdk's tests. */
#define SECRET "8f742231b10e8888abcd99yyyzzz85a5"
#define AT     "1531420618"
#define BODY                                                                                                                          \
	"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id="  \
	"U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F"    \
	"T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
#define SIGNED "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

static enum slack_signature check(const char *at, const char *signature, const char *body, int64_t now_s)
{
	return slack_signature_check(SPAN(SECRET), at, signature, span_of(body), now_s);
}

START_TEST(the_known_vectors)
{
	char out[68];

	slack_signature_write(SPAN(SECRET), AT, SPAN(BODY), out);
	ck_assert_str_eq(out, SIGNED);
	slack_signature_write(SPAN("aegis-test-secret"), "1700000000", SPAN("payload=%7B%22type%22%3A%22block_actions%22%7D"), out);
	ck_assert_str_eq(out, "v0=26b681bcbd313169bb667cdfb3babd347a4df28dad7cc3aadffcef9d03173bfd");
	ck_assert_int_eq(check(AT, SIGNED, BODY, 1531420618), SLACK_SIGNED);
}
END_TEST

START_TEST(another_body_time_secret_or_signature_is_forged)
{
	ck_assert_int_eq(check(AT, SIGNED, BODY "x", 1531420618), SLACK_FORGED);
	ck_assert_int_eq(check("1531420619", SIGNED, BODY, 1531420618), SLACK_FORGED);
	ck_assert_int_eq(slack_signature_check(SPAN("other"), AT, SIGNED, SPAN(BODY), 1531420618), SLACK_FORGED);
	ck_assert_int_eq(check(AT, "v0=", BODY, 1531420618), SLACK_FORGED);
	ck_assert_int_eq(check(AT, "v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", BODY, 1531420618), SLACK_FORGED);
	ck_assert_int_eq(check(AT, SIGNED "0", BODY, 1531420618), SLACK_FORGED);
	ck_assert_int_eq(check(AT, "v0=A2114D57B48EAC39B9AD189DD8316235A7B4A8D21A10BD27519666489C69B503", BODY, 1531420618), SLACK_FORGED);
}
END_TEST

START_TEST(it_holds_for_five_minutes_in_either_direction)
{
	ck_assert_int_eq(check(AT, SIGNED, BODY, 1531420618 + 300), SLACK_SIGNED);
	ck_assert_int_eq(check(AT, SIGNED, BODY, 1531420618 + 301), SLACK_OUT_OF_TIME);
	ck_assert_int_eq(check(AT, SIGNED, BODY, 1531420618 - 300), SLACK_SIGNED);
	ck_assert_int_eq(check(AT, SIGNED, BODY, 1531420618 - 301), SLACK_OUT_OF_TIME);
}
END_TEST

START_TEST(headers_that_slack_does_not_send_sign_nothing)
{
	static const char *const times[] = { "", "-1531420618", "+1531420618", " 1531420618", "1531420618 ", "0x5b47", "1531420618.0", "9999999999999" };

	ck_assert_int_eq(check(NULL, SIGNED, BODY, 1531420618), SLACK_NOT_SIGNED);
	ck_assert_int_eq(check(AT, NULL, BODY, 1531420618), SLACK_NOT_SIGNED);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		char signature[68];
		slack_signature_write(SPAN(SECRET), times[i], SPAN(BODY), signature);
		ck_assert_int_eq(check(times[i], signature, BODY, 1531420618), SLACK_NOT_SIGNED);
	}
	ck_assert_int_eq(slack_signature_check(SPAN(""), AT, SIGNED, SPAN(BODY), 1531420618), SLACK_NOT_SIGNED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("slack_signature");
	TCase *t = tcase_create("slack_signature");

	tcase_add_test(t, the_known_vectors);
	tcase_add_test(t, another_body_time_secret_or_signature_is_forged);
	tcase_add_test(t, it_holds_for_five_minutes_in_either_direction);
	tcase_add_test(t, headers_that_slack_does_not_send_sign_nothing);
	suite_add_tcase(s, t);
	return s;
}
