#include "domain/config_file.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/readfd.h"
#include "base/xalloc.h"

static enum err failed(struct config_file *f)
{
	int number = errno;

	snprintf(f->why, sizeof f->why, "cannot be read: %s", strerror(number));
	if (number == ENOENT || number == ENOTDIR)
		return ERR_NOT_FOUND;
	if (number == ELOOP)
		snprintf(f->why, sizeof f->why,
			"cannot be read: a symbolic link is not followed here");
	return number == EACCES || number == EPERM || number == ELOOP ? ERR_PERMISSION : ERR_IO;
}

static void look_at_access(const struct stat *st, struct config_file *f)
{
	bool is_lent_to_our_group =
		st->st_uid == 0 && st->st_gid == getegid() && !(st->st_mode & S_IRWXO);

	f->is_owned_by_others = st->st_uid != geteuid() && st->st_uid != 0;
	f->is_writable_by_others = st->st_mode & (S_IWGRP | S_IWOTH);
	f->is_readable_by_others = (st->st_mode & (S_IRGRP | S_IROTH)) && !is_lent_to_our_group;
	f->is_open_to_others = st->st_mode & (S_IRWXG | S_IRWXO);
}

static enum err read_all(int fd, struct buf *out, struct config_file *f)
{
	for (;;) {
		switch (readfd_step(fd, out)) {
		case READFD_MORE: break;
		case READFD_END: return OK;
		case READFD_FAILED: return failed(f);
		case READFD_FULL:
			snprintf(f->why, sizeof f->why, "is larger than %zu bytes", out->cap_bytes);
			return ERR_TOO_LARGE;
		}
	}
}

enum err config_file_read(const char *path, int open_flags, struct buf *out, struct config_file *f)
{
	/* O_NONBLOCK: a FIFO in place of the file must not hang us. */
	CLEANUP(close_fdp)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | open_flags);
	struct stat st;

	*f = (struct config_file){ 0 };
	if (fd < 0 || fstat(fd, &st) != 0)
		return failed(f);
	if (!S_ISREG(st.st_mode)) {
		snprintf(f->why, sizeof f->why, "is not a regular file");
		return ERR_INVALID;
	}
	look_at_access(&st, f);
	return read_all(fd, out, f);
}
