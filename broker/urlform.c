#include "broker/urlform.h"
#include <strings.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at the start of s; *size: how much of s it takes. -1: it is none. */
static int decode(struct span s, size_t *size)
{
	*size = 1;
	if (s.at[0] == '+')
		return ' ';
	if (s.at[0] != '%')
		return s.at[0] ? (unsigned char)s.at[0] : -1;
	*size = 3;
	int high = s.len < 3 ? -1 : digit(s.at[1]), low = s.len < 3 ? -1 : digit(s.at[2]);
	if (high < 0 || low < 0 || high + low == 0)
		return -1;
	return high * 16 + low;
}

static bool decode_all(struct span s, struct buf *out)
{
	while (s.len > 0) {
		size_t n;
		int byte = decode(s, &n);
		if (byte < 0 || !buf_append_char(out, (char)byte))
			return false;
		s.at += n;
		s.len -= n;
	}
	return true;
}

/* Takes the next of the parts between & off the body. */
static struct span next_part(struct span *body)
{
	const char *end = memchr(body->at, '&', body->len);
	struct span part = { body->at, end ? (size_t)(end - body->at) : body->len };
	size_t taken = part.len + (end ? 1 : 0);

	body->at += taken;
	body->len -= taken;
	return part;
}

static bool name_is(struct span part, const char *name)
{
	size_t n = strlen(name);

	return part.len >= n && memcmp(part.at, name, n) == 0 && (part.len == n || part.at[n] == '=');
}

enum urlform_answer urlform_field(struct span body, const char *name, struct buf *out)
{
	enum urlform_answer answer = URLFORM_ABSENT;
	size_t n = strlen(name);

	while (body.len > 0) {
		struct span part = next_part(&body);
		if (!name_is(part, name))
			continue;
		if (answer == URLFORM_FOUND)
			return URLFORM_BROKEN;
		struct span value = part.len == n ? SPAN("") : (struct span){ part.at + n + 1, part.len - n - 1 };
		if (!decode_all(value, out))
			return URLFORM_BROKEN;
		answer = URLFORM_FOUND;
	}
	return answer;
}

bool urlform_is_type(const char *content_type)
{
	static const char wanted[] = "application/x-www-form-urlencoded";
	size_t n = sizeof wanted - 1;

	return content_type && strncasecmp(content_type, wanted, n) == 0 && (content_type[n] == '\0' || content_type[n] == ';' || content_type[n] == ' ');
}
