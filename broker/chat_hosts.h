/* chat_hosts - webhooks of chats that the generic channel may be pointed at: the shape of message each of them takes, which holds nothing that
 * decides by being opened, because chats open what they are given to show a preview. Pure. */
#pragma once
#include "base/buf.h"

struct chat_host;
const struct chat_host *chat_host_of(const char *url);           /* NULL: none that we know */
/* The message with this sentence. False: out's cap. */
MUST_USE bool chat_host_write(struct buf *out, const struct chat_host *h, struct span text);
