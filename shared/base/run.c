#include "base/run.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/readfd.h"
#include "base/xalloc.h"

extern char **environ;

static enum err failed(const char *what, int number)
{
	if (number == ENOENT || number == EACCES || number == ENOTDIR)
		return ERR_NOT_FOUND;
	log_error("run", "step=%s error=%s", what, strerror(number));
	return ERR_IO;
}

static void set_attributes(posix_spawnattr_t *a)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(a, &all);
	posix_spawnattr_setsigmask(a, &none);
	posix_spawnattr_setpgroup(a, 0);
	posix_spawnattr_setflags(
		a, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

static int spawn(char *const *argv, int to, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	set_attributes(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	int number = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return number;
}

static enum err wait_readable(int fd, int64_t deadline_us)
{
	for (;;) {
		int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;

		if (n > 0)
			return OK;
		if (n == 0)
			return ERR_UNSUPPORTED;
		if (errno != EINTR)
			return failed("poll", errno);
	}
}

static enum err read_until_end(int fd, int64_t deadline_us, struct buf *out)
{
	for (;;) {
		enum err e = wait_readable(fd, deadline_us);
		if (e)
			return e;
		switch (readfd_step(fd, out)) {
		case READFD_MORE: break;
		case READFD_END: return OK;
		case READFD_FULL: return ERR_TOO_LARGE;
		case READFD_FAILED: return failed("read", errno);
		}
	}
}

/* Its stdout is closed: it has the rest of the time to end. Waits without reaping, so that its number stays its own. */
static enum err wait_end(pid_t pid, int64_t deadline_us)
{
	for (;;) {
		siginfo_t info = { 0 };
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 &&
			errno != EINTR)
			return failed("wait", errno);
		if (info.si_pid == pid)
			return OK;
		if (clock_mono_us() >= deadline_us)
			return ERR_UNSUPPORTED;
		poll(NULL, 0, 1);
	}
}

enum err run_capture(char *const *argv, int64_t limit_ms, struct buf *out, int *exit_code)
{
	int64_t deadline_us = clock_mono_us() + limit_ms * 1000;
	int pipe_fds[2], status = 0;
	pid_t pid = 0;

	*exit_code = RUN_NO_EXIT;
	if (pipe(pipe_fds) != 0)
		return failed("pipe", errno);
	CLEANUP(close_fdp) int from = pipe_fds[0];
	CLEANUP(close_fdp) int to = pipe_fds[1];
	fcntl(from, F_SETFD, FD_CLOEXEC);
	fcntl(to, F_SETFD, FD_CLOEXEC);
	int number = spawn(argv, to, &pid);
	if (number)
		return failed("spawn", number);
	close_fdp(&to);
	enum err e = read_until_end(from, deadline_us, out);
	if (e == OK)
		e = wait_end(pid, deadline_us);
	/* What it left behind, or itself. Nobody has reaped it, so its number is still its own. */
	kill(-pid, SIGKILL);
	pid_t reaped;
	do
		reaped = waitpid(pid, &status, 0);
	while (reaped < 0 && errno == EINTR);
	if (e == OK && reaped == pid && WIFEXITED(status))
		*exit_code = WEXITSTATUS(status);
	return e;
}
