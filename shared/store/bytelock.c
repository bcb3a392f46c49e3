/* bytelock - POSIX write locks on single bytes of a file. */
#include "store/bytelock.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int apply(int fd, int command, short type, int64_t at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	int failed;

	do
		failed = fcntl(fd, command, &lock);
	while (failed && errno == EINTR);
	return failed;
}

bool bytelock_take(int fd, int64_t at)
{
	return apply(fd, F_SETLK, F_WRLCK, at) == 0;
}

void bytelock_wait(int fd, int64_t at)
{
	(void)apply(fd, F_SETLKW, F_WRLCK, at);
}

void bytelock_drop(int fd, int64_t at)
{
	(void)apply(fd, F_SETLK, F_UNLCK, at);
}

bool bytelock_owner(int fd, int64_t at, pid_t *pid)
{
	return bytelock_any_owner(fd, at, 1, pid);
}

bool bytelock_any_owner(int fd, int64_t at, int64_t n, pid_t *pid)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = n };
	bool is_owned = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

	if (pid)
		*pid = is_owned && lock.l_pid > 0 ? lock.l_pid : 0;
	return is_owned;
}
