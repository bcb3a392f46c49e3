#include "broker/slack_text.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/utf8.h"

#define ELLIPSIS   "\xe2\x80\xa6"
#define ZERO_SPACE "\xe2\x80\x8b"

/* What one character becomes. */
struct piece {
	char text[16];
	size_t len;
};

static struct piece piece_of(const char *text, size_t n)
{
	struct piece p = { .len = n };

	memcpy(p.text, text, n);
	return p;
}

static struct piece piece_shown(uint32_t code)
{
	struct piece p;
	int n;

	switch (code) {
	case '\n': return piece_of("\\n", 2);
	case '\r': return piece_of("\\r", 2);
	case '\t': return piece_of("\\t", 2);
	default: break;
	}
	if (code < 0x10000) {
		n = snprintf(p.text, sizeof p.text, "\\u%04" PRIX32, code);
	} else { /* as JSON writes it, so that arguments stay what they are */
		code -= 0x10000;
		n = snprintf(p.text, sizeof p.text, "\\u%04" PRIX32 "\\u%04" PRIX32, 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	}
	p.len = (size_t)n;
	return p;
}

static struct piece piece_broken(char byte)
{
	struct piece p;

	p.len = (size_t)snprintf(p.text, sizeof p.text, "\\x%02X", (unsigned char)byte);
	return p;
}

/* One character of n bytes; 0: the first byte is none. */
static struct piece piece_for(const char *at, size_t n, uint32_t code, unsigned backticks, enum slack_carrier carrier)
{
	if (n == 0)
		return piece_broken(at[0]);
	if (utf8_is_hidden(code))
		return piece_shown(code);
	if (carrier == SLACK_LITERAL)
		return piece_of(at, n);
	switch (at[0]) {
	case '&': return piece_of("&amp;", 5);
	case '<': return piece_of("&lt;", 4);
	case '>': return piece_of("&gt;", 4);
	case '`': return backticks == 2 ? piece_of(ZERO_SPACE "`", 4) : piece_of("`", 1);
	default: return piece_of(at, n);
	}
}

size_t slack_text(struct buf *out, struct span text, size_t most_bytes, enum slack_carrier carrier)
{
	size_t begin = out->len, i = 0;
	unsigned backticks = 0; /* in a row right before, since the last break */

	while (i < text.len) {
		uint32_t code = 0;
		size_t n = utf8_decode(text.at + i, text.len - i, &code);
		struct piece p = piece_for(text.at + i, n, code, backticks, carrier);

		if (out->len - begin + p.len > most_bytes || !buf_append(out, p.text, p.len))
			break;
		backticks = code != '`' ? 0 : backticks == 2 ? 1 : backticks + 1;
		i += n ? n : 1;
	}
	return text.len - i;
}

bool slack_text_line(struct buf *out, const char *text, size_t most_bytes, enum slack_carrier carrier)
{
	size_t begin = out->len;

	if (slack_text(out, span_of(text), most_bytes, carrier) == 0)
		return true;
	buf_truncate(out, begin);
	(void)slack_text(out, span_of(text), most_bytes - strlen(ELLIPSIS), carrier);
	return buf_append_text(out, ELLIPSIS);
}
