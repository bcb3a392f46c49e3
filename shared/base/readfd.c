#include "base/readfd.h"
#include <errno.h>
#include <unistd.h>

#define STEP_BYTES 16384

enum readfd readfd_step(int fd, struct buf *b)
{
	size_t left = b->cap_bytes - b->len, n = left < STEP_BYTES ? left : STEP_BYTES;
	char beyond = 0, *to = n > 0 ? buf_reserve(b, n) : &beyond;
	ssize_t got = read(fd, to, n > 0 ? n : 1);

	if (got < 0)
		return errno == EINTR ? READFD_MORE : READFD_FAILED;
	if (got == 0)
		return READFD_END;
	if (n == 0)
		return READFD_FULL;
	buf_added(b, (size_t)got);
	return READFD_MORE;
}
