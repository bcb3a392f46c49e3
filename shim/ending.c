#include "shim/ending.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "shim/call.h"
#include "shim/shim.h"

#define DRAIN_MS 600                     /* for calls in flight ... */
#define PART_MS  900                     /* ... and all together */
#define HARD_MS  980                     /* whatever still blocks then */

static int64_t elapsed_ms(const struct ending *e)
{
	return (clock_mono_us() - e->began_us) / 1000;
}

/* Nothing is with the backend any more; calls may still wait for the store to take their outcomes. */
static bool has_landed(const struct shim *s)
{
	list_for_each(c, &s->calls, struct call, node)
		if (call_is_in_flight(c))
			return false;
	for_each_part(p, s)
		if (!part_is_idle(p))
			return false;
	return true;
}

static bool is_idle(const struct shim *s)
{
	return list_is_empty(&s->calls) && has_landed(s) && (!s->merge || merge_is_idle(s->merge));
}

static bool is_said(const struct shim *s)
{
	return host_is_flushed(&s->host) || s->host.is_gone;
}

static void give_up(struct loop_timer *t)
{
	struct ending *e = container_of(t, struct ending, timer);
	struct shim *s = e->shim;

	if (e->phase == ENDING_PARTING) {
		e->phase = ENDING_OVER;
		return;
	}
	for_each_part(p, s)
		part_give_up(p);
}

void ending_begin(struct ending *e, const char *why)
{
	struct shim *s = e->shim;

	if (e->phase >= ENDING_DRAINING)
		return;
	log_info("session.ending", "why=%s calls_open=%d", why, !list_is_empty(&s->calls));
	FAILPOINT(SESSION_ENDING);
	e->phase = ENDING_DRAINING;
	e->began_us = clock_mono_us();
	signals_hard_end(HARD_MS);
	host_stop_reading(&s->host);
	if (s->merge)
		merge_end(s->merge);
	for_each_part(p, s)
		part_stop(p);
	list_for_each(c, &s->calls, struct call, node)
		call_end(c, "end of the session", DRAIN_MS);
	loop_timer_set(s->loop, &e->timer, DRAIN_MS);
	loop_hurry(s->loop);
}

void ending_of_input(struct ending *e)
{
	if (e->shim->host.in.kind == HOST_FILE && e->phase == ENDING_NOT) {
		e->phase = ENDING_EMPTYING;
		loop_hurry(e->shim->loop);
	} else {
		ending_begin(e, "end of input");
	}
}

static void parted(void *arg)
{
	struct ending *e = arg;
	e->to_part--;
}

static void part(struct ending *e)
{
	struct shim *s = e->shim;
	int64_t left = PART_MS - elapsed_ms(e);

	if (left < 1)
		left = 1;
	e->phase = ENDING_PARTING;
	for_each_part(p, s)
		journal_end(&p->journal);
	state_leave(&s->state);
	loop_timer_set(s->loop, &e->timer, left);
	for_each_part(p, s)
		e->to_part += p->upstream != NULL;
	for_each_part(p, s)
		if (p->upstream)
			upstream_end(p->upstream, left, parted, e);
	loop_hurry(s->loop);
}

void ending_turn(struct ending *e)
{
	struct shim *s = e->shim;

	if (e->phase == ENDING_EMPTYING && is_idle(s) && is_said(s))
		ending_begin(e, "end of input");
	if (e->phase == ENDING_DRAINING && has_landed(s))
		part(e);
	if (e->phase == ENDING_PARTING && e->to_part == 0 && s->state.is_left && is_idle(s) && is_said(s))
		e->phase = ENDING_OVER;
}

void ending_init(struct ending *e, struct shim *shim)
{
	*e = (struct ending){ .shim = shim };
	loop_timer_init(&e->timer, give_up);
}

void ending_release(struct ending *e)
{
	loop_timer_clear(&e->timer);
}
