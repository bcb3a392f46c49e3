/* decide - a person's vote from this machine, and what to say of it. */
#pragma once
#include "broker/ctl/ctl.h"
#include "broker/ctl/operator.h"
#include "broker/verdict.h"

#define DECIDE_REASON_MAX_BYTES 1000

struct decision {
	const char *approval, *reason;   /* id or short name; "" = none given */
	bool is_approving;
	const uint8_t *args_hash;        /* of what was shown; NULL: whatever it is about */
	char said[VERDICT_MAX];               /* out: a sentence, fit for a terminal */
	enum vote_answer answer;         /* out, when the exit code is not CTL_BROKEN */
};
/* CTL_OK decided, CTL_WAITING others must agree too, CTL_FAILED somebody was first, it is over or there is none, CTL_DENIED may not,
 * CTL_BROKEN the store. said is filled in for all. */
enum ctl_exit decide(struct place *p, const struct voter *who, struct decision *d);
enum ctl_exit decide_cancel(struct place *p, const struct voter *who, struct decision *d);
