/* span - borrowed bytes: a pointer and a length. Never NUL-terminated, never owns. {NULL, 0} = absent. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })
#define SPAN_ARGS(s)  (int)(s).len, (s).at /* for "%.*s" */

static inline struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_equal(a, span_of(text));
}

/* How many bytes stand before the first \n or \r; s.len when there is none. In windows, so that a text with only one of the two
 * is not searched to its end for the other at every line. */
static inline size_t span_line_length(struct span s)
{
	enum { WINDOW = 256 };

	for (size_t n = 0; n < s.len; n += WINDOW) {
		const char *at = s.at + n;
		size_t left = s.len - n < WINDOW ? s.len - n : WINDOW;
		const char *lf = (const char *)memchr(at, '\n', left);
		const char *cr = (const char *)memchr(at, '\r', lf ? (size_t)(lf - at) : left);

		if (cr || lf)
			return (size_t)((cr ? cr : lf) - s.at);
	}
	return s.len;
}
