/* approval_history - what became of an approval, for people and programs: each vote, whom each channel told, how the call ended. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

/* Members to stand in an object: ,"cast_votes":[...],"messages":[...]; as GET /api/v1/approvals/{id} names them. ERR_TOO_LARGE: b is full. */
MUST_USE enum err approval_history_json(struct buf *b, struct store *s, const struct approval *a);
/* Lines; none where nothing has happened. */
MUST_USE enum err approval_history_text(struct buf *b, struct store *s, const struct approval *a);
