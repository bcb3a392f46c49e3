/* place - what most commands begin with: the rules in force, and the state folder with its database. */
#pragma once
#include "broker/ctl/ctl.h"
#include "domain/config.h"
#include "store/store.h"

struct place {
	struct config *config;   /* NULL when only --state-dir leads to the place */
	char *state_dir;
	struct store *store;     /* NULL until place_open_store, and when nothing was ever stored */
};
void place_release(struct place *p);

/* Each says on stderr what is wrong and gives CTL_BROKEN then, else CTL_OK. */
MUST_USE enum ctl_exit place_find_rules(const struct ctl *c, struct place *out);
MUST_USE enum ctl_exit place_find_state(const struct ctl *c, struct place *out);  /* rules, or --state-dir without any */
MUST_USE enum ctl_exit place_open_store(struct place *p);                         /* reads, or changes what is there */
MUST_USE enum ctl_exit place_open_to_write(struct place *p);                      /* the first time makes the database */
/* Opens it to be read; prints nothing. Store NULL: it cannot be, why says so; why empty: nothing was ever stored. */
void place_try_store(struct place *p, struct problem *why);
/* For whoever looks on: rules edited meanwhile take the place of ours if they are good; a database made meanwhile is opened. */
void place_look_again(struct place *p);
