/* message_kit - what people are told, as one-liners at the kit they are given. */
#pragma once
#include "unit/approval_kit.h"

static const char *const TWO_CHANNELS[] = { "slack", "generic" };

static inline void asker_tells(struct asker *a, size_t n)
{
	a->ask.channels = TWO_CHANNELS;
	a->ask.channels_n = n;
}

/* The events of an approval, or of all, as "asked voted decided". */
struct told { char text[512]; uint64_t last; };

static inline bool told_add(void *arg, const struct approval_event *e)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	must(e->seq > t->last);
	snprintf(t->text + n, sizeof(t->text) - n, "%s%s", n ? " " : "", approval_what_text(e->what));
	t->last = e->seq;
	return true;
}

static inline struct told events_of(struct kit *k, const char *approval)
{
	struct told t = { 0 };

	must(store_approval_events(k->store, &(struct approval_event_filter){ .approval = approval }, told_add, &t) == OK);
	return t;
}

/* A copy as it stands; its strings are copied. */
struct copy { struct message m; char channel[16], ref[64], error[64]; bool is_there; };

static inline bool copy_take(void *arg, const struct message *m)
{
	struct copy *c = arg;

	c->m = *m;
	c->is_there = true;
	snprintf(c->channel, sizeof(c->channel), "%s", m->channel);
	snprintf(c->ref, sizeof(c->ref), "%s", m->ref);
	snprintf(c->error, sizeof(c->error), "%s", m->last_error);
	return true;
}

static inline struct copy copy_of(struct kit *k, const char *approval, const char *channel)
{
	struct copy c = { 0 };

	must(store_messages(k->store, &(struct message_filter){ .approval = approval, .channel = channel }, copy_take, &c) == OK);
	return c;
}

static inline bool count_messages(void *arg, const struct message *m)
{
	(void)m;
	++*(int *)arg;
	return true;
}

static inline int messages_n(struct kit *k, struct message_filter f)
{
	int n = 0;

	must(store_messages(k->store, &f, count_messages, &n) == OK);
	return n;
}

/* An attempt that tells all there is. Its number; 0: it was not DUE. */
static inline uint32_t message_begin(struct kit *k, const char *approval, const char *channel)
{
	struct message_take t = { .approval = approval, .channel = channel, .told_seq = copy_of(k, approval, channel).m.last_seq };
	struct op op = { 0 };

	store_message_take(k->store, &op, &t);
	op_finish(k->store, &op);
	must(op.err == OK && op.answer == (t.n > 0));
	return t.n;
}

static inline int message_finish(struct kit *k, struct message_end e)
{
	struct op op = { 0 };

	store_message_end(k->store, &op, &e);
	op_finish(k->store, &op);
	must(op.err == OK);
	return op.answer;
}

/* Told, all of it. */
static inline void message_tell(struct kit *k, const char *approval, const char *channel, const char *ref)
{
	uint64_t seq = copy_of(k, approval, channel).m.last_seq;
	uint32_t n = message_begin(k, approval, channel);

	must(n > 0);
	must(message_finish(k, (struct message_end){ .approval = approval, .channel = channel, .n = n, .told_seq = seq, .result = MESSAGE_OK,
		.ref = ref, .said = "", .took_ms = 5 }) == 1);
}

static inline int recover_all(struct kit *k)
{
	struct op op = { 0 };

	store_messages_recover(k->store, &op);
	op_finish(k->store, &op);
	must(op.err == OK);
	return op.answer;
}

static inline int again(struct kit *k, const char *approval, const char *channel)
{
	struct message_again a = { approval, channel };
	struct op op = { 0 };

	store_messages_again(k->store, &op, &a);
	op_finish(k->store, &op);
	must(op.err == OK);
	return op.answer;
}

static inline int sweep(struct kit *k)
{
	struct op op = { 0 };

	store_sweep(k->store, &op);
	op_finish(k->store, &op);
	must(op.err == OK);
	return op.answer;
}

/* A callback by itself. 1: it is new. */
static inline int see_callback(struct kit *k, const char *channel, const char *ref)
{
	struct seen_put p = { channel, ref };
	struct op op = { 0 };

	store_seen_put(k->store, &op, &p);
	op_finish(k->store, &op);
	must(op.err == OK);
	return op.answer;
}
