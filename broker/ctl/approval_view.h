/* approval_view - an approval for people and programs. What an agent wrote is data: nothing of it moves the cursor, hides or reverses
 * what stands beside it, here and in JSON: there characters that do not show are written as \uXXXX, which means the same. Pure. */
#pragma once
#include "base/buf.h"
#include "broker/ctl/term.h"
#include "store/store.h"

#define APPROVAL_VIEW_MAX_BYTES (256u * 1024 * 1024)     /* of one: arguments of 10 MiB, indented and escaped */

MUST_USE bool approval_write_json(struct buf *b, const struct approval *a, int64_t wall_ms);
/* Everything, line by line, the arguments last, whole; and its two halves. */
MUST_USE bool approval_write_details(struct buf *b, const struct approval *a);
MUST_USE bool approval_write_head(struct buf *b, const struct approval *a);
MUST_USE bool approval_write_whole_arguments(struct buf *b, const struct approval *a);
/* The arguments on one line. */
MUST_USE bool approval_write_arguments(struct buf *b, const struct approval *a);
/* "by alice (cli) at 2026-11-21T10:00:00.000Z: because", as far as known. */
MUST_USE bool approval_write_decision(struct buf *b, const struct approval *a);
MUST_USE bool approval_write_duration(struct buf *b, int64_t ms);        /* "9m 12s" */
enum term_colour approval_colour(enum approval_state s);
