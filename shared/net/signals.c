#include "net/signals.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"

static volatile int handler_fd = -1;

static void on_signal(int number)
{
	int kept = errno;
	char byte = (char)number;

	if (write(handler_fd, &byte, 1) < 0)
		byte = 0;                       /* full: a byte is waiting already */
	errno = kept;
}

static void on_alarm(int number)
{
	(void)number;
	_exit(0);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&a.sa_mask);
	(void)sigaction(number, &a, NULL);
}

static short want(struct loop_source *s)
{
	(void)s;
	return POLLIN;
}

static void ready(struct loop_source *source, short events)
{
	struct signals *s = container_of(source, struct signals, source);
	char bytes[16];

	(void)events;
	ssize_t n = read(s->read_fd, bytes, sizeof(bytes));
	for (ssize_t i = 0; i < n; i++)
		s->caught(s->arg, bytes[i]);
}

enum err signals_init(struct signals *s, struct loop *loop, void (*caught)(void *arg, int number), void *arg)
{
	int fds[2];

	if (pipe(fds) != 0) {
		log_error("signals.pipe", "errno=%d", errno);
		return ERR_IO;
	}
	for (int i = 0; i < 2; i++) {
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	*s = (struct signals){ .read_fd = fds[0], .write_fd = fds[1], .caught = caught, .arg = arg };
	s->source = (struct loop_source){ .fd = fds[0], .want = want, .ready = ready };
	loop_add(loop, &s->source);
	handler_fd = fds[1];
	handle(SIGPIPE, SIG_IGN);
	handle(SIGINT, on_signal);
	handle(SIGTERM, on_signal);
	handle(SIGHUP, on_signal);
	return OK;
}

void signals_release(struct signals *s)
{
	handle(SIGINT, SIG_DFL);
	handle(SIGTERM, SIG_DFL);
	handle(SIGHUP, SIG_DFL);
	handler_fd = -1;
	loop_remove(&s->source);
	close_fdp(&s->read_fd);
	close_fdp(&s->write_fd);
}

void signals_hard_end(int64_t in_ms)
{
	struct itimerval t = { .it_value = { .tv_sec = in_ms / 1000, .tv_usec = (in_ms % 1000) * 1000 } };

	handle(SIGALRM, on_alarm);
	(void)setitimer(ITIMER_REAL, &t, NULL);
}
