/* obstacle - what stops a call for a time: a brake, a backend's cool-down, an outcome nobody knows. The store's answer says which; then
 * the call waits where it stands, whatever its stage, or is refused. Only the commit point decides: while a call waits it is looked at
 * by plain reads, when woken and once a second besides. */
#pragma once
#include "net/loop.h"
#include "shim/pipeline.h"

struct met {
	enum obstacle_kind kind;             /* NONE: goes on */
	struct loop_timer look;
};

void obstacle_init(struct met *m);
void obstacle_release(struct met *m);

/* The store has refused the call's operation for it: a brake lets it wait, a cool-down too if it has a ticket; anything else refuses. */
void obstacle_meet(struct call *c, enum obstacle_kind kind, const struct obstacle *why);

/* Asked before the call's stage. NEXT: nothing in the way; WAIT; STOP: refused, or answered before its client gives up. */
enum step obstacle_judge(struct call *c);
