#include "broker/feishu_callback.h"
#include "unit/feishu_kit.h"

#define NOW_S   1700000000
#define ID      "0123456789abcdef0123456789abcdef"
#define HASH    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEADER  "\"header\":{\"event_id\":\"ev1\",\"event_type\":\"card.action.trigger\",\"token\":\"vt\",\"app_id\":\"cli_1\"}"
#define VALUE   "{\"id\":\"" ID "\",\"hash\":\"" HASH "\",\"action\":\"approve\"}"
#define EVENT(value) "\"event\":{\"operator\":{\"open_id\":\"ou_1\"},\"action\":{\"tag\":\"button\",\"value\":" value "}}"
#define PRESS   "{\"schema\":\"2.0\"," HEADER "," EVENT(VALUE) "}"

static const struct feishu_keys keys = { "key", "vt", "cli_1" };

struct sent { const char *text, *key, *timestamp, *signature; int64_t wall_ms; bool is_bare; };

/* What is not given is as it should be. */
static struct feishu_callback received(struct sent s)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	char good[FEISHU_SIGNATURE_SIZE];
	const char *timestamp = s.timestamp ? s.timestamp : "1700000000";
	struct feishu_callback out;

	buf_init(&body, 1000000);
	feishu_seal(s.key ? s.key : "key", s.text, &body);
	feishu_signature(span_of(timestamp), SPAN("n"), SPAN("key"), buf_span(&body), good);
	struct feishu_headers h = { timestamp, "n", s.signature ? s.signature : good };
	if (s.is_bare)
		h = (struct feishu_headers){ 0 };
	feishu_callback_read(&keys, &h, buf_span(&body), s.wall_ms ? s.wall_ms : NOW_S * INT64_C(1000), &out);
	return out;
}

START_TEST(a_press_is_read)
{
	struct feishu_callback c = received((struct sent){ .text = PRESS });

	ck_assert_msg(c.kind == FEISHU_CALLBACK_PRESS, "%s", c.why);
	ck_assert_str_eq(c.event_id, "ev1");
	ck_assert_str_eq(c.open_id, "ou_1");
	ck_assert(c.is_ours && c.press.is_approving);
	ck_assert_str_eq(c.press.approval, ID);
	ck_assert_uint_eq(c.press.args_hash[0], 0x00);
	ck_assert_uint_eq(c.press.args_hash[31], 0xff);
}
END_TEST

START_TEST(a_check_of_the_address_needs_no_signature_but_key_and_token)
{
	static const char check[] = "{\"type\":\"url_verification\",\"challenge\":\"c1\",\"token\":\"vt\"}";
	struct feishu_callback c = received((struct sent){ .text = check, .is_bare = true });

	ck_assert_int_eq(c.kind, FEISHU_CALLBACK_CHECK);
	ck_assert_str_eq(c.challenge, "c1");
	ck_assert_int_eq(received((struct sent){ .text = check, .signature = "0" }).kind, FEISHU_CALLBACK_CHECK);
	ck_assert_int_eq(received((struct sent){ .text = check, .is_bare = true, .key = "other" }).kind, FEISHU_CALLBACK_REFUSED);
	ck_assert_int_eq(received((struct sent){ .text = "{\"type\":\"url_verification\",\"challenge\":\"c1\",\"token\":\"vu\"}" }).kind, FEISHU_CALLBACK_REFUSED);
	ck_assert_int_eq(received((struct sent){ .text = "{\"type\":\"url_verification\",\"challenge\":\"c1\"}" }).kind, FEISHU_CALLBACK_REFUSED);
	ck_assert_int_eq(received((struct sent){ .text = "{\"type\":\"url_verification\",\"token\":\"vt\"}" }).kind, FEISHU_CALLBACK_REFUSED);
}
END_TEST

START_TEST(without_the_right_signature_it_is_no_press)
{
	ck_assert_int_eq(received((struct sent){ .text = PRESS, .is_bare = true }).kind, FEISHU_CALLBACK_REFUSED);
	ck_assert_int_eq(received((struct sent){ .text = PRESS, .signature = "" }).kind, FEISHU_CALLBACK_REFUSED);
	ck_assert_int_eq(received((struct sent){ .text = PRESS, .signature = "0750079ced63fb99ad83cf61c58f8d8134dfc0246555d095fd0b47d6721f2819" }).kind,
		FEISHU_CALLBACK_REFUSED);
	ck_assert_int_eq(received((struct sent){ .text = PRESS, .key = "other" }).kind, FEISHU_CALLBACK_REFUSED);
}
END_TEST

START_TEST(it_may_be_five_minutes_from_our_time)
{
	static const int64_t fine[] = { -300, -1, 0, 300 }, late[] = { -301, 301, 86400 };

	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		ck_assert_int_eq(received((struct sent){ .text = PRESS, .wall_ms = (NOW_S + fine[i]) * 1000 }).kind, FEISHU_CALLBACK_PRESS);
	for (size_t i = 0; i < ARRAY_LEN(late); i++)
		ck_assert_int_eq(received((struct sent){ .text = PRESS, .wall_ms = (NOW_S + late[i]) * 1000 }).kind, FEISHU_CALLBACK_REFUSED);
	static const char *const odd[] = { "", "-1700000000", "1700000000.0", "1700000000 ", "+1700000000", "9999999999999999999999" };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		ck_assert_int_eq(received((struct sent){ .text = PRESS, .timestamp = odd[i] }).kind, FEISHU_CALLBACK_REFUSED);
}
END_TEST

static const char *const refused[] = {
	"", "{}", "[]", "\"x\"", "{\"schema\":\"2.0\"}",
	"{\"schema\":\"1.0\"," HEADER "," EVENT(VALUE) "}",
	"{" HEADER "," EVENT(VALUE) "}",
	"{\"open_id\":\"ou_1\",\"token\":\"vt\",\"action\":{\"tag\":\"button\",\"value\":" VALUE "}}",          /* the old callback of cards */
	"{\"schema\":\"2.0\",\"header\":{\"event_id\":\"e\",\"event_type\":\"card.action.trigger\",\"token\":\"vu\",\"app_id\":\"cli_1\"}," EVENT(VALUE) "}",
	"{\"schema\":\"2.0\",\"header\":{\"event_id\":\"e\",\"event_type\":\"card.action.trigger\",\"token\":\"vt\",\"app_id\":\"cli_2\"}," EVENT(VALUE) "}",
	"{\"schema\":\"2.0\",\"header\":{\"event_id\":\"e\",\"event_type\":\"card.action.trigger_v1\",\"token\":\"vt\",\"app_id\":\"cli_1\"}," EVENT(VALUE) "}",
	"{\"schema\":\"2.0\",\"header\":{\"event_id\":\"\",\"event_type\":\"card.action.trigger\",\"token\":\"vt\",\"app_id\":\"cli_1\"}," EVENT(VALUE) "}",
	"{\"schema\":\"2.0\"," HEADER ",\"event\":{\"action\":{\"tag\":\"button\",\"value\":" VALUE "}}}",
	"{\"schema\":\"2.0\"," HEADER ",\"event\":{\"operator\":{\"open_id\":7},\"action\":{\"tag\":\"button\",\"value\":" VALUE "}}}",
	"{\"schema\":\"2.0\"," HEADER "," HEADER "," EVENT(VALUE) "}",                                          /* a key twice */
	PRESS "x",
};

START_TEST(what_is_no_press_of_this_app_is_refused)
{
	struct feishu_callback c = received((struct sent){ .text = refused[_i] });

	ck_assert_msg(c.kind == FEISHU_CALLBACK_REFUSED && c.why, "case %d", _i);
}
END_TEST

static const char *const foreign[] = {
	"{\"schema\":\"2.0\"," HEADER "," EVENT("\"" ID "\"") "}",
	"{\"schema\":\"2.0\"," HEADER "," EVENT("{}") "}",
	"{\"schema\":\"2.0\"," HEADER "," EVENT("{\"id\":\"" ID "\",\"action\":\"approve\"}") "}",
	"{\"schema\":\"2.0\"," HEADER "," EVENT("{\"id\":\"" ID "\",\"hash\":\"" HASH "\"}") "}",
	"{\"schema\":\"2.0\"," HEADER "," EVENT("{\"id\":\"" ID "\",\"hash\":\"" HASH "\",\"action\":\"Approve\"}") "}",
	"{\"schema\":\"2.0\"," HEADER "," EVENT("{\"id\":\"" ID "\",\"hash\":\"0" HASH "\",\"action\":\"approve\"}") "}",
	"{\"schema\":\"2.0\"," HEADER "," EVENT("{\"id\":\"0123456789ABCDEF0123456789abcdef\",\"hash\":\"" HASH "\",\"action\":\"approve\"}") "}",
	"{\"schema\":\"2.0\"," HEADER ",\"event\":{\"operator\":{\"open_id\":\"ou_1\"},\"action\":{\"tag\":\"input\",\"value\":" VALUE "}}}",
};

START_TEST(a_press_of_another_card_of_the_app_decides_nothing)
{
	struct feishu_callback c = received((struct sent){ .text = foreign[_i] });

	ck_assert_msg(c.kind == FEISHU_CALLBACK_PRESS && !c.is_ours, "case %d", _i);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("feishu_callback");
	TCase *t = tcase_create("callback");

	tcase_add_test(t, a_press_is_read);
	tcase_add_test(t, a_check_of_the_address_needs_no_signature_but_key_and_token);
	tcase_add_test(t, without_the_right_signature_it_is_no_press);
	tcase_add_test(t, it_may_be_five_minutes_from_our_time);
	tcase_add_loop_test(t, what_is_no_press_of_this_app_is_refused, 0, ARRAY_LEN(refused));
	tcase_add_loop_test(t, a_press_of_another_card_of_the_app_decides_nothing, 0, ARRAY_LEN(foreign));
	suite_add_tcase(s, t);
	return s;
}
