#include "broker/feishu_text.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define PIECE 48                         /* one character as it comes out; the longest: a hidden one as entities */

/* ASCII but for letters, digits, blank and what no markup begins or ends with. */
static bool is_markup(uint32_t code)
{
	return code < 0x80 && code != '\n' && strchr("!\"#$&'()*+-:<=>@[\\]^_`{|}~", (int)code) != NULL && code != 0;
}

static size_t put_md(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (size_t)snprintf(out + n, size - n, is_markup((unsigned char)*text) ? "&#%d;" : "%c", *text);
	return n;
}

static size_t put(char *out, size_t size, const char *text, enum feishu_markup markup)
{
	return markup == FEISHU_LARK_MD ? put_md(out, size, text) : (size_t)snprintf(out, size, "%s", text);
}

/* How one character comes out. Returns its length. */
static size_t piece_of(char out[PIECE], const char *at, size_t n, uint32_t code, enum feishu_markup markup)
{
	char shown[16];

	if (n == 0)
		snprintf(shown, sizeof(shown), "\\x{%02X}", (unsigned)(unsigned char)*at);
	else if (utf8_is_hidden(code) && !(code == '\n' && markup == FEISHU_PLAIN))
		snprintf(shown, sizeof(shown), "\\u{%" PRIX32 "}", code);
	else
		snprintf(shown, sizeof(shown), "%.*s", (int)n, at);
	return put(out, PIECE, shown, markup);
}

bool feishu_text(struct buf *b, struct span text, enum feishu_markup markup, size_t cap_bytes, size_t *taken)
{
	size_t start = b->len, fits_to = b->len, i = 0, fits = 0;
	char piece[PIECE];

	while (i < text.len) {                  /* fits: up to where "…" has room behind it */
		uint32_t code = 0;
		size_t n = utf8_decode(text.at + i, text.len - i, &code);
		size_t length = piece_of(piece, text.at + i, n, code, markup);

		if (b->len - start + length > cap_bytes)
			break;
		if (!buf_append(b, piece, length))
			return false;
		i += n ? n : 1;
		if (b->len - start + strlen(ELLIPSIS) <= cap_bytes) {
			fits_to = b->len;
			fits = i;
		}
	}
	*taken = i;
	if (i == text.len)
		return true;
	buf_truncate(b, fits_to);
	*taken = fits;
	return buf_append_text(b, ELLIPSIS);
}
