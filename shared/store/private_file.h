/* private_file - the small files of the state folder that are kept open: ours alone, never a link, never a device. */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>
#include "base/err.h"

/* Which file a descriptor or a path means. */
struct file_identity {
	dev_t device;
	ino_t inode;
};

/* Opens or creates it (read and write, 0600, close-on-exec) and says which file it is. The caller closes. Errors as below, logged. */
MUST_USE enum err private_file_open(const char *path, int *fd, struct file_identity *identity);
bool private_file_is(const char *path, const struct file_identity *identity); /* is that still what path names? */

/* errno in our words: ERR_NOT_FOUND, ERR_PERMISSION, ERR_STORE_READONLY, ERR_STORE_FULL, else ERR_IO. Logs nothing: for inside the gate. */
MUST_USE enum err private_file_err(int error_number);
MUST_USE enum err private_file_failed(const char *event, const char *path); /* the same of errno, and logs it */
