/* readfd - one read(2) into a buffer that has a cap. */
#pragma once
#include "base/buf.h"

enum readfd { READFD_MORE, READFD_END, READFD_FULL, READFD_FAILED };

/* Appends what one read gives, at most up to b's cap. READFD_FULL: the cap is reached and there was more (a byte of it is lost);
 * READFD_FAILED: errno says why. An interrupted read is READFD_MORE. */
MUST_USE enum readfd readfd_step(int fd, struct buf *b);
