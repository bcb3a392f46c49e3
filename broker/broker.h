/* broker - aegis-broker: everything the process owns, made in main, passed to whoever needs it. One thread, one loop; libmicrohttpd has a
 * thread of its own that only parses (httpd.h).
 *
 * The broker enforces nothing. It reads what the store says must be told, tells it, takes people's answers and writes them to the store.
 * It may be killed at any instant: what it had to do stands in the store, so the next one does it.
 *
 * A module that lives as long as the process is a row of broker_modules (modules.c). It keeps its own struct behind its own pointer here. */
#pragma once
#include "broker/logfile.h"
#include "broker/options.h"
#include "broker/service.h"
#include "broker/state.h"
#include "domain/config.h"
#include "net/loop.h"
#include "net/signals.h"
#include "store/broker_lock.h"
#include "store/rulebook.h"

struct doors;
struct health;
struct housekeeping;
struct idle_exit;
struct links;
struct outbox;
struct slack_socket;
struct streams;
struct counters;
struct pending_list;

struct broker {
	struct options options;
	char *state_dir;
	struct loop *loop;
	struct signals signals;
	struct logfile log;                  /* of a broker that a shim has started */
	struct service service;              /* the service manager, if one started us */
	struct broker_lock lock;             /* the one broker of this state folder */
	struct rulebook rules;
	struct state state;                  /* the store */
	struct config *config;               /* in force: that of rules. Another one may take its place in any turn: copy what must last longer */
	uint64_t generation;
	struct loop_timer tick;              /* once a second: the rules file, the store while it is not open, look while work is open */
	bool has_loop, is_behind;
	bool is_ending;                      /* begin nothing new */
	size_t opened;                       /* modules */
	struct doors *doors;                 /* doors.h: the HTTP servers */
	struct health *health;               /* route_health.c: how the backends are */
	struct links *links;                 /* links.h */
	struct outbox *outbox;               /* outbox.h */
	struct slack_socket *slack_socket;   /* slack_socket.h */
	struct streams *streams;             /* route_events.c */
	struct pending_list *pending_list;   /* route_approvals.c */
	struct counters *counters;           /* route_metrics.c */
	struct housekeeping *housekeeping;   /* housekeeping.c */
	struct idle_exit *idle_exit;         /* idle_exit.c */
};

/* All functions but name may be NULL. Modules are opened in the order of the table, when the rules are there and the store was tried; they
 * are stopped and closed in reverse. The store may be missing at any time (broker_store): look is called when it has come (back). */
struct broker_module {
	const char *name;
	enum err (*open)(struct broker *b, struct problem *why);      /* not OK: the broker does not start, why says it */
	void (*rules_changed)(struct broker *b);                      /* b->config is another now */
	void (*look)(struct broker *b);          /* somebody may have changed the store: woken, and once a second while work is open */
	bool (*is_busy)(const struct broker *b); /* work is open or under way: no idle_exit now, look comes once a second */
	void (*stop)(struct broker *b);          /* the broker ends: begin nothing new, submit the last words. After it the store runs its last
	                                          * turn, every op is told (with an error where it could not be written), and it is closed */
	void (*close)(struct broker *b);         /* no op of ours is submitted any more; legal when open failed or was not called */
};
extern const struct broker_module broker_modules[];                   /* ends with name NULL */

/* Takes over the rules found. ERR_STORE_BUSY: another broker is there. ERR_*: why says what an operator can do. broker_release in every case. */
MUST_USE enum err broker_init(struct broker *b, const struct options *o, struct rulebook_found *rules, struct problem *why);
void broker_run(struct broker *b);                                    /* until it is to end */
void broker_release(struct broker *b);

/* NULL while the store cannot be opened; b->state.why says why. Operations submitted to it are carried out at the end of this turn. */
struct store *broker_store(const struct broker *b);
void broker_look(struct broker *b);                                   /* calls every module's look */
bool broker_is_busy(const struct broker *b);                          /* a module is */
/* Takes the file's rules now if they are good: OK means they were read and are offered to the store, which may say in this turn or a later
 * one that they are in force (rules_changed, also when the file says what it said: secrets elsewhere may be others). report is filled in either way; the caller releases it. */
MUST_USE enum err broker_reload(struct broker *b, struct config_report *report);
void broker_end(struct broker *b);                                    /* as SIGTERM does */
