/* links - URLs that prove themselves: HMAC-SHA-256 over kind, id, arguments hash and time of asking, under a key on disk (keys/links, two
 * keys: the newest signs, both verify; rotated monthly and by links_rotate). Whether an approval is over is asked of the store, never of
 * a link. Token: KID.ID.MAC, base64url without padding, one spelling each. */
#pragma once
#include "broker/broker.h"

enum link_kind { LINK_PAGE, LINK_APPROVE, LINK_REJECT };         /* the latter two decide on a plain GET: only in the generic payload */

/* The whole URL below approval.callback_base_url: page /a/TOKEN; else the predecessor's /callback/approval?id=&action=&token=.
 * False: no base is configured, or nothing of ours listens: then messages carry no link. */
MUST_USE bool links_write(const struct links *l, enum link_kind kind, const struct approval *a, struct buf *out);
/* The token alone, as a path or a query carries it. Appends; false: out's cap, or an id that is none. */
MUST_USE bool links_token(const struct links *l, enum link_kind kind, const struct approval *a, struct buf *out);
/* The id inside, without believing it: whom to look up. False: no token of ours has this shape. */
MUST_USE bool links_id(const char *token, char id[ID_SIZE]);
/* Constant time for tokens of the right shape. a: the approval of that id, or a zeroed one (then always false, at the same cost). */
MUST_USE bool links_check(const struct links *l, enum link_kind kind, const char *token, const struct approval *a);
/* What a page's form carries: bound to approval, arguments and the page token it came with; another kind than all above. */
MUST_USE bool links_form_token(const struct links *l, const struct approval *a, struct buf *out);
MUST_USE bool links_form_check(const struct links *l, const struct approval *a, const char *form_token);
/* Another key signs from now on; what the last one signed is good until the next rotation, what an older one signed ends here. An automatic
 * rotation comes monthly, or so late that no approval outlives two of them. */
MUST_USE enum err links_rotate(struct links *l, struct problem *why);

/* The module (modules.c): reads keys/links, or makes it. */
MUST_USE enum err links_open(struct broker *b, struct problem *why);
void links_close(struct broker *b);
