/* operator - who sits at this command (broker/voter.h), at which terminal. */
#pragma once
#include "broker/ctl/place.h"
#include "broker/voter.h"

/* False: the rules know nobody by this uid; out->why says so, out->name is the user's. */
bool operator_find(const struct place *p, struct voter *out);
