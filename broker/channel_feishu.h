/* channel_feishu - Feishu or Lark: an app bot, whose cards have buttons and are updated, or a custom bot, which has a webhook and no more:
 * its cards open the page, and its copy cannot be changed, so one short card follows when it is decided or over, and one more
 * when an approved call has ended. Where both are configured the app bot is used: it can do all the other can.
 *
 * One approval is one message of the app bot, whatever dies in between: its id is the request's uuid, by which the platform sends it once in
 * an hour; who is not sure that it was sent sends it again, learns its name and brings it up to date. */
#pragma once
#include "broker/channels.h"
#include "broker/feishu_api.h"
#include "broker/feishu_callback.h"
#include "broker/feishu_card.h"

struct feishu {
	struct channel channel;
	bool is_app;
	struct feishu_app app;
	char *webhook_url, *sign_secret;         /* of a custom bot; secrets, owned */
	char *encrypt_key, *verification_token, *chat_id, *callback_base_url;    /* of an app bot; owned */
	char host[80];
	int64_t pressed_at_ms, refused_at_ms;    /* wall; the last callbacks; 0 = none since the broker began */
};

/* NULL: the channel is not open, or a custom bot. */
struct feishu *feishu_for_callbacks(const struct broker *b);
/* A card of how the approval stands; standing must live as long. */
struct feishu_card feishu_card_of(const struct feishu *f, const struct approval *a, const char *page_url, const char *standing);

/* Requests: the whole of each but done. card is a JSON object. False: too long. */
MUST_USE bool feishu_post_card(struct feishu *f, struct feishu_call *c, struct span card, const char *uuid);
MUST_USE bool feishu_patch_card(struct feishu *f, struct feishu_call *c, struct span card, const char *message_id);
MUST_USE bool feishu_hook_card(struct feishu *f, struct feishu_call *c, struct span card);

void feishu_test(struct channel *c, struct channel_test *t);             /* channel_feishu_test.c */
void feishu_test_cancel(struct channel *c, struct channel_test *t);
