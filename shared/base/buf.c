/* buf - growable bytes with a cap. */
#include "base/buf.h"
#include <assert.h>
#include "base/xalloc.h"

#define SMALLEST_ROOM 64

void buf_init(struct buf *b, size_t cap_bytes)
{
	assert(cap_bytes < SIZE_MAX / 2);
	*b = (struct buf){ .cap_bytes = cap_bytes };
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .cap_bytes = b->cap_bytes };
}

void buf_clear(struct buf *b)
{
	buf_truncate(b, 0);
}

void buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
	if (b->data)
		b->data[len] = '\0';
}

/* room counts bytes without the NUL that always follows. */
char *buf_reserve(struct buf *b, size_t n)
{
	if (n > b->cap_bytes - b->len)
		return NULL;
	if (b->data == NULL || n > b->room - b->len) {
		size_t room = b->room < SMALLEST_ROOM ? SMALLEST_ROOM : b->room * 2;

		if (room < b->len + n)
			room = b->len + n;
		if (room > b->cap_bytes)
			room = b->cap_bytes;
		b->data = xreallocarray(b->data, room + 1, 1);
		b->room = room;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_added(struct buf *b, size_t n)
{
	assert(b->data && n <= b->room - b->len);
	b->len += n;
	b->data[b->len] = '\0';
}

bool buf_append(struct buf *b, const void *bytes, size_t n)
{
	char *to = buf_reserve(b, n);

	if (to == NULL)
		return false;
	if (n)
		memcpy(to, bytes, n);
	buf_added(b, n);
	return true;
}

bool buf_append_span(struct buf *b, struct span s)
{
	return buf_append(b, s.at, s.len);
}

bool buf_append_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

bool buf_append_char(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

/* A tenth of what buf_printf takes; audit rows are full of numbers. */
bool buf_append_int(struct buf *b, int64_t n)
{
	char digits[21]; /* 19 and a sign, from the end */
	char *at = digits + sizeof(digits), *end = at;
	uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (n < 0)
		*--at = '-';
	return buf_append(b, at, (size_t)(end - at));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	bool fits = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return fits;
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char few[256]; /* most texts are short: then one pass is enough */

	va_copy(again, ap);
	int n = vsnprintf(few, sizeof(few), fmt, again);
	va_end(again);
	assert(n >= 0);
	if ((size_t)n < sizeof(few))
		return buf_append(b, few, (size_t)n);
	char *to = buf_reserve(b, (size_t)n);
	if (to == NULL)
		return false;
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	buf_added(b, (size_t)n);
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len + 1);
}

char *buf_take(struct buf *b)
{
	char *text = b->data ? b->data : xcalloc(1, 1);

	*b = (struct buf){ .cap_bytes = b->cap_bytes };
	return text;
}
