/* broker - aegis-broker: everything the process owns, made in main, passed to whoever needs it. One thread, one loop; libmicrohttpd has a
 * thread of its own that only parses (httpd.h).
 *
 * The broker enforces nothing. It reads what the store says must be told, tells it, takes people's answers and writes them to the store.
 * It may be killed at any instant: what it had to do stands in the store, so the next one does it.
 *
 * A module that lives as long as the process is a row of broker_modules (modules.c). It keeps its own struct behind its own pointer here. */
#pragma once
#include "broker/options.h"
#include "broker/state.h"
#include "domain/config.h"
#include "net/loop.h"
#include "net/signals.h"

struct doors;
struct links;
struct outbox;
struct slack_socket;
struct streams;
struct counters;

struct broker {
	struct options options;
	char *state_dir;
	struct loop *loop;
	struct signals signals;
	struct state state;                  /* the store */
	struct config *config;               /* in force. Another one may take its place in any turn: copy what must last longer */
	uint64_t generation;
	struct doors *doors;                 /* doors.h: the HTTP servers */
	struct links *links;                 /* links.h */
	struct outbox *outbox;               /* outbox.h */
	struct slack_socket *slack_socket;   /* slack_socket.h */
	struct streams *streams;             /* route_events.c */
	struct counters *counters;           /* route_metrics.c */
};

/* All functions but name may be NULL. Modules are opened in the order of the table, when rules and store are there, and closed in reverse. */
struct broker_module {
	const char *name;
	enum err (*open)(struct broker *b, struct problem *why);      /* not OK: the broker does not start, why says it */
	void (*rules_changed)(struct broker *b);                      /* b->config is another now */
	void (*look)(struct broker *b);          /* somebody may have changed the store: woken, and once a second while work is open */
	bool (*is_busy)(const struct broker *b); /* work is open or under way: no idle_exit now */
	void (*close)(struct broker *b);         /* legal when open failed or was not called */
};
extern const struct broker_module broker_modules[];                   /* ends with name NULL */

/* NULL while the store cannot be opened; b->state.why says why. Operations submitted to it are carried out at the end of this turn. */
struct store *broker_store(const struct broker *b);
/* Takes the file's rules now if they are good. report is filled in either way; the caller releases it. */
MUST_USE enum err broker_reload(struct broker *b, struct config_report *report);
void broker_end(struct broker *b);                                    /* as SIGTERM does */
