#include "broker/housekeeping.h"
#include "base/log.h"
#include "base/xalloc.h"

#define REAP_MS       10000              /* shims that wait watch those they wait for; this is for what nobody waits for */
#define SWEEP_MS      (3600 * 1000)
#define SWEEP_STEP_MS 1000               /* there is more to sweep: a pause for everybody else */
#define AGAIN_MS      1000               /* the clock said due and the store did not find it so, or could not be asked */

struct chore {
	struct housekeeping *home;
	struct op op;
	struct loop_timer timer;
};
struct housekeeping {
	struct broker *broker;
	struct chore reap, expire, sweep;
};

static void chore_again(struct chore *c, int64_t in_ms)
{
	if (!c->home->broker->is_ending)
		loop_timer_set(c->home->broker->loop, &c->timer, in_ms);
}

/* False: not now; the timer is set. */
static bool chore_may_begin(struct chore *c)
{
	if (c->home->broker->is_ending || c->op.is_submitted)
		return false;
	if (broker_store(c->home->broker))
		return true;
	chore_again(c, AGAIN_MS);
	return false;
}

/* ---- approvals whose time is over --------------------------------------------------------------------------------------------------- */
static void expire_look(struct chore *c, int64_t least_ms)
{
	int64_t in_ms;

	if (!chore_may_begin(c))
		return;
	if (store_approval_next_due(broker_store(c->home->broker), &in_ms) != OK)
		chore_again(c, AGAIN_MS);
	else if (in_ms < 0)
		loop_timer_clear(&c->timer);
	else
		chore_again(c, in_ms > least_ms ? in_ms : least_ms);
}

static void expire_told(struct op *op)
{
	struct chore *c = op->arg;

	if (op->err == OK && op->answer > 0)
		log_info("housekeeping.expired", "approvals=%d", op->answer);
	expire_look(c, op->err == OK && op->answer > 0 ? 0 : AGAIN_MS);
}

static void expire_due(struct loop_timer *t)
{
	struct chore *c = container_of(t, struct chore, timer);

	if (chore_may_begin(c))
		store_approval_expire(broker_store(c->home->broker), &c->op);
}

/* ---- the dead ---------------------------------------------------------------------------------------------------------------------- */
static void reap_told(struct op *op)
{
	struct chore *c = op->arg;

	if (op->err == OK && op->answer > 0)
		log_info("housekeeping.reaped", "owners=%d", op->answer);
	expire_look(&c->home->expire, 0);       /* a ticket that went let the clock of its approval go on; and after sleep timers come late */
	chore_again(c, REAP_MS);
}

static void reap_due(struct loop_timer *t)
{
	struct chore *c = container_of(t, struct chore, timer);

	if (chore_may_begin(c))
		store_reap(broker_store(c->home->broker), &c->op);
}

/* ---- what nobody asks for any more -------------------------------------------------------------------------------------------------- */
static void sweep_told(struct op *op)
{
	struct chore *c = op->arg;

	if (op->err == OK && op->answer > 0)
		log_debug("housekeeping.swept", "rows=%d", op->answer);
	chore_again(c, op->err == OK && op->answer > 0 ? SWEEP_STEP_MS : SWEEP_MS);
}

static void sweep_due(struct loop_timer *t)
{
	struct chore *c = container_of(t, struct chore, timer);

	if (chore_may_begin(c))
		store_sweep(broker_store(c->home->broker), &c->op);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------- */
static void chore_init(struct chore *c, struct housekeeping *h, void (*due)(struct loop_timer *), void (*told)(struct op *))
{
	*c = (struct chore){ .home = h, .op = { .told = told, .arg = c } };
	loop_timer_init(&c->timer, due);
}

enum err housekeeping_open(struct broker *b, struct problem *why)
{
	struct housekeeping *h = b->housekeeping = xcalloc(1, sizeof(*h));

	(void)why;
	h->broker = b;
	chore_init(&h->reap, h, reap_due, reap_told);
	chore_init(&h->expire, h, expire_due, expire_told);
	chore_init(&h->sweep, h, sweep_due, sweep_told);
	chore_again(&h->reap, REAP_MS);
	chore_again(&h->sweep, SWEEP_STEP_MS);
	expire_look(&h->expire, 0);
	return OK;
}

void housekeeping_look(struct broker *b)
{
	expire_look(&b->housekeeping->expire, 0);
}

void housekeeping_stop(struct broker *b)
{
	struct housekeeping *h = b->housekeeping;

	loop_timer_clear(&h->reap.timer);
	loop_timer_clear(&h->expire.timer);
	loop_timer_clear(&h->sweep.timer);
}

void housekeeping_close(struct broker *b)
{
	if (b->housekeeping)
		housekeeping_stop(b);
	free(b->housekeeping);
	b->housekeeping = NULL;
}
