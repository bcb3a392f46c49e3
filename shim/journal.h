/* journal - audit rows that belong to no tools/call: the client's other requests, messages that were stopped, repetitions as one row.
 * Rows wait here until the turn's replies are out, and before the session's first real request, when there is no store yet. */
#pragma once
#include "net/loop.h"
#include "shim/repeats.h"

struct part;
struct record_request;

struct journal {
	struct part *part;
	struct repeats repeats;
	struct loop_timer timer;
	struct list waiting;                 /* struct row: not yet submitted */
	unsigned open;                       /* rows, submitted or not, that are not yet told */
};

void journal_init(struct journal *j, struct part *part);
void journal_release(struct journal *j);

/* Is this a row of its own? If not it is counted, and its row comes within a minute or at journal_end. */
bool journal_is_first(struct journal *j, const struct repeat_kind *of);
/* A message other than a call that may be forwarded was stopped. */
void journal_blocked(struct journal *j, const char *method, const char *tool, const char *why);
/* A request of the client has ended; verdict says how. is_collapsed: one like it is only counted. */
void journal_request(struct journal *j, const struct record_request *r, const char *backend, const char *verdict, bool is_collapsed);

void journal_go_on(struct journal *j);       /* once a loop turn, after the replies */
void journal_end(struct journal *j);         /* submits everything, what is still only counted too */
