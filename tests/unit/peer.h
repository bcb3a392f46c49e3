/* peer - another process under a test's command: the test program itself, started as `program --peer ...`. It reads one command a
 * line and answers each with one line. It dies with the test (end of its input). */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "unit/unit.h"

#define PEER_PATIENCE_MS 30000

extern char **environ;

struct peer {
	pid_t pid;
	int to, from;
	char answer[128];
};

/* ---- the test's side ---- */
static inline void peer_start(struct peer *p, const char *argument)
{
	char *argv[] = { (char *)unit_program, "--peer", (char *)argument, NULL };
	posix_spawn_file_actions_t actions;
	int to[2], from[2];

	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	p->to = to[1];
	p->from = from[0];
	(void)fcntl(p->to, F_SETFD, FD_CLOEXEC);
	(void)fcntl(p->from, F_SETFD, FD_CLOEXEC);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	(void)posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	(void)posix_spawn_file_actions_addclose(&actions, to[0]);
	(void)posix_spawn_file_actions_addclose(&actions, from[1]);
	ck_assert_int_eq(posix_spawn(&p->pid, unit_program, &actions, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
}

static inline void peer_tell(struct peer *p, const char *command)
{
	ck_assert_int_gt(dprintf(p->to, "%s\n", command), 0);
}

/* The next line it says. */
static inline const char *peer_hear(struct peer *p)
{
	int64_t end = clock_mono_us() / 1000 + PEER_PATIENCE_MS;
	size_t n = 0;

	for (;;) {
		struct pollfd from = { .fd = p->from, .events = POLLIN };
		int64_t left = end - clock_mono_us() / 1000;

		ck_assert_msg(left > 0 && poll(&from, 1, (int)left) >= 0, "the peer does not answer");
		if (from.revents == 0)
			continue;
		ck_assert_int_eq(read(p->from, p->answer + n, 1), 1);
		if (p->answer[n] == '\n')
			break;
		ck_assert_uint_lt(++n, sizeof p->answer);
	}
	p->answer[n] = '\0';
	return p->answer;
}

static inline const char *peer_ask(struct peer *p, const char *command)
{
	peer_tell(p, command);
	return peer_hear(p);
}

/* Ends it and returns what waitpid said. signal 0: by the end of its input. */
static inline int peer_end(struct peer *p, int signal)
{
	int status = 0;

	if (signal)
		ck_assert_int_eq(kill(p->pid, signal), 0);
	close(p->to);
	while (waitpid(p->pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	close(p->from);
	return status;
}

/* ---- the peer's side ---- */
/* The next command without its line break; false at the end of the input. */
static inline bool peer_next(char *command, size_t size)
{
	size_t n = 0;

	while (n < size && read(0, command + n, 1) == 1) {
		if (command[n] == '\n') {
			command[n] = '\0';
			return true;
		}
		n++;
	}
	return false;
}

#define peer_say(...) ((void)dprintf(1, __VA_ARGS__), (void)dprintf(1, "\n"))
