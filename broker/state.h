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

void state_init(struct state *t, struct broker *b);
bool state_is_open(struct state *t);         /* opens it unless it is; tried again once a second at most */
void state_run(struct state *t);             /* carries out what the turn submitted, then watches what the store waits for */
void state_leave(struct state *t);           /* submits the end of the session row */
void state_release(struct state *t);         /* closes: what is still submitted gets its last try, and is told. Legal twice */
