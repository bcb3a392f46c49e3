/* modern - what messages of 2026-07-28 must carry when they are ours, or were changed by us (era.h says whose they are). Pure. */
#pragma once
#include "shim/era.h"

/* How long a client may go on using a list without asking again: rules change, and not every client listens. */
#define MODERN_MAX_TTL_MS 60000

/* Appends the error for a revision that is not spoken here. supported: a JSON array. False: cap passed. */
MUST_USE bool modern_write_unsupported(struct json_value id, struct span supported, struct json_value requested, struct buf *out);

/* A result of our own gets its resultType; anything else stays as it is. False: cap passed, line is as it was. */
MUST_USE bool modern_complete(struct buf *line);

/* A list that was cut or annotated for one agent is not for others' caches, and none is kept for long. False: cap passed. */
MUST_USE bool modern_limit_list(struct buf *line, bool is_private);
