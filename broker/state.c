#include "broker/state.h"
#include <poll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "broker/broker.h"

#define RETRY_US (1000 * 1000)

/* ---- waking up for it ------------------------------------------------------------------------------------------------------ */
static short want_input(struct loop_source *s)
{
	return s->fd >= 0 ? POLLIN : 0;
}

static void gate_ready(struct loop_source *s, short events)
{
	(void)s;                                /* the turn itself runs the store */
	(void)events;
}

static void wake_ready(struct loop_source *s, short events)
{
	struct state *t = container_of(s, struct state, wake);

	(void)events;
	store_wake_drain(t->store);
	broker_look(t->broker);
}

static void idle_due(struct loop_timer *timer)
{
	struct state *t = container_of(timer, struct state, idle);
	if (t->store)
		store_idle(t->store);
}

static void source_init(struct loop_source *s, void (*ready)(struct loop_source *, short))
{
	*s = (struct loop_source){ .fd = -1, .want = want_input, .ready = ready };
	list_init(&s->node);
}

void state_init(struct state *t, struct broker *b)
{
	*t = (struct state){ .broker = b };
	source_init(&t->gate, gate_ready);
	source_init(&t->wake, wake_ready);
	loop_timer_init(&t->idle, idle_due);
	loop_add(b->loop, &t->gate);
	loop_add(b->loop, &t->wake);
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */
static void note_failure(struct state *t, enum err e, const struct problem *why)
{
	const char *text = why->text[0] ? why->text : err_text(e);

	if (strcmp(t->why, text) != 0)
		log_error("store.open", "err=%d: %s; tried again every second", (int)e, text);
	snprintf(t->why, sizeof(t->why), "%s", text);
	t->retry_at_us = clock_mono_us() + RETRY_US - RETRY_US / 10;
}

static void join_told(struct op *op)
{
	struct state *t = op->arg;

	t->has_joined = op->err == OK;
	if (op->err != OK)
		log_warn("session.join", "%s", err_text(op->err));
	else
		broker_look(t->broker);
}

static void join(struct state *t)
{
	id_new(t->row.id, clock_wall_ms());
	t->row.kind = "broker";
	t->row.agent = t->row.client = t->row.client_version = t->row.backend = t->row.tenant = "";
	t->row.uid = getuid();
	t->join = (struct op){ .told = join_told, .arg = t };
	store_session_join(t->store, &t->join, &t->row);
}

static bool open_now(struct state *t)
{
	struct store_options o = { .state_dir = t->broker->state_dir, .durability = t->broker->config->durability };
	struct problem why = { 0 };
	enum err e = store_open(&o, &t->store, &why);

	if (e != OK) {
		t->store = NULL;
		note_failure(t, e, &why);
		return false;
	}
	log_info("store.opened", "state_dir=%s number=%u", t->broker->state_dir, store_number(t->store));
	t->why[0] = '\0';
	return true;
}

bool state_is_open(struct state *t)
{
	if (t->broker->is_ending)
		return t->store != NULL;
	if (!t->store && (clock_mono_us() < t->retry_at_us || !open_now(t)))
		return false;
	if (!t->has_joined && !t->join.is_submitted)
		join(t);
	return true;
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */
static void watch(struct state *t)
{
	int64_t due_ms = store_next_due_ms(t->store, clock_mono_us() / 1000);

	t->gate.fd = store_gate_fd(t->store);
	t->wake.fd = store_wake_fd(t->store);
	if (due_ms < 0)
		loop_timer_clear(&t->idle);
	else
		loop_timer_set(t->broker->loop, &t->idle, due_ms);
}

void state_run(struct state *t)
{
	if (!t->store)
		return;
	store_turn_run(t->store);
	watch(t);
}

static void leave_told(struct op *op)
{
	struct state *t = op->arg;
	t->is_left = true;
}

void state_leave(struct state *t)
{
	if (!t->store || !t->has_joined) {
		t->is_left = true;
		return;
	}
	t->leave = (struct op){ .told = leave_told, .arg = t };
	store_session_leave(t->store, &t->leave);
}

void state_release(struct state *t)
{
	struct store *store = t->store;

	loop_timer_clear(&t->idle);
	loop_remove(&t->gate);
	loop_remove(&t->wake);
	t->store = NULL;                        /* who is told now submits nothing more */
	if (store)
		store_close(store);
}
