#include "broker/slow.h"
#include <stdio.h>
#include <string.h>

#define FIRST_MS 200

/* The one of that address, else the one that was quiet longest. */
static struct slow_one *find(struct slow *s, const char *address)
{
	struct slow_one *oldest = &s->v[0];

	for (int i = 0; i < SLOW_ADDRESSES; i++) {
		struct slow_one *o = &s->v[i];
		if (o->failures > 0 && strcmp(o->address, address) == 0)
			return o;
		if (oldest->failures > 0 && (o->failures == 0 || o->last_ms < oldest->last_ms))
			oldest = o;
	}
	oldest->failures = 0;
	snprintf(oldest->address, sizeof(oldest->address), "%s", address);
	return oldest;
}

static int64_t delay_of(uint32_t failures)
{
	if (failures <= 1)
		return 0;
	if (failures > 6)
		return SLOW_MOST_MS;
	int64_t ms = (int64_t)FIRST_MS << (failures - 2);
	return ms < SLOW_MOST_MS ? ms : SLOW_MOST_MS;
}

int64_t slow_failure(struct slow *s, const char *address, int64_t now_ms)
{
	struct slow_one *o = find(s, address);

	if (now_ms - o->last_ms > SLOW_FORGET_MS)
		o->failures = 0;
	if (o->failures < UINT32_MAX)
		o->failures++;
	o->last_ms = now_ms;
	return delay_of(o->failures);
}
