/* stage_queue - a backend whose calls go one after another. The ticket was drawn with the hold (stage limits), or is drawn here once a
 * person has approved. Then the place is read when the call is woken, when its delay is over, when somebody ahead dies, and once a
 * second; the commit point alone decides whose turn it is. The rest of a call that stopped for input does not queue again. */
#include "shim/call.h"
#include "shim/shim.h"

static enum step ask(struct call *c, enum standing_ask what)
{
	c->standing.asks = what;
	return STEP_STORE;
}

static bool is_same_terms(const struct queue_terms *a, const struct queue_terms *b)
{
	return a->max_pending == b->max_pending && a->concurrency == b->concurrency && a->delay_min_ms == b->delay_min_ms &&
	       a->delay_max_ms == b->delay_max_ms;
}

/* ---- refusals ---------------------------------------------------------------------------------------------------------------------- */
static enum step refuse_wait(struct call *c, const struct queue_place *p)
{
	char waited[REFUSAL_WAIT_SIZE], eta[REFUSAL_WAIT_SIZE] = "an unknown time";

	refusal_wait_text(waited, c->standing.waited_ms);
	if (p->eta_ms >= 0)
		refusal_wait_text(eta, p->eta_ms);
	call_refuse(c, REFUSED_QUEUE, "max_wait", "the call waited %s in the queue of backend %s, the longest it may; it stood at position %u "
	            "and would have started in about %s. It gave up its place. The call was not executed.", waited, c->facts.backend,
	            p->position, eta);
	c->refusal.retry_after_ms = p->eta_ms;
	return STEP_STOP;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------------------------- */
static bool has_new_rules(struct call *c)
{
	struct rulebook *r = &c->shim->rules;

	return rulebook_look(r, c->shim->state.store) == RULES_BEHIND || r->current != c->rules;
}

static bool must_give_up(const struct call *c)
{
	int64_t max_wait_ms = config_queue(c->rules->config, c->facts.backend)->max_wait_ms;

	return max_wait_ms > 0 && c->standing.waited_ms >= max_wait_ms;
}

static bool is_stalled(const struct call *c)
{
	return c->standing.due != 0 &&
	       c->standing.due_ms >= config_queue(c->rules->config, c->facts.backend)->stall_timeout_ms;
}

static enum step wait(struct call *c, const struct queue_place *p)
{
	struct standing *st = &c->standing;

	waiting_begin(c, WAITING_QUEUE);
	c->waiting.position = p->position;
	c->waiting.eta_ms = p->eta_ms;
	if (waiting_is_over(c))
		return call_defer(c, p->eta_ms);
	standing_watch(c, p);
	if (is_stalled(c)) {
		st->pass = (struct queue_pass){ c->facts.backend, st->due, p->first_owner };
		st->due = 0;
		return ask(c, STANDING_PASS);
	}
	if (st->must_reap) {
		st->must_reap = false;
		return ask(c, STANDING_REAP);
	}
	return STEP_WAIT;
}

/* A brake or a cool-down: it waits for that (obstacle.h), and its ticket blocks nobody meanwhile. */
static bool is_stopped(struct call *c)
{
	struct terms terms = call_terms(c);
	enum obstacle_kind kind = OBSTACLE_NONE;
	struct obstacle why;

	if (store_obstacle_look(c->shim->state.store, &c->facts, &terms, &kind, &why) != OK ||
	    (kind != OBSTACLE_BRAKE && kind != OBSTACLE_COOLDOWN))
		return false;
	obstacle_meet(c, kind, &why);
	turn_mark(&c->shim->turn, c);
	return true;
}

static enum step by_place(struct call *c)
{
	struct queue_place p;
	enum err e = store_queue_place(c->shim->state.store, c->facts.backend, c->ticket, &p);

	if (e != OK)
		return call_refuse_store(c, err_text(e));
	if (p.is_gone || p.epoch != c->ticket_epoch)
		return ask(c, STANDING_JOIN);
	if (!p.is_eligible && is_stopped(c))
		return STEP_WAIT;
	standing_note(c, &p);
	if (p.may_start && !c->standing.was_beaten)
		return STEP_NEXT;
	return must_give_up(c) ? refuse_wait(c, &p) : wait(c, &p);
}

static bool is_for_another_approval(const struct call *c)
{
	return c->ticket && strcmp(c->standing.approval, c->approval) != 0;
}

enum step queue_judge(struct call *c)
{
	if (c->refusal.reason != REFUSED_NONE)
		return STEP_STOP;
	if (c->ticket && has_new_rules(c)) {
		c->rounds = 0;                  /* who waits long sees many */
		return STEP_OVER;
	}
	if (is_for_another_approval(c) || (c->ticket && !standing_is_needed(c)))
		return ask(c, STANDING_LEAVE);
	if (!standing_is_needed(c))
		return STEP_NEXT;
	struct queue_terms terms = standing_terms(c);
	if (!c->ticket || !is_same_terms(&terms, &c->standing.terms))
		return ask(c, STANDING_JOIN);
	if (c->standing.aside_ms > 0)
		return ask(c, STANDING_ASIDE);
	return by_place(c);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------------ */
static void ask_join(struct call *c, struct store *store)
{
	c->standing.terms = standing_terms(c);
	c->join = (struct queue_join){
		.call = &c->facts, .limits = continued_holds(c), .queue = &c->standing.terms, .approval = c->approval,
	};
	store_queue_join(store, &c->op, &c->join);
}

/* The hold stays: the commit point turns it into a use. */
static void ask_leave(struct call *c, struct store *store)
{
	c->release = (struct release){ .call = &c->facts, .ticket = c->ticket };
	store_release(store, &c->op, &c->release);
}

void queue_ask(struct call *c, struct store *store)
{
	struct standing *st = &c->standing;

	switch (st->asks) {
	case STANDING_JOIN:
		ask_join(c, store);
		break;
	case STANDING_LEAVE:
		ask_leave(c, store);
		break;
	case STANDING_REAP:
		store_reap(store, &c->op);
		break;
	case STANDING_PASS:
		store_queue_pass_over(store, &c->op, &st->pass);
		break;
	case STANDING_ASIDE:
		st->aside = (struct queue_aside){ c->facts.backend, c->ticket, st->aside_ms };
		st->aside_ms = 0;
		store_queue_aside(store, &c->op, &st->aside);
		break;
	}
}

static void told_join(struct call *c)
{
	if (c->op.answer == HOLD_QUEUE_FULL) {
		standing_refuse_full(c, &c->join.full);
		return;
	}
	c->ticket = c->join.ticket;
	c->ticket_epoch = c->join.epoch;
	snprintf(c->standing.approval, sizeof(c->standing.approval), "%s", c->approval);
}

void queue_told(struct call *c)
{
	if (c->op.err != OK) {
		call_refuse_store(c, err_text(c->op.err));
	} else if (c->standing.asks == STANDING_JOIN) {
		told_join(c);
	} else if (c->standing.asks == STANDING_LEAVE) {
		c->ticket = 0;
		standing_release(c);
	}
}
