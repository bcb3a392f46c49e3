/* signals - SIGINT, SIGTERM and SIGHUP are told from the loop, each with its number; SIGPIPE is ignored. One per process: a signal
 * handler has no argument, so the descriptor it writes to is the one global of the program. */
#pragma once
#include "net/loop.h"

struct signals {
	struct loop_source source;
	int read_fd, write_fd;
	void (*caught)(void *arg, int number);
	void *arg;
};
MUST_USE enum err signals_init(struct signals *s, struct loop *loop, void (*caught)(void *arg, int number), void *arg);
void signals_release(struct signals *s);

/* Ends the process with this code after so long, whatever it is waiting for then. */
void signals_hard_end(int64_t in_ms);
