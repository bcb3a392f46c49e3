#include "broker/page_form.h"
#include <strings.h>
#include "base/utf8.h"

#define TYPE "application/x-www-form-urlencoded"

bool page_form_is_type(const char *type)
{
	size_t n = sizeof TYPE - 1;

	return type && strncasecmp(type, TYPE, n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

/* ---- one field ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum unescaped { UNESCAPED, UNESCAPED_TOO_LONG, UNESCAPED_WRONG };

/* Into out as C text; a NUL is wrong. */
static enum unescaped unescape(struct span raw, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.at[i] == '+' ? ' ' : raw.at[i];
		if (c == '%') {
			int high = i + 2 < raw.len ? hex_digit(raw.at[i + 1]) : -1, low = high >= 0 ? hex_digit(raw.at[i + 2]) : -1;
			if (low < 0)
				return UNESCAPED_WRONG;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return UNESCAPED_WRONG;
		if (n + 1 < size)
			out[n] = c;
		n++;
	}
	out[n < size ? n : size - 1] = '\0';
	return n < size ? UNESCAPED : UNESCAPED_TOO_LONG;
}

/* Line ends and tabs become blanks, those at both ends go. False: something in it does not show what it is. */
static bool make_plain(char *text)
{
	size_t n = strlen(text), step, from = 0;
	uint32_t code = 0;

	for (size_t i = 0; i < n; i++)
		if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t')
			text[i] = ' ';
	for (size_t i = 0; i < n; i += step) {
		step = utf8_decode(text + i, n - i, &code);
		if (step == 0 || utf8_is_hidden(code))
			return false;
	}
	while (n > 0 && text[n - 1] == ' ')
		text[--n] = '\0';
	while (text[from] == ' ')
		from++;
	memmove(text, text + from, n - from + 1);
	return true;
}

/* ---- the fields ---- */

struct seen { bool token, decision, reason; };

static bool take_token(struct page_form *f, struct span value)
{
	return unescape(value, f->token, sizeof f->token) == UNESCAPED && *f->token;
}

static bool take_decision(struct page_form *f, struct span value)
{
	f->is_approving = span_is(value, "approve");
	return f->is_approving || span_is(value, "reject");
}

static bool take_reason(struct page_form *f, struct span value)
{
	enum unescaped u = unescape(value, f->reason, sizeof f->reason);

	f->is_reason_too_long = u == UNESCAPED_TOO_LONG;
	f->is_reason_odd = u == UNESCAPED && !make_plain(f->reason);
	if (f->is_reason_too_long || f->is_reason_odd)
		f->reason[0] = '\0';
	return u != UNESCAPED_WRONG;
}

static bool take_field(struct page_form *f, struct seen *seen, struct span name, struct span value)
{
	bool *was = span_is(name, "token") ? &seen->token : span_is(name, "decision") ? &seen->decision : span_is(name, "reason") ? &seen->reason : NULL;

	if (!was || *was)
		return false;
	*was = true;
	return was == &seen->token ? take_token(f, value) : was == &seen->decision ? take_decision(f, value) : take_reason(f, value);
}

bool page_form_read(struct span body, struct page_form *out)
{
	struct seen seen = { false, false, false };
	const char *at = body.at, *end = body.at + body.len;

	*out = (struct page_form){ .token = "" };
	while (at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		stop = stop ? stop : end;
		const char *equals = memchr(at, '=', (size_t)(stop - at));
		if (!equals || !take_field(out, &seen, (struct span){ at, (size_t)(equals - at) }, (struct span){ equals + 1, (size_t)(stop - equals - 1) }))
			return false;
		at = stop + (stop < end);
	}
	return seen.token && seen.decision;
}
