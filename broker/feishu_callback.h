/* feishu_callback - a callback of Feishu or Lark, from bytes to what it says, and whether it is theirs. Pure.
 *
 * Signature over the raw bytes first, then decryption; without an encrypt key there would be no proof but a static token, so it is
 * mandatory. A check of our address comes without a signature: what it can bring is an answer to who knows key and token. Only
 * card.action.trigger of schema 2.0 is a press; the older callback of cards is signed with SHA-1 and refused. */
#pragma once
#include "broker/feishu_card.h"

#define FEISHU_WINDOW_S 300              /* how far a callback's time may be from ours */

struct feishu_keys { const char *encrypt_key, *verification_token, *app_id; };   /* none "" */
struct feishu_headers { const char *timestamp, *nonce, *signature; };            /* X-Lark-Request-..., X-Lark-Signature; NULL = absent */

enum feishu_callback_kind {
	FEISHU_CALLBACK_REFUSED,         /* why, for the log: the peer learns nothing of it */
	FEISHU_CALLBACK_CHECK,           /* challenge is the answer */
	FEISHU_CALLBACK_PRESS,
};
struct feishu_callback {
	enum feishu_callback_kind kind;
	const char *why;
	char challenge[256];
	char event_id[128];
	char open_id[100];               /* who pressed */
	bool is_ours;                    /* press: the button was written by us */
	struct feishu_press press;
};
void feishu_callback_read(const struct feishu_keys *k, const struct feishu_headers *h, struct span body, int64_t wall_ms, struct feishu_callback *out);
