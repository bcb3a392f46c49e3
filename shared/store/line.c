/* line - those who wait for the gate, in the order of their coming. */
#include "store/line.h"
#include <unistd.h>
#include "base/clock.h"
#include "store/bytelock.h"

/* Places fill the upper half of all offsets: 50 bits of time since boot in us, then 12 bits that
 * keep apart who comes in the same us. (In a time namespace of its own a process stands further
 * ahead or behind than is fair.) */
#define FIRST_PLACE ((int64_t)1 << 62)
#define PLACES      FIRST_PLACE
#define TIME_MASK   (((int64_t)1 << 50) - 1)
#define APART_BITS  12

int64_t line_join(int alive)
{
	int64_t apart = getpid() & ((1 << APART_BITS) - 1), place;

	do
		place = FIRST_PLACE + ((clock_mono_us() & TIME_MASK) << APART_BITS) + apart;
	while (!bytelock_take(alive, place));
	return place;
}

void line_leave(int alive, int64_t place)
{
	bytelock_drop(alive, place);
}

/* The last place taken before this one. The kernel names any of those in a range, in no order. */
static bool find_ahead(int alive, int64_t place, int64_t *ahead)
{
	struct bytelock_found found;
	bool is_any = false;
	int64_t from = FIRST_PLACE;

	while (from < place && bytelock_find(alive, from, place - from, &found)) {
		*ahead = found.at;
		from = found.at + 1;
		is_any = true;
	}
	return is_any;
}

void line_wait(int alive, int64_t place)
{
	int64_t ahead;

	while (find_ahead(alive, place, &ahead) && bytelock_wait(alive, ahead))
		bytelock_drop(alive, ahead);
}

bool line_is_empty(int alive)
{
	struct bytelock_found found;

	return !bytelock_find(alive, FIRST_PLACE, PLACES, &found);
}

bool line_first(int alive, pid_t *pid)
{
	struct bytelock_found found;
	bool is_any = false;
	int64_t n = PLACES;

	while (n > 0 && bytelock_find(alive, FIRST_PLACE, n, &found)) {
		*pid = found.pid;
		n = found.at - FIRST_PLACE;
		is_any = true;
	}
	return is_any;
}
