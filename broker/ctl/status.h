/* status - how it all stands now, for `aegisctl status`: gathered from the store, the rules and, where one runs, the broker; then shown to
 * people (status_text.c) or programs (status_json.c). Whatever cannot be asked is said, and the rest is shown. */
#pragma once
#include "broker/ctl/place.h"
#include "domain/limits.h"

#define STATUS_ERRORS   3                /* newest ones, of the last day */
#define STATUS_NEAR_PCT 80               /* a limit is near its end from here on */

enum status_broker { BROKER_ABSENT, BROKER_SILENT, BROKER_HERE };       /* SILENT: its process lives, and does not answer */

struct status_shim {
	char *agent, *client, *backend;
	int64_t pid, started_at_ms, resident_bytes, share_bytes;        /* bytes: -1 = not known */
	uint32_t approvals, tickets, flights;
};
struct status_queue { char *backend; uint32_t waiting, parked, running; int64_t oldest_ms; };
struct status_channel {
	char *name, *error, *about;              /* error: the last one of what waits; about: its own words, from the broker */
	bool is_open, is_known;                  /* the broker has it open; whether it said so */
	uint32_t waiting, failing, dead;         /* messages: not told yet; of these, tried in vain; given up */
	int64_t oldest_ms;
};
struct status_stop { char *what, *why; int64_t left_ms; };              /* left_ms -1: until somebody resumes it */
struct status_error { char *sentence; int64_t at_ms; };

struct status {
	struct place *place;
	int64_t wall_ms;
	char store_why[500];                     /* the store cannot be read: why; "" = it can */
	bool is_new;                             /* nothing was ever stored */
	struct {
		enum status_broker state;
		int64_t pid, started_at_ms, resident_bytes, share_bytes;
		char *version, *listening, *trouble;
		bool is_auto_started;
		int64_t generation;                  /* in force, as it says; 0 = not known */
		char why[500];                       /* SILENT: what came of asking */
	} broker;
	struct { struct status_shim *v; size_t n; } shims;
	struct { struct status_queue *v; size_t n; } queues;
	struct { struct status_channel *v; size_t n; } channels;
	struct { struct status_stop *v; size_t n; } stops;
	struct {
		uint32_t pending, approved, frozen;
		char oldest[16], next[16];           /* short names; next: whose time is over first; "" = none */
		char *oldest_tool, *oldest_agent;
		int64_t oldest_ms, next_ms;
	} approvals;
	struct claim_set claims;                 /* every window of the rules */
	struct limit_row *limits;                /* of each claim */
	uint32_t unknown;                        /* calls of unknown outcome nobody has settled */
	struct { struct status_error v[STATUS_ERRORS]; size_t n; } errors;
};
/* Never fails: what could not be had is said in it. place: with its store open or not. */
void status_look(struct status *s, struct place *place, const char *store_why);
void status_release(struct status *s);
bool status_is_near(const struct limit_claim *claim, const struct limit_row *row);

/* rows: how many lines of a list are shown at the most. */
void status_print(const struct status *s, FILE *to, bool is_coloured, size_t rows);
MUST_USE bool status_write_json(const struct status *s, struct buf *b);
/* What makes it another one: no times that run. */
void status_print_gist(const struct status *s, FILE *to);
