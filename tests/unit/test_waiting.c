/* waiting: how long which client bears to wait. */
#include "shim/waiting.h"
#include "unit/unit.h"

static int64_t hold_ms(const char *client, int64_t hold_max_ms)
{
	return waiting_patience_of(client, hold_max_ms).ms;
}

START_TEST(known_clients_are_answered_before_they_give_up)
{
	static const struct { const char *client; int64_t gives_up_ms; } clients[] = {
		{ "claude-code", 30 * 60000 },      { "codex-mcp-client", 300000 }, { "gemini-cli-mcp-client", 600000 },
		{ "gemini-cli-mcp-client-demo", 600000 }, { "cursor-vscode", 60000 }, { "claude-ai", 60000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		int64_t ms = hold_ms(clients[i].client, CONFIG_AUTO);
		ck_assert_msg(ms >= 50000 && ms <= clients[i].gives_up_ms - 10000, "%s: %lld", clients[i].client, (long long)ms);
	}
	ck_assert_int_eq(hold_ms("claude-code", CONFIG_AUTO), 25 * 60000);
}
END_TEST

START_TEST(a_client_nobody_knows_waits_fifty_seconds)
{
	ck_assert_int_eq(hold_ms("", CONFIG_AUTO), 50000);
	ck_assert_int_eq(hold_ms("claude-codex", CONFIG_AUTO), 50000);
	ck_assert_int_eq(hold_ms("x gemini-cli-mcp-client", CONFIG_AUTO), 50000);
	ck_assert(!waiting_patience_of("any", CONFIG_AUTO).is_renewed);
}
END_TEST

START_TEST(clients_without_a_limit_are_never_told_to_come_again)
{
	ck_assert_int_eq(hold_ms("Visual Studio Code", CONFIG_AUTO), WAITING_FOREVER);
	ck_assert_int_eq(hold_ms("Visual Studio Code - Insiders", CONFIG_AUTO), WAITING_FOREVER);
	ck_assert_int_eq(hold_ms("aegisctl", CONFIG_AUTO), WAITING_FOREVER);
}
END_TEST

START_TEST(hold_max_goes_before_the_table_and_leaves_time_for_the_answer)
{
	ck_assert_int_eq(hold_ms("claude-code", 3000), 2700);
	ck_assert_int_eq(hold_ms("Visual Studio Code", 60000), 58000);
	ck_assert_int_eq(hold_ms("x", 0), 0);
	ck_assert(!waiting_patience_of("claude-code", 3000).is_renewed);
}
END_TEST

START_TEST(only_where_it_is_known_does_a_sign_of_life_start_the_time_anew)
{
	ck_assert(waiting_patience_of("claude-code", CONFIG_AUTO).is_renewed);
	ck_assert(!waiting_patience_of("codex-mcp-client", CONFIG_AUTO).is_renewed);
	ck_assert(!waiting_patience_of("gemini-cli-mcp-client", CONFIG_AUTO).is_renewed);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("waiting");
	TCase *t = tcase_create("patience");

	tcase_add_test(t, known_clients_are_answered_before_they_give_up);
	tcase_add_test(t, a_client_nobody_knows_waits_fifty_seconds);
	tcase_add_test(t, clients_without_a_limit_are_never_told_to_come_again);
	tcase_add_test(t, hold_max_goes_before_the_table_and_leaves_time_for_the_answer);
	tcase_add_test(t, only_where_it_is_known_does_a_sign_of_life_start_the_time_anew);
	suite_add_tcase(s, t);
	return s;
}
