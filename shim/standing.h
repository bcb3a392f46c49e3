/* standing - a call in its backend's queue: where it stands, whom it watches, how long it has waited. The ticket itself is the call's. */
#pragma once
#include "net/loop.h"
#include "store/store.h"

struct call;

/* What the stage asks of the store next. */
enum standing_ask { STANDING_JOIN, STANDING_LEAVE, STANDING_REAP, STANDING_PASS, STANDING_ASIDE };

struct standing_watch {
	struct loop_source source;           /* hangs up when that process dies; fd -1 = free */
	uint32_t number;
	struct call *call;
};

struct standing {
	struct queue_terms terms;            /* those its ticket was drawn by, or has been given since */
	char approval[ID_SIZE];              /* that the ticket carries; "" = none */
	struct loop_timer look;
	int64_t interval_ms;                 /* between two looks */
	struct loop_source bell;             /* its turn may have come */
	struct standing_watch watched[QUEUE_AHEAD_MAX];
	uint32_t not_watched;                /* the last that could not be */
	uint32_t drawn_at;                   /* its position when it was looked at first; 0 = not yet */
	int64_t looked_us, waited_ms;        /* waited_ms: of our own waking time */
	unsigned looks;
	uint64_t due;                        /* the first, when it could start and did not; 0 = none */
	int64_t due_ms;                      /* for so long, of our own waking time */
	bool must_reap;                      /* somebody whose death matters has died */
	bool was_beaten;                     /* the commit point saw it otherwise: a moment's pause before it is asked again */
	int64_t aside_ms;                    /* > 0: its own agent's limit is full: others may pass for so long */
	enum standing_ask asks;
	struct queue_aside aside;
	struct queue_pass pass;
};

bool standing_is_needed(const struct call *c);           /* its tool queues; not the rest of a call that stopped for input */
struct queue_terms standing_terms(const struct call *c); /* of its backend's queue, by the rules it is judged by */
void standing_refuse_full(struct call *c, const struct queue_full *full);

void standing_init(struct call *c);
void standing_release(struct call *c);       /* watches nobody, looks no more; again: nothing */

/* The place was read now: adds to waited_ms, and notes who ahead could start and does not. */
void standing_note(struct call *c, const struct queue_place *p);
/* Watches who is ahead; looks again when the turn may have come, and besides: once a second at the front. */
void standing_watch(struct call *c, const struct queue_place *p);

/* The commit point said that it is not its turn; that its own agent's limit is full. It goes back to the queue. */
void standing_was_beaten(struct call *c);
void standing_step_aside(struct call *c, int64_t for_ms);
