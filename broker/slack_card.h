/* slack_card - an approval as Slack messages: the bodies of chat.postMessage, chat.update and of an incoming webhook. Pure.
 *
 * Nothing foreign stands where Slack reads markup, but for the top-level text (what a phone shows), which is escaped and holds no arguments.
 * Arguments or names that were cut take the approve button away. Limits: docs.slack.dev/reference/block-kit; for the arguments, where Slack names
 * none, that of a section. */
#pragma once
#include "store/store.h"

#define SLACK_MAX_ARGUMENTS 2900                 /* bytes as shown */
#define SLACK_MAX_CARD      (64 * 1024)          /* a body */

struct slack_card {
	const struct approval *approval;
	const char *standing;                    /* how it stands, a sentence (verdict.h); told once it is decided or over */
	const char *host;                        /* this machine's name */
	const char *page_url;                    /* "" = there is none */
	const char *message_id;                  /* of this event: another block_id at every update, so that Slack takes the new blocks */
	const char *channel, *ts;                /* channel "": a webhook's, which has its own; ts "": a new message */
	int64_t expires_at_ms;                   /* wall */
	bool has_buttons;                        /* presses reach us */
};
/* Whether the card of this approval lets people approve; false: its arguments or names are too long for it. */
bool slack_card_is_whole(const struct approval *a);
MUST_USE bool slack_card_write(const struct slack_card *c, struct buf *out);

/* A webhook's copy cannot be changed afterwards: one more message that says how it ended. */
MUST_USE bool slack_card_write_end(const struct slack_card *c, struct buf *out);

/* What a button carries: the approval and the arguments that were shown with it, "ID.HASH". */
#define SLACK_VALUE_SIZE (ID_SIZE + 65)
void slack_value_write(const char *id, const uint8_t args_hash[32], char out[SLACK_VALUE_SIZE]);
bool slack_value_read(const char *value, char id[ID_SIZE], uint8_t args_hash[32]);
