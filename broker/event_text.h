/* event_text - what happened, as frames of a stream of server-sent events (WHATWG HTML 9.2). Pure. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

/* How far a stream has come: the newest event of approvals and the newest row of the audit it has told. As an id: "12.345". */
struct event_cursor { uint64_t events, audit; };
bool event_cursor_parse(const char *text, struct event_cursor *out);     /* false: no id of ours */

/* Each appends one frame whose id is the cursor after it. Arguments are never told: who may see them asks /api/v1/approvals/ID.
 * a: the approval as it stands now; NULL: forgotten. False: cap passed, and b is as it was. */
MUST_USE bool event_text_approval(struct buf *b, const struct event_cursor *at, const struct approval_event *e, const struct approval *a);
MUST_USE bool event_text_audit(struct buf *b, const struct event_cursor *at, const struct audit_row *row);
