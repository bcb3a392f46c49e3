/* held - messages of the client that wait for their turn, in order. Bounded by held_has_room, which whoever reads the client asks. */
#pragma once
#include "base/list.h"
#include "base/span.h"

struct held {
	struct list lines;
	size_t n, bytes;
};

void held_init(struct held *h);
void held_release(struct held *h);               /* leaves it empty and usable */
bool held_has_room(const struct held *h);        /* for one more */
void held_add(struct held *h, struct span line);
char *held_take(struct held *h, size_t *n);      /* owned; NULL = none */
