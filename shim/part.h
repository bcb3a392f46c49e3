/* part - one backend and the session with it: its connection, its handshake, what is open both ways, its tools, its rows. A shim has
 * one, or several behind merge. Lives as long as the shim. */
#pragma once
#include "shim/continued.h"
#include "shim/discover.h"
#include "shim/inbound.h"
#include "shim/journal.h"
#include "shim/relay.h"
#include "shim/session.h"
#include "shim/tools.h"
#include "shim/upstream.h"

struct shim;

struct part {
	struct shim *shim;
	const char *name;                    /* of the backend; the configuration's */
	struct config_backend place;         /* the backend of first_rules, or a command of the command line under its name */
	struct upstream *upstream;           /* NULL: it cannot be carried out, missing says why */
	char missing[300];                   /* behind merge: why it is not there, a clause; "" = it is */
	bool is_late;                        /* behind merge: its handshake goes on, but nothing is held back for it any more */
	struct inbounds inbounds;
	struct session_state session;
	struct discover discover;
	struct relay relay;
	struct tools tools;
	struct continued continued;
	struct journal journal;
};

/* Opens no connection. ERR_*: why says what an operator can do; part_release is legal then. */
MUST_USE enum err part_init(struct part *p, struct shim *shim, const char *name, struct problem *why);
void part_release(struct part *p);

/* One line for the client, without its end. text is owned by the callee. */
void part_say(struct part *p, char *text, size_t n);

void part_stop(struct part *p);              /* drops what is held back and what nobody waits for; calls apart */
bool part_is_idle(const struct part *p);     /* nothing of the client waits or is on its way; calls apart */
void part_give_up(struct part *p);           /* cancels what is on its way; calls apart */

/* The backend as the rules in force describe it; NULL when they do not know it any more. */
const struct config_backend *part_backend(const struct part *p);
bool part_is_same(const struct part *p);     /* ... and at the place this session talks to */
