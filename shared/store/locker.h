/* locker - the thread that waits in flock so that nobody else must. It has an open file of its own of the gate. First it waits in line,
 * so that only one process at a time waits at the gate itself.
 *
 * Threads: all functions are the owner's, one thread. The locker's own thread blocks all signals and shares nothing but what is
 * behind its mutex. At rest it costs nothing. */
#pragma once
#include <stdbool.h>

struct locker;
struct locker_files {
	int gate;                                 /* an open file of the gate for the locker alone; it closes it */
	int alive;                                /* run/alive; borrowed for ever */
	int bell;                                 /* rung when it has won; borrowed for the call, duplicated */
};
struct locker *locker_new(const struct locker_files *files);   /* NULL: no thread or descriptor to be had; gate is closed then too */
void locker_free(struct locker *l);               /* never waits: a thread still in line is left behind and gives back what it wins */

void locker_ask(struct locker *l);                /* takes a place in line, and waits; after locker_drop: keeps the place it still has */
bool locker_has_won(struct locker *l);            /* the caller is inside until locker_drop */
void locker_drop(struct locker *l);               /* not wanted any more: gives back what it has won, or will win */
