/* run: programs end, in time, with all they started. */
#include "unit/unit.h"
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/run.h"

#define LONG_MS 60000

static struct buf out;
static int code;

static void set_up(void)
{
	buf_init(&out, 1000);
	ck_assert(buf_append_text(&out, ""));
}

static void tear_down(void)
{
	buf_release(&out);
}

static enum err run_script(const char *script, int64_t limit_ms)
{
	char sh[] = "sh", c[] = "-c", text[400];
	char *argv[] = { sh, c, text, NULL };

	snprintf(text, sizeof text, "%s", script);
	return run_capture(argv, limit_ms, &out, &code);
}

START_TEST(stdout_and_exit_code_are_taken)
{
	ck_assert_int_eq(run_script("echo hello; exit 7", LONG_MS), OK);
	ck_assert_str_eq(out.data, "hello\n");
	ck_assert_int_eq(code, 7);
}
END_TEST

START_TEST(a_signal_is_no_exit_code)
{
	ck_assert_int_eq(run_script("kill -TERM $$", LONG_MS), OK);
	ck_assert_int_eq(code, RUN_NO_EXIT);
}
END_TEST

START_TEST(the_program_starts_with_default_signals)
{
	sigset_t blocked, before;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGPIPE, &ignore, &old);
	ck_assert_int_eq(run_script("(kill -PIPE $(exec sh -c 'echo $PPID'); echo alive); kill -TERM $$; echo alive", LONG_MS), OK);
	sigaction(SIGPIPE, &old, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ck_assert_str_eq(out.data, "");
	ck_assert_int_eq(code, RUN_NO_EXIT);
}
END_TEST

/* All that the script starts inherit one end of a pipe: it is closed when the last of them is gone. */
static enum err run_watched(const char *script, int64_t limit_ms)
{
	int life[2];
	struct pollfd p = { .events = POLLIN };

	ck_assert_int_eq(pipe(life), 0);
	p.fd = life[0];
	enum err e = run_script(script, limit_ms);
	close(life[1]);
	ck_assert_msg(poll(&p, 1, 10000) == 1 && (p.revents & POLLHUP), "something outlived the call");
	close(life[0]);
	return e;
}

START_TEST(nothing_outlives_the_limit)
{
	static const char *const scripts[] = { "exec sleep 600", "exec >&-; exec sleep 600", "sleep 600 & wait" };
	int64_t before_us = clock_mono_us();

	ck_assert_int_eq(run_watched(scripts[_i], 300), ERR_UNSUPPORTED);
	ck_assert_int_lt(clock_mono_us() - before_us, 30000000);
}
END_TEST

START_TEST(a_background_process_ends_with_the_program)
{
	ck_assert_int_eq(run_watched("sleep 600 > /dev/null & exit 0", LONG_MS), OK);
	ck_assert_int_eq(code, 0);
}
END_TEST

START_TEST(more_than_fits_is_an_error)
{
	ck_assert_int_eq(run_script("head -c 1000 /dev/zero", LONG_MS), OK);
	ck_assert_uint_eq(out.len, 1000);
	buf_clear(&out);
	ck_assert_int_eq(run_script("head -c 1001 /dev/zero", LONG_MS), ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_not_found)
{
	char name[] = "aegis-no-such-program";
	char *argv[] = { name, NULL };

	ck_assert_int_eq(run_capture(argv, LONG_MS, &out, &code), ERR_NOT_FOUND);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("run");
	TCase *t = tcase_create("run");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, stdout_and_exit_code_are_taken);
	tcase_add_test(t, a_signal_is_no_exit_code);
	tcase_add_test(t, the_program_starts_with_default_signals);
	tcase_add_loop_test(t, nothing_outlives_the_limit, 0, 3);
	tcase_add_test(t, a_background_process_ends_with_the_program);
	tcase_add_test(t, more_than_fits_is_an_error);
	tcase_add_test(t, a_program_that_is_not_there_is_not_found);
	suite_add_tcase(s, t);
	return s;
}
