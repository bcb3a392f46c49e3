/* shim - everything the process owns: made in main, passed to whoever needs it. One thread, one loop. */
#pragma once
#include <sys/types.h>
#include "net/signals.h"
#include "shim/autostart.h"
#include "shim/ending.h"
#include "shim/host.h"
#include "shim/merge.h"
#include "shim/options.h"
#include "shim/part.h"
#include "shim/progress.h"
#include "shim/state.h"
#include "shim/turn.h"
#include "store/rulebook.h"

struct shim {
	struct options options;
	const char *agent;                   /* lives as long as the process */
	char *state_dir, *backends;          /* owned; the names of all parts, for people */
	uid_t uid;
	bool has_host;
	struct ruleset *first_rules;         /* what the upstreams stand on */
	struct loop *loop;
	struct signals signals;
	struct host host;
	struct rulebook rules;
	struct state state;
	struct turn turn;
	struct progress progress;
	struct autostart autostart;
	struct list calls;                   /* struct call, in order of arrival */
	struct part *parts;                  /* in the order of the configuration; at least one */
	size_t parts_n;
	struct merge *merge;                 /* NULL with one part */
	struct ending ending;
};

/* Takes over the rules; ERR_*: why says what an operator can do. */
struct start;
MUST_USE enum err shim_init(struct shim *s, struct start *start, struct problem *why);
void shim_release(struct shim *s);
void shim_run(struct shim *s);               /* until the session is over */

/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares its variable */
#define for_each_part(p, s) for (struct part *p = (s)->parts; p < (s)->parts + (s)->parts_n; p++)
