/* journal - audit rows that belong to no single call: repeated refusals as one row, messages that were stopped. */
#pragma once
#include "net/loop.h"
#include "shim/repeats.h"

struct shim;

struct journal {
	struct shim *shim;
	struct repeats repeats;
	struct loop_timer timer;
	unsigned open;                       /* rows submitted and not yet told */
};

void journal_init(struct journal *j, struct shim *shim);
void journal_release(struct journal *j);

/* Is this refusal a row of its own? If not it is counted, and its row comes within a minute or at journal_end. */
bool journal_is_first(struct journal *j, const char *tool, bool is_known_tool, enum refusal_reason reason);
/* A message other than a call that may be forwarded was stopped. */
void journal_blocked(struct journal *j, const char *method, const char *tool, const char *why);
void journal_end(struct journal *j);         /* submits what is still only counted */
