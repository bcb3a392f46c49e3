#include "base/child.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/event.h>
#else
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#include "base/forked.h"
#include "base/log.h"
#include "base/xalloc.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define REPORT_FD    3                 /* in the command's process until it is executed */

enum step { STEP_GROUP, STEP_CWD, STEP_EXEC };
struct report { enum step step; int number; };

/* Everything the new process needs, made before fork: between fork and exec nothing may allocate or lock. */
struct launch {
	const struct child_command *command;
	char **paths;                  /* where argv[0] may be, NULL at the end */
	pid_t parent, keeper;
	int in, out, err, report;      /* its ends */
};

/* ---- between fork and exec: async-signal-safe functions only ------------------------------------------------------------------- */
static void die_with(pid_t parent)
{
#ifdef __APPLE__
	(void)parent;                  /* the keeper alone sees to it */
#else
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)       /* gone before we asked */
		_exit(127);
#endif
}

static void fail(enum step step, int number)
{
	struct report r = { step, number };

	(void)!write(REPORT_FD, &r, sizeof(r));
	_exit(127);
}

static void execute(const struct launch *l)
{
	int number = ENOENT;

	for (char **path = l->paths; *path; path++) {
		execve(*path, l->command->argv, l->command->envp);
		if (errno == EACCES)
			number = EACCES;   /* unless a later folder has one that may be executed */
		else if (errno != ENOENT && errno != ENOTDIR)
			fail(STEP_EXEC, errno);
	}
	fail(STEP_EXEC, number);
}

static void become_command(const struct launch *l)
{
	(void)dup2(l->in, STDIN_FILENO);
	(void)dup2(l->out, STDOUT_FILENO);
	(void)dup2(l->err, STDERR_FILENO);
	(void)dup2(l->report, REPORT_FD);
	(void)fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
	forked_close_from(REPORT_FD + 1);
	if (setpgid(0, l->keeper) != 0)
		fail(STEP_GROUP, errno);
	die_with(l->parent);
	forked_reset_signals();
	if (l->command->cwd[0] && chdir(l->command->cwd) != 0)
		fail(STEP_CWD, errno);
	execute(l);
}

/* All signals stay blocked. Descriptors are closed so that nobody waits for their end in vain: the client for the end of our stdout,
 * other processes for the write gate. */
static void keep(int lifeline, int our_end)
{
	char byte;
	ssize_t n;

	(void)setpgid(0, 0);
	(void)close(our_end);              /* before all: with it open, the end would never come */
	(void)dup2(lifeline, STDIN_FILENO);
	forked_close_from(STDIN_FILENO + 1);
#ifndef __APPLE__
	(void)prctl(PR_SET_NAME, "aegis-keeper");
#endif
	do
		n = read(STDIN_FILENO, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
	(void)kill(0, SIGKILL);
	_exit(0);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------------------------ */
/* Above the standard three, whose numbers dup2 overwrites, even if we were started without them. */
static void lift(int *fd)
{
	int above = *fd <= REPORT_FD ? fcntl(*fd, F_DUPFD, REPORT_FD + 1) : *fd;

	if (above != *fd)
		close_fdp(fd);
	*fd = above;
	(void)fcntl(above, F_SETFD, FD_CLOEXEC);
}

static bool open_pipe(int *read_end, int *write_end)
{
	int fds[2];

	if (pipe(fds) != 0)
		return false;
	lift(&fds[0]);
	lift(&fds[1]);
	*read_end = fds[0];
	*write_end = fds[1];
	return fds[0] >= 0 && fds[1] >= 0;
}

static void unblock(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Readable when the process ends. */
static int watch(pid_t pid)
{
#ifdef __APPLE__
	struct kevent event;
	int fd = kqueue();

	EV_SET(&event, pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
	if (fd >= 0 && kevent(fd, &event, 1, NULL, 0, NULL) != 0)
		close_fdp(&fd);
	return fd;
#else
	return (int)syscall(SYS_pidfd_open, pid, 0);   /* O_CLOEXEC by itself */
#endif
}

/* ---- the search in PATH ------------------------------------------------------------------------------------------------------------ */
static const char *path_of(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return DEFAULT_PATH;
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static char **paths_of(const struct child_command *command)
{
	const char *name = command->argv[0], *at = path_of(command->envp);
	char **paths = xcalloc(count(at, ':') + 2, sizeof(*paths));
	size_t n = 0;

	if (strchr(name, '/')) {
		paths[0] = xstrdup(name);
		return paths;
	}
	for (;;) {
		size_t len = strcspn(at, ":");
		if (len > 0)                       /* an empty entry would mean the folder we happen to stand in */
			paths[n++] = xasprintf("%.*s/%s", (int)len, at, name);
		if (!at[len])
			return paths;
		at += len + 1;
	}
}

static void paths_free(char **paths)
{
	for (char **p = paths; *p; p++)
		free(*p);
	free(paths);
}

/* ---- starting ---------------------------------------------------------------------------------------------------------------------- */
static enum err no_process(struct problem *why)
{
	problem_set(why, "no process can be started for its command: %s", strerror(errno));
	return ERR_IO;
}

static enum err fork_keeper(struct child *c, struct problem *why)
{
	int end = -1;

	if (!open_pipe(&end, &c->lifeline))
		return no_process(why);
	pid_t pid = fork();
	if (pid == 0)
		keep(end, c->lifeline);
	close_fdp(&end);
	if (pid < 0)
		return no_process(why);
	(void)setpgid(pid, pid);           /* it does so itself; whoever is first */
	c->keeper = pid;
	return OK;
}

static enum err fork_command(struct child *c, struct launch *l, struct problem *why)
{
	l->parent = getpid();
	l->keeper = c->keeper;
	pid_t pid = fork();
	if (pid == 0)
		become_command(l);
	if (pid < 0)
		return no_process(why);
	c->pid = pid;
	return OK;
}

/* No signal may reach the handlers of this process in a fork of it. */
static enum err fork_both(struct child *c, struct launch *l, struct problem *why)
{
	sigset_t all, before;
	struct sigaction plain = { .sa_handler = SIG_DFL };

	sigemptyset(&plain.sa_mask);
	(void)sigaction(SIGCHLD, &plain, NULL);    /* inherited as ignored, it would reap behind our back */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	enum err e = fork_keeper(c, why);
	if (e == OK)
		e = fork_command(c, l, why);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return e;
}

static enum err explain(const struct child_command *command, const struct report *r, struct problem *why)
{
	if (r->step == STEP_CWD) {
		problem_set(why, "the folder its command starts in (cwd) cannot be entered: %s", strerror(r->number));
		return ERR_NOT_FOUND;
	}
	if (r->step == STEP_EXEC && r->number == ENOENT) {
		problem_set(why, "its command %.80s was not found%s", command->argv[0], strchr(command->argv[0], '/') ? "" : " in PATH");
		return ERR_NOT_FOUND;
	}
	problem_set(why, "its command %.80s cannot be executed: %s", command->argv[0], strerror(r->number));
	return r->number == EACCES ? ERR_PERMISSION : ERR_IO;
}

/* The report ends without a word when the command was executed. */
static enum err await_execution(const struct child_command *command, int from, struct problem *why)
{
	struct report r;
	ssize_t n;

	do
		n = read(from, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(r) ? explain(command, &r, why) : OK;
}

static enum err start(const struct child_command *command, struct child *c, struct problem *why)
{
	struct launch l = { .command = command, .in = -1, .out = -1, .err = -1, .report = -1 };
	int report = -1;
	enum err e = OK;

	if (!open_pipe(&l.in, &c->to) || !open_pipe(&c->from, &l.out) || !open_pipe(&c->said, &l.err) || !open_pipe(&report, &l.report))
		e = no_process(why);
	l.paths = paths_of(command);
	if (e == OK)
		e = fork_both(c, &l, why);
	paths_free(l.paths);
	close_fdp(&l.in);
	close_fdp(&l.out);
	close_fdp(&l.err);
	close_fdp(&l.report);
	if (e == OK)
		e = await_execution(command, report, why);
	close_fdp(&report);
	return e;
}

enum err child_start(const struct child_command *command, struct child *out, struct problem *why)
{
	child_init(out);
	enum err e = start(command, out, why);
	if (e != OK) {
		child_release(out);
		return e;
	}
	out->watch = watch(out->pid);
	unblock(out->to);
	unblock(out->from);
	unblock(out->said);
	return OK;
}

/* ---- ending ------------------------------------------------------------------------------------------------------------------------ */
void child_init(struct child *c)
{
	*c = (struct child){ .lifeline = -1, .to = -1, .from = -1, .said = -1, .watch = -1 };
}

void child_signal(const struct child *c, int number)
{
	if (c->keeper > 0)
		(void)kill(-c->keeper, number);
	if (c->pid > 0 && number == SIGKILL)
		(void)kill(c->pid, number);        /* should it have left the group */
}

bool child_has_ended(struct child *c)
{
	if (c->pid > 0 && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->pid = 0;
	return c->pid == 0;
}

static void reap(pid_t *pid, int *status)
{
	while (*pid > 0 && waitpid(*pid, status, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

void child_release(struct child *c)
{
	int unused;

	child_signal(c, SIGKILL);
	reap(&c->pid, &c->status);
	reap(&c->keeper, &unused);
	close_fdp(&c->lifeline);
	close_fdp(&c->to);
	close_fdp(&c->from);
	close_fdp(&c->said);
	close_fdp(&c->watch);
}
