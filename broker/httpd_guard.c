#include "broker/httpd_guard.h"
#include <strings.h>

static bool is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

/* RFC 9110 5.6.2: token. */
static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_word && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return s.len > 0;
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.at[i] < 0x20 && s.at[i] != '\t') || s.at[i] == 0x7f)
			return false;
	return true;
}

void framing_note(struct framing *f, struct span name, struct span value)
{
	f->has_bad_name |= !is_token(name);
	f->has_bad_value |= !is_printable(value);
	f->hosts += is(name, "Host");
	f->lengths += is(name, "Content-Length");
	if (is(name, "Transfer-Encoding")) {
		f->encodings++;
		f->is_chunked = is(value, "chunked");
	}
}

const char *framing_fault(const struct framing *f)
{
	if (f->has_bad_name)
		return "a header's name is no token";
	if (f->has_bad_value)
		return "a header holds a control character";
	if (f->hosts != 1)
		return "there must be one Host header";
	if (f->lengths > 1)
		return "more than one Content-Length";
	if (f->encodings > 1 || (f->encodings == 1 && !f->is_chunked))
		return "Transfer-Encoding may only be chunked";
	if (f->encodings > 0 && f->lengths > 0)
		return "Content-Length beside Transfer-Encoding";
	return NULL;
}

bool framing_target_is_plain(struct span target)
{
	if (target.len == 0 || target.at[0] != '/')
		return false;
	for (size_t i = 0; i < target.len; i++) {
		if (target.at[i] <= 0x20 || target.at[i] == 0x7f)
			return false;
		if (target.at[i] == '%' && i + 2 < target.len && target.at[i + 1] == '0' && target.at[i + 2] == '0')
			return false;
	}
	return true;
}
