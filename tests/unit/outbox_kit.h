/* outbox_kit - an outbox with two channels that do as they are told, a broker around it, and what becomes of its messages. */
#pragma once
#include "broker/outbox.h"
#include "broker/outbox_send.h"
#include "net/http.h"
#include "unit/config_kit.h"
#include "unit/message_kit.h"

/* ---- two channels that do as they are told; each, patient tells each ------------------------------------------------------- */

#define PLAY_MAX 64

struct play {                            /* what a channel was given, and what it does with it */
	struct delivery *open[PLAY_MAX];
	size_t open_n, delivered, cancelled, closed, opened;
	enum approval_what what[PLAY_MAX];
	enum approval_state stands[PLAY_MAX];
	char message_id[PLAY_MAX][ID_SIZE + 24], ref[PLAY_MAX][32];
	bool is_maybe_out[PLAY_MAX];
	bool answers;                    /* at once, with this: */
	struct delivered answer;
	bool is_missing, is_broken;
	struct channel_test *test;
};
static struct play each, state;
static const struct channel_kind kind_each, kind_state;

static struct play *play_of(const struct channel *c)
{
	return c->kind == &kind_each ? &each : &state;
}

static enum err fake_open(struct play *y, const struct channel_kind *kind, struct broker *b, struct channel **out, struct problem *why)
{
	y->opened++;
	if (y->is_missing)
		return ERR_NOT_FOUND;
	if (y->is_broken) {
		problem_set(why, "its secret cannot be read");
		return ERR_INVALID;
	}
	*out = xcalloc(1, sizeof(**out));
	**out = (struct channel){ kind, b };
	return OK;
}

static enum err each_open(struct broker *b, struct channel **out, struct problem *why)
{
	return fake_open(&each, &kind_each, b, out, why);
}

static enum err state_open(struct broker *b, struct channel **out, struct problem *why)
{
	return fake_open(&state, &kind_state, b, out, why);
}

static void fake_deliver(struct channel *c, struct delivery *d)
{
	struct play *y = play_of(c);
	size_t n = y->delivered++;

	ck_assert_uint_lt(n, PLAY_MAX);
	y->what[n] = d->notice.what;
	y->stands[n] = d->notice.approval->state;
	y->is_maybe_out[n] = d->notice.is_maybe_out;
	snprintf(y->message_id[n], sizeof(y->message_id[n]), "%s", d->notice.message_id);
	snprintf(y->ref[n], sizeof(y->ref[n]), "%s", d->notice.ref);
	ck_assert_str_eq(d->notice.approval->args, "{\"x\":1}");
	for (size_t i = 0; i < y->open_n; i++)
		ck_assert_str_ne(y->open[i]->notice.approval->id, d->notice.approval->id);
	if (y->answers)
		delivery_end(d, &y->answer);
	else
		y->open[y->open_n++] = d;
}

static void forget(struct play *y, const struct delivery *d)
{
	for (size_t i = 0; i < y->open_n; i++)
		if (y->open[i] == d)
			y->open[i] = y->open[--y->open_n];
}

static void fake_cancel(struct channel *c, struct delivery *d)
{
	play_of(c)->cancelled++;
	forget(play_of(c), d);
}

static void fake_test(struct channel *c, struct channel_test *t)
{
	play_of(c)->test = t;
	t->step(t, true, "it was asked");
}

static void fake_test_cancel(struct channel *c, struct channel_test *t)
{
	ck_assert_ptr_eq(play_of(c)->test, t);
	play_of(c)->test = NULL;
}

static void fake_close(struct channel *c)
{
	ck_assert_uint_eq(play_of(c)->open_n, 0);
	play_of(c)->closed++;
	free(c);
}

static bool fake_describe(const struct channel *c, struct buf *out)
{
	return buf_append_text(out, c->kind->name);
}

static const struct channel_kind kind_each = { "generic", true, each_open, fake_deliver, fake_cancel, fake_test, fake_test_cancel, fake_close,
	fake_describe };
static const struct channel_kind kind_state = { "slack", false, state_open, fake_deliver, fake_cancel, fake_test, fake_test_cancel, fake_close,
	fake_describe };
const struct channel_kind *const channel_kinds[] = { &kind_each, &kind_state, NULL };

/* ---- a broker around them ----------------------------------------------------------------------------------------------------- */

static struct kit kit;
static struct broker b;
static struct rules rules;
static struct asker a;
static const char *both[] = { "generic", "slack" }, *only_each[] = { "generic" }, *only_state[] = { "slack" };

/* While a look lasts: what somebody else writes at the n-th time the store reads its clock; 0 = nothing. */
static struct { int at; bool is_looking; } meanwhile;

static void approve(void)
{
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ "alice", NULL, true, false, a.job.facts.args_hash[0] }, NULL), VOTE_DECIDED);
}

static int64_t wall_ms(void *arg)
{
	if (meanwhile.is_looking && meanwhile.at > 0 && --meanwhile.at == 0)
		approve();
	return hands_wall_ms(arg);
}

static void broker_begins(void)
{
	struct problem why;

	b = (struct broker){ .config = rules.config, .state_dir = kit.folder };
	b.state.store = kit.store;
	ck_assert_int_eq(loop_new(&b.loop), OK);
	ck_assert_int_eq(outbox_open(&b, &why), OK);
}

static void broker_ends(void)
{
	outbox_stop(&b);
	store_turn_run(kit.store);
	store_turn_run(kit.store);     /* as closing it does */
	outbox_close(&b);
	loop_free(b.loop);
}

static void setup(void)
{
	each = state = (struct play){ .answers = true };
	ck_assert_int_eq(http_setup(), OK);
	kit_set(&kit, scratch_new());
	kit.clock.wall_ms = wall_ms;
	kit_open(&kit);
	rules = rules_parse("backends: { b: { url: \"http://127.0.0.1:9100/mcp\" } }\napproval: {give_up: 1h}\n", OK);
	broker_begins();
	asker_init(&a, &kit, 1, NULL, 0);
}

static void teardown(void)
{
	job_release(&a.job);
	broker_ends();
	rules_release(&rules);
	kit_release(&kit);
}

/* Until nothing more happens at this time of the store's clock. */
static void turns(void)
{
	for (int i = 0; i < 12; i++) {
		meanwhile.is_looking = true;
		outbox_look(&b);
		meanwhile.is_looking = false;
		store_turn_run(kit.store);
		loop_hurry(b.loop);
		loop_turn(b.loop);
	}
}

static void later(int64_t ms)
{
	hands_move(&kit.hands, ms);
	turns();
}

static void ask(const char **channels, size_t n)
{
	a.ask.channels = channels;
	a.ask.channels_n = n;
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
}
#define ASK(channels) ask(channels, ARRAY_LEN(channels))

struct seen_message { enum message_state state; uint32_t attempts, tries; int64_t due_in_ms; char error[200], ref[32]; bool is_maybe_out; };

static bool see(void *arg, const struct message *m)
{
	struct seen_message *s = arg;

	*s = (struct seen_message){ .state = m->state, .attempts = m->attempts, .tries = m->tries, .due_in_ms = m->due_in_ms,
		.is_maybe_out = m->is_maybe_out };
	snprintf(s->error, sizeof(s->error), "%s", m->last_error);
	snprintf(s->ref, sizeof(s->ref), "%s", m->ref);
	return true;
}

static struct seen_message message(const char *channel)
{
	struct seen_message s = { .state = (enum message_state)-1 };
	struct message_filter f = { .approval = a.approval, .channel = channel };

	ck_assert_int_eq(store_messages(kit.store, &f, see, &s), OK);
	return s;
}
