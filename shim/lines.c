#include "shim/lines.h"
#include <errno.h>
#include <unistd.h>

#define READ_BYTES (64 * 1024)
#define KEEP_BYTES (1024 * 1024)               /* a buffer larger than this is given back when empty */

void lines_init(struct lines *l, size_t max_bytes)
{
	*l = (struct lines){ .max_bytes = max_bytes };
	buf_init(&l->b, max_bytes + 2 * READ_BYTES);
}

void lines_release(struct lines *l)
{
	buf_release(&l->b);
	lines_init(l, l->max_bytes);
}

/* ---- overlong lines ---------------------------------------------------------------------------------------------------------------- */
static void keep_tail(struct lines *l, struct span bytes)
{
	size_t n = bytes.len < LINES_END_BYTES ? bytes.len : LINES_END_BYTES;
	size_t kept = l->tail_len < LINES_END_BYTES - n ? l->tail_len : LINES_END_BYTES - n;

	memmove(l->tail, l->tail + l->tail_len - kept, kept);
	memcpy(l->tail + kept, bytes.at + bytes.len - n, n);
	l->tail_len = kept + n;
}

static void discard(struct lines *l, struct span bytes)
{
	if (!l->is_discarding) {
		l->is_discarding = true;
		l->tail_len = 0;
		l->head_len = bytes.len < LINES_END_BYTES ? bytes.len : LINES_END_BYTES;
		memcpy(l->head, bytes.at, l->head_len);
	}
	keep_tail(l, bytes);
}

/* What stands in the buffer has no line end. */
static void discard_overlong(struct lines *l)
{
	if (!l->is_discarding && l->b.len <= l->max_bytes)
		return;
	discard(l, buf_span(&l->b));
	buf_clear(&l->b);
	l->scanned = 0;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------------- */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	for (; s.len > 0 && is_blank(*s.at); s.len--)
		s.at++;
	return s;
}

static void drop_taken(struct lines *l)
{
	buf_consume(&l->b, l->from);
	l->scanned -= l->from;
	l->from = 0;
	if (l->b.len > 0)
		discard_overlong(l);
	else if (l->b.room > KEEP_BYTES)
		buf_release(&l->b);
}

enum lines_answer lines_next(struct lines *l, struct span *out)
{
	while (l->scanned < l->b.len) {
		const char *end = memchr(l->b.data + l->scanned, '\n', l->b.len - l->scanned);
		if (!end) {
			l->scanned = l->b.len;
			break;
		}
		struct span line = { l->b.data + l->from, (size_t)(end - l->b.data) - l->from };
		l->from = l->scanned = l->from + line.len + 1;
		if (l->is_discarding || line.len > l->max_bytes) {
			discard(l, line);
			l->is_discarding = false;
			return LINES_TOO_LONG;
		}
		*out = trim(line);
		if (out->len > 0)
			return LINES_LINE;
	}
	drop_taken(l);
	return LINES_NONE;
}

struct span lines_rest(const struct lines *l)
{
	return trim(buf_span(&l->b));
}

enum lines_read lines_read(struct lines *l, int fd)
{
	char *at = buf_reserve(&l->b, READ_BYTES);
	ssize_t n;

	if (!at)
		return LINES_WAIT;
	do
		n = read(fd, at, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? LINES_WAIT : LINES_END;
	buf_added(&l->b, (size_t)n);
	return n == 0 ? LINES_END : LINES_MORE;
}
