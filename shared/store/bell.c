/* bell - a descriptor that becomes readable when its time has come. */
#include "store/bell.h"
#ifdef __APPLE__
#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

int bell_open(void)
{
	int bell = kqueue();

	if (bell >= 0)
		(void)fcntl(bell, F_SETFD, FD_CLOEXEC);
	return bell;
}

void bell_set_us(int bell, int64_t in_us)
{
	struct kevent off, on;

	EV_SET(&off, 1, EVFILT_TIMER, EV_DELETE, 0, 0, NULL);
	(void)kevent(bell, &off, 1, NULL, 0, NULL); /* ENOENT: it was silent */
	if (in_us == BELL_NEVER)
		return;
	EV_SET(&on, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, in_us * 1000 + 1, NULL);
	(void)kevent(bell, &on, 1, NULL, 0, NULL);
}
#else
#include <sys/timerfd.h>
#include <time.h>

int bell_open(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void bell_set_us(int bell, int64_t in_us)
{
	struct itimerspec when = { 0 }; /* all zero switches it off and forgets that it rang */

	if (in_us != BELL_NEVER) {
		when.it_value.tv_sec = (time_t)(in_us / 1000000);
		when.it_value.tv_nsec = (long)(in_us % 1000000) * 1000 + 1;
	}
	(void)timerfd_settime(bell, 0, &when, NULL);
}
#endif

void bell_set(int bell, int64_t in_ms)
{
	bell_set_us(bell, in_ms == BELL_NEVER ? BELL_NEVER : in_ms * 1000);
}
