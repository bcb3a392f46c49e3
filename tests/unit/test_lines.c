/* lines: however the bytes come, the same lines; whatever their length, bounded memory. */
#include <fcntl.h>
#include <unistd.h>
#include "shim/lines.h"
#include "unit/unit.h"

#define MAX 1000

static struct lines l;
static int to, from;
static char seen[4096];

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	from = fds[0];
	to = fds[1];
	(void)fcntl(from, F_SETFL, O_NONBLOCK);
	lines_init(&l, MAX);
	seen[0] = '\0';
}

static void teardown(void)
{
	lines_release(&l);
	close(from);
	if (to >= 0)
		close(to);
}

static void note(struct span s)
{
	size_t n = strlen(seen);

	(void)snprintf(seen + n, sizeof(seen) - n, "[%.*s]", SPAN_ARGS(s));
}

static void take(void)
{
	struct span line;
	enum lines_answer answer;

	while ((answer = lines_next(&l, &line)) != LINES_NONE) {
		if (answer == LINES_LINE)
			note(line);
		else
			note(span_of("too long"));
	}
}

static void feed(const char *bytes, size_t n)
{
	ck_assert_int_eq(write(to, bytes, n), (ssize_t)n);
	ck_assert_int_eq(lines_read(&l, from), LINES_MORE);
	take();
}

static void feed_text(const char *text)
{
	feed(text, strlen(text));
}

START_TEST(a_text_gives_the_same_lines_however_it_is_cut)
{
	static const char text[] = "one\n\r\n  two \t\r\n\n\xc3\xa9\nfo\0ur\n";

	for (size_t step = 1; step < sizeof(text); step++) {
		seen[0] = '\0';
		for (size_t at = 0; at < sizeof(text) - 1; at += step)
			feed(text + at, at + step < sizeof(text) - 1 ? step : sizeof(text) - 1 - at);
		ck_assert_str_eq(seen, "[one][two][\xc3\xa9][fo]");
	}
}
END_TEST

START_TEST(a_line_as_long_as_allowed_is_a_line_and_one_byte_more_is_not)
{
	char text[MAX + 2];

	memset(text, 'x', sizeof(text));
	text[MAX] = '\n';
	feed(text, MAX + 1);
	ck_assert_uint_eq(strlen(seen), MAX + 2);
	seen[0] = '\0';
	text[MAX] = 'x';
	text[MAX + 1] = '\n';
	feed(text, MAX + 2);
	ck_assert_str_eq(seen, "[too long]");
}
END_TEST

START_TEST(of_an_overlong_line_both_ends_are_kept_and_the_next_is_whole)
{
	char x[5000];

	memset(x, 'x', sizeof(x));
	feed_text("head");
	for (int i = 0; i < 100; i++)
		feed(x, sizeof(x));
	ck_assert_uint_le(l.b.len, MAX);
	ck_assert_str_eq(seen, "");
	feed_text("tail");
	feed_text("\nnext\n");
	ck_assert_str_eq(seen, "[too long][next]");
	ck_assert_uint_eq(l.head_len, LINES_END_BYTES);
	ck_assert_uint_eq(l.tail_len, LINES_END_BYTES);
	ck_assert_int_eq(memcmp(l.head, "headxxx", 7), 0);
	ck_assert_int_eq(memcmp(l.tail + LINES_END_BYTES - 7, "xxxtail", 7), 0);
}
END_TEST

START_TEST(the_ends_of_a_second_overlong_line_are_its_own)
{
	char x[MAX + 1];

	memset(x, 'x', sizeof(x));
	feed(x, sizeof(x));
	feed_text("\n");
	memset(x, 'y', sizeof(x));
	feed(x, sizeof(x));
	feed_text("\n");
	ck_assert_str_eq(seen, "[too long][too long]");
	ck_assert_ptr_null(memchr(l.head, 'x', l.head_len));
	ck_assert_ptr_null(memchr(l.tail, 'x', l.tail_len));
}
END_TEST

START_TEST(what_has_no_end_is_no_line)
{
	feed_text("one\n  rest ");
	ck_assert_str_eq(seen, "[one]");
	ck_assert(span_is(lines_rest(&l), "rest"));
	ck_assert_int_eq(lines_read(&l, from), LINES_WAIT);
	close(to);
	to = -1;
	ck_assert_int_eq(lines_read(&l, from), LINES_END);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("lines");
	TCase *t = tcase_create("lines");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_text_gives_the_same_lines_however_it_is_cut);
	tcase_add_test(t, a_line_as_long_as_allowed_is_a_line_and_one_byte_more_is_not);
	tcase_add_test(t, of_an_overlong_line_both_ends_are_kept_and_the_next_is_whole);
	tcase_add_test(t, the_ends_of_a_second_overlong_line_are_its_own);
	tcase_add_test(t, what_has_no_end_is_no_line);
	suite_add_tcase(s, t);
	return s;
}
