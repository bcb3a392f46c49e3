/* runner - one run of a program of the operator's: text on its stdin, its stdout thrown away, of its stderr the first line kept. No shell; a
 * process group of its own, which ends with us; an environment of a few names; 30 s, then TERM, and KILL 2 s later. */
#pragma once
#include <signal.h>
#include "base/child.h"
#include "broker/broker.h"

#define RUNNER_LIMIT_MS 30000

struct runner {                          /* the caller fills in; embedded in its owner, zeroed to begin with */
	struct broker *broker;
	char *const *argv;               /* NULL at the end; lives until done */
	struct buf input;                /* taken over */
	void (*done)(struct runner *r);  /* once, never from inside runner_start; then it may be started again or let go */
	void *arg;
	/* out: */
	bool has_started;                /* false: said says why not */
	bool has_timed_out;
	int exit_code;                   /* -1: a signal ended it */
	char said[200];                  /* the first line of its stderr; printable */

	struct child child;
	struct loop_source to, from, err, end;
	struct loop_timer timer, pulse, finish;
	struct buf line;
	char **envp;
	bool is_running;
};
void runner_start(struct runner *r);
void runner_cancel(struct runner *r);    /* kills it; done is not called. Legal at any time, also when never started */
