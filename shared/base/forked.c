#include "base/forked.h"
#include <signal.h>
#include <unistd.h>
#ifndef __APPLE__
#include <sys/syscall.h>
#endif

#define MANY_FDS 65536

void forked_close_from(int first)
{
	long n = sysconf(_SC_OPEN_MAX);

#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
#endif
	for (int fd = first; fd < (n > 0 && n < MANY_FDS ? n : MANY_FDS); fd++)
		(void)close(fd);
}

void forked_reset_signals(void)
{
	struct sigaction a = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&a.sa_mask);
	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &a, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
