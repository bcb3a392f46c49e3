/* The write gate, with real processes on either side of it. */
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/path.h"
#include "store/gate.h"
#include "store/line.h"
#include "store/presence.h"
#include "unit/peer.h"
#include "unit/scratch.h"

#define PATIENCE_MS 20000

static char *dir;
static struct gate *ours;
static struct peer a, b;
static uint32_t number_a, number_b;

/* ---- the other process ---- */
static void enter_and_say(struct gate *g)
{
	peer_say("%s", gate_enter(g, PATIENCE_MS) == OK ? "inside" : "late");
}

/* Wakes up only to stop again. */
static void stop_for_good(void)
{
	for (;;)
		(void)raise(SIGSTOP);
}

static void add_ones(struct gate *g, const char *path, int n)
{
	CLEANUP(close_fdp) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	for (int i = 0, sum = 0; i < n; i++, sum = 0) {
		while (gate_try(g) != GATE_WON)
			(void)poll(&(struct pollfd){ .fd = gate_fd(g), .events = POLLIN }, 1, -1);
		(void)!pread(fd, &sum, sizeof sum, 0);
		sum++;
		(void)!pwrite(fd, &sum, sizeof sum, 0);
		gate_leave(g);
	}
	peer_say("added");
}

static void obey(struct gate *g, const char *command)
{
	if (strcmp(command, "number") == 0)
		peer_say("%u", gate_number(g));
	else if (strcmp(command, "enter") == 0)
		enter_and_say(g);
	else if (strcmp(command, "is 1 alive") == 0)
		peer_say("%s", presence_is_alive(gate_presence(g), 1, NULL) ? "yes" : "no");
	else if (strcmp(command, "leave") == 0)
		gate_leave(g), peer_say("outside");
	else if (strcmp(command, "stop") == 0)
		(void)raise(SIGSTOP), gate_leave(g), peer_say("outside");
	else if (strcmp(command, "stop for good") == 0)
		stop_for_good();
	else
		add_ones(g, command, 300);
}

int peer_main(int argc, char **argv)
{
	struct gate *g = NULL;
	char command[256];

	if (argc != 1 || gate_open(argv[0], &g) != OK)
		return EXIT_FAILURE;
	while (peer_next(command, sizeof command))
		obey(g, command);
	gate_close(g);
	return EXIT_SUCCESS;
}

/* ---- helpers ---- */
static void setup(void)
{
	dir = scratch_new();
	ck_assert_int_eq(gate_open(dir, &ours), OK);
	peer_start(&a, dir);
	peer_start(&b, dir);
	number_a = (uint32_t)strtoul(peer_ask(&a, "number"), NULL, 10);
	number_b = (uint32_t)strtoul(peer_ask(&b, "number"), NULL, 10);
}

static void teardown(void)
{
	gate_close(ours);
	peer_end(&a, SIGKILL);
	peer_end(&b, SIGKILL);
	scratch_remove(dir);
}

static bool is_readable(int fd, int wait_ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, wait_ms) == 1;
}

/* Tries until it is answered like that; returns after how many ms. */
static int64_t try_until(enum gate_answer wanted)
{
	int64_t start = clock_mono_us() / 1000, passed = 0;

	while (gate_try(ours) != wanted) {
		ck_assert(is_readable(gate_fd(ours), PATIENCE_MS));
		passed = clock_mono_us() / 1000 - start;
		ck_assert_int_lt(passed, PATIENCE_MS);
	}
	return passed;
}

static void until_stopped(const struct peer *p)
{
	int64_t end = clock_mono_us() + PATIENCE_MS * INT64_C(1000);

	while (!presence_is_stopped(p->pid))
		ck_assert_int_lt(clock_mono_us(), end);
}

static void until_somebody_waits(void)
{
	int64_t end = clock_mono_us() + PATIENCE_MS * INT64_C(1000);

	while (line_is_empty(presence_fd(gate_presence(ours))))
		ck_assert_int_lt(clock_mono_us(), end);
}

static char *file(const char *name)
{
	return path_join(dir, name);
}

static void overwrite(const char *name, const char *text)
{
	CLEANUP(free_charp) char *path = file(name);

	ck_assert_int_eq(truncate(path, 0), 0);
	CLEANUP(close_fdp) int fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static uint32_t number_of_a_new_process(void)
{
	struct peer p;

	peer_start(&p, dir);
	uint32_t number = (uint32_t)strtoul(peer_ask(&p, "number"), NULL, 10);
	peer_end(&p, 0);
	return number;
}

/* ---- one at a time ---- */
START_TEST(who_comes_second_waits_until_the_first_has_left)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_try(ours), GATE_WAITING);
	ck_assert(!gate_is_inside(ours));
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
	try_until(GATE_WON);
	ck_assert(gate_is_inside(ours));
	ck_assert(!is_readable(gate_fd(ours), 0));
	peer_tell(&a, "enter");
	until_somebody_waits();
	ck_assert(!is_readable(a.from, 50));
	gate_leave(ours);
	ck_assert_str_eq(peer_hear(&a), "inside");
}
END_TEST

START_TEST(nothing_is_lost_between_many_that_hurry)
{
	CLEANUP(free_charp) char *sum_path = file("sum");
	int sum = 0;

	peer_tell(&a, sum_path);
	peer_tell(&b, sum_path);
	peer_hear(&a);
	peer_hear(&b);
	CLEANUP(close_fdp) int fd = open(sum_path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, &sum, sizeof sum), (ssize_t)sizeof sum);
	ck_assert_int_eq(sum, 600);
}
END_TEST

START_TEST(a_newcomer_does_not_push_in_and_one_stopped_in_line_holds_up_nobody)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	peer_tell(&b, "enter");
	until_somebody_waits();
	ck_assert_int_eq(kill(b.pid, SIGSTOP), 0); /* so that it cannot take what is free */
	until_stopped(&b);
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
	ck_assert_int_eq(gate_try(ours), GATE_WAITING); /* though it is free: to the end of the line */
	int64_t passed = try_until(GATE_WON);
	ck_assert_int_ge(passed, 90); /* behind who came first, until he was seen stopped */
	ck_assert_int_lt(passed, GATE_DEADLINE_MS);
	gate_leave(ours);
	ck_assert_int_eq(kill(b.pid, SIGCONT), 0);
	ck_assert_str_eq(peer_hear(&b), "inside");
}
END_TEST

START_TEST(a_dead_holder_is_followed_at_once_and_seen_dead)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_try(ours), GATE_WAITING);
	ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
	ck_assert_int_lt(try_until(GATE_WON), PATIENCE_MS);
	ck_assert(!presence_is_alive(gate_presence(ours), number_a, NULL));
	ck_assert(presence_is_alive(gate_presence(ours), number_b, NULL));
}
END_TEST

/* ---- deadlines ---- */
START_TEST(who_waits_too_long_is_told_and_may_win_after_all)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_try(ours), GATE_WAITING);
	ck_assert(!gate_is_late(ours));
	ck_assert_int_ge(try_until(GATE_LATE), GATE_DEADLINE_MS - 1);
	ck_assert(gate_is_late(ours));
	ck_assert_int_eq(gate_try(ours), GATE_LATE);
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
	try_until(GATE_WON);
	ck_assert(!gate_is_late(ours));
}
END_TEST

START_TEST(who_gave_up_keeps_nobody_out)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_enter(ours, 50), ERR_STORE_BUSY);
	ck_assert(!gate_is_late(ours));
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
	ck_assert_str_eq(peer_ask(&b, "enter"), "inside");
	ck_assert_str_eq(peer_ask(&b, "leave"), "outside");
	ck_assert_int_eq(gate_enter(ours, PATIENCE_MS), OK); /* and may come again */
}
END_TEST

START_TEST(closing_while_waiting_neither_hangs_nor_keeps_the_gate)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_try(ours), GATE_WAITING);
	gate_close(ours);
	ours = NULL;
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
	ck_assert_str_eq(peer_ask(&b, "enter"), "inside");
}
END_TEST

START_TEST(closing_inside_lets_the_next_in)
{
	ck_assert_int_eq(gate_try(ours), GATE_WON);
	gate_close(ours);
	ours = NULL;
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
}
END_TEST

/* ---- stopped holders ---- */
START_TEST(a_stopped_holder_is_woken)
{
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	peer_tell(&a, "stop");
	until_stopped(&a);
	ck_assert_int_eq(gate_enter(ours, GATE_DEADLINE_MS), OK);
	ck_assert_str_eq(peer_hear(&a), "outside");
	ck_assert(presence_is_alive(gate_presence(ours), number_a, NULL));
}
END_TEST

START_TEST(a_holder_that_stays_stopped_delays_others_by_a_second)
{
	int64_t start = clock_mono_us();

	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	peer_tell(&a, "stop for good");
	until_stopped(&a);
	ck_assert_int_eq(gate_enter(ours, GATE_DEADLINE_MS), OK);
	ck_assert_int_ge(clock_mono_us() - start, 800000);
	ck_assert(!presence_is_alive(gate_presence(ours), number_a, NULL));
	int status = peer_end(&a, 0);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	peer_start(&a, dir);
}
END_TEST

START_TEST(only_the_holder_is_ever_woken)
{
	ck_assert_str_eq(peer_ask(&b, "enter"), "inside");
	ck_assert_str_eq(peer_ask(&b, "leave"), "outside");
	ck_assert_int_eq(kill(b.pid, SIGSTOP), 0);
	until_stopped(&b);
	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_enter(ours, 1300), ERR_STORE_BUSY);
	ck_assert(presence_is_stopped(b.pid));
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
}
END_TEST

/* ---- signals ---- */
static volatile sig_atomic_t terms;

static void count_term(int signal)
{
	(void)signal;
	terms = terms + 1;
}

static bool is_blocked(int signal)
{
	sigset_t now;

	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	return sigismember(&now, signal);
}

START_TEST(signals_that_stop_or_end_us_wait_outside)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGUSR1, SIGPIPE };
	struct sigaction before, count = { .sa_handler = count_term };

	ck_assert_int_eq(sigaction(SIGTERM, &count, &before), 0);
	ck_assert_int_eq(gate_try(ours), GATE_WON);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		ck_assert(is_blocked(signals[i]));
	ck_assert(!is_blocked(SIGSEGV));
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_eq(terms, 0);
	gate_leave(ours);
	ck_assert_int_eq(terms, 1);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		ck_assert(!is_blocked(signals[i]));
	ck_assert_int_eq(sigaction(SIGTERM, &before, NULL), 0);
}
END_TEST

/* ---- numbers ---- */
START_TEST(numbers_go_up_from_one)
{
	ck_assert_uint_eq(gate_number(ours), 1);
	ck_assert_uint_ge(number_a, 2);
	ck_assert_uint_ge(number_b, 2);
	ck_assert_uint_ne(number_a, number_b);
	ck_assert_uint_eq(number_of_a_new_process(), 4);
	ck_assert_uint_eq(number_of_a_new_process(), 5);
}
END_TEST

START_TEST(a_removed_or_garbled_counter_does_not_bring_numbers_back)
{
	CLEANUP(free_charp) char *gate = file("gate");

	ck_assert_uint_eq(number_of_a_new_process(), 4);
	overwrite("gate", "");
	ck_assert_uint_eq(number_of_a_new_process(), 5);
	overwrite("gate", "aegis gate 1 99999999999999999999999");
	ck_assert_uint_eq(number_of_a_new_process(), 6);
	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_uint_eq(number_of_a_new_process(), 7);
}
END_TEST

START_TEST(a_counter_put_back_does_not_bring_numbers_back)
{
	ck_assert_uint_eq(number_of_a_new_process(), 4);
	overwrite("gate", "aegis gate 1 0000000002\n");
	ck_assert_uint_eq(number_of_a_new_process(), 5);
}
END_TEST

START_TEST(the_counter_counts_where_the_file_of_the_living_was_removed)
{
	CLEANUP(free_charp) char *alive = file("run/alive");

	ck_assert_int_eq(unlink(alive), 0);
	ck_assert_uint_eq(number_of_a_new_process(), 4);
}
END_TEST

START_TEST(numbers_of_the_living_are_passed_over_when_both_files_were_cut)
{
	CLEANUP(free_charp) char *alive = file("run/alive");

	overwrite("gate", "");
	ck_assert_int_eq(truncate(alive, 0), 0); /* not by open and close: that would drop our own lock */
	ck_assert_uint_eq(number_of_a_new_process(), 4);
}
END_TEST

START_TEST(a_counter_at_its_end_refuses)
{
	struct gate *late;

	overwrite("gate", "aegis gate 1 4294967295\n");
	ck_assert_int_eq(gate_open(dir, &late), ERR_STORE_CORRUPT);
}
END_TEST

/* ---- replaced files ---- */
static enum err check_inside(void)
{
	ck_assert_int_eq(gate_enter(ours, PATIENCE_MS), OK);
	enum err e = gate_check(ours);
	gate_leave(ours);
	return e;
}

START_TEST(a_gate_that_was_removed_or_replaced_is_noticed_and_opened_anew)
{
	CLEANUP(free_charp) char *gate = file("gate");

	ck_assert_int_eq(check_inside(), OK);
	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(check_inside(), ERR_STORE_MOVED);
	number_of_a_new_process();
	ck_assert_int_eq(check_inside(), ERR_STORE_MOVED);
	ck_assert_int_eq(gate_reopen(ours), OK);
	ck_assert_int_eq(check_inside(), OK);
	ck_assert_uint_eq(gate_number(ours), 1);
	ck_assert_uint_eq(number_of_a_new_process(), 5);
}
END_TEST

START_TEST(it_is_reopened_while_the_old_one_is_held_by_another)
{
	CLEANUP(free_charp) char *gate = file("gate");

	ck_assert_str_eq(peer_ask(&a, "enter"), "inside");
	ck_assert_int_eq(gate_try(ours), GATE_WAITING);
	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(gate_reopen(ours), OK);
	ck_assert_int_eq(check_inside(), OK);
	ck_assert_str_eq(peer_ask(&a, "leave"), "outside");
	ck_assert_int_eq(check_inside(), OK);
}
END_TEST

START_TEST(a_replaced_file_of_the_living_is_noticed_and_our_byte_taken_there)
{
	CLEANUP(free_charp) char *alive = file("run/alive");
	struct peer c;

	ck_assert_int_eq(unlink(alive), 0);
	ck_assert_int_eq(check_inside(), ERR_STORE_MOVED);
	ck_assert_int_eq(gate_reopen(ours), OK);
	ck_assert_uint_eq(gate_number(ours), 1);
	ck_assert_int_eq(check_inside(), OK);
	peer_start(&c, dir);
	ck_assert_str_eq(peer_ask(&c, "number"), "4");
	ck_assert(presence_is_alive(gate_presence(ours), 4, NULL));
	ck_assert_str_eq(peer_ask(&c, "is 1 alive"), "yes");
	peer_end(&c, 0);
}
END_TEST

START_TEST(another_number_is_taken_where_ours_is_no_longer_free)
{
	CLEANUP(free_charp) char *alive = file("run/alive"), *gate = file("gate");
	struct peer c;

	ck_assert_int_eq(unlink(alive), 0);
	ck_assert_int_eq(unlink(gate), 0);
	peer_start(&c, dir);
	ck_assert_str_eq(peer_ask(&c, "number"), "1");
	ck_assert_int_eq(gate_reopen(ours), OK);
	ck_assert_uint_eq(gate_number(ours), 2);
	ck_assert(presence_is_alive(gate_presence(ours), 1, NULL));
	peer_end(&c, 0);
}
END_TEST

START_TEST(a_failed_reopen_can_be_repeated)
{
	CLEANUP(free_charp) char *gate = file("gate");

	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(symlink("/dev/null", gate), 0);
	ck_assert_int_eq(gate_reopen(ours), ERR_PERMISSION);
	ck_assert_int_eq(check_inside(), ERR_STORE_MOVED);
	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(gate_reopen(ours), OK);
	ck_assert_int_eq(check_inside(), OK);
}
END_TEST

START_TEST(a_reopen_that_came_too_late_is_not_taken_for_done)
{
	CLEANUP(free_charp) char *gate = file("gate");

	ck_assert_int_eq(unlink(gate), 0);
	CLEANUP(close_fdp) int foreign = open(gate, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(foreign, LOCK_EX), 0);
	ck_assert_int_eq(gate_reopen(ours), ERR_STORE_BUSY);
	ck_assert_int_eq(flock(foreign, LOCK_UN), 0);
	ck_assert_int_eq(check_inside(), ERR_STORE_MOVED); /* no number was taken there */
	ck_assert_int_eq(gate_reopen(ours), OK);
	ck_assert_int_eq(check_inside(), OK);
}
END_TEST

/* ---- opening ---- */
START_TEST(its_files_are_private_and_not_inherited)
{
	static const char *const names[] = { "gate", "run/alive" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(free_charp) char *path = file(names[i]);

		ck_assert_int_eq(lstat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 0777, 0600);
	}
	ck_assert_int_eq(fcntl(presence_fd(gate_presence(ours)), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(gate_fd(ours), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(a_link_or_a_device_in_its_place_is_refused)
{
	CLEANUP(free_charp) char *gate = file("gate");
	struct gate *other;

	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(symlink("elsewhere", gate), 0);
	ck_assert_int_eq(gate_open(dir, &other), ERR_PERMISSION);
	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(mkfifo(gate, 0600), 0);
	ck_assert_int_eq(gate_open(dir, &other), ERR_PERMISSION);
}
END_TEST

START_TEST(opening_gives_up_at_the_deadline)
{
	CLEANUP(free_charp) char *gate = file("gate");
	CLEANUP(close_fdp) int foreign = open(gate, O_RDWR | O_CLOEXEC);
	struct gate *other;

	ck_assert_int_eq(flock(foreign, LOCK_EX), 0);
	ck_assert_int_eq(gate_open(dir, &other), ERR_STORE_BUSY);
}
END_TEST

static void add_all(TCase *t, const TTest *const *tests, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, tests[i]);
}

#define ADD(t, ...) add_all(t, (const TTest *const[]){ __VA_ARGS__ }, ARRAY_LEN(((const TTest *const[]){ __VA_ARGS__ })))

Suite *suite(void)
{
	Suite *s = suite_create("gate");
	TCase *t = tcase_create("gate");

	tcase_add_checked_fixture(t, setup, teardown);
	ADD(t, who_comes_second_waits_until_the_first_has_left, nothing_is_lost_between_many_that_hurry,
		a_newcomer_does_not_push_in_and_one_stopped_in_line_holds_up_nobody, a_dead_holder_is_followed_at_once_and_seen_dead);
	ADD(t, who_waits_too_long_is_told_and_may_win_after_all, who_gave_up_keeps_nobody_out,
		closing_while_waiting_neither_hangs_nor_keeps_the_gate, closing_inside_lets_the_next_in);
	ADD(t, a_stopped_holder_is_woken, a_holder_that_stays_stopped_delays_others_by_a_second, only_the_holder_is_ever_woken,
		signals_that_stop_or_end_us_wait_outside);
	ADD(t, numbers_go_up_from_one, a_removed_or_garbled_counter_does_not_bring_numbers_back,
		a_counter_put_back_does_not_bring_numbers_back, the_counter_counts_where_the_file_of_the_living_was_removed,
		numbers_of_the_living_are_passed_over_when_both_files_were_cut, a_counter_at_its_end_refuses);
	ADD(t, a_gate_that_was_removed_or_replaced_is_noticed_and_opened_anew, it_is_reopened_while_the_old_one_is_held_by_another,
		a_replaced_file_of_the_living_is_noticed_and_our_byte_taken_there,
		another_number_is_taken_where_ours_is_no_longer_free, a_failed_reopen_can_be_repeated,
		a_reopen_that_came_too_late_is_not_taken_for_done);
	ADD(t, its_files_are_private_and_not_inherited, a_link_or_a_device_in_its_place_is_refused, opening_gives_up_at_the_deadline);
	suite_add_tcase(s, t);
	return s;
}
