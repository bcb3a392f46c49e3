/* ending - the one way out, whatever begins it: end of input, a signal, a client that reads no more. What waits is dropped, what is in
 * flight gets a moment, the session is ended politely; within a second the process is gone. */
#pragma once
#include "net/loop.h"

struct shim;

enum ending_phase {
	ENDING_NOT,
	ENDING_EMPTYING,         /* the input was a file: all of it is carried out first, however long that takes */
	ENDING_DRAINING,         /* calls in flight */
	ENDING_PARTING,          /* the backend is told, the last rows are written */
	ENDING_OVER,
};

struct ending {
	struct shim *shim;
	enum ending_phase phase;
	int64_t began_us;
	struct loop_timer timer;
	size_t to_part;          /* backends not yet told */
};

void ending_init(struct ending *e, struct shim *shim);
void ending_release(struct ending *e);
void ending_of_input(struct ending *e);
void ending_begin(struct ending *e, const char *why);
void ending_turn(struct ending *e);      /* once a loop turn: goes on when it can */
