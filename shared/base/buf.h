/* buf - growable bytes with a cap. The cap is fixed at init; reaching it is an answer, not a failure.
 * data is always NUL-terminated after data[len], so text may be read as a C string. */
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include "base/attr.h"
#include "base/span.h"

struct buf {
	char *data;               /* NULL while nothing was ever appended */
	size_t len, room, cap_bytes;
};

void buf_init(struct buf *b, size_t cap_bytes);
void buf_release(struct buf *b);                   /* legal on a zeroed buf; leaves it empty, cap kept */
void buf_clear(struct buf *b);                     /* len = 0, memory kept */
void buf_truncate(struct buf *b, size_t len);      /* keeps the first len bytes */

/* Each returns false, leaving b as it was, when the cap would be passed. */
MUST_USE bool buf_append(struct buf *b, const void *bytes, size_t n);
MUST_USE bool buf_append_span(struct buf *b, struct span s);
MUST_USE bool buf_append_text(struct buf *b, const char *text);
MUST_USE bool buf_append_char(struct buf *b, char c);
MUST_USE bool buf_append_int(struct buf *b, int64_t n);      /* decimal */
MUST_USE bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_USE bool buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Room for n more bytes, to be filled from data + len and counted by buf_added. NULL when the cap would be passed. */
MUST_USE char *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);

void buf_consume(struct buf *b, size_t n);         /* drops the first n bytes */
char *buf_take(struct buf *b);                     /* the text, owned by the caller; b is empty after */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ b->data, b->len };
}
