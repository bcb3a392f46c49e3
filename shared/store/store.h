/* store - what all Aegis processes of a machine agree on, in domain verbs. SQLite behind it; no SQL leaves store/.
 *
 * Threads: one store per process, used by one thread.
 * Writing verbs are submitted and told later. Submitting only appends to the turn; store_turn_run then carries out all operations in
 * the order of their submission, in one transaction inside the write gate, a savepoint each, so that a refused one leaves nothing
 * behind; synchronous FULL if any of them needs it. After COMMIT and the release of the gate each op is told, in the same order;
 * from then on bytes may be sent. An op may be submitted from inside told. Reading verbs answer at once, without the gate.
 * Time is read inside the gate; op.at is that time.
 * Ownership: op, request and all they point to are the caller's and must live until told. Out structs own nothing unless they have a release.
 * Errors: op.err is negative when nothing of the op was written (fail closed); then answer means nothing. Answers are enums >= 0.
 * When the gate's deadline passes, ops that are not is_kept are told ERR_STORE_BUSY and dropped for good; new ones too, at once, until the
 * gate has been won again. Ops that are is_kept (outcomes, releases) stay submitted through every failure and are told when written. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "domain/config.h"
#include "domain/evidence.h"
#include "domain/limits.h"

struct store;
struct now { int64_t tick_ms, wall_ms; };       /* tick: the Aegis clock (DESIGN.md section 4), never goes back */

/* Where the store reads time from. Ms; see base/clock.h. */
struct store_clock {
	int64_t (*wall_ms)(void *arg);
	int64_t (*boot_ms)(void *arg);
	int64_t (*mono_ms)(void *arg);
	void (*boot_name)(void *arg, char *out, size_t size);
	void *arg;
};

/* ---- life and turns ---------------------------------------------------------------------------------------------------- */
struct store_options {
	const char *state_dir;                  /* made 0700 if absent */
	enum config_durability durability;
	bool is_reader;                         /* an operator's look: never creates a database (ERR_NOT_FOUND) */
	const struct store_clock *clock;        /* NULL: the machine's clocks. Must live as long as the store */
};
MUST_USE enum err store_open(const struct store_options *o, struct store **out, struct problem *why);  /* open + WAL + migrate, in the gate */
void store_close(struct store *s);              /* tells what is still submitted with ERR_STORE_BUSY after one last try */

struct op {
	void (*told)(struct op *op);            /* the caller fills in told, arg, is_kept */
	void *arg;
	bool is_kept;
	enum err err;                           /* the store the rest */
	int answer;
	struct now at;
	bool is_submitted;
	struct list node;
	void (*carry_out)(struct store *s, struct op *op, void *request);
	void *request;
	bool needs_full;
};
void store_turn_run(struct store *s);           /* once a loop turn; no op: costs nothing */
int store_gate_fd(const struct store *s);       /* readable: call store_turn_run */
bool store_is_refusing(const struct store *s);  /* late or broken: new calls would be told an error at once */
bool store_has_kept(const struct store *s);     /* outcomes not yet written */
int64_t store_next_due_ms(const struct store *s, int64_t mono_ms);  /* ms until store_idle has work (retry, fdatasync, checkpoint); -1 = none */
void store_idle(struct store *s);               /* does that work: WAL fdatasync off the loop, checkpoint, retry of kept ops */
void store_now(const struct store *s, struct now *out);

/* ---- presence and wake ------------------------------------------------------------------------------------------------- */
struct session {
	char id[ID_SIZE];
	const char *kind;                       /* shim | broker | ctl */
	const char *agent, *client, *client_version, *backend, *tenant;   /* "" when unknown */
	int identity_level;                     /* 0 declared, 1 uid, 2 token, 4 own uid */
	uid_t uid;
};
void store_session_join(struct store *s, struct op *op, const struct session *me);  /* first real request: row and sockets */
void store_session_leave(struct store *s, struct op *op);
uint32_t store_number(const struct store *s);
int store_wake_fd(const struct store *s);       /* -1 before the session joined; readable: look again */
void store_wake_drain(struct store *s);
int store_watch_owner(struct store *s, const char *session_id);   /* fd, hang-up at that process's death; -1 when dead or unknown; caller closes */
void store_reap(struct store *s, struct op *op);                  /* releases what the dead own; answer = how many sessions were found dead */

/* ---- configuration in force ---------------------------------------------------------------------------------------------- */
/* The first process to validate a file's new content makes it the next generation of that real path. */
MUST_USE enum err store_config_get(struct store *s, const char *path, uint64_t *generation, uint8_t hash[32]);   /* ERR_NOT_FOUND: none yet */
struct config_put { const char *path; uint8_t hash[32]; uint64_t generation; /* out: the one that now is in force for this hash */ bool is_in_force; /* out */
                    uint64_t seen_generation; };
void store_config_put(struct store *s, struct op *op, struct config_put *p);     /* compare-and-set on seen_generation */

/* ---- limits ---------------------------------------------------------------------------------------------------------------- */
/* Of the window that stays full longest. retry_after_ms: the earliest possible time if all that wait or run stay; -1 = only the end
 * of one of them frees a place. is_held: holds alone fill it. */
struct limit_refusal { const struct limit_claim *claim; uint32_t used, held; int64_t retry_after_ms; bool is_held; };
struct call_facts {
	char id[ID_SIZE];
	const char *tenant, *agent, *backend, *tool;
	uint8_t args_hash[32];
};

/* Holds every window at once for a call that must wait, or none. */
enum hold_answer { HELD, HOLD_LIMITED };
struct hold { const struct call_facts *call; struct claim_set limits; struct limit_refusal why; };
void store_hold(struct store *s, struct op *op, struct hold *h);
struct release { const struct call_facts *call; struct claim_set limits; };
void store_release(struct store *s, struct op *op, struct release *r);           /* never forwarded: its hold goes */

struct limit_row {
	char *key;
	int64_t window_ms;
	uint32_t used, held;
	bool is_closed;                         /* counts as full whatever is recorded, because records were lost */
	int64_t next_free_ms;                   /* until the oldest use leaves, or it opens again; -1 = no use */
};
/* Fills used, held, is_closed, next_free_ms of rows[0..n) whose key and window_ms are given. */
MUST_USE enum err store_limits_show(struct store *s, struct limit_row *rows, size_t n);

/* ---- the commit point and its end ------------------------------------------------------------------------------------------ */
/* One operation immediately before the first byte: generation in force, loop over, limits (holds become uses, else admitted now),
 * flight row, intent row. If it does not commit, nothing may be sent. */
struct commit {
	const struct call_facts *call;
	struct claim_set limits;
	bool is_holding;
	const char *config_path;
	uint64_t config_generation;
	int64_t deadline_ms;                    /* the flight is over at the latest then; after it others may call it UNKNOWN */
	const struct evidence *intent;
	struct limit_refusal why;
	uint32_t epoch;                         /* out */
};
enum commit_answer { COMMITTED, COMMIT_LIMITED, COMMIT_CONFIG_CHANGED };
void store_commit(struct store *s, struct op *op, struct commit *c);

/* A plain read without the gate: is this flight still ours under that epoch? Asked before a first byte that comes > 50 ms late. */
MUST_USE enum err store_flight_is_ours(struct store *s, const char *call, uint32_t epoch, bool *is_ours);

/* Until stamped a use does not age. left_tick_ms: when its first byte left, by store_now. For calls open > 1 s. is_kept. */
struct stamp { const struct call_facts *call; struct claim_set limits; int64_t left_tick_ms; };
void store_stamp(struct store *s, struct op *op, struct stamp *st);

struct settle {
	const struct call_facts *call;
	struct claim_set limits;
	bool is_refund;                         /* gives the places back */
	bool is_unknown;                        /* recorded as UNKNOWN */
	int64_t left_tick_ms;                   /* -1: not known, the time of settling counts */
	int64_t on_unknown_hold_ms;
	const struct evidence *evidence;        /* outcome row */
};
void store_settle(struct store *s, struct op *op, struct settle *e);             /* is_kept */

/* ---- audit ------------------------------------------------------------------------------------------------------------------ */
void store_audit_append(struct store *s, struct op *op, const struct evidence *e);   /* refused, request, operator */
struct audit_row { uint64_t seq; const char *call, *kind, *agent, *backend, *tool, *verdict, *body; int64_t at_ms; uint8_t args_hash[32], digest[32], chain[32]; };
typedef bool audit_row_fn(void *arg, const struct audit_row *row);                   /* false: stop */
struct audit_filter { uint32_t limit; bool is_newest_first; uint64_t after_seq; };
MUST_USE enum err store_audit_read(struct store *s, const struct audit_filter *f, audit_row_fn *fn, void *arg);

/* ---- tools as a backend listed them last ----------------------------------------------------------------------------------- */
#define STORE_TOOLS_MAX_PAGES 64
#define STORE_TOOLS_MAX_BYTES (4 * 1024 * 1024)      /* of all pages; more is not kept */
/* credential: a hash of whatever else the answer may depend on. */
struct tools_key { const char *tenant, *backend, *revision; uint8_t credential[32]; };
/* pages: raw results of tools/list in order, before anything is hidden. digest: of their tools, wherever the pages end. */
struct tools_list { char **pages; size_t n; uint8_t digest[32]; };
void tools_list_release(struct tools_list *l);
/* *out is owned by the caller. ERR_NOT_FOUND: none, or none so young. */
MUST_USE enum err store_tools_get(struct store *s, const struct tools_key *k, int64_t max_age_ms, struct tools_list *out);
struct tools_put { struct tools_key key; const struct tools_list *list; };
void store_tools_put(struct store *s, struct op *op, const struct tools_put *p);

/* ---- repair ------------------------------------------------------------------------------------------------------------------- */
/* Puts a database that is corrupt, replaced by something else or missing aside (aegis.db.broken-<time>, with -wal and -shm), makes a new one,
 * carries over what can be read, and treats every limit as full for one window from now. lost: sentences for the operator, one a line. */
MUST_USE enum err store_repair(const char *state_dir, struct buf *lost, struct problem *why);
