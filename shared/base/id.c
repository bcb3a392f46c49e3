/* id - UUIDv7 and random bytes. */
#include "base/id.h"
#include <stdatomic.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

/* The 48 bits of time and the 12 bits of counter of one id (RFC 9562 section 6.2, method 1). The
 * last one given out is kept, so that ids of one process sort by age within a millisecond and while
 * the clock steps back; a full counter runs into the time. It is the only state of this file. */
static uint64_t next_stamp(int64_t wall_ms)
{
	static _Atomic uint64_t last;
	uint64_t now = ((uint64_t)wall_ms & 0xffffffffffff) << 12;
	uint64_t before = atomic_load(&last), next;

	do
		next = before >= now ? before + 1 : now;
	while (!atomic_compare_exchange_weak(&last, &before, next));
	return next;
}

void id_new(char out[ID_SIZE], int64_t wall_ms)
{
	uint64_t stamp = next_stamp(wall_ms);
	unsigned char b[16];

	random_bytes(b + 8, 8);
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(stamp >> (52 - 8 * i));
	b[6] = (unsigned char)(0x70 | (stamp >> 8 & 0x0f));
	b[7] = (unsigned char)stamp;
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
	hex_encode(out, b, sizeof(b));
}

void random_bytes(void *out, size_t n)
{
	unsigned char *at = out;

	while (n > 0) {
		size_t part = n < 256 ? n : 256; /* getentropy's limit */

		if (getentropy(at, part) != 0)
			abort();
		at += part;
		n -= part;
	}
}

void hex_encode(char *out, const void *bytes, size_t n)
{
	const unsigned char *from = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[from[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[from[i] & 15];
	}
	out[2 * n] = '\0';
}
