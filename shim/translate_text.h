/* translate_text - messages between a client of the older revisions and a backend that knows only the stateless one (2026-07-28), as bytes.
 * What was judged stays as it is: the envelope is put into params, and from results is taken what the older revisions do not know. Pure.
 * Every function: false when a cap would be passed, or as it says; out is then to be thrown away. */
#pragma once
#include "data/jsonrpc.h"

#define TRANSLATE_SLACK (64 * 1024)      /* what a message may grow by, beside the envelope */

/* The members every request's _meta begins with, without brackets. client, can: raw JSON of initialize, may be absent; level: raw JSON or
 * empty. */
MUST_USE bool translate_envelope(struct json_value client, struct json_value can, struct span level, struct buf *out);

/* m with the envelope in its params._meta. False, too: its params or _meta is no object. */
MUST_USE bool translate_request(const struct jsonrpc *m, struct span envelope, struct buf *out);

/* m once more, after input_required: with another id, what the client answered (an object; may be empty) and the state the backend sent
 * (raw JSON; may be empty). */
struct retry { struct json_value id; struct span envelope, responses, state; };
MUST_USE bool translate_retry(const struct jsonrpc *m, const struct retry *r, struct buf *out);

/* The answer to a request of this method, with the id as it stood in the request. wraps: a call of a tool for which
 * translate_schema_wraps said so. */
struct translate_answer { const char *method; struct json_value id; bool wraps; };
MUST_USE bool translate_result(const struct jsonrpc *answer, const struct translate_answer *to, struct buf *out);

/* A notification of a listen stream, without the number of that stream. */
MUST_USE bool translate_notification(const struct jsonrpc *m, struct buf *out);

/* The result of initialize, from that of server/discover. wanted: the revision the client asked for; name: of the server, if it has none. */
struct translate_opening { struct json_value discovered, wanted; const char *name; };
MUST_USE bool translate_opening(const struct translate_opening *o, struct buf *out);
