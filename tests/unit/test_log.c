#include "unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

static int ends[2]; /* what is logged can be read from the first */

static void setup(enum log_level level, enum log_format format)
{
	log_setup(&(struct log_options){ "aegis-test", level, format, ends[1] });
}

static void make_pipe(void)
{
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	setup(LOG_INFO, LOG_TEXT);
}

static void close_ends(void)
{
	close_fdp(&ends[0]);
	close_fdp(&ends[1]);
}

static const char *logged(void)
{
	static char text[70000];
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* What follows time, program and process number. */
static const char *event_of(const char *line)
{
	const char *colon = strstr(line, "]: ");

	return colon ? colon + 3 : "";
}

/* ---- text ---------------------------------------------------------------------------------------------------------------- */

START_TEST(a_line_says_when_who_how_bad_and_what)
{
	log_warn("upstream.connect", "backend=%s ms=%d", "demo", 12);
	const char *line = logged();
	CLEANUP(free_charp) char *who = xasprintf("Z aegis-test[%d]: ", (int)getpid());

	ck_assert_int_eq(line[10], 'T');
	ck_assert(strncmp(line + 23, who, strlen(who)) == 0);
	ck_assert_str_eq(event_of(line), "warn upstream.connect backend=demo ms=12\n");
}
END_TEST

START_TEST(every_kind_of_number_is_taken)
{
	log_info("n", "d=%d u=%u x=%x ld=%ld lu=%lu lld=%lld llu=%llu z=%zu j=%jd h=%hd f=%.1f c=%c last=%d", -1, 2u, 0xabcu, -3L, 4UL,
		-5LL, 6ULL, (size_t)7, (intmax_t)-8, (short)9, 1.25, 'c', 10);
	ck_assert_str_eq(event_of(logged()),
		"info n d=-1 u=2 x=abc ld=-3 lu=4 lld=-5 llu=6 z=7 j=-8 h=9 f=1.2 c=c last=10\n");
	log_info("limits", "%lld %llu 100%%", (long long)INT64_MIN, (unsigned long long)UINT64_MAX);
	ck_assert_str_eq(event_of(logged()), "info limits -9223372036854775808 18446744073709551615 100%\n");
}
END_TEST

START_TEST(a_hostile_value_stays_in_its_quotes)
{
	static const struct {
		const char *value, *written;
	} cases[] = {
		{ "plain-1.2/x", "plain-1.2/x" }, { "", "\"\"" }, { "two words", "\"two words\"" },
		{ "a\nerror forged", "\"a\\u000aerror forged\"" }, { "a\rb", "\"a\\u000db\"" },
		{ "\x1b[2J", "\"\\u001b[2J\"" }, { "\xc2\x9b" "2J", "\"\\u009b2J\"" }, { "say \"x\"", "\"say \\\"x\\\"\"" },
		{ "\"", "\"\\\"\"" }, { "back\\slash", "\"back\\\\slash\"" }, { "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
		{ "\xff", "\"\\ufffd\"" }, { "\xe2\x80\xae" "abc", "\"\\u202eabc\"" }, { "\xf3\xa0\x81\x81", "\"\\udb40\\udc41\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp) char *expected = xasprintf("info x name=%s end=1\n", cases[i].written);

		log_info("x", "name=%s end=%d", cases[i].value, 1);
		ck_assert_str_eq(event_of(logged()), expected);
	}
}
END_TEST

START_TEST(precision_and_null_are_understood)
{
	static const char *volatile none; /* hidden from the compiler, which would refuse a plain NULL */

	log_info("x", "a=%.*s b=%.2s c=%s d=%d", 3, "abcdef", "xyz", none, 4);
	ck_assert_str_eq(event_of(logged()), "info x a=abc b=xy c=- d=4\n");
}
END_TEST

START_TEST(only_asked_for_levels_are_written)
{
	enum log_level level;

	log_debug("x", "a=%d", 1);
	ck_assert_str_eq(logged(), "");
	ck_assert(log_level_parse("debug", &level));
	setup(level, LOG_TEXT);
	log_debug("x", "a=%d", 1);
	ck_assert_str_eq(event_of(logged()), "debug x a=1\n");
	ck_assert(log_level_parse("error", &level));
	setup(level, LOG_TEXT);
	log_warn("x", "a=%d", 1);
	ck_assert_str_eq(logged(), "");
	ck_assert(!log_level_parse("loud", &level));
}
END_TEST

START_TEST(long_lines_are_cut_and_say_so)
{
	char value[5000];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_info("x", "a=%s b=%d", value, 1);
	const char *line = logged();
	ck_assert_uint_lt(strlen(line), 1200);
	ck_assert_ptr_nonnull(strstr(line, "vvv... b=1\n"));
	log_info("x", "a=%s b=%s c=%s d=%s e=%s", value, value, value, value, value);
	line = logged();
	ck_assert_uint_le(strlen(line), 4096);
	ck_assert_ptr_nonnull(strstr(line, "... cut=true\n"));
}
END_TEST

START_TEST(errno_is_left_alone)
{
	errno = ENOSPC;
	log_info("x", "a=%d", 1);
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

static struct json_value json_logged(void)
{
	const char *line = logged();
	struct json_value root;

	ck_assert_int_eq(line[strlen(line) - 1], '\n');
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	ck_assert_int_eq(jsonscan_check(span_of(line), &root, NULL), JSONSCAN_OK);
	return root;
}

START_TEST(json_lines_hold_the_words_as_members)
{
	setup(LOG_INFO, LOG_JSON);
	log_error("x.y", "name=%s ms=%d path=%s/gate went %s wrong", "a \"b\"\n", 12, "/tmp", "very");
	struct json_value root = json_logged();

	ck_assert(json_string_is(json_get(root, "program"), "aegis-test"));
	ck_assert(json_string_is(json_get(root, "level"), "error"));
	ck_assert(json_string_is(json_get(root, "event"), "x.y"));
	ck_assert(json_string_is(json_get(root, "name"), "a \"b\"\n"));
	ck_assert(span_is(json_get(root, "ms").text, "12"));
	ck_assert(json_string_is(json_get(root, "path"), "/tmp/gate"));
	ck_assert(json_string_is(json_get(root, "text"), "went very wrong"));
	log_info("x", "n=%zu s=%d%s %s", (size_t)1, 2, "x", "");
	root = json_logged();
	ck_assert(span_is(json_get(root, "n").text, "1"));
	ck_assert(json_string_is(json_get(root, "s"), "2x"));
}
END_TEST

START_TEST(json_lines_stay_json_when_cut)
{
	char value[2000];

	setup(LOG_INFO, LOG_JSON);
	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int n = 1; n < 1999; n += 37) {
		log_info("x", "a=%.*s b=%.*s c=%s d=%d %.*s", n, value, n, value, "c", 7, n, value);
		struct json_value root = json_logged();

		ck_assert(span_is(json_get(root, "d").text, "7"));
		ck_assert_int_eq(json_get(root, "cut").kind, n > 170 ? JSON_TRUE : JSON_NONE);
	}
}
END_TEST

/* ---- a reader that does not read ------------------------------------------------------------------------------------------ */

/* Logs until nothing more goes in; the descriptors block, so a line that waited would hang the test. */
static int log_until_full(void)
{
	char value[1000];
	int n = 0;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (; n < 3000; n++)
		log_info("flood", "n=%d v=%s", n, value);
	return n;
}

static void drain_and_count(int *lines)
{
	for (const char *text = logged(); *text; text = logged())
		for (; *text; text++)
			*lines += *text == '\n';
}

static void ck_lines_lost_are_counted(void)
{
	int sent = log_until_full(), seen = 0, lost = 0;

	drain_and_count(&seen);
	log_info("after", "a=%d", 1);
	const char *after = event_of(logged());
	ck_assert_int_eq(sscanf(after, "info after a=1 lost=%d\n", &lost), 1);
	ck_assert_int_gt(lost, 0);
	ck_assert_int_eq(lost + seen, sent);
	log_info("again", "a=%d", 1);
	ck_assert_str_eq(event_of(logged()), "info again a=1\n");
}

START_TEST(lines_for_a_full_pipe_are_dropped_and_counted)
{
	ck_lines_lost_are_counted();
}
END_TEST

START_TEST(lines_for_a_full_socket_are_dropped_and_counted)
{
	close_ends();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	setup(LOG_INFO, LOG_TEXT);
	ck_lines_lost_are_counted();
}
END_TEST

START_TEST(a_file_takes_every_line)
{
	char path[] = "/tmp/aegis-log-XXXXXX";

	close_ends();
	ends[1] = mkstemp(path);
	ends[0] = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	setup(LOG_INFO, LOG_TEXT);
	int sent = log_until_full(), seen = 0;
	drain_and_count(&seen);
	ck_assert_int_eq(seen, sent);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_checked_fixture(t, make_pipe, close_ends);
	tcase_add_test(t, a_line_says_when_who_how_bad_and_what);
	tcase_add_test(t, every_kind_of_number_is_taken);
	tcase_add_test(t, a_hostile_value_stays_in_its_quotes);
	tcase_add_test(t, precision_and_null_are_understood);
	tcase_add_test(t, only_asked_for_levels_are_written);
	tcase_add_test(t, long_lines_are_cut_and_say_so);
	tcase_add_test(t, errno_is_left_alone);
	tcase_add_test(t, json_lines_hold_the_words_as_members);
	tcase_add_test(t, json_lines_stay_json_when_cut);
	tcase_add_test(t, lines_for_a_full_pipe_are_dropped_and_counted);
	tcase_add_test(t, lines_for_a_full_socket_are_dropped_and_counted);
	tcase_add_test(t, a_file_takes_every_line);
	suite_add_tcase(s, t);
	return s;
}
