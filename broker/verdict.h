/* verdict - what to say of a decision that was taken, counted, or came too late. Plain text without control characters. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

/* "APR-7F3K approved: publish_post for agent claude"; "APR-7F3K was refused by bob (slack) at ...: reason; your decision ..." */
MUST_USE bool verdict_write(struct buf *b, enum vote_answer answer, bool is_approving, const struct approval *as_it_is);
/* How it stands, in one sentence: who, how, when, why; after it ran: with what outcome. */
MUST_USE bool verdict_write_standing(struct buf *b, const struct approval *a);
