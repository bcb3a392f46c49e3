#include "broker/feishu_answer.h"
#include "unit/unit.h"

static struct feishu_answer read(int status, const char *body)
{
	struct feishu_answer a;

	feishu_answer_read(status, span_of(body), &a);
	return a;
}

START_TEST(a_sent_message_has_a_name)
{
	struct feishu_answer a = read(200, "{\"code\":0,\"msg\":\"success\",\"data\":{\"message_id\":\"om_dc13264520\"}}");

	ck_assert_int_eq(a.meaning, FEISHU_DONE);
	ck_assert_str_eq(a.message_id, "om_dc13264520");
	ck_assert_str_eq(read(200, "{\"code\":0,\"data\":{\"message_id\":\"om_/../x\"}}").message_id, "");
	ck_assert_int_eq(read(200, "{\"StatusCode\":0,\"StatusMessage\":\"success\"}").meaning, FEISHU_DONE);
}
END_TEST

START_TEST(a_token_has_an_end)
{
	struct feishu_answer a = read(200, "{\"code\":0,\"msg\":\"ok\",\"tenant_access_token\":\"t-abc\",\"expire\":7140}");

	ck_assert_str_eq(a.token, "t-abc");
	ck_assert_int_eq(a.token_lives_s, 7140);
	ck_assert_str_eq(read(200, "{\"code\":0,\"tenant_access_token\":\"t-a\\r\\nX: y\",\"expire\":7140}").token, "");
}
END_TEST

static const struct { int status; const char *body; enum feishu_meaning meaning; const char *says; } answers[] = {
	{ 200, "{\"code\":11232,\"msg\":\"frequency limited\"}", FEISHU_AGAIN, "too many" },
	{ 200, "{\"code\":9499,\"msg\":\"too many request\"}", FEISHU_AGAIN, "too many" },
	{ 400, "{\"code\":99991400,\"msg\":\"request trigger frequency limit\"}", FEISHU_AGAIN, "too many" },
	{ 400, "{\"code\":230020,\"msg\":\"x\"}", FEISHU_AGAIN, "too many" },
	{ 429, "{\"code\":1,\"msg\":\"x\"}", FEISHU_AGAIN, "HTTP 429, code 1: x" },
	{ 429, "slow down", FEISHU_AGAIN, "HTTP 429" },
	{ 502, "<html>", FEISHU_AGAIN, "HTTP 502" },
	{ 200, "<html>", FEISHU_AGAIN, "base_url" },
	{ 404, "<html>", FEISHU_REFUSED, "base_url" },
	{ 400, "{\"code\":99991663,\"msg\":\"Invalid access token for authorization\"}", FEISHU_TOKEN_OVER, "token" },
	{ 400, "{\"code\":99991661,\"msg\":\"Missing access token\"}", FEISHU_TOKEN_OVER, "token" },
	{ 400, "{\"code\":230011,\"msg\":\"The message is recalled.\"}", FEISHU_GONE, "withdrawn" },
	{ 200, "{\"code\":19021,\"msg\":\"sign match fail\"}", FEISHU_REFUSED, "sign_secret" },
	{ 200, "{\"code\":19022,\"msg\":\"Ip Not Allowed\"}", FEISHU_REFUSED, "IP list" },
	{ 200, "{\"code\":19024,\"msg\":\"Key Words Not Found\"}", FEISHU_REFUSED, "keyword" },
	{ 400, "{\"code\":230002,\"msg\":\"x\"}", FEISHU_REFUSED, "chat_id" },
	{ 200, "{\"code\":10014,\"msg\":\"app secret invalid\"}", FEISHU_REFUSED, "app_secret" },
	{ 400, "{\"code\":424242,\"msg\":\"new\\u001b[1m \\u202e\"}", FEISHU_REFUSED, "code 424242: new?[1m ???" },
};

START_TEST(what_an_answer_means)
{
	struct feishu_answer a = read(answers[_i].status, answers[_i].body);

	ck_assert_msg(a.meaning == answers[_i].meaning && strstr(a.said, answers[_i].says), "case %d: %d %s", _i, (int)a.meaning, a.said);
	ck_assert_str_eq(a.message_id, "");
	ck_assert_str_eq(a.token, "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("feishu_answer");
	TCase *t = tcase_create("answer");

	tcase_add_test(t, a_sent_message_has_a_name);
	tcase_add_test(t, a_token_has_an_end);
	tcase_add_loop_test(t, what_an_answer_means, 0, ARRAY_LEN(answers));
	suite_add_tcase(s, t);
	return s;
}
