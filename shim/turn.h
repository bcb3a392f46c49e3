/* turn - what one turn of the loop owes to calls: the marked ones are judged, what they ask goes to the store in one transaction,
 * each is told its answer and goes on. */
#pragma once
#include "base/list.h"
#include "store/store.h"

struct call;
struct shim;

struct turn {
	struct shim *shim;
	struct list marked;                  /* struct call */
};

void turn_open(struct turn *t, struct shim *shim);
void turn_mark(struct turn *t, struct call *c);      /* to be judged in this turn, or the next when this one has judged; again: nothing */
void turn_mark_all(struct shim *s);                  /* every call that waits for something other than the store */
bool turn_has_marked(const struct turn *t);
void turn_judge(struct turn *t);
void turn_add(struct turn *t, struct call *c);       /* STEP_STORE: the stage's question goes to the store */
