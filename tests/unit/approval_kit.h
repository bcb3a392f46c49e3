/* approval_kit - calls that need a person, and the person, as one-liners at the kit they are given. */
#pragma once
#include "unit/store_kit.h"

#define TIMEOUT_MS (10 * MINUTE)
#define REDEEM_MS  (15 * MINUTE)

/* ---- a call ---- */

struct asker {
	struct job job;
	struct approval_ask ask;
	char approval[ID_SIZE], refused[ID_SIZE];
	int64_t retry_after_ms;
};

static inline void asker_init(struct asker *a, struct kit *k, uint8_t args, const struct limit *limits, size_t n)
{
	*a = (struct asker){
		.ask = { .args = SPAN("{\"x\":1}"), .rule = "publish_*", .timeout_ms = TIMEOUT_MS, .redeem_ms = REDEEM_MS,
			.quorum = 1, .max_pending = 1000, .max_per_hour = 100000 },
	};
	job_init(&a->job, k, limits, n);
	a->job.facts.args_hash[0] = args;
}

static inline int asker_hold(struct asker *a)
{
	struct hold h = { .call = &a->job.facts, .limits = a->job.claims, .ask = &a->ask };
	struct op op = { 0 };

	store_hold(a->job.kit->store, &op, &h);
	op_finish(a->job.kit->store, &op);
	must(op.err == OK);
	memcpy(a->approval, h.approval, sizeof(a->approval));
	memcpy(a->refused, h.refused, sizeof(a->refused));
	a->retry_after_ms = h.retry_after_ms;
	a->job.why = h.why;
	return op.answer;
}

static inline int asker_commit(struct asker *a)
{
	struct commit c = { .call = &a->job.facts, .limits = a->job.claims, .approval = a->approval, .deadline_ms = 10 * MINUTE,
		.intent = &a->job.intent };
	struct op op = { 0 };

	store_commit(a->job.kit->store, &op, &c);
	op_finish(a->job.kit->store, &op);
	must(op.err == OK);
	a->job.epoch = c.epoch;
	return op.answer;
}

static inline void asker_release(struct asker *a)
{
	struct release r = { .call = &a->job.facts, .limits = a->job.claims, .approval = a->approval };
	struct op op = { .is_kept = true };

	store_release(a->job.kit->store, &op, &r);
	op_finish(a->job.kit->store, &op);
	must(op.err == OK);
}

/* ---- the person ---- */

/* args: the first byte of the hash of what the voter was shown. */
struct ballot {
	const char *voter, *reason;
	bool is_approving, is_nameless;
	uint8_t args;
};

static inline int vote_on(struct kit *k, const char *approval, struct ballot b, struct approval *as_it_is)
{
	struct op op = { 0 };
	struct vote v = { .approval = approval, .voter = b.voter, .is_approving = b.is_approving, .means = "test", .origin = "here",
		.reason = b.reason ? b.reason : "", .is_named = !b.is_nameless, .args_hash = { b.args } };

	store_approval_vote(k->store, &op, &v);
	op_finish(k->store, &op);
	must(op.err == OK);
	if (as_it_is)
		*as_it_is = v.as_it_is;
	else
		approval_release(&v.as_it_is);
	return op.answer;
}

static inline int cancel_on(struct kit *k, const char *approval, const char *by)
{
	struct op op = { 0 };
	struct approval_cancel c = { .approval = approval, .by = by, .reason = "" };

	store_approval_cancel(k->store, &op, &c);
	op_finish(k->store, &op);
	must(op.err == OK);
	approval_release(&c.as_it_is);
	return op.answer;
}

static inline int expire_all(struct kit *k)
{
	struct op op = { 0 };

	store_approval_expire(k->store, &op);
	op_finish(k->store, &op);
	must(op.err == OK);
	return op.answer;
}

static inline enum approval_state state_of(struct kit *k, const char *id)
{
	struct approval a;

	must(store_approval_get(k->store, id, &a) == OK);
	enum approval_state s = a.state;
	approval_release(&a);
	return s;
}
