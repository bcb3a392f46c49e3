/* private_file - the small files of the state folder that are kept open. */
#include "store/private_file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"

enum err private_file_err(int error_number)
{
	switch (error_number) {
	case ENOENT:
	case ENOTDIR: return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case ELOOP: return ERR_PERMISSION;
	case EROFS: return ERR_STORE_READONLY;
	case ENOSPC:
	case EDQUOT: return ERR_STORE_FULL;
	default: return ERR_IO;
	}
}

enum err private_file_failed(const char *event, const char *path)
{
	int number = errno;

	log_error(event, "path=%s error=%s", path, strerror(number));
	return private_file_err(number);
}

enum err private_file_open(const char *path, int *out, struct file_identity *identity)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	CLEANUP(close_fdp) int fd = open(path, flags, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return private_file_failed("store.open", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		log_error("store.open", "path=%s error=not a file of this user", path);
		return ERR_PERMISSION;
	}
	if ((st.st_mode & 077) && fchmod(fd, 0600) != 0)
		return private_file_failed("store.open", path);
	*identity = (struct file_identity){ .device = st.st_dev, .inode = st.st_ino };
	*out = fd;
	fd = -1;
	return OK;
}

bool private_file_is(const char *path, const struct file_identity *identity)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == identity->device &&
	       st.st_ino == identity->inode;
}
