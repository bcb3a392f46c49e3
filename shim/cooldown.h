/* cooldown - a backend that asks to be left alone: for how long, and that all agents learn of it. */
#pragma once
#include "shim/upstream.h"

struct part;

/* HTTP 429 without a Retry-After (RFC 6585 leaves it to the server): long enough that a crowd does not come straight back. */
#define COOLDOWN_UNSAID_MS 10000

/* 429: what Retry-After says, else COOLDOWN_UNSAID_MS; 503: what Retry-After says, else nothing. At most max_ms (cooldown_max); 0: none. */
struct cooldown_wish { int64_t ms; char cause[80]; };
struct cooldown_wish cooldown_wish_of(const struct delivery_end *end, int64_t max_ms);

/* A request that was no governed call ended so: what it says of a cool-down goes into the store. A call's goes with its outcome. */
void cooldown_note(struct part *p, const struct delivery_end *end);
