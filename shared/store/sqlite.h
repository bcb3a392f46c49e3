/* sqlite - what the files of the SQLite store share; nothing of it leaves store/.
 *   sqlite.c        opening and closing        sqlite_turn.c    operations, turns, retry
 *   sqlite_file.c   which file is ours         sqlite_wal.c     fdatasync and checkpoints
 *   sqlite_clock.c  the Aegis clock            sqlite_limits.c  counting
 *   sqlite_flight.c commit point, outcome      sqlite_reap.c    what the dead leave
 *   sqlite_wait.c   calls that must wait       sqlite_approval*.c, sqlite_vote.c: people's word
 *   sqlite_switch.c brakes, cool-downs, unknown outcomes
 *   sqlite_queue.c  tickets and slots          sqlite_queue_look.c  how a queue stands
 *   sqlite_audit_read.c  looking back
 *   sqlite_event.c  what became of an approval           sqlite_message.c  the outbox
 *   sqlite_token.c  who may ask over TCP                 sqlite_sweep.c  what nobody asks for any more
 *   sqlite_session.c, sqlite_config.c, sqlite_audit.c, sqlite_tools.c, repair.c
 * An operation's carry_out runs inside the gate and inside the transaction. It checks first and writes last, so that a refused one
 * has written nothing; after a fault (sqlite_db.h) the whole transaction is rolled back. */
#pragma once
#include "store/gate.h"
#include "store/migrate.h"
#include "store/presence.h"
#include "store/sqlite_db.h"
#include "store/store.h"
#include "store/wake.h"

#define TICK_HELD INT64_MAX
#define TICK_OPEN (INT64_MAX - 1)
#define KEYS_SEPARATOR '\x1e'
#define KEYS_MAX_BYTES (64 * 1024)            /* LIMITS_MAX_CLAIMS keys of names and globs that config has capped */
#define OWNER_APPROVAL (-1)                   /* of a hold that belongs to an approval, whoever waits; process numbers begin at 1 */
#define WAKES_MAX      1024                     /* processes one transaction wakes by name; more: the rest look within a second */

struct meta {
	int64_t min_writer, schema, high_tick, high_at, is_synced, lost_tick, full_tick;
	char instance[ID_SIZE], replaces[ID_SIZE];
};

struct paths {
	char *state_dir, *database, *wal, *keys, *marker;
};

struct file_id {
	uint64_t device, inode;
};

struct tail {
	uint64_t seq;                             /* 0 = no row */
	uint8_t chain[32];
};

struct store {
	struct store_options options;             /* state_dir is paths.state_dir */
	struct store_clock clock;
	struct paths paths;
	struct gate *gate;
	struct presence *presence;                /* the gate's */
	struct wake *wake;                        /* NULL until the session joined */
	struct wal *wal;

	/* the file */
	struct db db;
	struct file_id file, wal_file;            /* of the open database */
	struct meta meta;                         /* as last read */
	struct tail seen;                         /* the newest row known committed, */
	char seen_instance[ID_SIZE];              /* and where: an older copy lacks it */
	bool is_corrupt;                          /* SQLite said so: not touched again until another file stands there */

	/* the session */
	char session[ID_SIZE];                    /* "" until it joined */
	uint32_t admitted_n;                      /* when to forget old entries */

	/* time */
	char boot[96];
	bool has_offset;                          /* offset_ms stands in the file */
	int64_t offset_ms;
	int64_t latest_tick;
	struct now now;                           /* inside a transaction */

	/* the turn */
	struct list submitted;
	size_t submitted_n, deferred_n;           /* deferred: kept ones of a failed turn, first in the list, wait for retry_at_ms */
	struct op mark;
	struct tail tail;                         /* the newest audit row inside this transaction, once has_tail */
	int64_t waiting_since_ms;
	int64_t retry_at_ms, retry_after_ms;      /* retry_at_ms -1 = none */
	enum err why;                             /* the last transaction failed with this */
	bool has_tail;
	bool is_telling, is_waiting;
	bool is_marking;                          /* the turn that comes writes is_synced = 1 */
	uint32_t wakes[WAKES_MAX];                /* whom this transaction may have unblocked */
	size_t wakes_n;
};

/* ---- sqlite_file.c ---- */
MUST_USE enum err paths_init(struct paths *p, const char *state_dir, struct problem *why);
void paths_release(struct paths *p);
/* Inside the gate: opens the database, the first time a new one, and reads what a transaction needs. why may be NULL. */
MUST_USE enum err file_open(struct store *s, struct problem *why);
void file_close(struct store *s);
/* Inside the gate: is the database still what we opened, and ours? Another database in its place is opened if it is our own
 * restored or repaired, never an older copy. */
MUST_USE enum err file_check(struct store *s);
MUST_USE enum err marker_write(const struct paths *p, const char *instance);
MUST_USE enum err marker_read(const struct paths *p, char instance[ID_SIZE]);   /* ERR_NOT_FOUND: none */
MUST_USE enum err file_make_empty(const char *path);                            /* a file of our own mode before SQLite sees it */
bool file_id(const char *path, struct file_id *out);                           /* false: not there */
bool file_is(const char *path, const struct file_id *id);

/* ---- sqlite_clock.c ---- */
void clock_look(struct store *s);                 /* after opening: time before our first transaction */
void clock_begin(struct store *s);                /* first in a transaction: reads meta, sets s->now; the first of a boot writes rows */
void clock_end(struct store *s, bool wrote);      /* last in a transaction */
int64_t clock_tick_us(const struct store *s);     /* now, finer; never below s->now, which is set */
MUST_USE bool meta_read(struct store *s);
struct birth { int64_t wall_ms, tick_ms, full_tick; const char *replaces; };
void meta_create(struct store *s, const struct birth *b);   /* the row of a new database, under a new instance */

/* ---- sqlite_turn.c ---- */
void turn_submit(struct store *s, struct op *op, void (*carry_out)(struct store *, struct op *, void *), void *request);
void turn_init(struct store *s);
void turn_last(struct store *s, int wait_ms);     /* one more try, then every op is told and the database closed */
/* Inside a transaction: after its commit and before anybody is told, that process is to look again; ourselves as well. */
void wake_later(struct store *s, int64_t number);
void wake_everyone(struct store *s);              /* every session there is */
/* For reading verbs: fails when the database is not ours any more. */
MUST_USE enum err read_begin(struct store *s);
MUST_USE enum err read_end(struct store *s);

/* ---- sqlite_limits.c ---- */
struct admission {
	const struct call_facts *call;
	const struct claim_set *claims;
	struct limit_refusal *why;
	const char *holder;                       /* the call or approval whose holds become uses; what is not held is admitted. NULL: none */
	const char *continues;                    /* the call whose uses, at continues_tick, this one takes over. NULL: none */
	int64_t continues_tick;
	int64_t tick;                             /* TICK_HELD or TICK_OPEN */
	const char *as;                           /* whom the new entries name: the call's id, or an approval's */
	int64_t owner;                            /* the process, or OWNER_APPROVAL */
};
bool limits_admit(struct store *s, const struct admission *a);   /* all windows or none */
/* The entries of one call: its keys joined by KEYS_SEPARATOR (cut up by the verbs below), and what they stand at now. */
struct uses { const char *call; char *keys; int64_t tick; };
void uses_stamp(struct store *s, struct uses *u, int64_t tick);
void uses_refund(struct store *s, struct uses *u);
/* The same, but what counts every call whatever comes of it stays, and is stamped if it is open. */
void uses_give_back(struct store *s, struct uses *u, int64_t tick);
MUST_USE bool claims_join_keys(const struct claim_set *claims, struct buf *out);
void holds_drop_of(struct store *s, uint32_t owner);

/* Holds of that call or approval go. keys as in struct uses, cut up. */
void holds_drop(struct store *s, const char *holder, char *keys);
/* A hold goes on under another call of another process: a parked ticket taken up again. keys is cut up. */
void holds_move(struct store *s, const char *from, const char *to, int64_t owner, char *keys);

/* ---- sqlite_flight.c ---- */
/* What must hold for a call to go on, at its commit and when it begins to wait; order matters, the first that fails is the answer. None
 * writes. GO_ON: nothing against it. */
enum go { GO_ON, GO_CONFIG_CHANGED, GO_BRAKED, GO_COOLING, GO_AFTER_UNKNOWN };
enum go terms_look(struct store *s, const struct call_facts *f, const struct terms *t, struct obstacle *why);
/* Its owner is dead or late: the flight ends, its uses are stamped now, the call is UNKNOWN. */
void flight_give_up(struct store *s, const struct call_facts *call, uint32_t owner);

/* ---- sqlite_switch.c: inside a transaction or between read_begin and read_end; s->now is set ---- */
enum go switches_look(struct store *s, const struct call_facts *f, const struct terms *t, struct obstacle *why);
bool brake_covers(struct store *s, const struct call_facts *f, struct obstacle *why);   /* why may be NULL */
bool brake_scope_covers(const char *scope, const char *subject, const struct call_facts *f);
int64_t cooldown_left_ms(struct store *s, const char *backend);    /* 0: none */
bool cooldown_put(struct store *s, const char *backend, const char *cause, int64_t for_ms);   /* false: one that lasts longer stays */
struct unknown { const struct call_facts *call; const char *approval; /* it ran under; "" = none */ int64_t hold_ms; };
void unknown_put(struct store *s, const struct unknown *u);
/* ran: what the approval it ran under is told. False: no such, or settled before. */
bool unknown_settle(struct store *s, const struct unknown_settle *u, enum ran ran);

/* ---- sqlite_wait.c ---- */
/* Who a hold belongs to, and the call or approval whose places it takes over (NULL: nobody's). */
struct holder { const char *name; int64_t owner; const char *before; };
MUST_USE bool hold_windows(struct store *s, struct hold *h, const struct holder *by);   /* all windows or none */

/* ---- sqlite_approval.c ---- */
enum hold_answer approval_hold(struct store *s, struct hold *h);               /* attaches, or asks anew with the hold */
void approval_detach(struct store *s, const char *approval, const char *call);
void approval_detach_all(struct store *s, uint32_t owner);                     /* of a process; approval and hold live on */
enum commit_answer approval_look(struct store *s, struct commit *c);           /* given, in time, and for exactly this call? writes nothing */
void approval_use(struct store *s, const struct commit *c);                    /* APPROVED -> CONSUMED; after approval_look said COMMITTED */
/* After a brake was set or lifted: the clocks of those that is_covered stand still, the others go on where they stood. Fills in of
 * the facts only who and what. Writes nothing where nothing changed. */
typedef bool approval_covered_fn(struct store *s, const struct call_facts *f);
void approvals_freeze(struct store *s, approval_covered_fn *is_covered);

/* ---- sqlite_event.c ---- */
void approval_ran(struct store *s, const char *approval, enum ran ran);  /* how the call under it ended, and the event; "" or NULL: nothing */
void watchers_wake(struct store *s);                                      /* every session but shims */

/* ---- sqlite_queue_look.c: nothing there writes ---- */
struct queue_state { int64_t concurrency, delay_min_ms, delay_max_ms, took_ms; };    /* took_ms -1: nothing ran yet */
bool queue_state(struct store *s, const char *backend, struct queue_state *out);     /* false: it has no queue */
struct queue_first { uint64_t number; uint32_t owner; bool has_dead_before; /* waiting, unburied */ };
bool queue_first(struct store *s, const char *backend, struct queue_first *out);     /* of the eligible; false: there is none */
/* The free slot that is ready first, and in how many us from now (0: it is); -1: all that may be taken are. */
int64_t queue_free_slot(struct store *s, const char *backend, const struct queue_state *state, int64_t *ready_us);
void queue_explain_full(struct store *s, const char *backend, struct queue_full *out);

/* ---- sqlite_queue.c ---- */
struct queue_entry {
	const struct call_facts *call;
	const struct claim_set *limits;           /* of its own hold; with an approval the hold is that one's */
	const struct queue_terms *terms;
	const char *approval;                     /* "" or NULL: none */
	uint64_t ticket;                          /* these: out */
	uint32_t epoch;
};
/* A parked ticket of exactly this call, whose owner lives: holder is the call that has its hold, whose places the new hold takes over
 * (struct admission) before queue_take_up makes it WAITING under the new call. */
bool queue_find_parked(struct store *s, const struct queue_entry *e, char holder[ID_SIZE]);
bool queue_take_up(struct store *s, struct queue_entry *e);
bool queue_has_room(struct store *s, const char *backend, const struct queue_terms *t);
void queue_enter(struct store *s, struct queue_entry *e);
/* The call waits no more: its ticket is parked, or goes. True: it is parked, and its hold with it. */
bool queue_leave(struct store *s, const char *call, bool is_parking, int64_t keep_ms);
enum commit_answer queue_may_start(struct store *s, struct commit *c);   /* COMMITTED: nothing against it, or no ticket */
void queue_start(struct store *s, const struct commit *c);               /* it is FORWARDING, its slot taken */
void queue_end(struct store *s, const char *call);       /* its operation is over: the slot is free after a delay drawn now */
void queue_drop_of(struct store *s, uint32_t owner);     /* all tickets of that process but of calls in flight; their holds stay */
uint32_t queue_drop_overdue(struct store *s);            /* parked ones whose time is over, with their holds; how many */

/* ---- sqlite_reap.c ---- */
uint32_t reap(struct store *s);                   /* inside a transaction; how many dead owners and overdue places were found */

/* ---- sqlite_audit.c ---- */
uint64_t audit_append(struct store *s, const struct evidence *e);   /* its number; 0 after a fault */

/* ---- sqlite_wal.c: when the WAL is synced, copied back, and marked as on disk ---- */
struct wal *wal_new(struct store *s);
void wal_free(struct wal *w);                     /* ends the helper thread */
void wal_forget_file(struct wal *w);              /* the database was closed */
void wal_committed(struct wal *w, bool is_durable);
void wal_sync_now(struct wal *w);                 /* inside the gate */
bool wal_must_be_full(struct wal *w);             /* an fdatasync failed: the next commit must say it again */
bool wal_checkpoint_is_due(const struct wal *w);
void wal_checkpoint_early(struct wal *w);         /* outside the gate, where SQLite is free of the WAL-reset bug */
void wal_checkpoint(struct wal *w);               /* inside the gate */
int64_t wal_next_due_ms(const struct wal *w);     /* mono; -1 = none */
bool wal_needs_mark(const struct wal *w);
bool wal_idle(struct wal *w);                     /* does what is due; true: a mark is (is_synced = 1) */

static inline int64_t mono_ms(const struct store *s)
{
	return s->clock.mono_ms(s->clock.arg);
}
