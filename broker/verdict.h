/* verdict - what to say of a decision that was taken, counted, or came too late. Plain text without control characters: what an agent or
 * another person wrote is shown as broker/ctl/term.h shows it. Used by aegis-broker and aegisctl.
 * Each returns false when b's cap is passed. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

#define VERDICT_MAX 1400                /* bytes, of which a sentence is made with verdict_copy */

/* "APR-7F3K approved: publish_post for agent claude"; "APR-7F3K was refused by bob (slack) at ...: reason; your decision ..." */
MUST_USE bool verdict_write(struct buf *b, enum vote_answer answer, bool is_approving, const struct approval *as_it_is);
/* How it stands, in one sentence: who, how, when, why; after it ran: with what outcome. */
MUST_USE bool verdict_write_standing(struct buf *b, const struct approval *a);
/* " by alice (slack) at 2026-11-21T10:00:00.000Z: because", as far as known. */
MUST_USE bool verdict_write_decider(struct buf *b, const struct approval *a);
/* Into a fixed place, whole characters only, "..." where it was cut. */
void verdict_copy(char *out, size_t size, struct span text);
