/* operator - who sits at this command: a person of the rules, or, where they name nobody, the owner of the state folder with every role. */
#pragma once
#include <sys/types.h>
#include "broker/ctl/place.h"

struct operator {
	uid_t uid;
	char name[80];           /* as decisions name it: of the person, else of the user */
	char origin[120];        /* from where: user and terminal */
	bool may_decide;
	char why[300];           /* !may_decide: a sentence */
};
void operator_find(const struct place *p, struct operator *out);

/* May this person decide what an agent of that user asks for? False: why is filled in. */
MUST_USE bool operator_may_decide_for(const struct place *p, struct operator *o, uid_t agent_uid);
