/* base64 - RFC 4648 section 4, with padding. */
#pragma once
#include "base/buf.h"

/* False, leaving out as it was: its cap would be passed. */
MUST_USE bool base64_append(struct buf *out, struct span bytes);
