/* jsontext - the inside of JSON strings, byte by byte: what jsonscan and jsonwalk share. No one else needs it. */
#pragma once
#include "data/jsonscan.h"

#define JSONTEXT_EVERY_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

static inline bool jsontext_is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *jsontext_skip_blanks(const char *at, const char *end)
{
	while (at < end && jsontext_is_blank(*at))
		at++;
	return at;
}

/* Over a checked number, true, false or null. */
static inline const char *jsontext_skip_word(const char *at, const char *end)
{
	while (at < end && *at != ',' && *at != '}' && *at != ']' && !jsontext_is_blank(*at))
		at++;
	return at;
}

/* The first byte from at on that is a quote or a backslash or, if strict, a control or not ASCII; end when there is none.
 * Eight bytes at a time: (x - 1) & ~x has its high bit set in the lowest zero byte of x, and perhaps in bytes above it. */
static inline const char *jsontext_skip(const char *at, const char *end, bool is_strict)
{
	while (end - at >= 8) {
		uint64_t w, quote, backslash, hit;

		memcpy(&w, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		w = __builtin_bswap64(w);
#endif
		quote = w ^ JSONTEXT_EVERY_BYTE('"');
		backslash = w ^ JSONTEXT_EVERY_BYTE('\\');
		hit = ((quote - JSONTEXT_EVERY_BYTE(1)) & ~quote) |
			((backslash - JSONTEXT_EVERY_BYTE(1)) & ~backslash);
		if (is_strict)
			hit |= ((w - JSONTEXT_EVERY_BYTE(0x20)) & ~w) | w;
		hit &= JSONTEXT_EVERY_BYTE(0x80);
		if (hit)
			return at + (__builtin_ctzll(hit) >> 3);
		at += 8;
	}
	while (at < end && *at != '"' && *at != '\\' &&
		!(is_strict && ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x80)))
		at++;
	return at;
}

/* 0 to 15, or -1. */
static inline int jsontext_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a checked \u escape. */
static inline uint32_t jsontext_u16(const char *digits)
{
	uint32_t code = 0;

	for (int i = 0; i < 4; i++)
		code = code << 4 | (uint32_t)jsontext_hex(digits[i]);
	return code;
}

static inline bool jsontext_is_high(uint32_t code)
{
	return code >= 0xd800 && code <= 0xdbff;
}

static inline bool jsontext_is_low(uint32_t code)
{
	return code >= 0xdc00 && code <= 0xdfff;
}

/* The code that the escape at at (its backslash) of a checked string stands for; *len: how many bytes of text it takes. A pair of
 * surrogates is one code; a lone one stands for itself. */
static inline uint32_t jsontext_escape(const char *at, const char *end, size_t *len)
{
	*len = 2;
	switch (at[1]) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'u': break;
	default: return (unsigned char)at[1]; /* quote, backslash, slash */
	}
	uint32_t code = jsontext_u16(at + 2);
	*len = 6;
	if (jsontext_is_high(code) && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
		uint32_t low = jsontext_u16(at + 8);

		if (jsontext_is_low(low)) {
			*len = 12;
			return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return code;
}

/* UTF-8, or WTF-8 for a surrogate. Returns the length. */
static inline size_t jsontext_encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* The next bytes of the unescaped string: a run of the text as it stands, or what one escape means. *at moves on. */
static inline struct span jsontext_piece(const char **at, const char *end, char room[4])
{
	const char *from = *at;
	size_t n;

	if (*from != '\\') {
		const char *behind = memchr(from, '\\', (size_t)(end - from));

		*at = behind ? behind : end;
		return (struct span){ from, (size_t)(*at - from) };
	}
	uint32_t code = jsontext_escape(from, end, &n);
	*at += n;
	return (struct span){ room, jsontext_encode(code, room) };
}

/* By the first byte of a checked value. */
static inline enum json_kind jsontext_kind(char first)
{
	switch (first) {
	case '{': return JSON_OBJECT;
	case '[': return JSON_ARRAY;
	case '"': return JSON_STRING;
	case 't': return JSON_TRUE;
	case 'f': return JSON_FALSE;
	case 'n': return JSON_NULL;
	default: return JSON_NUMBER;
	}
}
