#include "shim/standing.h"
#include <poll.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "domain/queue.h"
#include "shim/call.h"
#include "shim/shim.h"
#include "store/bell.h"

#define LOOK_MS  1000
#define SELDOM   5                           /* times LOOK_MS, far from the front */
#define PAUSE_MS 5

/* ---- the rules ---------------------------------------------------------------------------------------------------------------------- */
bool standing_is_needed(const struct call *c)
{
	return !c->continues && queue_governs(config_queue(c->rules->config, c->facts.backend), span_of(c->tool));
}

struct queue_terms standing_terms(const struct call *c)
{
	const struct config_queue *q = config_queue(c->rules->config, c->facts.backend);

	return (struct queue_terms){
		.max_pending = (uint32_t)q->max_pending,
		.concurrency = (uint32_t)q->concurrency,
		.delay_min_ms = q->delay_min_ms,
		.delay_max_ms = q->delay_max_ms,
	};
}

void standing_refuse_full(struct call *c, const struct queue_full *full)
{
	char wait[REFUSAL_WAIT_SIZE] = "an unknown time", retry[REFUSAL_WAIT_SIZE] = "a while";

	if (full->eta_ms >= 0)
		refusal_wait_text(wait, full->eta_ms);
	if (full->retry_after_ms >= 0)
		refusal_wait_text(retry, full->retry_after_ms);
	call_refuse(c, REFUSED_QUEUE_FULL, "max_pending", "the queue of backend %s is full: %u calls wait, this one would be at position %u "
	            "and start in about %s. Try again in %s at the earliest. The call was not executed.", c->facts.backend,
	            full->waiting, full->waiting + 1, wait, retry);
	c->refusal.retry_after_ms = full->retry_after_ms;
}

/* ---- watching --------------------------------------------------------------------------------------------------------------------- */
static short want_input(struct loop_source *s)
{
	return s->fd >= 0 ? POLLIN : 0;
}

static void unwatch(struct standing_watch *w)
{
	loop_remove(&w->source);
	close_fdp(&w->source.fd);
	w->number = 0;
}

static void somebody_died(struct loop_source *s, short events)
{
	struct standing_watch *w = container_of(s, struct standing_watch, source);
	struct call *c = w->call;

	(void)events;
	unwatch(w);
	c->standing.must_reap = true;
	turn_mark(&c->shim->turn, c);
}

static struct standing_watch *watch_of(struct standing *st, uint32_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(st->watched); i++)
		if (st->watched[i].number == number)
			return &st->watched[i];
	return NULL;
}

static bool is_ahead(const struct queue_place *p, uint32_t number)
{
	for (size_t i = 0; i < p->ahead_n; i++)
		if (p->ahead[i] == number)
			return true;
	return false;
}

static void watch(struct call *c, uint32_t number)
{
	struct standing_watch *w = watch_of(&c->standing, 0);

	if (!w || watch_of(&c->standing, number))
		return;
	w->source.fd = store_watch_number(c->shim->state.store, number);
	if (w->source.fd < 0) {                 /* dead, or no descriptor is left: at once only the first time */
		c->standing.must_reap |= c->standing.not_watched != number;
		c->standing.not_watched = number;
		return;
	}
	w->number = number;
	w->call = c;
	loop_add(c->shim->loop, &w->source);
}

static void watch_ahead(struct call *c, const struct queue_place *p)
{
	struct standing *st = &c->standing;

	for (size_t i = 0; i < ARRAY_LEN(st->watched); i++)
		if (st->watched[i].number != 0 && !is_ahead(p, st->watched[i].number))
			unwatch(&st->watched[i]);
	for (size_t i = 0; i < p->ahead_n; i++)
		watch(c, p->ahead[i]);
}

/* ---- looking again ----------------------------------------------------------------------------------------------------------------- */
static void look(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, standing.look);

	c->standing.looks++;
	turn_mark(&c->shim->turn, c);
}

static void rings(struct loop_source *s, short events)
{
	struct call *c = container_of(s, struct call, standing.bell);

	(void)events;
	bell_set(s->fd, BELL_NEVER);
	turn_mark(&c->shim->turn, c);
}

/* The loop's timers are a millisecond coarse; the turn comes to the microsecond. */
static void ring_in_us(struct call *c, int64_t us)
{
	struct loop_source *bell = &c->standing.bell;

	if (bell->fd < 0) {
		bell->fd = bell_open();
		if (bell->fd < 0) {
			loop_timer_set(c->shim->loop, &c->standing.look, us / 1000 + 1);
			return;
		}
		loop_add(c->shim->loop, bell);
	}
	bell_set_us(bell->fd, us);
}

/* Far from the front there is less to see, and the one ahead is watched. */
static int64_t interval_ms(const struct queue_place *p)
{
	if (p->position <= 2)
		return LOOK_MS;
	return LOOK_MS * (p->position < SELDOM ? p->position : SELDOM);
}

void standing_watch(struct call *c, const struct queue_place *p)
{
	struct standing *st = &c->standing;

	watch_ahead(c, p);
	st->must_reap |= st->looks > 0 && p->ready_us != 0; /* for the dead nobody watches, and the late */
	st->looks = 0;
	st->interval_ms = interval_ms(p);
	loop_timer_set(c->shim->loop, &st->look, st->was_beaten ? PAUSE_MS : st->interval_ms);
	if (!st->was_beaten && p->ready_us >= 0 && p->ready_us <= st->interval_ms * 1000)
		ring_in_us(c, p->ready_us);
	st->was_beaten = false;
}

/* Time in which we were stopped ourselves, or the machine slept, is nobody's delay. */
void standing_note(struct call *c, const struct queue_place *p)
{
	struct standing *st = &c->standing;
	int64_t now_us = clock_mono_us(), gap_ms = st->looked_us ? (now_us - st->looked_us) / 1000 : 0;

	if (gap_ms > 2 * st->interval_ms)
		gap_ms = 2 * st->interval_ms;
	if (gap_ms > 0 || !st->looked_us) {
		st->waited_ms += gap_ms;
		st->looked_us = now_us;
	}
	if (!st->drawn_at)
		st->drawn_at = p->position;
	if (!p->is_first_due || p->first_owner == store_number(c->shim->state.store)) {
		st->due = 0;
	} else if (st->due != p->first) {
		st->due = p->first;
		st->due_ms = 0;
		store_wake(c->shim->state.store, p->first_owner);
	} else {
		st->due_ms += gap_ms;
	}
}

/* ---- back from the commit point ------------------------------------------------------------------------------------------------------ */
void standing_was_beaten(struct call *c)
{
	c->standing.was_beaten = true;
	c->stage = STAGE_QUEUE;
}

void standing_step_aside(struct call *c, int64_t for_ms)
{
	c->standing.aside_ms = for_ms > 0 ? for_ms : 1000;
	c->stage = STAGE_QUEUE;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------- */
void standing_init(struct call *c)
{
	struct standing *st = &c->standing;

	*st = (struct standing){ 0 };
	st->interval_ms = LOOK_MS;
	loop_timer_init(&st->look, look);
	st->bell = (struct loop_source){ .fd = -1, .want = want_input, .ready = rings };
	for (size_t i = 0; i < ARRAY_LEN(st->watched); i++)
		st->watched[i].source = (struct loop_source){ .fd = -1, .want = want_input, .ready = somebody_died };
}

void standing_release(struct call *c)
{
	struct standing *st = &c->standing;

	loop_timer_clear(&st->look);
	loop_remove(&st->bell);
	close_fdp(&st->bell.fd);
	for (size_t i = 0; i < ARRAY_LEN(st->watched); i++)
		if (st->watched[i].number != 0)
			unwatch(&st->watched[i]);
}
