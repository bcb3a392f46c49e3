/* waiting - a call that waits, as its client sees it: what for, how long its client bears it, and the signs of life meanwhile.
 * A stage that lets a call wait does this each time it judges (w = &c->waiting):
 *
 *     waiting_begin(c, WAITING_QUEUE);              idempotent; then what is known goes into w: position, eta_ms, name, reason
 *     if (waiting_is_over(c))
 *             return call_defer(c, retry_after_ms); the client gives up soon: answered before that, and told to come again
 *     return STEP_WAIT;
 *
 * and waiting_end(c) when it goes on. The call is marked, and so judged again, when patience ends and before each sign of life.
 * A call that never waits costs nothing here. Times in ms. */
#pragma once
#include "domain/config.h"
#include "net/loop.h"

struct call;

enum waiting_for { WAITING_NOTHING, WAITING_APPROVAL, WAITING_QUEUE, WAITING_BRAKE, WAITING_COOLDOWN };

struct waiting {
	/* The stage says: */
	char name[16];                       /* of its approval, APR-7F3K; "" = none. Stays, whatever it waits for later */
	char reason[160];                    /* BRAKE: the operator's; "" = none given */
	uint32_t position;                   /* QUEUE: 1 = next; 0 = not known */
	int64_t eta_ms;                      /* QUEUE, COOLDOWN: until it goes on; -1 = not known */
	/* its own: */
	enum waiting_for what;
	int64_t since_us, patient_until_us, beaten_us;
	struct loop_timer patience, beat;
	bool is_over, is_beat_due, is_beating;
	bool has_token;                      /* progress_beat said something under the call's token */
};

void waiting_init(struct waiting *w);
void waiting_begin(struct call *c, enum waiting_for what);
void waiting_end(struct call *c);
bool waiting_is_over(const struct call *c);
void waiting_show(struct call *c);                     /* the call was judged and still waits: says the sign of life that is due */

#define WAITING_FOREVER (-1)
struct waiting_patience { int64_t ms; bool is_renewed; /* by each sign of life */ };
/* How long the client with this name in clientInfo bears a call without an answer; from hold_max (CONFIG_AUTO: the table of clients)
 * something is taken off, so that the answer is there in time. Pure. */
struct waiting_patience waiting_patience_of(const char *client, int64_t hold_max_ms);
