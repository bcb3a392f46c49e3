/* upstream_stdio - an MCP server that is our child (transport stdio, all revisions): the parts its files share.
 *
 *   upstream_stdio.c         deliveries: what waits, what is written, what is open, how it ends
 *   upstream_stdio_read.c    what the child writes: answers and messages on stdout, anything on stderr
 *   upstream_stdio_life.c    start, death, start anew with the same session, the end
 *   upstream_stdio_env.c     the environment of the command
 *
 * The child starts with the first delivery. A line is written whole before the next one begins; a delivery is asked may_leave each
 * time before its first byte is tried, and has left with its last. */
#pragma once
#include "base/map.h"
#include "base/child.h"
#include "shim/lines.h"
#include "shim/upstream_kind.h"
#include "shim/upstream_setup.h"

#define STDIO_STOP_MS   1000    /* for a child that must go: half of it after the end of its input, a third after SIGTERM */
#define STDIO_REST_MS   200     /* for what a child that has ended left in its group */

enum stdio_phase {
	STDIO_DOWN,               /* no child; it starts with the next delivery, or by the timer */
	STDIO_UP,
	STDIO_STOPPING,           /* it has ended, or must: nothing is written any more, what it wrote is read */
	STDIO_FAILED,             /* for good; failure says why */
};

/* One delivery on its way. Stands in exactly one list of its upstream: own, waiting, open, forgotten. */
struct outgoing {
	struct stdio_upstream *u;
	struct delivery *d;       /* NULL: forgotten. Its late answer is thrown away, and nothing else may use its id until then */
	struct list node;
	struct loop_timer timer;  /* for the answer */
	struct buf key;           /* of a request that has left: its place in by_id */
	bool is_request, is_cancelled;
	bool is_large_result;     /* its answer is one, and was thrown away */
};

struct stdio_upstream {
	struct upstream base;
	struct upstream_options o;
	char **envp;              /* holds secrets */
	enum stdio_phase phase;
	struct child child;
	struct loop_source to, from, said, watch;
	struct loop_timer kick;   /* work that must wait for the next turn: all callbacks come from there */
	struct loop_timer pace;   /* DOWN: the restart. STOPPING: the next step */

	/* deliveries */
	struct list own, waiting, open, forgotten;
	size_t waiting_n, forgotten_n;
	struct map *by_id;        /* struct outgoing: open and forgotten requests */
	struct outgoing *writing; /* whose line is being written; NULL when it ended meanwhile, the line goes on */
	struct buf line;
	size_t written;

	/* what comes */
	struct lines in, err;
	struct map *asked;        /* ids of the child's own open requests */
	bool has_batches;         /* the revision is 2025-03-26 */
	bool has_complained;
	int64_t said_since_us;
	unsigned said_lines, said_dropped;

	/* life */
	int step;                 /* of STOPPING */
	int64_t budget_ms;
	bool was_signalled;       /* by us: its status says nothing */
	bool was_probed, has_spoken;   /* this child: server/discover was written to it; a message came from it */
	bool was_forgiven;        /* one that ended at this question was started again */
	const char *reason;       /* why it is stopped; static text */
	char cause[200], failure[320];
	int64_t *restarts_us;     /* within the last 10 minutes */
	size_t restarts_n;
	struct buf opening;       /* params of the client's initialize; empty before it was answered */
	bool is_replaying, is_pausing, is_ending;
	unsigned replays;
	struct setup setup;       /* what the client had set up before */
	struct { struct buf body; struct jsonrpc message; struct delivery delivery; bool is_answered; } replay;
	void (*ended)(void *arg);
	void *ended_arg;
};

/* ---- upstream_stdio.c ----------------------------------------------------------------------------------------------------- */
void outgoing_finish(struct outgoing *x, enum fate fate, const char *cause, bool has_timed_out);
void outgoing_finish_all(struct list *among, enum fate fate, const char *cause);
void outgoing_forget(struct outgoing *x);                                   /* one that is forgotten: for good */
void stdio_send_own(struct stdio_upstream *u, struct delivery *d);          /* before all that wait */
void outgoing_write_again(struct stdio_upstream *u, const char *method);    /* open ones of this method: before all that wait */
bool stdio_may_write(const struct stdio_upstream *u);                       /* there is something to write, and who reads it */
void stdio_write(struct stdio_upstream *u);                                 /* as much as the pipe takes */

/* ---- upstream_stdio_read.c ------------------------------------------------------------------------------------------------ */
void stdio_read(struct stdio_upstream *u);                                  /* what stdout has, while there is room */
bool stdio_may_read(const struct stdio_upstream *u);
void stdio_read_said(struct stdio_upstream *u);
void stdio_read_last_words(struct stdio_upstream *u);
bool stdio_has_asked(const struct stdio_upstream *u, struct json_value id); /* this child, and it was not answered yet */
void stdio_was_answered(struct stdio_upstream *u, struct json_value id);
void stdio_void_asked(struct stdio_upstream *u);                            /* nobody waits for answers any more */

/* ---- upstream_stdio_life.c ------------------------------------------------------------------------------------------------ */
void life_init(struct stdio_upstream *u);
void life_release(struct stdio_upstream *u);
void life_start(struct stdio_upstream *u);
void life_stop(struct stdio_upstream *u, const char *reason, int64_t budget_ms);  /* legal in every phase */
void life_output_ended(struct stdio_upstream *u);                           /* stdout */
void life_errors_ended(struct stdio_upstream *u);                           /* stderr */
void life_opened(struct stdio_upstream *u, const struct jsonrpc *request, const struct jsonrpc *response);
void life_end(struct stdio_upstream *u, int64_t budget_ms);
void life_tell_ended(struct stdio_upstream *u);                             /* if that is what is waited for */

/* ---- upstream_stdio_env.c ------------------------------------------------------------------------------------------------- */
MUST_USE enum err env_new(const struct upstream_options *o, char ***out, struct problem *why);
void env_free(char **envp);
