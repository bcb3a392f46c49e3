/* state - the store as this process uses it: opened at the first real request, joined as a session, run once a loop turn, and
 * opened again when it could not be. */
#pragma once
#include "net/loop.h"
#include "store/store.h"

struct shim;

struct state {
	struct shim *shim;
	struct store *store;                 /* NULL = not open */
	char why[500];                       /* the last failure to open it, a sentence */
	int64_t retry_at_us;
	unsigned unsettled;                  /* outcomes submitted and not yet written */
	bool is_behind;                      /* replies have gone out whose outcomes are not yet written */
	struct session row;
	struct op join, leave;
	bool has_joined, is_left;
	struct loop_source gate, wake;
	struct loop_timer idle;
};

void state_init(struct state *t, struct shim *shim);
void state_release(struct state *t);         /* closes: what is still submitted gets its last try */

/* Opens the store unless it is open. False: calls must be refused, why says it; it is tried again at most once a second. */
bool state_is_open(struct state *t);
void state_run(struct state *t);             /* carries out what the turn submitted, then sets the idle timer */
void state_settled(struct state *t);         /* one outcome less to be written */
void state_leave(struct state *t);           /* submits the end of the session row */
