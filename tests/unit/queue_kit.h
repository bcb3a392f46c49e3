/* queue_kit - calls that stand in a backend's queue, as one-liners, at one store: kit. */
#pragma once
#include "unit/store_kit.h"

static struct kit kit;

/* ---- a call that queues ---- */

struct caller {
	struct job job;
	uint64_t ticket;
	uint32_t epoch;
	int64_t retry_after_ms;
};

static const struct limit wide = { "wide", HOUR, 100000 };

static inline void caller_init(struct caller *c, uint8_t args, const struct limit *limit)
{
	*c = (struct caller){ 0 };
	job_init(&c->job, &kit, limit, 1);
	c->job.facts.args_hash[0] = args;
}

static inline int enter(struct caller *c, const struct queue_terms *terms)
{
	struct hold h = { .call = &c->job.facts, .limits = c->job.claims, .queue = terms };
	struct op op = { 0 };

	store_hold(kit.store, &op, &h);
	op_finish(kit.store, &op);
	must(op.err == OK);
	c->ticket = h.ticket;
	c->epoch = h.epoch;
	return op.answer;
}

static inline struct caller *enter_new(const struct queue_terms *terms)
{
	static uint8_t args;
	struct caller *c = xcalloc(1, sizeof(*c));

	caller_init(c, ++args, &wide);
	must(enter(c, terms) == HELD_QUEUED);
	return c;
}

static inline int rejoin(struct caller *c, const struct queue_terms *terms)
{
	struct queue_join j = { .call = &c->job.facts, .limits = c->job.claims, .queue = terms };
	struct op op = { 0 };

	store_queue_join(kit.store, &op, &j);
	op_finish(kit.store, &op);
	must(op.err == OK);
	c->ticket = j.ticket;
	c->epoch = j.epoch;
	return op.answer;
}

static inline int start(struct caller *c)
{
	struct commit m = {
		.call = &c->job.facts, .limits = c->job.claims, .is_holding = true, .ticket = c->ticket,
		.ticket_epoch = c->epoch, .deadline_ms = 10 * MINUTE, .intent = &c->job.intent,
	};
	struct op op = { 0 };

	store_commit(kit.store, &op, &m);
	op_finish(kit.store, &op);
	must(op.err == OK);
	return op.answer;
}

static inline void finish(struct caller *c)
{
	struct settle e = {
		.call = &c->job.facts, .limits = c->job.claims, .left_tick_ms = -1, .ticket = c->ticket, .evidence = &c->job.outcome,
	};
	struct op op = { .is_kept = true };

	store_settle(kit.store, &op, &e);
	op_finish(kit.store, &op);
	must(op.err == OK);
}

static inline void let_go(struct caller *c, bool is_parking, int64_t keep_ms)
{
	struct release r = {
		.call = &c->job.facts, .limits = c->job.claims, .ticket = c->ticket, .is_parking = is_parking, .keep_ms = keep_ms,
	};
	struct op op = { .is_kept = true };

	store_release(kit.store, &op, &r);
	op_finish(kit.store, &op);
	must(op.err == OK);
}

static inline struct queue_place place(const struct caller *c)
{
	struct queue_place p;

	must(store_queue_place(kit.store, "backend", c->ticket, &p) == OK);
	return p;
}

/* -1: not known. */
static inline int64_t ready_ms(const struct caller *c)
{
	int64_t us = place(c).ready_us;

	return us < 0 ? -1 : (us + 999) / 1000;
}

static inline void aside(const struct caller *c, int64_t for_ms)
{
	struct queue_aside a = { "backend", c->ticket, for_ms };
	struct op op = { 0 };

	store_queue_aside(kit.store, &op, &a);
	op_finish(kit.store, &op);
	must(op.err == OK);
}

static inline int reap(void)
{
	struct op op = { 0 };

	store_reap(kit.store, &op);
	op_finish(kit.store, &op);
	return op.answer;
}

static inline void gone(struct caller *c)
{
	job_release(&c->job);
	free(c);
}
