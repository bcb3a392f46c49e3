/* The approvals on a person's screen: what a key means, and what must have been seen before it counts. */
#include "broker/ctl/desk.h"
#include "base/xalloc.h"
#include "broker/ctl/screen.h"
#include "unit/unit.h"

static struct desk desk;
static char *picture;

static struct approval row(int n, const char *args)
{
	struct approval a = { .state = APPROVAL_PENDING, .quorum = 1, .waiting = 1, .expires_in_ms = 60000 };

	snprintf(a.id, sizeof(a.id), "%032d", n);
	snprintf(a.short_id, sizeof(a.short_id), "APR-AAA%d", n);
	a.tenant = xstrdup("");
	a.agent = xstrdup("one");
	a.client = xstrdup("test");
	a.backend = xstrdup("demo");
	a.tool = xstrdup("publish");
	a.args = xstrdup(args);
	a.rule = xstrdup("publish");
	a.decided_by = xstrdup("");
	a.decided_means = xstrdup("");
	a.reason = xstrdup("");
	a.consumed_by = xstrdup("");
	return a;
}

static void draw(void)
{
	struct buf frame;

	buf_init(&frame, 1024 * 1024);
	ck_assert(desk_draw(&desk, &frame));
	free(picture);
	picture = buf_take(&frame);
	buf_release(&frame);
}

static bool fill(const int *numbers, size_t n, const char *args)
{
	struct approval *rows = xcalloc(n ? n : 1, sizeof(*rows));

	for (size_t i = 0; i < n; i++)
		rows[i] = row(numbers[i], args);
	bool is_another = desk_fill(&desk, rows, n);
	draw();
	return is_another;
}
#define FILL(args, ...) fill((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int), args)

static enum desk_wish press(int key)
{
	enum desk_wish wish = desk_key(&desk, key);

	draw();
	return wish;
}

static int meant(void)
{
	const struct approval *a = desk_meant(&desk);

	return a ? (int)strtol(a->id, NULL, 10) : 0;
}

static void setup(void)
{
	desk = (struct desk){ 0 };
	desk_resize(&desk, 12, 60);
}

static void teardown(void)
{
	desk_release(&desk);
	free(picture);
	picture = NULL;
}

START_TEST(what_is_whole_in_its_line_may_be_approved_there)
{
	ck_assert(FILL("{}", 1, 2));
	ck_assert_int_eq(meant(), 1);
	ck_assert_int_eq(press('a'), DESK_APPROVE);
	ck_assert_int_eq(press('j'), DESK_STAY);
	ck_assert_int_eq(meant(), 2);
	ck_assert_int_eq(press('a'), DESK_APPROVE);
	ck_assert_int_eq(press('q'), DESK_QUIT);
}
END_TEST

START_TEST(what_is_cut_must_be_read_to_its_end)
{
	ck_assert(FILL("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15],\"long\":\"0123456789012345678901234567890123456789\"}", 1));
	ck_assert_int_eq(press('a'), DESK_STAY);
	ck_assert_ptr_nonnull(strstr(picture, "press v and read to the end first"));
	ck_assert_int_eq(press('v'), DESK_STAY);
	ck_assert_int_eq(press('a'), DESK_STAY);
	for (int n = 0; n < 50 && !strstr(picture, "0123456789"); n++)
		ck_assert_int_eq(press('j'), DESK_STAY);
	for (int n = 0; n < 5; n++)
		ck_assert_int_eq(press(' '), DESK_STAY);
	ck_assert_int_eq(press('a'), DESK_APPROVE);
}
END_TEST

START_TEST(another_width_lets_reading_begin_anew)
{
	ck_assert(FILL("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}", 1));
	(void)press('v');
	(void)press(' ');
	ck_assert_uint_gt(desk.top, 0);
	desk_resize(&desk, 12, 20);
	ck_assert_uint_eq(desk.top, 0);
}
END_TEST

START_TEST(wide_characters_count_twice)
{
	desk_resize(&desk, 12, 80);
	ck_assert(FILL("{\"k\":\"\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"
	               "\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80\"}", 1));
	ck_assert_int_eq(press('a'), DESK_STAY);
}
END_TEST

START_TEST(when_the_one_meant_goes_nothing_is_meant)
{
	ck_assert(FILL("{}", 1, 2));
	ck_assert(!FILL("{}", 1, 2, 3));
	ck_assert(FILL("{}", 2, 3));
	ck_assert_int_eq(meant(), 0);
	ck_assert_int_eq(press('a'), DESK_STAY);
	ck_assert_int_eq(press('r'), DESK_STAY);
	ck_assert_int_eq(desk.mode, DESK_LIST);
	ck_assert_int_eq(press(KEY_DOWN), DESK_STAY);
	ck_assert_int_eq(meant(), 2);
	ck_assert(fill(NULL, 0, ""));
	ck_assert(FILL("{}", 4));
	ck_assert_int_eq(meant(), 4);
}
END_TEST

START_TEST(a_refusal_takes_a_reason_and_can_be_taken_back)
{
	ck_assert(FILL("{}", 1));
	(void)press('r');
	ck_assert_int_eq(press(KEY_ESCAPE), DESK_STAY);
	ck_assert_int_eq(desk.mode, DESK_LIST);
	(void)press('r');
	for (const char *c = "naq"; *c; c++)
		ck_assert_int_eq(press(*c), DESK_STAY);
	(void)press(0x202e); /* turns lines around: not taken */
	(void)press(0xf6);
	(void)press(KEY_ERASE);
	(void)press(0xfc);
	ck_assert_int_eq(press(KEY_ENTER), DESK_REJECT);
	ck_assert_str_eq(desk.reason, "naq\xc3\xbc");
	(void)press('r');
	for (int n = 0; n < 2 * DESK_REASON_BYTES; n++)
		(void)desk_key(&desk, 'x');
	ck_assert_int_eq(press(KEY_ENTER), DESK_REJECT);
	ck_assert_uint_eq(strlen(desk.reason), DESK_REASON_BYTES);
}
END_TEST

START_TEST(what_is_approved_already_is_not_approved_again)
{
	struct approval *rows = xcalloc(1, sizeof(*rows));

	rows[0] = row(1, "{}");
	rows[0].state = APPROVAL_APPROVED;
	ck_assert(desk_fill(&desk, rows, 1));
	draw();
	ck_assert_int_eq(press('a'), DESK_STAY);
	ck_assert_ptr_nonnull(strstr(picture, "approved already"));
}
END_TEST

START_TEST(nothing_an_agent_wrote_reaches_the_terminal_as_it_is)
{
	desk_resize(&desk, 40, 200);
	ck_assert(FILL("{\"k\":\"\xe2\x80\xae\xc2\x9b\x7f\"}", 1));
	ck_assert_ptr_nonnull(strstr(picture, "\\u202e\\u009b\\u007f"));
	(void)press('v');
	ck_assert_ptr_nonnull(strstr(picture, "\\u202e\\u009b\\u007f"));
	ck_assert_ptr_null(strstr(picture, "\xe2\x80\xae"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("desk");
	TCase *t = tcase_create("desk");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_whole_in_its_line_may_be_approved_there);
	tcase_add_test(t, what_is_cut_must_be_read_to_its_end);
	tcase_add_test(t, another_width_lets_reading_begin_anew);
	tcase_add_test(t, wide_characters_count_twice);
	tcase_add_test(t, when_the_one_meant_goes_nothing_is_meant);
	tcase_add_test(t, a_refusal_takes_a_reason_and_can_be_taken_back);
	tcase_add_test(t, what_is_approved_already_is_not_approved_again);
	tcase_add_test(t, nothing_an_agent_wrote_reaches_the_terminal_as_it_is);
	suite_add_tcase(s, t);
	return s;
}
