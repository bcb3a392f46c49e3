#include "base/base64.h"
#include <sodium.h>

static bool append(struct buf *out, struct span bytes, int variant)
{
	size_t room = sodium_base64_encoded_len(bytes.len, variant);   /* with its NUL */
	char *to = buf_reserve(out, room);

	if (!to)
		return false;
	sodium_bin2base64(to, room, (const unsigned char *)bytes.at, bytes.len, variant);
	buf_added(out, room - 1);
	return true;
}

bool base64_append(struct buf *out, struct span bytes)
{
	return append(out, bytes, sodium_base64_VARIANT_ORIGINAL);
}

bool base64url_append(struct buf *out, struct span bytes)
{
	return append(out, bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool base64url_decode(void *out, size_t n, struct span text)
{
	size_t got = 0;

	return text.len == BASE64URL_LEN(n) &&
	       sodium_base642bin(out, n, text.at, text.len, NULL, &got, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 && got == n;
}

bool base64_decode(struct buf *out, struct span text)
{
	size_t n = 0, room = text.len / 4 * 3;
	const char *end = NULL;
	char *to = buf_reserve(out, room);

	if (!to || text.len % 4 != 0)
		return false;
	bool is_good = sodium_base642bin((unsigned char *)to, room, text.at, text.len, NULL, &n, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	               end == text.at + text.len;
	buf_added(out, is_good ? n : 0);
	return is_good;
}
