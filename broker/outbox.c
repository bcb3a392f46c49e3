#include "broker/outbox.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/outbox_send.h"
#include "domain/channels.h"

/* ---- channels ------------------------------------------------------------------------------------------------------------ */

/* Its environment was rebuilt (shim/autostart.h). */
static const char *hint(const struct broker *b, const struct problem *why)
{
	if (!b->options.is_auto_started || !strstr(why->text, "the environment variable "))
		return "";
	return "; a broker started by aegis-shim has nothing of the client's environment: start aegis-broker yourself, or use {file: ...}";
}

static void lane_open(struct outbox *o, struct lane *lane)
{
	struct problem why = { 0 };
	enum err e = lane->kind->open(o->broker, &lane->channel, &why);

	bool is_absent = e == ERR_NOT_FOUND && !why.text[0];     /* else a secret is not there that the rules name */

	lane->is_configured = !is_absent;
	if (e == OK)
		return;
	lane->channel = NULL;
	(void)snprintf(lane->why, sizeof(lane->why), "%.370s%.125s", is_absent ? "the rules do not say where this channel sends to" :
		why.text[0] ? why.text : err_text(e), hint(o->broker, &why));
	if (lane->is_configured)
		log_error("channel.closed", "channel=%s why=%s", lane->kind->name, lane->why);
}

static void lane_close(struct lane *lane)
{
	if (lane->channel)
		lane->channel->kind->close(lane->channel);
	lane->channel = NULL;
	lane->quiet_until_tick = 0;             /* the next one may have another peer */
}

static struct lane *lane_of(const struct outbox *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->lanes[i].kind->name, name) == 0)
			return (struct lane *)&o->lanes[i];
	return NULL;
}

struct channel *outbox_channel(const struct outbox *o, const char *name)
{
	const struct lane *lane = lane_of(o, name);

	return lane ? lane->channel : NULL;
}

static bool is_told(const struct config *c, const char *channel)
{
	const char *names[CHANNELS_MAX];

	for (size_t i = 0, n = channels_of(c, names); i < n; i++)
		if (strcmp(names[i], channel) == 0)
			return true;
	return false;
}

void outbox_channels(const struct outbox *o, outbox_channel_fn *fn, void *arg)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct lane *l = &o->lanes[i];
		if (!l->is_configured)
			continue;
		if (!fn(arg, &(struct outbox_channel){ l->kind->name, l->channel, l->channel ? "" : l->why, is_told(o->broker->config, l->kind->name) }))
			return;
	}
}

/* ---- what is due ------------------------------------------------------------------------------------------------------------ */

#define DUE_MAX (2 * OUTBOX_LANE_SENDS)    /* those just taken may still stand as due */

struct due { struct message message; char approval[ID_SIZE]; char *ref; };
struct gathering { struct due v[DUE_MAX]; size_t n; };

static bool gather(void *arg, const struct message *m)
{
	struct gathering *g = arg;
	struct due *d = &g->v[g->n++];

	d->message = *m;
	(void)snprintf(d->approval, sizeof(d->approval), "%s", m->approval);
	d->message.approval = d->approval;
	d->message.ref = d->ref = xstrdup(m->ref);
	return g->n < DUE_MAX;
}

static bool is_under_way(const struct outbox *o, const struct lane *lane, const struct message *m)
{
	list_for_each(s, &o->sends, struct send, node)
		if (s->lane == lane && strcmp(s->id, m->approval) == 0)
			return true;
	return false;
}

static bool start_gathered(struct outbox *o, struct lane *lane, const struct gathering *g)
{
	for (size_t i = 0; i < g->n; i++) {
		if (is_under_way(o, lane, &g->v[i].message))
			continue;
		if (lane->sends == OUTBOX_LANE_SENDS || o->under_way == OUTBOX_MAX_SENDS)
			return true;
		if (!send_start(o, lane, &g->v[i].message))
			return false;
	}
	return true;
}

static bool is_quiet(const struct outbox *o, const struct lane *lane)
{
	struct now now;

	store_now(broker_store(o->broker), &now);
	return now.tick_ms < lane->quiet_until_tick;
}

static bool start_due(struct outbox *o, struct lane *lane)
{
	struct message_filter f = { .channel = lane->kind->name, .is_due_only = true, .limit = DUE_MAX };
	struct gathering g = { .n = 0 };

	if (lane->sends == OUTBOX_LANE_SENDS || is_quiet(o, lane))
		return true;
	bool is_fine = store_messages(broker_store(o->broker), &f, gather, &g) == OK && start_gathered(o, lane, &g);
	for (size_t i = 0; i < g.n; i++)
		free(g.v[i].ref);
	return is_fine;
}

static void wait_for_next(struct outbox *o)
{
	int64_t in_ms = -1;

	loop_timer_clear(&o->timer);
	/* What is due already and was not begun waits for the end of another, of a pause, or for the next look, a second from now. */
	if (store_message_next_due(broker_store(o->broker), &in_ms) == OK && in_ms > 0)
		loop_timer_set(o->broker->loop, &o->timer, in_ms);
}

static void recovered(struct op *op)
{
	struct outbox *o = op->arg;
	bool is_first = !o->is_recovered;

	o->is_recovered = op->err == OK;
	if (o->is_recovered && op->answer > 0)
		log_info("outbox.recovered", "messages=%d", op->answer);
	if (o->is_recovered && (is_first || op->answer > 0) && !o->is_stopping)
		loop_timer_set(o->broker->loop, &o->timer, 0);
}

/* Before anything is taken: an attempt of a broker that died is nobody's. */
static void recover(struct outbox *o)
{
	if (o->recover.is_submitted)
		return;
	o->recover = (struct op){ .told = recovered, .arg = o };
	store_messages_recover(broker_store(o->broker), &o->recover);
}

/* One that nobody sends: a broker that was there beside us died in the middle of it, or the database is a copy of that moment. */
static bool has_orphans(const struct outbox *o)
{
	bool is_sending = false;

	return o->under_way == 0 && store_message_is_sending(broker_store(o->broker), &is_sending) == OK && is_sending;
}

void outbox_look(struct broker *b)
{
	struct outbox *o = b->outbox;

	if (!o || o->is_stopping || !broker_store(b))
		return;
	if (!o->is_recovered) {
		recover(o);
		return;
	}
	if (has_orphans(o))
		recover(o);
	list_for_each(s, &o->sends, struct send, node)
		send_write_again(s);
	for (size_t i = 0; i < o->n; i++)
		if (!start_due(o, &o->lanes[i]))
			return;
	wait_for_next(o);
}

static void timer_fired(struct loop_timer *t)
{
	outbox_look(container_of(t, struct outbox, timer)->broker);
}

bool outbox_is_busy(const struct broker *b)
{
	struct store *store = broker_store(b);
	int64_t in_ms = -1;

	if (!b->outbox || !store)
		return false;
	if (b->outbox->under_way > 0 || !b->outbox->is_recovered || store_message_next_due(store, &in_ms) != OK || in_ms >= 0)
		return true;
	return has_orphans(b->outbox);
}

/* ---- tests of channels ------------------------------------------------------------------------------------------------------ */

struct test_run {
	struct channel_test inner;       /* what the channel sees */
	struct channel_test *outer;      /* whose steps they are */
	struct channel *channel;
	struct list node;
};

static void test_step(struct channel_test *t, bool is_ok, const char *what)
{
	struct test_run *run = container_of(t, struct test_run, inner);

	run->outer->step(run->outer, is_ok, what);
}

static void test_free(struct test_run *run)
{
	list_remove(&run->node);
	free(run);
}

static void test_done(struct channel_test *t, bool is_ok)
{
	struct test_run *run = container_of(t, struct test_run, inner);
	struct channel_test *outer = run->outer;

	test_free(run);
	outer->done(outer, is_ok);
}

bool outbox_test(struct outbox *o, const char *name, struct channel_test *t, struct problem *why)
{
	const struct lane *lane = lane_of(o, name);

	if (!lane || !lane->channel) {
		problem_set(why, "channel %s: %s", name, lane ? lane->why : "there is no such channel");
		return false;
	}
	struct test_run *run = xcalloc(1, sizeof(*run));
	run->inner = (struct channel_test){ .step = test_step, .done = test_done };
	run->outer = t;
	run->channel = lane->channel;
	list_append(&o->tests, &run->node);
	run->channel->kind->test(run->channel, &run->inner);
	return true;
}

void outbox_test_cancel(struct outbox *o, struct channel_test *t)
{
	list_for_each(run, &o->tests, struct test_run, node) {
		if (run->outer != t)
			continue;
		run->channel->kind->test_cancel(run->channel, &run->inner);
		test_free(run);
		return;
	}
}

static void end_tests(struct outbox *o, const char *why)
{
	list_for_each(run, &o->tests, struct test_run, node) {
		struct channel_test *outer = run->outer;

		run->channel->kind->test_cancel(run->channel, &run->inner);
		test_free(run);
		outer->step(outer, false, why);
		outer->done(outer, false);
	}
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

static void cancel_all(struct outbox *o, const char *why)
{
	end_tests(o, why);
	list_for_each(s, &o->sends, struct send, node)
		send_cancel(s, why);
}

enum err outbox_open(struct broker *b, struct problem *why)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	(void)why;
	o->broker = b;
	list_init(&o->sends);
	list_init(&o->tests);
	loop_timer_init(&o->timer, timer_fired);
	b->outbox = o;
	for (; o->n < OUTBOX_MAX_CHANNELS && channel_kinds[o->n]; o->n++) {
		o->lanes[o->n].kind = channel_kinds[o->n];
		lane_open(o, &o->lanes[o->n]);
	}
	return OK;
}

void outbox_rules_changed(struct broker *b)
{
	struct outbox *o = b->outbox;

	cancel_all(o, "the rules changed meanwhile");
	for (size_t i = 0; i < o->n; i++) {
		lane_close(&o->lanes[i]);
		lane_open(o, &o->lanes[i]);
	}
}

void outbox_stop(struct broker *b)
{
	b->outbox->is_stopping = true;
	loop_timer_clear(&b->outbox->timer);
	cancel_all(b->outbox, "aegis-broker ended meanwhile");
}

void outbox_close(struct broker *b)
{
	struct outbox *o = b->outbox;

	b->outbox = NULL;
	if (!o)
		return;
	loop_timer_clear(&o->timer);
	list_for_each(s, &o->sends, struct send, node)
		send_free(s);
	for (size_t i = 0; i < o->n; i++)
		lane_close(&o->lanes[i]);
	free(o);
}
