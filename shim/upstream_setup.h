/* upstream_setup - what a client has set up in its session with a backend, kept to be said again where another session takes the place of
 * that one: the log level and the subscriptions; and the capabilities it was told of, so that it hears when lists may have changed. */
#pragma once
#include "base/map.h"
#include "shim/upstream.h"

#define SETUP_MAX_SUBSCRIPTIONS 1024           /* of resources/subscribe requests, each ... */
#define SETUP_MAX_PARAMS_BYTES  (16 * 1024)    /* ... with so many bytes of params at the most */
#define SETUP_MAX_CAPABILITIES  (1024 * 1024)

struct setup {
	char *capabilities;            /* raw JSON of the last answer to initialize */
	struct map *subscriptions;     /* raw uri -> raw params, owned */
	char *log_level;               /* raw params of the last logging/setLevel */
	bool has_level_to_send;
	size_t next;                   /* subscription to be said */
};

void setup_init(struct setup *s);
void setup_release(struct setup *s);

/* The backend has answered this request of the client. */
void setup_note(struct setup *s, const struct jsonrpc *request, const struct jsonrpc *response);

/* A session is open. SETUP_ANEW: in the place of another one of the same process; SETUP_RESTARTED: of one that has ended. */
enum setup_opening { SETUP_FIRST, SETUP_ANEW, SETUP_RESTARTED };
void setup_opened(struct setup *s, const struct jsonrpc *response, enum setup_opening how, const struct upstream_events *events);

void setup_begin(struct setup *s);
/* What must be said next; borrowed until s changes. False: that was all. */
MUST_USE bool setup_next(struct setup *s, const char **method, const char **params);
