#include "base/base64.h"
#include <sodium.h>

bool base64_append(struct buf *out, struct span bytes)
{
	size_t room = sodium_base64_encoded_len(bytes.len, sodium_base64_VARIANT_ORIGINAL);   /* with its NUL */
	char *to = buf_reserve(out, room);

	if (!to)
		return false;
	sodium_bin2base64(to, room, (const unsigned char *)bytes.at, bytes.len, sodium_base64_VARIANT_ORIGINAL);
	buf_added(out, room - 1);
	return true;
}
