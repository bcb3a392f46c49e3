/* bytelock - POSIX write locks on single bytes of a file. */
#include "store/bytelock.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool apply(int fd, int command, short type, int64_t at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	int failed;

	do
		failed = fcntl(fd, command, &lock);
	while (failed && errno == EINTR);
	return !failed;
}

bool bytelock_take(int fd, int64_t at)
{
	return apply(fd, F_SETLK, F_WRLCK, at);
}

bool bytelock_wait(int fd, int64_t at)
{
	return apply(fd, F_SETLKW, F_WRLCK, at);
}

void bytelock_drop(int fd, int64_t at)
{
	(void)apply(fd, F_SETLK, F_UNLCK, at);
}

bool bytelock_find(int fd, int64_t from, int64_t n, struct bytelock_found *found)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = n
	};

	if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return false;
	/* Neighbours of one owner are one lock: it may begin before the range. */
	found->at = lock.l_start < from ? from : lock.l_start;
	found->pid = lock.l_pid > 0 ? lock.l_pid : 0;
	return true;
}

bool bytelock_owner(int fd, int64_t at, pid_t *pid)
{
	struct bytelock_found found = { 0 };
	bool is_owned = bytelock_find(fd, at, 1, &found);

	if (pid)
		*pid = found.pid;
	return is_owned;
}
