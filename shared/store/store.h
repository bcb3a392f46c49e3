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
	int64_t (*boot_us)(void *arg);          /* the same as boot_ms, finer; NULL: that is as fine as it gets */
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
/* The broker, about once a second: when all writers together have left about 1,000 pages in the WAL, this turn of the store copies them into the
 * database. Costs two reads of memory else. */
void store_tidy(struct store *s);
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
/* Who is here, oldest first: rows whose process lives. approvals, tickets, flights: how many calls of it wait for a person, wait in a
 * queue, are at a backend. */
struct session_row {
	const char *id, *kind, *agent, *client, *client_version, *backend, *tenant, *program_version;
	uint32_t number, approvals, tickets, flights;
	int identity_level;
	uid_t uid;
	pid_t pid;
	int64_t started_at_ms;
};
typedef bool session_row_fn(void *arg, const struct session_row *row);            /* false: stop */
MUST_USE enum err store_session_list(struct store *s, session_row_fn *fn, void *arg);
void store_reap(struct store *s, struct op *op);                  /* releases what the dead own and what is overdue; answer: how many of both */

/* ---- configuration in force ---------------------------------------------------------------------------------------------- */
/* The first process to validate a file's new content makes it the next generation of that real path, and wakes every session. */
MUST_USE enum err store_config_get(struct store *s, const char *path, uint64_t *generation, uint8_t hash[32]);   /* ERR_NOT_FOUND: none yet */
struct config_put { const char *path; uint8_t hash[32]; uint64_t generation; /* out: the one that now is in force for this hash */ bool is_in_force; /* out */
                    uint64_t seen_generation; };
void store_config_put(struct store *s, struct op *op, struct config_put *p);     /* compare-and-set on seen_generation */

/* ---- limits ---------------------------------------------------------------------------------------------------------------- */
/* Of the window that stays full longest. retry_after_ms: the earliest possible time if all that wait or run stay; -1 = only the end
 * of one of them frees a place. is_held: holds alone fill it; then until the first of them runs out, as an approval does. */
struct limit_refusal { const struct limit_claim *claim; uint32_t used, held; int64_t retry_after_ms; bool is_held; };
struct call_facts {
	char id[ID_SIZE];
	const char *tenant, *agent, *backend, *tool;
	int level;                              /* identity level of the agent, as in struct session */
	uint8_t args_hash[32];                  /* canonical arguments */
	uint8_t tool_hash[32];                  /* the tool's definition as the backend listed it; zeroes: unknown */
	uint8_t fingerprint[32];                /* of the decision: verdict, rule, windows, approval needs */
};

struct limit_row {
	char *key;
	int64_t window_ms;
	uint32_t used, held;
	bool is_closed;                         /* counts as full whatever is recorded, because records were lost */
	int64_t next_free_ms;                   /* until the oldest use leaves, or it opens again; -1 = no use */
};
/* Fills used, held, is_closed, next_free_ms of rows[0..n) whose key and window_ms are given. */
MUST_USE enum err store_limits_show(struct store *s, struct limit_row *rows, size_t n);

/* ---- what the rules in force ask of every operation below ------------------------------------------------------------------ */
struct terms {
	const char *config_path;                /* NULL: none asked (tests) */
	uint64_t config_generation;
	bool is_held_after_unknown;             /* on_unknown: hold */
	int64_t on_unknown_hold_ms;
	uid_t uid;                              /* who the agent runs as, and with which client: people see it */
	const char *client;
};

/* ---- waiting: what stage "limits" asks for a call that needs a person's word or a queue ------------------------------------- */
struct approval_ask {
	struct span args;                       /* canonical JSON, whole */
	const char *rule;                       /* what demands it */
	int64_t timeout_ms, redeem_ms;
	uint32_t quorum;
	bool is_auth_required;
	uint32_t max_pending, max_per_hour;     /* caps per agent */
	int64_t cooldown_after_refusal_ms;
	const char *const *channels;            /* whom to tell: a message for each, in the same operation (domain/channels.h) */
	size_t channels_n;
};
struct queue_terms {
	uint32_t max_pending, concurrency;      /* max_pending: tickets waiting or parked */
	int64_t delay_min_ms, delay_max_ms;
};

/* HOLD_QUEUE_FULL. -1 = not known. */
struct queue_full {
	uint32_t waiting;                       /* or parked: as many as may be */
	int64_t eta_ms, retry_after_ms;         /* until it would have started; until there is room again at the earliest */
};

/* One operation: an approval of exactly this call is attached to under its own hold, a parked ticket of it is taken up again with its
 * hold; else every window is held and with it the approval is asked (PENDING) or the ticket drawn, or nothing at all happens. */
enum hold_answer {
	HELD,                                   /* the windows only: neither asked nor queued */
	HELD_ASKED, HELD_ATTACHED,              /* approval names it; it may be decided already: store_approval_get */
	HELD_QUEUED, HELD_RESUMED,              /* ticket names it */
	HOLD_LIMITED,                           /* why */
	HOLD_CONFIG_CHANGED,
	HOLD_BRAKED, HOLD_COOLING, HOLD_AFTER_UNKNOWN,          /* obstacle says which and until when */
	HOLD_TOO_MANY_PENDING, HOLD_TOO_MANY_ASKS, HOLD_REFUSED_RECENTLY,   /* retry_after_ms; of the last, refused names which */
	HOLD_REFUSED,                           /* exactly this call, while nobody waited for the word; refused names it. Said once */
	HOLD_QUEUE_FULL,
};
/* What stops calls for a time. text: a brake's reason, a cool-down's cause; may be "". until_ms: from now; -1 = until somebody ends
 * it. call: the one of unknown outcome. since_at_ms: wall time; 0 = not known. */
struct obstacle { char text[160]; int64_t until_ms, since_at_ms; char call[ID_SIZE]; };
struct hold {
	const struct call_facts *call;
	struct claim_set limits;
	const struct terms *terms;
	const struct approval_ask *ask;         /* NULL: needs no approval */
	const struct queue_terms *queue;        /* NULL: no queue. With ask, the ticket is drawn later: store_queue_join */
	const char *spent;                      /* an approval used by a flight of this call that did not run, and is no good for it any */
	                                        /* more: that is its outcome. "" or NULL: none */
	struct limit_refusal why;               /* these: out */
	struct obstacle obstacle;
	struct queue_full full;
	int64_t retry_after_ms;
	char approval[ID_SIZE], refused[ID_SIZE];
	uint64_t ticket;
	uint32_t epoch;                         /* of the ticket */
};
void store_hold(struct store *s, struct op *op, struct hold *h);

/* After its approval was given: a ticket that carries it. Answers HELD_QUEUED, HELD_RESUMED, HOLD_QUEUE_FULL. A call that has a ticket
 * already keeps it, by the terms given here; if it was passed over, it stands at the end now. */
struct queue_join { const struct call_facts *call; struct claim_set limits; const struct queue_terms *queue; const char *approval;
                    uint64_t ticket; uint32_t epoch; struct queue_full full; /* out */ };
void store_queue_join(struct store *s, struct op *op, struct queue_join *j);

/* The call ends before it was forwarded, or is answered before its client gives up (is_parking): its own hold and ticket go, or are
 * parked; from an approval it only detaches. With the row that says so. is_kept. */
struct release {
	const struct call_facts *call;
	struct claim_set limits;
	const char *approval;                   /* "" or NULL: none */
	uint64_t ticket;                        /* 0: none */
	bool is_parking;
	int64_t keep_ms;                        /* keep_place */
	const char *spent;                      /* as in struct hold */
	const struct evidence *evidence;        /* NULL: no row */
};
void store_release(struct store *s, struct op *op, struct release *r);

/* ---- the queue ---------------------------------------------------------------------------------------------------------------- */
#define QUEUE_AHEAD_MAX 4
struct queue_place {
	uint32_t position;                      /* 1 = next; only those that are eligible before it count */
	bool is_eligible;                       /* nothing stops it, and it was not put aside */
	bool may_start;                         /* first of the eligible, a slot is free and its delay is over: ask the commit point */
	int64_t ready_us;                       /* first of the eligible: until its slot's delay is over; not eligible: until it is; -1 = not known */
	int64_t eta_ms;                         /* honest guess until its start, by delays and what operations took lately; -1 = unknown */
	uint32_t epoch;                         /* another than ours: we were passed over; store_queue_join puts us at the end */
	bool is_gone;                           /* no such ticket of ours any more */
	uint32_t ahead[QUEUE_AHEAD_MAX];        /* other processes whose death changes our turn: watch them */
	size_t ahead_n;
	bool is_first_due;                      /* the first of the eligible, not we, could start now: when it does not for long, pass it over */
	uint64_t first;                         /* its ticket and its owner; 0 = we are first */
	uint32_t first_owner;
};
MUST_USE enum err store_queue_place(struct store *s, const char *backend, uint64_t ticket, struct queue_place *out);
/* Not eligible until then: its own agent's limit is full. Keeps its number. What a brake or a cool-down stops is not eligible anyway. */
struct queue_aside { const char *backend; uint64_t ticket; int64_t for_ms; };
void store_queue_aside(struct store *s, struct op *op, const struct queue_aside *a);
/* The first could start and did not for stall_timeout of our own waking time: all tickets of its owner are closed under a new epoch.
 * answer: how many; 0: it was not so any more. */
struct queue_pass { const char *backend; uint64_t ticket; uint32_t owner; };
void store_queue_pass_over(struct store *s, struct op *op, const struct queue_pass *p);
void store_wake(struct store *s, uint32_t number);             /* "look again", to another process */
int store_watch_number(struct store *s, uint32_t number);      /* as store_watch_owner */

/* state: WAITING | ASIDE (waits, but is not eligible) | PARKED | FORWARDING. position 0: FORWARDING or ASIDE. ready_ms: guess until its
 * start. keep_ms: PARKED, its turn has come: so long does its place stay. -1 = not known, or not so. */
struct queue_row {
	const char *backend, *call, *agent, *tool, *state;
	uint64_t number;
	uint32_t owner, position;
	int64_t waited_ms, ready_ms, keep_ms;
};
typedef bool queue_row_fn(void *arg, const struct queue_row *row);                   /* false: stop */
MUST_USE enum err store_queue_list(struct store *s, const char *backend, queue_row_fn *fn, void *arg);   /* backend NULL: all */

/* ---- approvals ------------------------------------------------------------------------------------------------------------------ */
enum approval_state { APPROVAL_PENDING, APPROVAL_APPROVED, APPROVAL_REJECTED, APPROVAL_EXPIRED, APPROVAL_CANCELLED, APPROVAL_CONSUMED };
const char *approval_state_text(enum approval_state s);        /* "PENDING", ... */
struct approval {                                               /* strings are owned: approval_release */
	char id[ID_SIZE], short_id[16];
	enum approval_state state;
	char *tenant, *agent, *client, *backend, *tool, *args, *rule, *decided_by, *decided_means, *reason, *consumed_by;  /* args: canonical JSON */
	int level;
	uid_t uid;
	uint8_t args_hash[32], tool_hash[32], fingerprint[32];
	uint32_t quorum, votes;                 /* votes for it so far */
	bool is_auth_required, is_frozen;
	bool is_overdue;                        /* EXPIRED by the clock alone: a decision on its way may still be first (store_approval_expire) */
	int64_t created_at_ms, decided_at_ms;   /* 0 = not decided */
	int64_t expires_in_ms, waited_ms;       /* as of the reading; expires_in of the undecided and unused */
	uint32_t waiting;                       /* calls attached */
	char outcome[12];                       /* of the call that used it: "" (open, or none) | ok | failed | unknown | not_run */
	int64_t executed_at_ms;                 /* 0 = outcome is "" */
};
void approval_release(struct approval *a);
MUST_USE enum err store_approval_get(struct store *s, const char *id_or_short, struct approval *out);   /* ERR_NOT_FOUND */
MUST_USE enum err store_approval_look(struct store *s, const char *id, struct approval *out);           /* without args */
/* Live ones: oldest first. All: newest first. */
struct approval_filter { bool is_live_only; const char *agent; uint32_t limit; };
typedef bool approval_fn(void *arg, const struct approval *a);
MUST_USE enum err store_approval_list(struct store *s, const struct approval_filter *f, approval_fn *fn, void *arg);

/* One vote. The first refusal ends it, whatever the quorum; of one voter only the last vote counts. FULL. as_it_is: how it stands after,
 * also when somebody was first. Late votes are kept as evidence. */
enum vote_answer {
	VOTE_DECIDED,
	VOTE_COUNTED,                           /* others must agree too */
	VOTE_SECOND,                            /* somebody decided before: as_it_is says who and when */
	VOTE_TOO_LATE,                          /* it is over without a decision */
	VOTE_NO_SUCH,
	VOTE_NOT_ALLOWED,                       /* it needs named persons, or the voter was shown other arguments */
	VOTE_REPLAYED,                          /* that callback was taken before; nothing changed */
};
struct vote {
	const char *approval;                   /* id or short name */
	bool is_approving;
	const char *voter, *means, *origin, *reason;    /* alice; cli | slack | ...; from where; may be "" */
	bool is_named;                          /* a person the rules know, not a bearer link */
	uint8_t args_hash[32];                  /* what the voter was shown */
	const char *seen_channel, *seen_ref;    /* a callback's own name, remembered in the same operation; NULL: none */
	struct approval as_it_is;               /* out: caller releases */
};
void store_approval_vote(struct store *s, struct op *op, struct vote *v);
/* Who voted so far, in order; the last vote of each, and those that came too late. Said again it is not written again. */
struct vote_row { const char *voter, *means, *origin, *reason; bool is_approving, is_late; int64_t at_ms; };     /* borrowed */
typedef bool vote_row_fn(void *arg, const struct vote_row *v);  /* false: stop */
MUST_USE enum err store_approval_votes(struct store *s, const char *id, vote_row_fn *fn, void *arg);
struct approval_cancel { const char *approval, *by, *reason; struct approval as_it_is; };
void store_approval_cancel(struct store *s, struct op *op, struct approval_cancel *c);   /* answers as a vote; PENDING only */
void store_approval_expire(struct store *s, struct op *op);     /* whatever is overdue; any process may. answer: how many */
MUST_USE enum err store_approval_next_due(struct store *s, int64_t *in_ms);     /* -1: none */

/* The newest approval before that one of the same tenant, agent, backend and tool that was used, with its arguments. ERR_NOT_FOUND: none. */
MUST_USE enum err store_approval_previous(struct store *s, const char *id, struct approval *out);

/* ---- what people are told ------------------------------------------------------------------------------------------------------- */
/* Every edge of an approval, and the end of the call that used it, is an event, written in the same operation; so are the messages,
 * one per channel, that must tell it. Each such operation wakes the broker. */
enum approval_what { EVENT_ASKED, EVENT_VOTED, EVENT_DECIDED, EVENT_EXPIRED, EVENT_CANCELLED, EVENT_EXECUTED };
const char *approval_what_text(enum approval_what w);          /* "asked", ... */
struct approval_event { uint64_t seq; const char *approval; enum approval_what what; int64_t at_ms; };
struct approval_event_filter { uint64_t after_seq; const char *approval; uint32_t limit; };          /* approval NULL: all. Oldest first */
typedef bool approval_event_fn(void *arg, const struct approval_event *e);
MUST_USE enum err store_approval_events(struct store *s, const struct approval_event_filter *f, approval_event_fn *fn, void *arg);
MUST_USE enum err store_approval_event_last(struct store *s, uint64_t *seq);                         /* 0 = none */

enum message_state { MESSAGE_DUE, MESSAGE_SENDING, MESSAGE_SENT, MESSAGE_DROPPED, MESSAGE_DEAD };
const char *message_state_text(enum message_state m);          /* "DUE", ... */
struct message {                                                /* borrowed */
	const char *approval, *channel, *ref, *last_error;
	enum message_state state;
	uint64_t told_seq, last_seq;            /* the newest event it tells; the newest there is */
	uint32_t attempts, tries;
	bool is_maybe_out;
	int64_t due_in_ms, age_ms;              /* Aegis clock. age: since it has something to tell that it does not; 0 when SENT or DROPPED */
	int64_t created_at_ms, sent_at_ms;
};
typedef bool message_fn(void *arg, const struct message *m);   /* false: stop */
struct message_filter { const char *approval, *channel; bool is_due_only, is_open_only; uint32_t limit; };   /* open: neither SENT nor DROPPED */
MUST_USE enum err store_messages(struct store *s, const struct message_filter *f, message_fn *fn, void *arg);
MUST_USE enum err store_message_next_due(struct store *s, int64_t *in_ms);                           /* -1: none */
MUST_USE enum err store_message_is_sending(struct store *s, bool *is_sending);                       /* any is, whoever sends it */
/* An attempt begins: DUE -> SENDING, with its row. told_seq: the event up to which it is to tell. answer: 1; 0: it was not DUE. FULL. */
struct message_take { const char *approval, *channel; uint64_t told_seq; uint32_t n; /* out: number of the attempt */ };
void store_message_take(struct store *s, struct op *op, struct message_take *t);
/* ... and ends. OK: SENT, or DUE at once where newer events are there. RETRY: DUE in in_ms. is_kept, FULL. */
enum message_result { MESSAGE_OK, MESSAGE_RETRY, MESSAGE_GIVEN_UP, MESSAGE_NOT_WORTH_IT };
struct message_end {
	const char *approval, *channel;
	uint32_t n;
	uint64_t told_seq;
	enum message_result result;
	bool is_maybe_out;                      /* RETRY, GIVEN_UP: it may have arrived all the same */
	const char *ref;                        /* NULL: as it was */
	const char *said;                       /* a sentence, without secrets; "" with OK is fine */
	int64_t in_ms, took_ms;
};
void store_message_end(struct store *s, struct op *op, const struct message_end *e);
/* What a broker that died was sending is DUE again, is_maybe_out. Only while no other broker lives. answer: how many. */
void store_messages_recover(struct store *s, struct op *op);
/* DEAD -> DUE, by an operator. channel NULL: of every channel; approval NULL: all. answer: how many. */
struct message_again { const char *approval, *channel; };
void store_messages_again(struct store *s, struct op *op, const struct message_again *a);
struct message_attempt { const char *approval, *channel, *result, *said; uint32_t n; uint64_t event_seq; int64_t at_ms, took_ms; };
typedef bool message_attempt_fn(void *arg, const struct message_attempt *a);
MUST_USE enum err store_message_attempts(struct store *s, const char *approval, const char *channel, message_attempt_fn *fn, void *arg);
/* Remembers a callback by itself, where no vote comes of it. answer: 1; 0: it was there before. FULL. */
struct seen_put { const char *channel, *ref; };
void store_seen_put(struct store *s, struct op *op, const struct seen_put *p);
/* A bounded step: drops what nobody asks for any more, events and callbacks past their use, messages of forgotten approvals, tokens
 * revoked long ago; and says of an approved call that did not end within a day, and is not under way, that nobody knows what became of
 * it. answer: how many rows that were; > 0: there may be more. Done by the broker. */
void store_sweep(struct store *s, struct op *op);

/* ---- tokens ------------------------------------------------------------------------------------------------------------------------ */
struct token {                                                  /* strings: borrowed in put and list; of a find they are owned: token_release */
	char id[ID_SIZE];
	char *kind, *name, *role, *person, *agent, *room, *created_by;
	int64_t created_at_ms, expires_at_ms, revoked_at_ms, last_used_at_ms;  /* 0 = never */
};
void token_release(struct token *t);
/* hash: BLAKE2b-256 of the secret. Revoked and expired ones are not found. ERR_NOT_FOUND. */
MUST_USE enum err store_token_find(struct store *s, const uint8_t hash[32], struct token *out);
typedef bool token_fn(void *arg, const struct token *t);
MUST_USE enum err store_token_list(struct store *s, bool is_live_only, token_fn *fn, void *arg);
enum token_answer { TOKEN_DONE, TOKEN_NAME_TAKEN, TOKEN_NO_SUCH };
/* Each with the row of the audit that says so. FULL. */
struct token_put { const struct token *token; uint8_t hash[32]; const struct evidence *evidence; };
void store_token_put(struct store *s, struct op *op, const struct token_put *p);
/* The same token, another secret; the old one ends now. name: id or name. */
struct token_rotate { const char *kind, *name; uint8_t hash[32]; int64_t expires_at_ms; const struct evidence *evidence; };
void store_token_rotate(struct store *s, struct op *op, const struct token_rotate *r);
struct token_revoke { const char *kind, *name; const struct evidence *evidence; };
void store_token_revoke(struct store *s, struct op *op, const struct token_revoke *r);
struct token_used { char id[ID_SIZE]; };                        /* last_used_at = now, unless it is younger than a minute */
void store_token_used(struct store *s, struct op *op, const struct token_used *u);

/* ---- brake, cool-down, unknown ---------------------------------------------------------------------------------------------------- */
struct brake { const char *scope, *subject, *by, *reason; int64_t since_at_ms; };
/* scope: all (subject ""), agent, backend, tool (subject a glob of the backend's own tool names), room. */
struct brake_set { struct brake brake; bool is_on; const struct evidence *evidence; bool was_changed; /* out */ };
/* Freezes and thaws approvals, wakes every session. answer: was_changed. The first who pauses is the one on record. FULL. */
void store_brake_set(struct store *s, struct op *op, struct brake_set *b);
typedef bool brake_fn(void *arg, const struct brake *b);
MUST_USE enum err store_brake_list(struct store *s, brake_fn *fn, void *arg);
struct cooldown { const char *backend, *cause; int64_t left_ms; };
/* for_ms 0 ends it. A longer one that is in force stays. Wakes every session when something changed (answer: was_changed). */
struct cooldown_set { const char *backend, *cause; int64_t for_ms; const struct evidence *evidence; bool was_changed; /* out */ };
void store_cooldown_set(struct store *s, struct op *op, struct cooldown_set *c);
typedef bool cooldown_fn(void *arg, const struct cooldown *c);
MUST_USE enum err store_cooldown_list(struct store *s, cooldown_fn *fn, void *arg);

struct unknown_row { const char *call, *agent, *backend, *tool, *settled_by, *settled_as; int64_t since_at_ms, settled_at_ms, held_ms; uint8_t args_hash[32]; };
typedef bool unknown_fn(void *arg, const struct unknown_row *u);
MUST_USE enum err store_unknown_list(struct store *s, bool is_open_only, unknown_fn *fn, void *arg);
enum unknown_answer { UNKNOWN_SETTLED, UNKNOWN_SETTLED_BEFORE, UNKNOWN_NO_SUCH };
struct unknown_settle { const char *call, *by; bool was_done; const struct evidence *evidence; };
/* call: the whole id. The same call is no longer held; a place of a limit is not given back, whatever was_done says. FULL. */
void store_unknown_settle(struct store *s, struct op *op, const struct unknown_settle *u);

/* A plain read without the gate: what stands in this call's way now. Only the commit point decides. */
enum obstacle_kind { OBSTACLE_NONE, OBSTACLE_BRAKE, OBSTACLE_COOLDOWN, OBSTACLE_UNKNOWN };
MUST_USE enum err store_obstacle_look(struct store *s, const struct call_facts *f, const struct terms *t, enum obstacle_kind *kind, struct obstacle *out);

/* ---- the commit point and its end ------------------------------------------------------------------------------------------ */
/* One operation immediately before the first byte: generation in force, no brake, no cool-down, nothing unknown in the way, ticket first
 * and its slot free, approval APPROVED -> CONSUMED, limits (holds become uses, else admitted now), flight row, intent row. If it does
 * not commit, nothing may be sent. */
struct commit {
	const struct call_facts *call;
	struct claim_set limits;
	const struct terms *terms;
	bool is_holding;                        /* this call has a hold of its own; an approval's hold is used with it */
	const char *approval;                   /* "" or NULL: none */
	uint64_t ticket;                        /* 0: none */
	uint32_t ticket_epoch;
	const char *continues;                  /* NULL: none. An earlier call of which this one is the rest: its uses move here, so that */
	int64_t continues_tick;                 /* both are one; settle said where they stand. What they have left meanwhile is admitted */
	const char *under;                      /* an approval that an earlier flight used, for this one too; NULL: none. Its outcome is this one's */
	int64_t deadline_ms;                    /* the flight is over at the latest then; after it others may call it UNKNOWN */
	const struct evidence *intent;
	struct limit_refusal why;               /* these: out */
	struct obstacle obstacle;
	uint32_t epoch;
};
enum commit_answer {
	COMMITTED, COMMIT_LIMITED, COMMIT_CONFIG_CHANGED,
	COMMIT_BRAKED, COMMIT_COOLING, COMMIT_AFTER_UNKNOWN,            /* obstacle */
	COMMIT_NOT_FIRST, COMMIT_PASSED_OVER,                           /* store_queue_place says how it stands */
	COMMIT_APPROVAL_GONE, COMMIT_APPROVAL_USED, COMMIT_TOOL_CHANGED,
};
void store_commit(struct store *s, struct op *op, struct commit *c);

/* A plain read without the gate: is this flight still ours under that epoch? Asked before a first byte that comes > 50 ms late. */
MUST_USE enum err store_flight_is_ours(struct store *s, const char *call, uint32_t epoch, bool *is_ours);

/* Until stamped a use does not age. left_tick_ms: when its first byte left, by store_now. For calls open > 1 s. is_kept. */
struct stamp { const struct call_facts *call; struct claim_set limits; int64_t left_tick_ms; };
void store_stamp(struct store *s, struct op *op, struct stamp *st);

/* How a call ended, for those who approved it. RAN_ON: it is not over, a flight of its own goes on under the same approval. */
enum ran { RAN_OK, RAN_FAILED, RAN_UNKNOWN, RAN_NOT, RAN_ON };
struct settle {
	const struct call_facts *call;
	struct claim_set limits;
	bool is_refund;                         /* gives the places back; a loop guard counts it all the same */
	bool is_void;                           /* as if it had never been: the same call goes once more through a commit of its own */
	bool is_unknown;                        /* recorded as UNKNOWN */
	enum ran ran;                           /* is_void, is_unknown: whatever it says, RAN_ON, RAN_UNKNOWN */
	int64_t left_tick_ms;                   /* -1: not known, the time of settling counts */
	uint64_t ticket;                        /* 0: none; its slot is free after a delay drawn now */
	int64_t cooldown_ms;                    /* > 0: the backend asked to be left alone for so long, capped by the caller */
	const char *cooldown_cause;             /* a clause, e.g. "it answered HTTP 429" */
	const struct evidence *evidence;        /* outcome row */
	int64_t use_tick;                       /* out: where its uses stand; 0: not known, or given back */
};
void store_settle(struct store *s, struct op *op, struct settle *e);             /* is_kept */

/* ---- audit ------------------------------------------------------------------------------------------------------------------ */
void store_audit_append(struct store *s, struct op *op, const struct evidence *e);   /* refused, request, operator */
struct audit_row { uint64_t seq; const char *call, *kind, *agent, *backend, *tool, *verdict, *body; int64_t at_ms; uint8_t args_hash[32], digest[32], chain[32]; };
typedef bool audit_row_fn(void *arg, const struct audit_row *row);                   /* false: stop */
/* What is 0, NULL or "" asks for nothing. No read lasts longer than 50 ms at a stretch, so that the WAL can be reset between. */
struct audit_filter {
	uint32_t limit;
	bool is_newest_first;
	uint64_t after_seq, before_seq;         /* both exclusive */
	int64_t since_ms, until_ms;             /* wall, since <= at < until. Clocks are trusted to a day: looking ends there */
	const char *call, *kind, *agent, *backend, *verdict;    /* whole names */
	const char *tool;                       /* a name or a glob */
	uint64_t *next;                         /* not NULL: one stretch only. Out: go on before (after) that one; 0: that was all */
};
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
