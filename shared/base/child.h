/* child - a command as a process group of its own that cannot outlive this process.
 *
 *   ourselves  -+- keeper    leader of the group: a fork that does nothing but wait for the end of a pipe we hold open
 *               +- command   member of the group, as is whatever it starts
 *
 * However we end, by SIGKILL too, the kernel closes the pipe, and the keeper kills the group with itself in it. Since the keeper is
 * reaped last, the number of the group cannot come to mean other processes. Who leaves the group on purpose is not followed; the
 * command itself dies with us all the same on Linux (PR_SET_PDEATHSIG). */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct child_command {
	char *const *argv;            /* NULL at the end; argv[0] without a slash is looked up in PATH of envp */
	char *const *envp;            /* the whole environment, NULL at the end */
	const char *cwd;              /* "" = ours */
};

struct child {
	pid_t keeper, pid;            /* 0 = none; pid: or reaped */
	int lifeline;                 /* the pipe whose end is the end of the group */
	int to, from, said;           /* its stdin, stdout, stderr: non-blocking; the owner may close one and store -1 */
	int watch;                    /* readable when the command has ended; -1 = this kernel cannot tell (Linux before 5.3) */
	int status;                   /* of waitpid, once reaped */
};
void child_init(struct child *c);
void child_release(struct child *c);          /* kills and reaps all that is left of it; legal on a child that never started */

/* The command gets default signals, an empty mask and no descriptor beyond the three. ERR_NOT_FOUND, ERR_PERMISSION, ERR_IO:
 * why is a clause without paths. Waits until the command was executed. */
MUST_USE enum err child_start(const struct child_command *command, struct child *out, struct problem *why);

void child_signal(const struct child *c, int number);  /* the whole group but the keeper, which only SIGKILL reaches */
bool child_has_ended(struct child *c);                 /* reaps the command if it can; never waits */
