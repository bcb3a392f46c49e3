#include "shim/autostart.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif
#include "base/clock.h"
#include "base/forked.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sandbox.h"
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/shim.h"
#include "store/broker_lock.h"

#define PROGRAM      "aegis-broker"
#define AGAIN_MS     10000
#define BETWEEN_US   (60 * 1000 * 1000LL)
#define REPORT_FD    3                   /* in the new process until it is executed */
#define PATHS_MAX    64
#define ENV_MAX      64

/* Everything the new process needs, made before fork: between fork and exec nothing may allocate or lock. */
struct launch {
	char *paths[PATHS_MAX + 1];          /* where the program may be; ends with NULL */
	char *argv[8];
	char *envp[ENV_MAX + 1];
	int null, log, report;
};

/* ---- where the program is -------------------------------------------------------------------------------------------------------- */
#ifdef __APPLE__
static char *own_path(void)
{
	char name[4096];
	uint32_t size = sizeof(name);

	return _NSGetExecutablePath(name, &size) == 0 ? path_real(name) : NULL;
}
#else
static char *own_path(void)
{
	char name[4096];
	ssize_t n = readlink("/proc/self/exe", name, sizeof(name));

	return n > 0 && n < (ssize_t)sizeof(name) ? xstrndup(name, (size_t)n) : NULL;
}
#endif

/* Beside our own; else in PATH. An empty entry of PATH would mean the folder we happen to stand in. */
static void find_paths(char **paths)
{
	CLEANUP(free_charp) char *own = own_path();
	const char *at = getenv("PATH");
	size_t n = 0;

	if (own) {
		CLEANUP(free_charp) char *folder = path_folder_of(own);
		paths[n++] = path_join(folder, PROGRAM);
	}
	while (at && *at && n < PATHS_MAX) {
		size_t len = strcspn(at, ":");
		if (len > 0 && *at == '/')
			paths[n++] = xasprintf("%.*s/%s", (int)len, at, PROGRAM);
		at += len + (at[len] == ':');
	}
}

/* ---- what it gets ------------------------------------------------------------------------------------------------------------------ */
static bool is_passed_on(const char *entry)
{
	static const char *const names[] = { "HOME=", "PATH=", "LANG=", "DBUS_SESSION_BUS_ADDRESS=", "DISPLAY=", "WAYLAND_DISPLAY=" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncmp(entry, names[i], strlen(names[i])) == 0)
			return true;
	return strncmp(entry, "XDG_", 4) == 0;
}

static void pick_environment(char **envp)
{
	extern char **environ;
	size_t n = 0;

	for (char **e = environ; e && *e && n < ENV_MAX; e++)
		if (is_passed_on(*e))
			envp[n++] = *e;
}

static int open_log(const char *state_dir)
{
	CLEANUP(free_charp) char *path = path_join(state_dir, "broker.log");
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

/* Above those that dup2 overwrites, even if we were started without them. */
static int lift(int fd)
{
	int above = fd >= 0 && fd <= REPORT_FD ? fcntl(fd, F_DUPFD_CLOEXEC, REPORT_FD + 1) : fd;

	if (above != fd)
		close_fdp(&fd);
	return above;
}

static bool launch_init(struct launch *l, const struct shim *s, int report)
{
	char *state_dir = path_real(s->state_dir);

	*l = (struct launch){ .report = report, .log = -1 };
	find_paths(l->paths);
	l->argv[0] = xstrdup(PROGRAM);
	l->argv[1] = xstrdup("--auto-started");
	l->argv[2] = xstrdup("--config");
	l->argv[3] = xstrdup(s->rules.path);
	l->argv[4] = xstrdup("--state-dir");
	l->argv[5] = state_dir;
	pick_environment(l->envp);
	l->null = lift(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (state_dir)
		l->log = lift(open_log(state_dir));
	return state_dir && l->null >= 0;
}

static void launch_release(struct launch *l)
{
	for (char **p = l->paths; *p; p++)
		free(*p);
	for (char **p = l->argv; *p; p++)
		free(*p);
	close_fdp(&l->null);
	close_fdp(&l->log);
}

/* ---- between fork and exec: async-signal-safe functions only ----------------------------------------------------------------------- */
static void become_broker(struct launch *l)
{
	int log = l->log >= 0 ? l->log : l->null, number = ENOENT;

	(void)dup2(l->null, STDIN_FILENO);
	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	(void)dup2(l->report, REPORT_FD);
	(void)fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
	forked_close_from(REPORT_FD + 1);
	forked_reset_signals();
	(void)umask(077);
	if (chdir("/") == 0)
		for (char **path = l->paths; *path; path++) {
			execve(*path, l->argv, l->envp);
			number = errno == ENOENT || errno == ENOTDIR ? number : errno;
		}
	(void)!write(REPORT_FD, &number, sizeof(number));
	_exit(127);
}

/* A session of its own, whose leader goes at once: the broker can never get a terminal. */
static void become_helper(struct launch *l)
{
	(void)setsid();
	if (fork() == 0)
		become_broker(l);
	_exit(0);
}

/* No signal may reach the handlers of this process in a fork of it. */
static pid_t fork_helper(struct launch *l)
{
	sigset_t all, before;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		become_helper(l);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* ---- starting ---------------------------------------------------------------------------------------------------------------------- */
static short want_report(struct loop_source *s)
{
	return s->fd >= 0 ? POLLIN : 0;
}

/* Both forks have let go of the report: the program was executed, or errno says why not; the helper has ended. */
static void report_ready(struct loop_source *source, short events)
{
	struct autostart *a = container_of(source, struct autostart, report);
	int number = 0;

	(void)events;
	if (read(a->report.fd, &number, sizeof(number)) == (ssize_t)sizeof(number))
		log_warn("broker.not_started", "%s: %s; approvals wait until it is started, or until somebody decides with aegisctl approvals", PROGRAM,
		         strerror(number));
	else
		log_info("broker.started", "state_dir=%s log=broker.log", a->shim->state_dir);
	close_fdp(&a->report.fd);
	while (waitpid(a->helper, NULL, 0) < 0 && errno == EINTR)
		;
	a->helper = 0;
}

static bool open_report(int fds[2])
{
	if (pipe(fds) != 0)
		return false;
	for (int i = 0; i < 2; i++) {
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		fds[i] = lift(fds[i]);
	}
	return true;
}

static void start(struct autostart *a)
{
	struct launch l;
	int fds[2];

	a->tried_us = clock_mono_us();
	if (!open_report(fds))
		return;
	if (launch_init(&l, a->shim, fds[1]))
		a->helper = fork_helper(&l);
	launch_release(&l);
	close_fdp(&fds[1]);
	a->report.fd = fds[0];
	if (a->helper > 0)
		return;
	log_warn("broker.not_started", "no process can be started, errno=%d", errno);
	a->helper = 0;
	close_fdp(&a->report.fd);
}

/* ---- when -------------------------------------------------------------------------------------------------------------------------- */
static bool may_start(struct autostart *a)
{
	const struct config *c = a->shim->rules.current->config;

	if (!c->broker.autostart || c->mode != MODE_COOPERATIVE || a->helper > 0)
		return false;
	if ((a->tried_us > 0 && clock_mono_us() - a->tried_us < BETWEEN_US) || broker_lock_is_held(a->shim->state_dir))
		return false;
	if (!sandbox_is_private())
		return true;
	if (!a->is_refused_said)
		log_warn("broker.not_started", "this process is in a network or pid namespace of its own, or /proc hides whether it is: start "
		         "aegis-broker outside of it, or by hand where it is a container");
	a->is_refused_said = true;
	return false;
}

static bool is_waiting(const struct shim *s)
{
	list_for_each(c, &s->calls, struct call, node)
		if (c->waiting.what == WAITING_APPROVAL)
			return true;
	return false;
}

static void look(struct autostart *a)
{
	if (may_start(a))
		start(a);
	loop_timer_set(a->shim->loop, &a->again, AGAIN_MS);
}

/* Once in any case: a broker that ended for idleness while this was asked had its lock still. */
static void again(struct loop_timer *timer)
{
	struct autostart *a = container_of(timer, struct autostart, again);

	if (a->looks_again || is_waiting(a->shim)) {
		a->looks_again = false;
		look(a);
	}
}

void autostart_look(struct autostart *a)
{
	a->looks_again = true;
	look(a);
}

void autostart_init(struct autostart *a, struct shim *s)
{
	*a = (struct autostart){ .shim = s, .report = { .fd = -1, .want = want_report, .ready = report_ready } };
	list_init(&a->report.node);
	loop_timer_init(&a->again, again);
	loop_add(s->loop, &a->report);
}

void autostart_release(struct autostart *a)
{
	loop_timer_clear(&a->again);
	loop_remove(&a->report);
	close_fdp(&a->report.fd);
}
