/* child: a command and all that it starts end with it, with us, and with our death. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/child.h"
#include "unit/scratch.h"

#define DEADLINE_US (20 * 1000 * 1000)

static char *dir;
static struct child c;
static struct problem why;
static const char *cwd;

static void setup(void)
{
	dir = scratch_new();
	cwd = "";
	child_init(&c);
}

static void teardown(void)
{
	child_release(&c);
	scratch_remove(dir);
}

static enum err start_argv(const char *const *argv, const char *path)
{
	char *path_text = xasprintf("PATH=%s", path), *mark = xasprintf("DIR=%s", dir);
	char *envp[] = { path_text, mark, NULL };
	struct child_command command = { .argv = (char *const *)(uintptr_t)argv, .envp = envp, .cwd = cwd };
	enum err e = child_start(&command, &c, &why);

	free(path_text);
	free(mark);
	return e;
}

static void start(const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	ck_assert_msg(start_argv(argv, getenv("PATH")) == OK, "%s", why.text);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 20000) == 1;
}

/* All of stdout until its end. */
static const char *output(void)
{
	static char text[4096];
	size_t len = 0;

	for (ssize_t n = 1; n != 0;) {
		ck_assert(is_readable(c.from));
		n = read(c.from, text + len, sizeof(text) - 1 - len);
		ck_assert_int_ge(n, 0);
		len += (size_t)n;
	}
	text[len] = '\0';
	return text;
}

static void await(bool (*holds)(pid_t pid), pid_t pid)
{
	int64_t end_us = clock_mono_us() + DEADLINE_US;

	while (!holds(pid)) {
		ck_assert_int_lt(clock_mono_us(), end_us);
		poll(NULL, 0, 1);
	}
}

/* Those whose parent is gone are reaped by somebody who may be slow: a zombie is gone, too. */
static bool is_gone(pid_t pid)
{
	char path[64], text[512] = "";

	if (kill(pid, 0) != 0)
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return strstr(text, ") Z") != NULL;
}

static pid_t read_pid(int fd)
{
	char text[32] = "";

	for (size_t n = 0; n + 1 < sizeof(text) && !strchr(text, '\n'); n++) {
		ck_assert(is_readable(fd));
		ck_assert_int_eq(read(fd, text + n, 1), 1);
	}
	return (pid_t)strtol(text, NULL, 10);
}

/* ---- starting ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(bytes_pass_and_the_end_is_seen)
{
	start("read x; echo got $x; echo said $x >&2; exit 3");
	ck_assert_int_eq(write(c.to, "it\n", 3), 3);
	ck_assert_str_eq(output(), "got it\n");
	ck_assert(is_readable(c.said));
	ck_assert(is_readable(c.watch));
	ck_assert(child_has_ended(&c));
	ck_assert(WIFEXITED(c.status));
	ck_assert_int_eq(WEXITSTATUS(c.status), 3);
}
END_TEST

START_TEST(the_command_has_three_descriptors_and_a_clean_start)
{
	sigset_t blocked, before;
	struct sigaction ignored = { .sa_handler = SIG_IGN }, old;
	int stray = open("/dev/null", O_RDONLY); /* NOLINT(android-cloexec-open): one that somebody forgot */

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGPIPE, &ignored, &old);
	start("ls -l /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status");
	sigaction(SIGPIPE, &old, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ck_assert_str_eq(output(), "5\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"); /* 3, that of the folder, a total */
	close(stray);
}
END_TEST

START_TEST(only_the_environment_given)
{
	start("env | grep -v -E '^(_|PWD|SHLVL|OLDPWD)=' | cut -d= -f1 | sort");
	ck_assert_str_eq(output(), "DIR\nPATH\n");
}
END_TEST

START_TEST(the_folder_is_entered)
{
	cwd = "/usr";
	start("pwd");
	ck_assert_str_eq(output(), "/usr\n");
}
END_TEST

static void put_program(const char *folder, const char *name, const char *text, mode_t mode)
{
	char *at = xasprintf("%s/%s", dir, folder), *path = xasprintf("%s/%s", at, name);

	(void)mkdir(at, 0700);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	free(at);
	free(path);
}

START_TEST(the_first_in_path_that_may_be_executed_is_taken)
{
	const char *argv[] = { "prog", NULL };
	char *path = xasprintf("%s/none::%s/a:%s/b:%s/c", dir, dir, dir, dir);

	put_program("a", "prog", "#!/bin/sh\necho a\n", 0600);
	put_program("b", "prog", "#!/bin/sh\necho b\n", 0700);
	put_program("c", "prog", "#!/bin/sh\necho c\n", 0700);
	ck_assert_int_eq(start_argv(argv, path), OK);
	ck_assert_str_eq(output(), "b\n");
	free(path);
}
END_TEST

START_TEST(what_cannot_start_is_said)
{
	const char *missing[] = { "no-such-program", NULL }, *absent[] = { "/no/such/program", NULL }, *text[] = { "text", NULL },
		*forbidden[] = { "forbidden", NULL }, *sh[] = { "sh", NULL };
	char *path = xasprintf("%s/a:%s", dir, getenv("PATH"));

	put_program("a", "text", "hello", 0700);
	put_program("a", "forbidden", "#!/bin/sh\n", 0600);
	ck_assert_int_eq(start_argv(missing, path), ERR_NOT_FOUND);
	ck_assert_str_eq(why.text, "its command no-such-program was not found in PATH");
	ck_assert_int_eq(start_argv(absent, path), ERR_NOT_FOUND);
	ck_assert_str_eq(why.text, "its command /no/such/program was not found");
	ck_assert_int_eq(start_argv(text, path), ERR_IO);
	ck_assert_ptr_nonnull(strstr(why.text, "its command text cannot be executed"));
	ck_assert_int_eq(start_argv(forbidden, path), ERR_PERMISSION);
	cwd = "/no/such/folder";
	ck_assert_int_eq(start_argv(sh, path), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(why.text, "cwd"));
	ck_assert_ptr_null(strstr(why.text, "/no/such"));
	ck_assert_int_eq(c.pid, 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	free(path);
}
END_TEST

/* ---- ending ------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_signal_reaches_the_group_and_not_the_keeper)
{
	start("trap : TERM; sh -c 'trap \"echo inner; exit\" TERM; echo ready; while :; do sleep 0.01; done' & wait; wait; echo outer");
	char ready[6];
	ck_assert(is_readable(c.from));
	ck_assert_int_eq(read(c.from, ready, sizeof(ready)), 6);
	child_signal(&c, SIGTERM);
	ck_assert_str_eq(output(), "inner\nouter\n");
	ck_assert_int_eq(kill(c.keeper, 0), 0);
	ck_assert(!is_gone(c.keeper));
}
END_TEST

START_TEST(release_leaves_nobody_of_the_group)
{
	start("trap '' TERM HUP; sh -c 'trap \"\" TERM HUP; echo $$; while :; do sleep 1; done' & sleep 1000");
	pid_t inner = read_pid(c.from), keeper = c.keeper, outer = c.pid;

	child_release(&c);
	await(is_gone, inner);
	ck_assert(is_gone(keeper) && is_gone(outer));
	ck_assert_int_eq(c.to, -1);
	child_release(&c); /* legal again */
}
END_TEST

START_TEST(who_outlives_the_command_ends_with_release)
{
	start("sleep 1000 >/dev/null 2>&1 & echo $!; exit 0");
	pid_t orphan = read_pid(c.from);

	ck_assert(is_readable(c.watch));
	ck_assert(child_has_ended(&c));
	ck_assert(!is_gone(orphan));
	child_release(&c);
	await(is_gone, orphan);
}
END_TEST

/* Another process starts the child and is killed. */
START_TEST(a_killed_parent_takes_the_group_along)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	pid_t parent = fork();
	if (parent == 0) {
		start("sh -c 'trap \"\" TERM HUP INT; echo $$; while :; do sleep 1; done' & echo $$; trap '' TERM HUP INT; while :; do sleep 1; done");
		char text[64];
		for (int lines = 0; lines < 2;) {
			ssize_t n = is_readable(c.from) ? read(c.from, text, 1) : 0;
			lines += n == 1 && text[0] == '\n';
			(void)!write(fds[1], text, n == 1);
		}
		(void)dprintf(fds[1], "%d\n", (int)c.keeper);
		(void)kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
	close(fds[1]);
	pid_t a = read_pid(fds[0]), b = read_pid(fds[0]), keeper = read_pid(fds[0]);
	ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
	await(is_gone, a);
	await(is_gone, b);
	await(is_gone, keeper);
	close(fds[0]);
}
END_TEST

START_TEST(the_keeper_holds_nothing_of_ours)
{
	int fds[2];
	char byte;

	ck_assert_int_eq(pipe(fds), 0);
	start("sleep 1000");
	close(fds[1]);
	ck_assert(is_readable(fds[0])); /* its end: neither keeper nor command have the other side */
	ck_assert_int_eq(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("child");
	TCase *t = tcase_create("child");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, bytes_pass_and_the_end_is_seen);
	tcase_add_test(t, the_command_has_three_descriptors_and_a_clean_start);
	tcase_add_test(t, only_the_environment_given);
	tcase_add_test(t, the_folder_is_entered);
	tcase_add_test(t, the_first_in_path_that_may_be_executed_is_taken);
	tcase_add_test(t, what_cannot_start_is_said);
	tcase_add_test(t, a_signal_reaches_the_group_and_not_the_keeper);
	tcase_add_test(t, release_leaves_nobody_of_the_group);
	tcase_add_test(t, who_outlives_the_command_ends_with_release);
	tcase_add_test(t, a_killed_parent_takes_the_group_along);
	tcase_add_test(t, the_keeper_holds_nothing_of_ours);
	suite_add_tcase(s, t);
	return s;
}
