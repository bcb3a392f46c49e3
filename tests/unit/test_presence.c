/* Who is alive, and how soon a death is seen. The peer is a second process that holds the byte given by its commands. */
#include <poll.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/path.h"
#include "store/presence.h"
#include "unit/peer.h"
#include "unit/scratch.h"

#define PATIENCE_MS 20000

static char *dir;
static struct presence *ours;
static struct peer peer;

/* ---- the other process ---- */
int peer_main(int argc, char **argv)
{
	struct presence *p;
	char command[64];

	if (argc != 1 || presence_open(argv[0], &p) != OK)
		return EXIT_FAILURE;
	while (peer_next(command, sizeof command)) {
		if (strcmp(command, "listen") == 0)
			peer_say("%d", presence_listen(p));
		else if (strcmp(command, "stop") == 0)
			(void)raise(SIGSTOP);
		else
			peer_say("%d", presence_take(p, (uint32_t)strtoul(command, NULL, 10)));
	}
	presence_forget(p);
	return EXIT_SUCCESS;
}

/* ---- helpers ---- */
static void setup(void)
{
	dir = scratch_new();
	ck_assert_int_eq(presence_open(dir, &ours), OK);
	ck_assert_int_eq(presence_take(ours, 1), OK);
	peer_start(&peer, dir);
	ck_assert_str_eq(peer_ask(&peer, "7"), "0");
}

static void teardown(void)
{
	presence_forget(ours);
	peer_end(&peer, SIGKILL);
	scratch_remove(dir);
}

static bool is_readable(int fd, int wait_ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, wait_ms) == 1;
}

static bool exists(const char *folder, const char *name)
{
	CLEANUP(free_charp) char *path = path_join(folder, name);

	return access(path, F_OK) == 0;
}

static void touch(const char *folder, const char *name)
{
	CLEANUP(free_charp) char *path = path_join(folder, name);

	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* ---- the byte ---- */
START_TEST(who_holds_its_byte_is_alive_and_its_process_known)
{
	pid_t pid = 0;

	ck_assert(presence_is_alive(ours, 7, &pid));
	ck_assert_int_eq(pid, peer.pid);
	ck_assert(presence_is_alive(ours, 1, &pid));
	ck_assert_int_eq(pid, getpid());
	ck_assert(!presence_is_alive(ours, 0, NULL));
	ck_assert(!presence_is_alive(ours, 6, NULL));
	ck_assert(!presence_is_alive(ours, UINT32_MAX, NULL));
}
END_TEST

START_TEST(a_byte_is_free_when_its_process_is_dead)
{
	peer_end(&peer, SIGKILL);
	ck_assert(!presence_is_alive(ours, 7, NULL));
	peer_start(&peer, dir);
	ck_assert_str_eq(peer_ask(&peer, "9"), "0");
	ck_assert(presence_is_alive(ours, 9, NULL));
}
END_TEST

START_TEST(a_byte_that_is_taken_is_refused)
{
	ck_assert_int_eq(presence_take(ours, 7), ERR_STORE_BUSY);
	ck_assert(presence_is_alive(ours, 1, NULL));
}
END_TEST

START_TEST(the_highest_number_ever_taken_is_remembered)
{
	ck_assert_uint_eq(presence_highest(ours), 7);
	peer_end(&peer, SIGKILL);
	ck_assert_uint_eq(presence_highest(ours), 7);
	peer_start(&peer, dir);
	ck_assert_str_eq(peer_ask(&peer, "3"), "0");
	ck_assert_uint_eq(presence_highest(ours), 7);
}
END_TEST

START_TEST(a_stopped_process_is_told_from_a_running_one)
{
	int64_t end = clock_mono_us() + PATIENCE_MS * INT64_C(1000);

	ck_assert(!presence_is_stopped(peer.pid));
	peer_tell(&peer, "stop");
	while (!presence_is_stopped(peer.pid))
		ck_assert_int_lt(clock_mono_us(), end);
	ck_assert_int_eq(kill(peer.pid, SIGCONT), 0);
	while (presence_is_stopped(peer.pid))
		ck_assert_int_lt(clock_mono_us(), end);
	ck_assert(!presence_is_stopped(0));
}
END_TEST

/* ---- watching ---- */
START_TEST(a_killed_process_hangs_up_on_all_who_watch_it)
{
	int first, second;

	ck_assert_str_eq(peer_ask(&peer, "listen"), "0");
	first = presence_watch(ours, 7);
	second = presence_watch(ours, 7);
	ck_assert_int_ge(first, 0);
	ck_assert_int_ge(second, 0);
	ck_assert(!is_readable(first, 20));
	ck_assert_int_eq(kill(peer.pid, SIGKILL), 0);
	int64_t start = clock_mono_us();
	ck_assert(is_readable(first, PATIENCE_MS));
	int64_t passed_us = clock_mono_us() - start;
	ck_assert(is_readable(second, PATIENCE_MS));
	ck_assert(!presence_is_alive(ours, 7, NULL));
	ck_assert_int_lt(passed_us, 950000); /* a hang-up, not the look once a second */
	close(first);
	close(second);
}
END_TEST

START_TEST(a_process_that_ends_hangs_up_too)
{
	ck_assert_str_eq(peer_ask(&peer, "listen"), "0");
	CLEANUP(close_fdp) int fd = presence_watch(ours, 7);
	peer_end(&peer, 0);
	ck_assert(is_readable(fd, 950));
	peer_start(&peer, dir);
}
END_TEST

START_TEST(the_dead_cannot_be_watched)
{
	ck_assert_str_eq(peer_ask(&peer, "listen"), "0");
	peer_end(&peer, SIGKILL);
	ck_assert_int_eq(presence_watch(ours, 7), -1);
	ck_assert_int_eq(presence_watch(ours, 0), -1);
	peer_start(&peer, dir);
}
END_TEST

START_TEST(one_without_a_fifo_is_looked_at_after_a_second)
{
	CLEANUP(close_fdp) int fd = presence_watch(ours, 7);

	ck_assert_int_ge(fd, 0);
	ck_assert(!is_readable(fd, 100));
	ck_assert(is_readable(fd, PATIENCE_MS));
	ck_assert(presence_is_alive(ours, 7, NULL));
}
END_TEST

START_TEST(a_fifo_somebody_wrote_to_does_not_make_watchers_spin)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/run/7.life", dir);

	ck_assert_str_eq(peer_ask(&peer, "listen"), "0");
	CLEANUP(close_fdp) int writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	CLEANUP(close_fdp) int fd = presence_watch(ours, 7);
	ck_assert_int_ge(fd, 0);
	ck_assert(!is_readable(fd, 100));
}
END_TEST

START_TEST(listening_again_makes_a_new_fifo)
{
	ck_assert_str_eq(peer_ask(&peer, "listen"), "0");
	CLEANUP(close_fdp) int before = presence_watch(ours, 7);
	ck_assert_str_eq(peer_ask(&peer, "listen"), "0");
	ck_assert(is_readable(before, PATIENCE_MS)); /* look: alive; watch again */
	CLEANUP(close_fdp) int fd = presence_watch(ours, 7);
	ck_assert(!is_readable(fd, 20));
	peer_end(&peer, SIGKILL);
	ck_assert(is_readable(fd, 950));
	peer_start(&peer, dir);
}
END_TEST

/* ---- folders ---- */
START_TEST(the_sweep_removes_what_the_dead_left_and_nothing_else)
{
	static const char *const kept[] = { "7.life", "7.wake", "1.wake", "alive", "admin.sock", "x.wake", ".wake", "8.txt", "5000000000.wake" };
	static const char *const swept[] = { "6.life", "6.wake", "0.wake", "4294967295.wake" };
	CLEANUP(free_charp) char *run = path_join(dir, "run");

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		touch(run, kept[i]);
	for (size_t i = 0; i < ARRAY_LEN(swept); i++)
		touch(run, swept[i]);
	presence_sweep(ours);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		ck_assert_msg(exists(run, kept[i]), "%s", kept[i]);
	for (size_t i = 0; i < ARRAY_LEN(swept); i++)
		ck_assert_msg(!exists(run, swept[i]), "%s", swept[i]);
}
END_TEST

START_TEST(nothing_is_swept_by_who_holds_another_file_of_the_living)
{
	CLEANUP(free_charp) char *run = path_join(dir, "run"), *alive = path_join(run, "alive");

	touch(run, "6.wake");
	ck_assert(presence_is_current(ours));
	ck_assert_int_eq(unlink(alive), 0);
	ck_assert(!presence_is_current(ours));
	presence_sweep(ours);
	ck_assert(exists(run, "6.wake"));
}
END_TEST

START_TEST(sockets_lie_in_run_where_the_path_is_short)
{
	CLEANUP(free_charp) char *folder = NULL, *real = path_real(dir);

	ck_assert_int_eq(presence_socket_folder(dir, &folder), OK);
	ck_assert_int_eq(strncmp(folder, real, strlen(real)), 0);
	ck_assert_str_eq(folder + strlen(real), "/run");
}
END_TEST

START_TEST(a_long_path_takes_them_to_the_runtime_folder_or_is_refused)
{
	CLEANUP(free_charp) char *runtime = path_join(dir, "rt"), *before = xstrdup(getenv("XDG_RUNTIME_DIR"));
	CLEANUP(free_charp) char *deep = xasprintf("%s/%0*d", dir, 100, 0), *alias = path_join(dir, "alias");
	CLEANUP(free_charp) char *folder = NULL, *by_alias = NULL;
	struct stat st;

	ck_assert_int_eq(mkdir(runtime, 0700), 0);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	ck_assert_int_eq(symlink(deep, alias), 0);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	ck_assert_int_eq(presence_socket_folder(deep, &folder), OK);
	ck_assert_int_eq(strncmp(folder, runtime, strlen(runtime)), 0);
	ck_assert_int_eq(strncmp(folder + strlen(runtime), "/aegis-", 7), 0);
	ck_assert_uint_eq(strlen(folder + strlen(runtime)), 7 + 16);
	ck_assert_int_eq(stat(folder, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(presence_socket_folder(alias, &by_alias), OK);
	ck_assert_str_eq(by_alias, folder);
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(presence_socket_folder(deep, &by_alias), ERR_TOO_LARGE);
	if (before)
		setenv("XDG_RUNTIME_DIR", before, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("presence");
	TCase *t = tcase_create("presence");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, who_holds_its_byte_is_alive_and_its_process_known);
	tcase_add_test(t, a_byte_is_free_when_its_process_is_dead);
	tcase_add_test(t, a_byte_that_is_taken_is_refused);
	tcase_add_test(t, the_highest_number_ever_taken_is_remembered);
	tcase_add_test(t, a_stopped_process_is_told_from_a_running_one);
	tcase_add_test(t, a_killed_process_hangs_up_on_all_who_watch_it);
	tcase_add_test(t, a_process_that_ends_hangs_up_too);
	tcase_add_test(t, the_dead_cannot_be_watched);
	tcase_add_test(t, one_without_a_fifo_is_looked_at_after_a_second);
	tcase_add_test(t, a_fifo_somebody_wrote_to_does_not_make_watchers_spin);
	tcase_add_test(t, listening_again_makes_a_new_fifo);
	tcase_add_test(t, the_sweep_removes_what_the_dead_left_and_nothing_else);
	tcase_add_test(t, nothing_is_swept_by_who_holds_another_file_of_the_living);
	tcase_add_test(t, sockets_lie_in_run_where_the_path_is_short);
	tcase_add_test(t, a_long_path_takes_them_to_the_runtime_folder_or_is_refused);
	suite_add_tcase(s, t);
	return s;
}
