#include "broker/service.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

/* Never waits: a manager that does not read is told nothing. */
static void say(struct service *s, const char *text)
{
	if (s->fd >= 0 && send(s->fd, text, strlen(text), MSG_DONTWAIT) < 0)
		log_debug("service.notify", "errno=%d", errno);
}

static int connect_to(const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	CLEANUP(close_fdp) int fd = -1;

	if ((*name != '/' && *name != '@') || n < 2 || n >= sizeof(to.sun_path)) {
		log_warn("service.notify", "NOTIFY_SOCKET is neither a path nor an abstract name that fits; it is told nothing");
		return -1;
	}
	memcpy(to.sun_path, name, n);
	if (*name == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
	    connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*name == '/'))) != 0) {
		log_warn("service.notify", "NOTIFY_SOCKET cannot be reached, errno=%d", errno);
		return -1;
	}
	int connected = fd;
	fd = -1;
	return connected;
}

/* 0: not for us. */
static int64_t watchdog_of(const char *usec, const char *pid)
{
	char *end;
	long long us = usec ? strtoll(usec, &end, 10) : 0;

	if (us <= 0 || *end || (pid && *pid && strtoll(pid, NULL, 10) != (long long)getpid()))
		return 0;
	return us / 2000 > 0 ? us / 2000 : 1;
}

static void watchdog_due(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, watchdog);

	say(s, "WATCHDOG=1");
	loop_timer_set(s->loop, &s->watchdog, s->watchdog_ms);
}

void service_init(struct service *s, struct loop *loop)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*s = (struct service){ .loop = loop, .fd = name && *name ? connect_to(name) : -1 };
	if (s->fd >= 0)
		s->watchdog_ms = watchdog_of(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
	loop_timer_init(&s->watchdog, watchdog_due);
	if (s->watchdog_ms > 0)
		loop_timer_set(loop, &s->watchdog, s->watchdog_ms);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void service_release(struct service *s)
{
	if (!s->loop)
		return;
	loop_timer_clear(&s->watchdog);
	close_fdp(&s->fd);
}

void service_ready(struct service *s)
{
	say(s, "READY=1");
}

/* MONOTONIC_USEC lets the manager tell which READY answers it (systemd Type=notify-reload). */
void service_reloading(struct service *s)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
	say(s, text);
}

void service_stopping(struct service *s)
{
	say(s, "STOPPING=1");
}

void service_status(struct service *s, const char *fmt, ...)
{
	char text[300] = "STATUS=";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + strlen(text), sizeof(text) - strlen(text), fmt, ap);
	va_end(ap);
	say(s, text);
}
