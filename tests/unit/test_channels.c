#include "domain/channels.h"
#include "unit/config_kit.h"

#define BASE    "backends: {b: {url: 'http://127.0.0.1:1/mcp'}}\nagents: {a: {backends: {b: {allowed: true}}}}\n"
#define SLACK   "  slack: {webhook_url: 'https://hooks.slack.com/services/x'}\n"
#define FEISHU  "  feishu: {webhook_url: 'https://open.feishu.cn/x'}\n"
#define GENERIC "  generic: {webhook_url: 'https://example.com/hook'}\n"
#define NOTIFY  "  notify: {command: [tell]}\n"

static void are(const char *text, const char *expected)
{
	struct rules r = rules_parse_span("/etc/aegis/aegis.yaml", span_of(text), OK);
	const char *names[CHANNELS_MAX];
	char all[64] = "";

	size_t n = channels_of(r.config, names);
	for (size_t i = 0; i < n; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "", names[i]);
	ck_assert_str_eq(all, expected);
	rules_release(&r);
}

START_TEST(all_that_are_configured_are_told)
{
	are(BASE "approval:\n" SLACK, "slack");
	are(BASE "approval:\n" NOTIFY GENERIC, "generic notify");
	are(BASE "approval:\n" NOTIFY GENERIC FEISHU SLACK, "slack feishu generic notify");
}
END_TEST

START_TEST(the_list_says_which_and_in_which_order)
{
	are(BASE "approval:\n  channels: [generic, slack]\n" SLACK GENERIC NOTIFY, "generic slack");
	are(BASE "approval:\n  channels: [notify]\n" SLACK NOTIFY, "notify");
}
END_TEST

START_TEST(the_desktop_is_told_where_nothing_else_is_configured)
{
	are(BASE, "desktop");
	are(BASE "mode: cooperative\n", "desktop");
	are(BASE "mode: enforced\n", "");
	are(BASE "mode: enforced\napproval:\n" NOTIFY, "notify");
}
END_TEST

START_TEST(what_is_not_configured_is_known)
{
	struct rules r = rules_parse(BASE "approval:\n" SLACK, OK);

	ck_assert(channel_is_configured(&r.config->approval, "slack"));
	ck_assert(!channel_is_configured(&r.config->approval, "feishu"));
	ck_assert(!channel_is_configured(&r.config->approval, "generic"));
	ck_assert(!channel_is_configured(&r.config->approval, "notify"));
	ck_assert(!channel_is_configured(&r.config->approval, "desktop"));
	rules_release(&r);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("channels");
	TCase *t = tcase_create("channels");

	tcase_add_test(t, all_that_are_configured_are_told);
	tcase_add_test(t, the_list_says_which_and_in_which_order);
	tcase_add_test(t, the_desktop_is_told_where_nothing_else_is_configured);
	tcase_add_test(t, what_is_not_configured_is_known);
	suite_add_tcase(s, t);
	return s;
}
