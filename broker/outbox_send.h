/* outbox_send - one attempt to tell one copy: taken in the store, delivered by its channel, its end written down. What outbox.c and
 * outbox_send.c share; nobody else needs it. */
#pragma once
#include "base/list.h"
#include "broker/outbox.h"

#define OUTBOX_MAX_SENDS    16           /* under way in all */
#define OUTBOX_LANE_SENDS   4            /* ... of one channel */
#define OUTBOX_DELIVERY_MS  60000
#define OUTBOX_SAID_SIZE    300
#define OUTBOX_QUIET_MS     60000        /* for so long at most does one answer hold up the other messages of its channel */
#define OUTBOX_MIN_ATTEMPTS 3            /* nothing is dead before, however old it is: the broker may have been away */

struct lane {                            /* a channel's, whether it is open or not */
	const struct channel_kind *kind;
	struct channel *channel;         /* NULL = not open */
	bool is_configured;
	char why[500];                   /* it is not open; a sentence */
	unsigned sends;                  /* under way */
	int64_t quiet_until_tick;        /* its peer asked to be left alone: nothing is begun before */
};
struct outbox {
	struct broker *broker;
	struct lane lanes[OUTBOX_MAX_CHANNELS];
	size_t n;
	struct list sends, tests;
	unsigned under_way;
	struct loop_timer timer;
	struct op recover;
	bool is_recovered, is_stopping;
};

enum send_state { SEND_TAKING, SEND_OUT, SEND_ENDING, SEND_UNWRITTEN };  /* UNWRITTEN: its end must be submitted again */
struct send {
	struct delivery delivery;
	struct outbox *outbox;
	struct lane *lane;
	enum send_state state;
	struct approval approval;
	struct message_take take;
	struct message_end end;
	struct op op;
	struct loop_timer deadline;
	bool is_settled;                 /* nothing to deliver: end says what it comes to */
	uint32_t attempts;
	int64_t age_ms, started_us;
	char id[ID_SIZE], message_id[ID_SIZE + 24], said[OUTBOX_SAID_SIZE];
	char *ref, *new_ref;
	struct buf page_url;
	struct list node;
};

/* An attempt at the message begins, in this turn. False: the store cannot be read. */
MUST_USE bool send_start(struct outbox *o, struct lane *lane, const struct message *m);
/* Its delivery is cancelled and comes again; nothing when there is none under way. */
void send_cancel(struct send *s, const char *why);
void send_write_again(struct send *s);   /* UNWRITTEN: the store is there again */
void send_free(struct send *s);          /* its op is not submitted */

/* Until the next attempt: 1 s doubling to 5 min, a fifth more or less by dice; never before the peer's wish, which counts up to an hour. */
int64_t send_backoff_ms(uint32_t attempts, uint32_t dice, int64_t retry_after_ms);
