/* outbox - the store's messages on their way to people: takes what is due, hands it to its channel, writes down how that ended. At least
 * once, in the order of an approval's events, one attempt at a time for a copy, a few at a time for a channel; retried with jittered
 * backoff (1 s doubling to 5 min, never before a Retry-After), dead after approval.give_up.
 *
 * A channel composes, sends and reads the answer; everything else is done here. */
#pragma once
#include "broker/broker.h"

struct channel;

/* What a copy is to say now. Borrowed for as long as the delivery lasts. */
struct notice {
	const struct approval *approval;         /* with arguments; as it stands now */
	enum approval_what what;                 /* a channel of `tells_each`: this event. Others: the newest one; tell how it stands */
	int64_t what_at_ms;                      /* wall */
	const char *ref;                         /* the copy's name as an earlier delivery gave it; "" = people have none yet */
	bool is_maybe_out;                       /* ... or an attempt may have arrived unheard */
	const char *page_url;                    /* "" = no link can be made */
	const char *message_id;                  /* the same at every attempt of this event: for receivers that drop duplicates */
	uint32_t attempts;                       /* failed ones before this, since people were told something last */
};

struct delivered {
	enum message_result result;
	bool is_maybe_out;                       /* not OK: it may have arrived all the same */
	const char *ref;                         /* NULL: as it was */
	const char *said;                        /* a sentence for operators; never a URL, token or secret */
	int64_t retry_after_ms;                  /* RETRY: as the peer asked; 0 = the outbox decides */
};
struct delivery {                                /* made and freed by the outbox */
	struct notice notice;
	struct channel *channel;
	void *own;                               /* the channel's, NULL at first */
};
/* Ends it, from inside deliver or later; once. */
void delivery_end(struct delivery *d, const struct delivered *how);

/* `aegisctl channel test`: steps told as they happen, by the channel. */
struct channel_test {
	void (*step)(struct channel_test *t, bool is_ok, const char *what);     /* a sentence for people */
	void (*done)(struct channel_test *t, bool is_ok);                       /* once, the channel's last touch of t */
	void *own;                               /* the channel's, NULL at first */
};

struct channel_kind {
	const char *name;                        /* slack | feishu | generic | notify | desktop */
	bool tells_each;                         /* each event in its order, instead of how it stands now */
	/* ERR_NOT_FOUND: not configured. ERR_INVALID and others: why says what is wrong with its rules or secrets. Copies what it needs of
	 * b->config. Called again when the rules changed; the old channel is closed then, its deliveries were cancelled and will come again. */
	enum err (*open)(struct broker *b, struct channel **out, struct problem *why);
	void (*deliver)(struct channel *c, struct delivery *d);
	void (*cancel)(struct channel *c, struct delivery *d);   /* forget it: delivery_end must not be called any more */
	void (*test)(struct channel *c, struct channel_test *t); /* sends a test message and says what came back */
	void (*test_cancel)(struct channel *c, struct channel_test *t);
	void (*close)(struct channel *c);                        /* nothing is being delivered or tested */
	/* One line for `aegisctl status`, e.g. "bot in C0123, buttons by Socket Mode, connected". */
	bool (*describe)(const struct channel *c, struct buf *out);
};
struct channel { const struct channel_kind *kind; struct broker *broker; };      /* first member of each channel's own struct */
extern const struct channel_kind *const channel_kinds[];                         /* ends with NULL; channels.c */

#define OUTBOX_MAX_CHANNELS 8

/* The module (modules.c). */
MUST_USE enum err outbox_open(struct broker *b, struct problem *why);
void outbox_rules_changed(struct broker *b);
void outbox_look(struct broker *b);
bool outbox_is_busy(const struct broker *b);
void outbox_stop(struct broker *b);
void outbox_close(struct broker *b);

struct channel *outbox_channel(const struct outbox *o, const char *name);        /* open ones; NULL: none */
/* Every configured channel: open, or why not (channel NULL); is_told: not left out of approval.channels. */
struct outbox_channel { const char *name; const struct channel *channel; const char *why_not; bool is_told; };
typedef bool outbox_channel_fn(void *arg, const struct outbox_channel *c);       /* false: stop */
void outbox_channels(const struct outbox *o, outbox_channel_fn *fn, void *arg);

/* Tests the channel of that name; t: step and done are the caller's. False: there is none, why says so; nothing will be told. */
MUST_USE bool outbox_test(struct outbox *o, const char *name, struct channel_test *t, struct problem *why);
void outbox_test_cancel(struct outbox *o, struct channel_test *t);       /* done is not called; legal when it is over */
