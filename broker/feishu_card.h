/* feishu_card - an approval as a card of Feishu or Lark, JSON 1.0: older clients show it too (reference pages "Card JSON 1.0 structure",
 * "Update message card"). Pure.
 *
 * Nothing foreign stands where markup is read, but for names, each character of which that could begin some is an entity. Arguments,
 * reasons and sentences are plain_text. Arguments or names that were cut take the approve button away. A card says how its approval
 * stands, whichever event brought it, so the card in an answer to a press is the one that an update brings later. */
#pragma once
#include "store/store.h"

/* Of the whole request 30 KB, 20 KB of a custom bot's; the rest is what stands around the card. */
#define FEISHU_MAX_CARD     (28 * 1024)
#define FEISHU_MAX_BOT_CARD (18 * 1024)

struct feishu_card {
	const struct approval *approval;         /* with arguments */
	const char *standing;                    /* how it stands, a sentence (verdict.h); told once it is decided or over */
	const char *host;                        /* this machine's name */
	const char *page_url;                    /* "" = there is none */
	int64_t expires_at_ms;                   /* wall; 0 = its clock stands still */
	bool has_buttons;                        /* presses reach us: an app bot's; else the page is all there is */
};
/* Appends the card. It fits cap_bytes also when written as a string inside JSON. False: out's own cap was passed. */
MUST_USE bool feishu_card_write(const struct feishu_card *c, size_t cap_bytes, struct buf *out);
/* A custom bot's copy cannot be changed: one more card, of how it stands alone. */
MUST_USE bool feishu_card_write_standing(const struct feishu_card *c, struct buf *out);
/* A card that asks nothing: a title and a sentence. */
MUST_USE bool feishu_card_write_notice(const char *title, const char *text, struct buf *out);

/* What a button carries. Read: a value object of a press; false: not written by us. */
struct feishu_press { char approval[ID_SIZE]; uint8_t args_hash[32]; bool is_approving; };
struct json_value;
MUST_USE bool feishu_press_read(struct json_value value, struct feishu_press *out);
