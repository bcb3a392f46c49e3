#include "shim/obstacle.h"
#include "shim/call.h"
#include "shim/shim.h"

#define LOOK_EVERY_MS 1000

static void look_due(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, met.look);
	turn_mark(&c->shim->turn, c);
}

void obstacle_init(struct met *m)
{
	*m = (struct met){ .kind = OBSTACLE_NONE };
	loop_timer_init(&m->look, look_due);
}

void obstacle_release(struct met *m)
{
	loop_timer_clear(&m->look);
}

static void refuse(struct call *c, enum obstacle_kind kind, const struct obstacle *why)
{
	if (kind == OBSTACLE_UNKNOWN)
		refusal_set_after_unknown(&c->refusal, c->facts.backend, c->tool, why);
	else
		refusal_set_cooldown(&c->refusal, c->facts.backend, why);
	c->refused_at = stage_name(c->stage);
}

/* Who stands in the queue keeps its place there; with nothing to lose one comes again. */
static bool is_borne(const struct call *c, enum obstacle_kind kind)
{
	return kind == OBSTACLE_BRAKE || (kind == OBSTACLE_COOLDOWN && c->ticket != 0);
}

void obstacle_meet(struct call *c, enum obstacle_kind kind, const struct obstacle *why)
{
	if (is_borne(c, kind))
		c->met.kind = kind;
	else
		refuse(c, kind, why);
}

static void go_on(struct call *c)
{
	c->met.kind = OBSTACLE_NONE;
	loop_timer_clear(&c->met.look);
	waiting_end(c);
}

static enum step wait_for(struct call *c, const struct obstacle *why)
{
	bool is_brake = c->met.kind == OBSTACLE_BRAKE;
	int64_t again_ms = why->until_ms >= 0 && why->until_ms < LOOK_EVERY_MS ? why->until_ms : LOOK_EVERY_MS;

	waiting_begin(c, is_brake ? WAITING_BRAKE : WAITING_COOLDOWN);
	c->waiting.eta_ms = why->until_ms;
	if (is_brake)
		snprintf(c->waiting.reason, sizeof(c->waiting.reason), "%s", why->text);
	if (waiting_is_over(c))
		return call_defer(c, why->until_ms);
	loop_timer_set(c->shim->loop, &c->met.look, again_ms);
	return STEP_WAIT;
}

/* A store that cannot be read is no reason to wait: the operation that follows says what is wrong with it. */
enum step obstacle_judge(struct call *c)
{
	struct terms terms;
	struct obstacle why;
	enum obstacle_kind kind = OBSTACLE_NONE;

	if (c->met.kind == OBSTACLE_NONE || c->stage == STAGE_FINISH)
		return STEP_NEXT;
	terms = call_terms(c);
	if (!c->shim->state.store || store_obstacle_look(c->shim->state.store, &c->facts, &terms, &kind, &why) != OK ||
	    kind == OBSTACLE_NONE) {
		go_on(c);
		return STEP_NEXT;
	}
	obstacle_meet(c, kind, &why);
	return c->refusal.reason == REFUSED_NONE ? wait_for(c, &why) : STEP_STOP;
}
