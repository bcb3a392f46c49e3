/* base64 - RFC 4648: section 4 with padding; section 5, for URLs, without. */
#pragma once
#include "base/buf.h"

/* False, leaving out as it was: its cap would be passed. */
MUST_USE bool base64_append(struct buf *out, struct span bytes);
/* Appends what text stands for. False, leaving out as it was: not the one way to write it (no blanks, whole padding, no bits left over), or
 * out's cap would be passed. */
MUST_USE bool base64_decode(struct buf *out, struct span text);

#define BASE64URL_LEN(n) (((n) * 8 + 5) / 6)
/* The same for URLs. decode: text stands for exactly n bytes, in the one way to write them. */
MUST_USE bool base64url_append(struct buf *out, struct span bytes);
MUST_USE bool base64url_decode(void *out, size_t n, struct span text);
