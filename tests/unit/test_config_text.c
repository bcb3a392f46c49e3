/* config_text: how values are written. */
#include "unit/unit.h"
#include "base/buf.h"
#include "data/url.h"
#include "domain/config_text.h"

static const struct {
	const char *text;
	int64_t ms;
} durations[] = {
	{ "250ms", 250 }, { "30s", 30000 }, { "5m", 300000 }, { "1h30m", 5400000 }, { "1d", 86400000 },
	{ "1w", 604800000 }, { "0s", 0 }, { "24h", 86400000 }, { "168h", 604800000 }, { "1h0m0s", 3600000 },
	{ "1.5h", 5400000 }, { "0.25s", 250 }, { "0.000001h", -1 }, { "1.0000001h", -1 }, { "2m30s500ms", 150500 },
	{ "", -1 }, { "30", -1 }, { "0", -1 }, { "s", -1 }, { "-5m", -1 }, { "5 m", -1 }, { "5M", -1 },
	{ "1.s", -1 }, { ".5s", -1 }, { "1m5", -1 }, { "1us", -1 }, { "1\xC2\xB5s", -1 }, { "5min", -1 }, { "1y", -1 },
	{ "9223372036854775807ms", 9223372036854775807 }, { "9223372036854775808ms", -1 },
	{ "9223372036854775807s", -1 }, { "15250284452w", 15250284452 * 604800000 }, { "15250284453w", -1 },
	{ "9223372036854775807ms1ms", -1 }, { "99999999999999999999999999s", -1 },
};

START_TEST(durations_are_sums_of_numbers_with_units)
{
	struct problem why;
	int64_t ms = -1;
	bool is_good = config_text_duration(durations[_i].text, &ms, &why);

	ck_assert_msg(ms == durations[_i].ms, "%s gave %lld", durations[_i].text, (long long)ms);
	ck_assert_int_eq(is_good, ms >= 0);
}
END_TEST

static const struct {
	const char *text;
	int64_t bytes;
} sizes[] = {
	{ "64KiB", 65536 }, { "10MiB", 10485760 }, { "1GiB", 1073741824 }, { "512B", 512 }, { "1.5KiB", 1536 },
	{ "10", -1 }, { "10MB", -1 }, { "10 MiB", -1 }, { "10mib", -1 }, { "1KiB1KiB", -1 }, { "", -1 }, { "0.3B", -1 },
	{ "9999999999GiB", -1 },
};

START_TEST(sizes_have_binary_units)
{
	struct problem why;
	int64_t bytes = -1;
	bool is_good = config_text_size(sizes[_i].text, &bytes, &why);

	ck_assert_msg(bytes == sizes[_i].bytes, "%s gave %lld", sizes[_i].text, (long long)bytes);
	ck_assert_int_eq(is_good, bytes >= 0);
}
END_TEST

START_TEST(what_is_written_reads_back_equal)
{
	static const int64_t values[] = { 0, 1, 999, 1000, 1500, 60000, 90000, 3600000, 86400000, 90061001, 366LL * 86400000 };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct buf b;
		struct problem why;
		int64_t ms = -1, bytes = -1;

		buf_init(&b, 100);
		ck_assert(config_text_write_duration(&b, values[i]));
		ck_assert(config_text_duration(b.data, &ms, &why));
		ck_assert_int_eq(ms, values[i]);
		buf_clear(&b);
		ck_assert(config_text_write_size(&b, values[i]));
		ck_assert(config_text_size(b.data, &bytes, &why));
		ck_assert_int_eq(bytes, values[i]);
		buf_release(&b);
	}
}
END_TEST

static const char *const colours[] = { "red", "green", "blue", NULL };
static const struct config_key a_bool = { .type = CONFIG_BOOL };
static const struct config_key an_int = { .type = CONFIG_INT, .min = -5, .max = 1000 };
static const struct config_key a_wait = { .type = CONFIG_DURATION, .min = 1, .max = 3600000 };
static const struct config_key a_colour = { .type = CONFIG_WORD, .words = colours };

/* key, text, quoted, what is said ("" = taken) */
static const struct {
	const struct config_key *key;
	const char *text;
	bool is_quoted;
	const char *says;
} values[] = {
	{ &a_bool, "true", false, "" },
	{ &a_bool, "false", false, "" },
	{ &a_bool, "yes", false, "expected true or false, not yes: write true" },
	{ &a_bool, "On", false, "expected true or false, not On: write true" },
	{ &a_bool, "TRUE", false, "expected true or false, not TRUE: write true" },
	{ &a_bool, "no", false, "expected true or false, not no: write false" },
	{ &a_bool, "off", false, "expected true or false, not off: write false" },
	{ &a_bool, "0", false, "expected true or false, not 0: write false" },
	{ &a_bool, "true", true, "expected true or false, not true: write true without quotes" },
	{ &a_bool, "maybe", false, "expected true or false, not maybe" },
	{ &an_int, "0", false, "" },
	{ &an_int, "1000", false, "" },
	{ &an_int, "-5", false, "" },
	{ &an_int, "-6", false, "must be from -5 to 1000" },
	{ &an_int, "1001", false, "must be from -5 to 1000" },
	{ &an_int, "50", true, "expected a whole number, not 50: write it without quotes" },
	{ &an_int, "010", false, "expected a whole number, not 010: write it without leading zeros" },
	{ &an_int, "1_000", false, "expected a whole number, not 1_000: write the digits together" },
	{ &an_int, "0x10", false, "expected a whole number, not 0x10: write it in decimal" },
	{ &an_int, "0o17", false, "expected a whole number, not 0o17: write it in decimal" },
	{ &an_int, "1.5", false, "expected a whole number, not 1.5" },
	{ &an_int, "+5", false, "expected a whole number, not +5" },
	{ &an_int, "9999999999999999999999", false, "expected a whole number, not 9999999999999999999999" },
	{ &a_wait, "1h", false, "" },
	{ &a_wait, "1h", true, "" },
	{ &a_wait, "61m", false, "must be from 1ms to 1h" },
	{ &a_wait, "0s", false, "must be from 1ms to 1h" },
	{ &a_wait, "auto", false, "expected a duration such as 250ms, 30s, 5m, 1h30m, 1d or 1w, not auto" },
	{ &a_colour, "green", false, "" },
	{ &a_colour, "gren", false, "expected red, green or blue, not gren (did you mean green?)" },
	{ &a_colour, "\x1b[31m\xC3\xA4", true, "expected red, green or blue, not ?[31m??" },
};

START_TEST(values_are_taken_or_refused_with_a_hint)
{
	struct problem why = { 0 };
	int64_t field[2] = { 0 };
	bool is_good = config_text_read(values[_i].key, values[_i].text, values[_i].is_quoted, field, &why);

	ck_assert_str_eq(why.text, values[_i].says);
	ck_assert_int_eq(is_good, values[_i].says[0] == '\0');
}
END_TEST

static const struct {
	enum config_form form;
	const char *text;
	bool is_good;
} forms[] = {
	{ FORM_NAME, "a", true }, { FORM_NAME, "claude-code_2", true }, { FORM_NAME, "2nd", true },
	{ FORM_NAME, "_a", false }, { FORM_NAME, "-a", false }, { FORM_NAME, "a__b", false }, { FORM_NAME, "a b", false },
	{ FORM_NAME, "", false }, { FORM_NAME, "\xC3\xA4", false }, { FORM_NAME, "a.b", false },
	{ FORM_NAME, "1234567890123456789012345678901234567890123456789012345678901234", true },
	{ FORM_NAME, "12345678901234567890123456789012345678901234567890123456789012345", false },
	{ FORM_UID, "uid:0", true }, { FORM_UID, "uid:4294967294", true }, { FORM_UID, "uid:4294967295", false },
	{ FORM_UID, "uid:", false }, { FORM_UID, "1000", false }, { FORM_UID, "uid:-1", false }, { FORM_UID, "uid:1 ", false },
	{ FORM_GLOB, "publish_*", true }, { FORM_GLOB, "[a-z]?", true }, { FORM_GLOB, "a[", false }, { FORM_GLOB, "", false },
	{ FORM_GLOB, "a\x1f" "b", false }, { FORM_GLOB, "\xE2\x80\xA8", false }, { FORM_GLOB, "\xC2\x9B", false },
	{ FORM_PATH, "/a", true }, { FORM_PATH, "a", true }, { FORM_PATH, "~/a", false },
	{ FORM_URL, "http://127.0.0.1:9100/mcp", true }, { FORM_URL, "HTTPS://h", true }, { FORM_URL, "https://[::1]:1/x?y", true },
	{ FORM_URL, "ftp://h/", false }, { FORM_URL, "h/mcp", false }, { FORM_URL, "http://", false },
	{ FORM_URL, "http://h:99999/", false }, { FORM_URL, "http://a b/", false }, { FORM_URL, "http://u@h/", false },
	{ FORM_URL, "http://u:p@h/", false }, { FORM_URL, "http://:p@h/", false }, { FORM_URL, "http://h\\@x/", false },
	{ FORM_PROXY, "socks5h://h:1080", true }, { FORM_PROXY, "http://u:p@h", false }, { FORM_PROXY, "h:3128", false },
	{ FORM_ADDRESS, "127.0.0.1:18070", true }, { FORM_ADDRESS, ":18070", true }, { FORM_ADDRESS, "[::1]:18070", true },
	{ FORM_ADDRESS, "localhost:0", true }, { FORM_ADDRESS, "18070", false }, { FORM_ADDRESS, "h:", false },
	{ FORM_ADDRESS, "h:65536", false }, { FORM_ADDRESS, "::1:18070", false }, { FORM_ADDRESS, "http://h:1", false },
	{ FORM_HEADER, "X-Api-Key", true }, { FORM_HEADER, "Authorization", true }, { FORM_HEADER, "a b", false },
	{ FORM_HEADER, "a:", false }, { FORM_HEADER, "", false }, { FORM_HEADER, "host", false },
	{ FORM_HEADER, "content-type", false }, { FORM_HEADER, "Content-Length", false }, { FORM_HEADER, "transfer-encoding", false },
	{ FORM_HEADER, "ACCEPT", false }, { FORM_HEADER, "Connection", false }, { FORM_HEADER, "mcp-session-id", false },
	{ FORM_HEADER, "MCP-Protocol-Version", false },
	{ FORM_VARIABLE, "API_KEY", true }, { FORM_VARIABLE, "1A", false }, { FORM_VARIABLE, "A=B", false },
	{ FORM_REPOSITORY, "owner/na.me", true }, { FORM_REPOSITORY, "owner", false }, { FORM_REPOSITORY, "a/b/c", false },
	{ FORM_REPOSITORY, "/b", false }, { FORM_CREDENTIAL, "a.b", true }, { FORM_CREDENTIAL, "../a", false },
	{ FORM_CREDENTIAL, ".a", false }, { FORM_LINE, "a\nb", false }, { FORM_TEXT, "a\nb", true }, { FORM_TEXT, "a\x01", false },
};

START_TEST(texts_have_the_form_of_their_key)
{
	struct problem why = { 0 };

	ck_assert_msg(config_text_has_form(forms[_i].form, forms[_i].text, &why) == forms[_i].is_good, "%s: %s", forms[_i].text, why.text);
	ck_assert_int_eq(why.text[0] == '\0', forms[_i].is_good);
}
END_TEST

START_TEST(loopback_is_seen_however_it_is_written)
{
	static const char *const loopback[] = { "http://localhost/", "http://LOCALHOST:1/", "http://127.0.0.1/", "http://127.1/",
		"http://0x7f000001/", "http://2130706433/", "http://127.9.9.9:80/x", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/" };
	static const char *const other[] = { "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://localhost.example.com/",
		"http://[::2]/", "http://example.com/127.0.0.1", "no url" };

	for (size_t i = 0; i < ARRAY_LEN(loopback); i++)
		ck_assert_msg(url_look(loopback[i]).is_loopback, "%s", loopback[i]);
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		ck_assert_msg(!url_look(other[i]).is_loopback, "%s", other[i]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config_text");
	TCase *t = tcase_create("config_text");

	tcase_add_loop_test(t, durations_are_sums_of_numbers_with_units, 0, ARRAY_LEN(durations));
	tcase_add_loop_test(t, sizes_have_binary_units, 0, ARRAY_LEN(sizes));
	tcase_add_test(t, what_is_written_reads_back_equal);
	tcase_add_loop_test(t, values_are_taken_or_refused_with_a_hint, 0, ARRAY_LEN(values));
	tcase_add_loop_test(t, texts_have_the_form_of_their_key, 0, ARRAY_LEN(forms));
	tcase_add_test(t, loopback_is_seen_however_it_is_written);
	suite_add_tcase(s, t);
	return s;
}
