/* slow - how long whoever failed to prove himself waits for his answer: 0 at first, then 200 ms doubling to 5 s, by address; forgotten
 * after a minute without another failure. Bounded: the address longest quiet makes room. Pure; ms of any clock that does not go back. */
#pragma once
#include <stdint.h>

#define SLOW_ADDRESSES  512
#define SLOW_MOST_MS    5000
#define SLOW_FORGET_MS  60000

struct slow {
	struct slow_one { char address[64]; uint32_t failures; int64_t last_ms; } v[SLOW_ADDRESSES];
};
/* One more failure from there: how long its answer is held back. */
int64_t slow_failure(struct slow *s, const char *address, int64_t now_ms);
