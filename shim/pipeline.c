#include "shim/pipeline.h"
#include <assert.h>
#include "shim/call.h"
#include "shim/shim.h"

struct stage {
	const char *name;
	enum step (*judge)(struct call *c);
	void (*ask)(struct call *c, struct store *store);
	void (*told)(struct call *c);
};

/* How a tools/call is judged. Read the table top down. */
static const struct stage stages[] = { /* judge: writes nothing   ask: one operation   told: the store has answered */
	[STAGE_ACL]      = { "acl",      acl_judge,      NULL,        NULL },
	[STAGE_POLICY]   = { "policy",   policy_judge,   NULL,        NULL },
	[STAGE_LIMITS]   = { "limits",   limits_judge,   limits_ask,  limits_told },
	[STAGE_APPROVAL] = { "approval", approval_judge, approval_ask, approval_told },
	[STAGE_QUEUE]    = { "queue",    queue_judge,    queue_ask,   queue_told },
	[STAGE_FORWARD]  = { "forward",  forward_judge,  forward_ask, forward_told },
	[STAGE_FINISH]   = { "finish",   finish_judge,   finish_ask,  finish_told }, /* always reached: STOP jumps here; never NEXT or STOP itself */
};

const char *stage_name(enum call_stage s)
{
	return stages[s].name;
}

void pipeline_ask(struct call *c, struct store *store)
{
	stages[c->stage].ask(c, store);
}

void pipeline_told(struct call *c)
{
	stages[c->stage].told(c);
}

/* Ended from outside while the store was asked for it. */
static bool is_over(const struct call *c)
{
	return c->is_dropped && !c->flight.is_committed && c->stage != STAGE_FINISH;
}

static enum step judge(struct call *c)
{
	enum step step = obstacle_judge(c);

	return step == STEP_NEXT ? stages[c->stage].judge(c) : step;
}

void call_advance(struct call *c) /* safe at any time, except between STEP_STORE and told */
{
	assert(!c->is_asking);
	for (;;) {
		if (is_over(c))
			call_end_waiting(c);
		enum call_stage at = c->stage;
		switch (judge(c)) {
		case STEP_NEXT:  c->stage++;                    break;
		case STEP_STOP:  c->stage = STAGE_FINISH;       break;
		case STEP_OVER:  call_start_over(c);            break;
		case STEP_STORE: turn_add(&c->shim->turn, c);   return; /* told when this turn is committed */
		case STEP_WAIT:
			if (at != STAGE_FINISH)                         /* then the call is gone */
				waiting_show(c);
			return;
		}
	}
}
