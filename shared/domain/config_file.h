/* config_file - reads a file that rules or secrets stand in, and says who else could have written or can read it.
 * What is looked at is what was opened, so nobody can exchange the file in between. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct config_file {
	bool is_owned_by_others;       /* neither by us nor by root */
	bool is_writable_by_others;    /* group or all */
	bool is_readable_by_others;    /* group or all; not: root lets our own group read */
	bool is_open_to_others;        /* any right for group or all */
	char why[200];                 /* a clause, when it could not be read */
};

/* Appends the file to out, up to out's cap. open_flags: more for open(2), such as O_NOFOLLOW.
 * ERR_NOT_FOUND, ERR_PERMISSION, ERR_TOO_LARGE, ERR_INVALID (no regular file), ERR_IO. */
MUST_USE enum err config_file_read(const char *path, int open_flags, struct buf *out, struct config_file *f);
