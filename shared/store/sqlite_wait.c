/* Calls that must wait: what they hold meanwhile, and how they leave again. */
#include "store/sqlite.h"

static const enum hold_answer refusals[] = {
	[GO_CONFIG_CHANGED] = HOLD_CONFIG_CHANGED,
	[GO_BRAKED] = HOLD_BRAKED,
	[GO_COOLING] = HOLD_COOLING,
	[GO_AFTER_UNKNOWN] = HOLD_AFTER_UNKNOWN,
};

bool hold_windows(struct store *s, struct hold *h, const char *as, int64_t owner)
{
	struct admission a = {
		.call = h->call,
		.claims = &h->limits,
		.why = &h->why,
		.tick = TICK_HELD,
		.as = as,
		.owner = owner,
	};

	return limits_admit(s, &a);
}

static void hold_carry_out(struct store *s, struct op *op, void *request)
{
	struct hold *h = request;
	enum go go = terms_look(s, h->call, h->terms, &h->obstacle);

	if (go != GO_ON)
		op->answer = refusals[go];
	else if (h->ask)
		op->answer = approval_hold(s, h);
	else if (hold_windows(s, h, h->call->id, gate_number(s->gate)))
		op->answer = HELD;
	else
		op->answer = HOLD_LIMITED;
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
	holds_drop(s, r->call->id, keys.data);
	if (r->approval && *r->approval)
		approval_detach(s, r->approval, r->call->id);
	if (r->evidence)
		audit_append(s, r->evidence);
}

void store_release(struct store *s, struct op *op, struct release *r)
{
	op->needs_full = false;
	turn_submit(s, op, release_carry_out, r);
}
