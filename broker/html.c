#include "broker/html.h"
#include <inttypes.h>
#include "base/utf8.h"

/* What looks like a plain blank and is none: whoever reads could not tell. */
static bool is_odd_blank(uint32_t c)
{
	return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f || c == 0x2800 || c == 0x3000;
}

static bool append_odd(struct buf *b, const char *what, uint32_t code)
{
	return buf_printf(b, "<span class=odd>\\%s{%02" PRIX32 "}</span>", what, code);
}

static const char *entity(char c)
{
	switch (c) {
	case '&':  return "&amp;";
	case '<':  return "&lt;";
	case '>':  return "&gt;";
	case '"':  return "&quot;";
	case '\'': return "&#39;";
	default:   return NULL;
	}
}

/* How many bytes from at on stand for themselves. */
static size_t plain_run(const char *at, size_t left)
{
	size_t n = 0;

	while (n < left && at[n] >= ' ' && at[n] < 0x7f && !entity(at[n]))
		n++;
	return n;
}

/* One character that is not of a plain run. Returns its bytes, 0 when b's cap would be passed. */
static size_t append_character(struct buf *b, const char *at, size_t left)
{
	const char *escaped = entity(*at);
	uint32_t code = 0;
	size_t n = utf8_decode(at, left, &code);
	bool fits;

	if (escaped)
		fits = buf_append_text(b, escaped);
	else if (n == 0)
		fits = append_odd(b, "x", (unsigned char)*at);
	else if (utf8_is_hidden(code) || is_odd_blank(code))
		fits = append_odd(b, "u", code);
	else
		fits = buf_append(b, at, n);
	return !fits ? 0 : n ? n : 1;
}

bool html_text(struct buf *b, struct span text)
{
	size_t before = b->len;

	for (size_t i = 0; i < text.len;) {
		size_t n = plain_run(text.at + i, text.len - i);
		bool fits = n == 0 || buf_append(b, text.at + i, n);
		if (fits && n == 0)
			n = append_character(b, text.at + i, text.len - i);
		if (!fits || n == 0) {
			buf_truncate(b, before);
			return false;
		}
		i += n;
	}
	return true;
}
