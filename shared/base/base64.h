/* base64 - RFC 4648 section 4, with padding. */
#pragma once
#include "base/buf.h"

/* False, leaving out as it was: its cap would be passed. */
MUST_USE bool base64_append(struct buf *out, struct span bytes);
/* Appends what text stands for. False, leaving out as it was: not the one way to write it (no blanks, whole padding, no bits left over), or
 * out's cap would be passed. */
MUST_USE bool base64_decode(struct buf *out, struct span text);
