#include "shim/state.h"
#include <poll.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "shim/call.h"
#include "shim/shim.h"

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
	FAILPOINT(WAKE_TAKEN);
	(void)rulebook_look(&t->shim->rules, t->store);     /* also when no call waits: the client is told of new ones */
	turn_mark_all(t->shim);
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

void state_init(struct state *t, struct shim *shim)
{
	*t = (struct state){ .shim = shim };
	source_init(&t->gate, gate_ready);
	source_init(&t->wake, wake_ready);
	loop_timer_init(&t->idle, idle_due);
	loop_add(shim->loop, &t->gate);
	loop_add(shim->loop, &t->wake);
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */
static bool open_now(struct state *t)
{
	struct store_options o = { .state_dir = t->shim->state_dir, .durability = t->shim->rules.current->config->durability };
	struct problem why = { 0 };
	enum err e = store_open(&o, &t->store, &why);

	if (e == OK)
		return true;
	t->store = NULL;
	snprintf(t->why, sizeof(t->why), "%s", why.text[0] ? why.text : err_text(e));
	log_error("store.open", "err=%d: %s", (int)e, t->why);
	t->retry_at_us = clock_mono_us() + RETRY_US;
	return false;
}

static void join_told(struct op *op)
{
	struct state *t = op->arg;

	t->has_joined = op->err == OK;
	if (op->err != OK)
		log_warn("session.join", "%s", err_text(op->err));
}

static void join(struct state *t)
{
	const struct session_state *who = &t->shim->parts->session;

	if (!t->row.id[0])
		id_new(t->row.id, clock_wall_ms());
	t->row.kind = "shim";
	t->row.agent = t->shim->agent;
	t->row.client = who->client;
	t->row.client_version = who->client_version;
	t->row.backend = t->shim->backends;
	t->row.tenant = "";
	t->row.identity_level = 0;
	t->row.uid = t->shim->uid;
	t->join = (struct op){ .told = join_told, .arg = t };
	store_session_join(t->store, &t->join, &t->row);
}

bool state_is_open(struct state *t)
{
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
		loop_timer_set(t->shim->loop, &t->idle, due_ms);
}

/* The outcome cannot be written now: the reply still goes, the outcome stays submitted, and new calls are refused until it is in. */
static void reply_unsettled(struct state *t)
{
	t->is_behind = true;
	list_for_each(c, &t->shim->calls, struct call, node)
		if (c->is_unsettled)
			call_reply(c);
}

void state_run(struct state *t)
{
	if (!t->store)
		return;
	store_turn_run(t->store);
	if (t->unsettled > 0 && store_is_refusing(t->store))
		reply_unsettled(t);
	watch(t);
}

void state_settled(struct state *t)
{
	if (--t->unsettled == 0)
		t->is_behind = false;
}

static void leave_told(struct op *op)
{
	struct state *t = op->arg;
	t->is_left = true;
}

void state_leave(struct state *t)
{
	if (!t->store || t->leave.is_submitted || !t->has_joined) {
		t->is_left = t->is_left || !t->store || !t->has_joined;
		return;
	}
	t->leave = (struct op){ .told = leave_told, .arg = t };
	store_session_leave(t->store, &t->leave);
}

void state_release(struct state *t)
{
	loop_timer_clear(&t->idle);
	loop_remove(&t->gate);
	loop_remove(&t->wake);
	if (t->store)
		store_close(t->store);
	t->store = NULL;
}
