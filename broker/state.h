/* state - the store as the broker uses it: opened at the start, joined as a session of kind "broker", run at the end of every loop turn,
 * opened again when it could not be. */
#pragma once
#include "net/loop.h"
#include "store/store.h"

struct broker;

struct state {
	struct broker *broker;
	struct store *store;                 /* NULL = not open */
	char why[500];                       /* the last failure to open it, a sentence */
	int64_t retry_at_us;
	struct session row;
	struct op join, leave;
	bool has_joined, is_left;
	struct loop_source gate, wake;
	struct loop_timer idle;
};
