/* Calls that must wait: what they hold meanwhile, and how they leave again. */
#include "store/sqlite.h"
#include "base/failpoint.h"

static const enum hold_answer refusals[] = {
	[GO_CONFIG_CHANGED] = HOLD_CONFIG_CHANGED,
	[GO_BRAKED] = HOLD_BRAKED,
	[GO_COOLING] = HOLD_COOLING,
	[GO_AFTER_UNKNOWN] = HOLD_AFTER_UNKNOWN,
};

bool hold_windows(struct store *s, struct hold *h, const struct holder *by)
{
	struct admission a = {
		.call = h->call,
		.claims = &h->limits,
		.why = &h->why,
		.holder = by->before,
		.tick = TICK_HELD,
		.as = by->name,
		.owner = by->owner,
	};

	return limits_admit(s, &a);
}

/* before: the call whose places it takes over; NULL: nobody's. */
static bool hold_own(struct store *s, struct hold *h, const char *before)
{
	return hold_windows(s, h, &(struct holder){ h->call->id, gate_number(s->gate), before });
}

/* The hold and the ticket in one: a parked one goes on with its own places. */
static enum hold_answer hold_queued(struct store *s, struct hold *h)
{
	struct queue_entry e = { .call = h->call, .limits = &h->limits, .terms = h->queue };
	char holder[ID_SIZE];
	bool is_parked = queue_find_parked(s, &e, holder);

	if (!is_parked && !queue_has_room(s, h->call->backend, h->queue)) {
		queue_explain_full(s, h->call->backend, &h->full);
		return HOLD_QUEUE_FULL;
	}
	if (!hold_own(s, h, is_parked ? holder : NULL))
		return HOLD_LIMITED;
	if (!is_parked || !queue_take_up(s, &e)) {
		is_parked = false;
		queue_enter(s, &e);
	}
	h->ticket = e.ticket;
	h->epoch = e.epoch;
	return is_parked ? HELD_RESUMED : HELD_QUEUED;
}

/* Who stands in the queue already waits there for the end of a cool-down. */
static bool has_ticket(struct store *s, const struct hold *h)
{
	struct queue_entry e = { .call = h->call, .limits = &h->limits, .terms = h->queue };
	char holder[ID_SIZE];

	return h->queue && !h->ask && queue_find_parked(s, &e, holder);
}

static void hold_carry_out(struct store *s, struct op *op, void *request)
{
	struct hold *h = request;
	enum go go = terms_look(s, h->call, h->terms, &h->obstacle);

	if (go != GO_ON && !(go == GO_COOLING && has_ticket(s, h)))
		op->answer = (int)refusals[go];
	else if (h->ask)
		op->answer = (int)approval_hold(s, h);
	else if (h->queue)
		op->answer = (int)hold_queued(s, h);
	else
		op->answer = hold_own(s, h, NULL) ? HELD : HOLD_LIMITED;
	approval_ran(s, h->spent, RAN_NOT);
	FAILPOINT(HOLD_TAKEN);
}

void store_hold(struct store *s, struct op *op, struct hold *h)
{
	op->needs_full = h->ask != NULL;
	turn_submit(s, op, hold_carry_out, h);
}

static void release_carry_out(struct store *s, struct op *op, void *request)
{
	struct release *r = request;
	CLEANUP(buf_release) struct buf keys = { 0 };

	(void)op;
	buf_init(&keys, KEYS_MAX_BYTES);
	if (!claims_join_keys(&r->limits, &keys))
		db_fault(&s->db, ERR_INVALID);
	if (!r->ticket || !queue_leave(s, r->call->id, r->is_parking, r->keep_ms))
		holds_drop(s, r->call->id, keys.data);
	FAILPOINT(RELEASE_WRITTEN);
	if (r->approval && *r->approval)
		approval_detach(s, r->approval, r->call->id);
	approval_ran(s, r->spent, RAN_NOT);
	if (r->evidence)
		audit_append(s, r->evidence);
}

void store_release(struct store *s, struct op *op, struct release *r)
{
	op->needs_full = false;
	turn_submit(s, op, release_carry_out, r);
}
