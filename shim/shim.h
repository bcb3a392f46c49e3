/* shim - everything the process owns: made in main, passed to whoever needs it. One thread, one loop. */
#pragma once
#include <sys/types.h>
#include "shim/ending.h"
#include "shim/host.h"
#include "shim/inbound.h"
#include "shim/options.h"
#include "shim/relay.h"
#include "shim/journal.h"
#include "shim/rules.h"
#include "shim/session.h"
#include "shim/signals.h"
#include "shim/state.h"
#include "shim/tools.h"
#include "shim/turn.h"
#include "shim/upstream.h"

struct shim {
	struct options options;
	const char *agent, *backend;         /* names; live as long as the process */
	char *state_dir;                     /* owned */
	uid_t uid;
	bool has_host;
	struct ruleset *first_rules;         /* what upstream stands on */
	struct config_backend place;         /* the backend of first_rules, or a command of the command line under its name */
	struct loop *loop;
	struct signals signals;
	struct host host;
	struct inbounds inbounds;
	struct session_state session;
	struct relay relay;
	struct tools tools;
	struct rules rules;
	struct state state;
	struct journal journal;
	struct turn turn;
	struct list calls;                   /* struct call, in order of arrival */
	struct upstream *upstream;
	struct ending ending;
};

/* Takes over rules and backend; ERR_*: why says what an operator can do. */
struct start;
MUST_USE enum err shim_init(struct shim *s, struct start *start, struct problem *why);
void shim_release(struct shim *s);
void shim_run(struct shim *s);               /* until the session is over */

/* The backend as the rules in force describe it; NULL when they do not know it any more. */
const struct config_backend *shim_backend(const struct shim *s);
bool shim_backend_is_same(const struct shim *s);  /* ... and at the place this session talks to */
