#include "broker/ctl/term.h"
#include <inttypes.h>
#include "base/utf8.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

#define GROWTH 8 /* the longest replacement of one byte is <U+001B>; characters of more bytes grow less */

static bool append_byte(struct buf *b, char byte)
{
	return buf_printf(b, "<0x%02X>", (unsigned)(unsigned char)byte);
}

static bool append_hidden(struct buf *b, uint32_t code, enum term_lines lines)
{
	if ((code == '\n' || code == '\t') && lines == TERM_KEEP_LINES)
		return buf_append_char(b, (char)code);
	switch (code) {
	case '\n': return buf_append_text(b, "\\n");
	case '\t': return buf_append_text(b, "\\t");
	case '\r': return buf_append_text(b, "\\r");
	default: return buf_printf(b, "<U+%04X>", (unsigned)code);
	}
}

bool term_append(struct buf *b, struct span text, enum term_lines lines)
{
	bool is_whole = true;

	for (size_t i = 0; is_whole && i < text.len;) {
		uint32_t code = 0;
		size_t n = utf8_decode(text.at + i, text.len - i, &code);
		if (n == 0)
			is_whole = append_byte(b, text.at[i]);
		else if (utf8_is_hidden(code))
			is_whole = append_hidden(b, code, lines);
		else
			is_whole = buf_append(b, text.at + i, n);
		i += n ? n : 1;
	}
	return is_whole;
}

static char *visible(struct span text, enum term_lines lines)
{
	struct buf b;

	buf_init(&b, text.len * GROWTH + 1);
	bool is_whole = term_append(&b, text, lines);
	char *owned = is_whole && b.len ? buf_take(&b) : xstrdup("");
	buf_release(&b);
	return owned;
}

char *term_text(const char *text)
{
	return visible(span_of(text), TERM_ONE_LINE);
}

void term_print(FILE *to, struct span text, enum term_lines lines)
{
	CLEANUP(free_charp) char *shown = visible(text, lines);

	fputs(shown, to);
}

void term_span(char out[TERM_SPAN], int64_t ms)
{
	long long s = ms > 0 ? (long long)((ms + 999) / 1000) : 0;

	if (s >= 48 * 3600)
		snprintf(out, TERM_SPAN, "%lldd %lldh", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		snprintf(out, TERM_SPAN, "%lldh %lldm", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, TERM_SPAN, "%lldm %llds", s / 60, s % 60);
	else
		snprintf(out, TERM_SPAN, "%llds", s);
}

void term_paint(FILE *to, enum term_colour colour, const char *text)
{
	static const char *const codes[] = { [TERM_BOLD] = "1", [TERM_DIM] = "2", [TERM_RED] = "31", [TERM_GREEN] = "32", [TERM_YELLOW] = "33" };

	if (colour == TERM_PLAIN || !*text)
		fputs(text, to);
	else
		fprintf(to, "\033[%sm%s\033[0m", codes[colour], text);
}

size_t term_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static bool append_escape(struct buf *b, uint32_t code)
{
	if (code < 0x10000)
		return buf_printf(b, "\\u%04" PRIx32, code);
	code -= 0x10000;
	return buf_printf(b, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

/* Length of the character at the start, or 0: it, of *skip bytes, must be escaped. Line ends and tabs only stand between values. */
static size_t shown_length(struct span json, uint32_t *code, size_t *skip)
{
	unsigned char first = (unsigned char)json.at[0];

	if ((first >= 0x20 && first < 0x7f) || first == '\n' || first == '\t')
		return 1;
	size_t n = utf8_decode(json.at, json.len, code);
	*code = n > 0 ? *code : 0xfffd;
	*skip = n > 0 ? n : 1;
	return n > 0 && !utf8_is_hidden(*code) ? n : 0;
}

bool term_json(struct buf *b, struct span json)
{
	size_t done = 0, n;

	for (size_t i = 0; i < json.len; i += n) {
		uint32_t code = 0;
		size_t skip = 1;

		n = shown_length((struct span){ json.at + i, json.len - i }, &code, &skip);
		if (n > 0)
			continue;
		if (!buf_append(b, json.at + done, i - done) || !append_escape(b, code))
			return false;
		n = skip;
		done = i + skip;
	}
	return buf_append(b, json.at + done, json.len - done);
}

bool term_quote(struct buf *b, const char *text)
{
	CLEANUP(buf_release) struct buf quoted = { 0 };

	buf_init(&quoted, 6 * strlen(text) + 2);
	return json_quote(&quoted, span_of(text)) && term_json(b, buf_span(&quoted));
}
