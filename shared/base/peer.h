/* peer - who is at the other end of a UNIX socket, as the kernel says. */
#pragma once
#include <sys/types.h>
#include "base/err.h"

/* The uid that connected. ERR_IO: not a connected UNIX socket. */
MUST_USE enum err peer_uid(int fd, uid_t *out);
