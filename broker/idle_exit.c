#include "broker/idle_exit.h"
#include <errno.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

struct idle_exit {
	struct broker *broker;
	struct loop_timer timer;
	int64_t since_us;                        /* something was to be done last */
};

/* It waits for a person, or has a call at a backend, which may have been approved: how that ends is to be told. */
static bool note_waiting(void *arg, const struct session_row *row)
{
	bool *is_waiting = arg;

	*is_waiting = row->approvals > 0 || row->flights > 0;
	return !*is_waiting;
}

static bool note_live(void *arg, const struct approval *a)
{
	(void)a;
	*(bool *)arg = true;
	return false;
}

/* Also one whose clock stands still: people may answer it. */
static bool has_live_approval(struct store *s)
{
	bool is_there = false;

	return store_approval_list(s, &(struct approval_filter){ .agent = "", .is_live_only = true }, note_live, &is_there) != OK || is_there;
}

/* The state folder was deleted: there is nobody left to serve. */
static bool is_place_gone(const struct broker *b)
{
	return access(b->state_dir, F_OK) != 0 && errno == ENOENT;
}

/* What the store cannot tell counts as work. */
static bool has_work(struct broker *b)
{
	struct store *s = broker_store(b);
	int64_t approval_ms, message_ms;
	bool is_waiting = false;

	if (!s || broker_is_busy(b))
		return true;
	if (store_approval_next_due(s, &approval_ms) != OK || store_message_next_due(s, &message_ms) != OK)
		return true;
	if (approval_ms >= 0 || message_ms >= 0 || has_live_approval(s))
		return true;
	return store_session_list(s, note_waiting, &is_waiting) != OK || is_waiting;
}

static void due(struct loop_timer *timer)
{
	struct idle_exit *i = container_of(timer, struct idle_exit, timer);
	int64_t limit_ms = i->broker->config->broker.idle_exit_ms;
	int64_t idle_ms = (clock_mono_us() - i->since_us) / 1000;

	if (i->broker->is_ending)
		return;
	if (idle_ms >= limit_ms && !is_place_gone(i->broker) && has_work(i->broker)) {
		i->since_us = clock_mono_us();
		idle_ms = 0;
	}
	if (idle_ms < limit_ms) {
		loop_timer_set(i->broker->loop, &i->timer, limit_ms - idle_ms);
		return;
	}
	log_info("broker.idle", "nothing was to be done for %lld s (broker.idle_exit)", (long long)(limit_ms / 1000));
	broker_end(i->broker);
}

enum err idle_exit_open(struct broker *b, struct problem *why)
{
	(void)why;
	if (!b->options.is_auto_started)
		return OK;
	struct idle_exit *i = b->idle_exit = xcalloc(1, sizeof(*i));
	*i = (struct idle_exit){ .broker = b, .since_us = clock_mono_us() };
	loop_timer_init(&i->timer, due);
	idle_exit_rules_changed(b);
	return OK;
}

void idle_exit_rules_changed(struct broker *b)
{
	if (b->idle_exit)
		loop_timer_set(b->loop, &b->idle_exit->timer, b->config->broker.idle_exit_ms);
}

void idle_exit_look(struct broker *b)
{
	if (b->idle_exit)
		b->idle_exit->since_us = clock_mono_us();
}

void idle_exit_close(struct broker *b)
{
	if (b->idle_exit)
		loop_timer_clear(&b->idle_exit->timer);
	free(b->idle_exit);
	b->idle_exit = NULL;
}
