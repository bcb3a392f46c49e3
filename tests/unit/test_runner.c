#include "broker/runner.h"
#include "unit/http_peer.h"
#include "unit/scratch.h"

static struct broker b;
static struct runner r;
static int dones;

static void is_done(struct runner *x)
{
	ck_assert_ptr_eq(x, &r);
	dones++;
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(loop_new(&l), OK);
	b = (struct broker){ .loop = l };
	r = (struct runner){ .broker = &b, .done = is_done };
	dones = 0;
	p = NULL;
}

static void teardown(void)
{
	runner_cancel(&r);
	loop_free(l);
}

static void start(const char *script)
{
	static const char *argv[4] = { "sh", "-c" };

	argv[2] = script;
	r.argv = (char *const *)argv;
	runner_start(&r);
	ck_assert_int_eq(dones, 0);
}

static void run_with(const char *script, const char *input, size_t times)
{
	buf_init(&r.input, 10 << 20);
	for (size_t i = 0; i < times; i++)
		ck_assert(buf_append_text(&r.input, input));
	start(script);
	TURN_UNTIL(dones == 1);
}

START_TEST(the_program_reads_its_input_to_the_end)
{
	run_with("test \"$(wc -c)\" -eq 300000 && echo yes >&2", "abc", 100000);
	ck_assert(r.has_started);
	ck_assert_int_eq(r.exit_code, 0);
	ck_assert_str_eq(r.said, "yes");
}
END_TEST

START_TEST(the_first_line_of_its_stderr_is_kept_and_made_plain)
{
	run_with("printf 'a\\033[31mb\\342\\200\\256c\\377\\nsecond' >&2; echo out; exit 75", "", 0);
	ck_assert_int_eq(r.exit_code, 75);
	ck_assert_str_eq(r.said, "a?[31mb?c?");
}
END_TEST

START_TEST(who_does_not_read_and_says_much_ends_all_the_same)
{
	run_with("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 3", "abc", 100000);
	ck_assert_int_eq(r.exit_code, 3);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_told_later)
{
	static const char *argv[] = { "/nonexistent/program", NULL };

	r.argv = (char *const *)argv;
	runner_start(&r);
	ck_assert_int_eq(dones, 0);
	TURN_UNTIL(dones == 1);
	ck_assert(!r.has_started);
	ck_assert_str_ne(r.said, "");
}
END_TEST

START_TEST(its_environment_has_no_name_that_was_not_chosen)
{
	ck_assert_int_eq(setenv("AEGIS_SOMETHING_SECRET", "x", 1), 0);
	run_with("env | grep -c SECRET >&2; test -n \"$PATH\"", "", 0);
	ck_assert_int_eq(r.exit_code, 0);
	ck_assert_str_eq(r.said, "0");
}
END_TEST

START_TEST(cancelled_it_is_gone_and_tells_nothing)
{
	CLEANUP(free_charp) char *folder = scratch_new();
	CLEANUP(free_charp) char *script = xasprintf("echo $$ > %s/pid; exec sleep 100", folder);
	CLEANUP(free_charp) char *file = xasprintf("%s/pid", folder);

	start(script);
	TURN_UNTIL(access(file, F_OK) == 0);
	pid_t pid = r.child.pid;
	runner_cancel(&r);
	ck_assert_int_ne(kill(pid, 0), 0);
	ck_assert_int_eq(dones, 0);
	runner_cancel(&r);
	scratch_remove(xstrdup(folder));
}
END_TEST

/* As after its 30 seconds. */
START_TEST(one_that_does_not_end_is_asked_then_ended)
{
	start("trap '' TERM; echo here >&2; while :; do sleep 1; done");
	TURN_UNTIL(r.line.len > 0);
	loop_timer_set(l, &r.timer, 0);
	TURN_UNTIL(dones == 1);
	ck_assert(r.has_timed_out);
	ck_assert_int_eq(r.exit_code, -1);
	ck_assert_str_eq(r.said, "here");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("runner");
	TCase *t = tcase_create("runner");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_program_reads_its_input_to_the_end);
	tcase_add_test(t, the_first_line_of_its_stderr_is_kept_and_made_plain);
	tcase_add_test(t, who_does_not_read_and_says_much_ends_all_the_same);
	tcase_add_test(t, a_program_that_is_not_there_is_told_later);
	tcase_add_test(t, its_environment_has_no_name_that_was_not_chosen);
	tcase_add_test(t, cancelled_it_is_gone_and_tells_nothing);
	tcase_add_test(t, one_that_does_not_end_is_asked_then_ended);
	suite_add_tcase(s, t);
	return s;
}
