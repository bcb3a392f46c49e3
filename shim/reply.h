/* reply - messages for the client's stdout, one line each, never longer than the client can read. */
#pragma once
#include "data/jsonrpc.h"

struct part;

/* A message of the backend, its very bytes without line breaks. False: too long for the client, nothing was sent. */
MUST_USE bool reply_message(struct part *p, struct json_value message);
void reply_error(struct part *p, struct json_value id, int code, const char *text);
/* data: JSON, may be empty. */
void reply_error_data(struct part *p, struct json_value id, int code, const char *text, struct span data);
/* The backend's answer as a line, its very bytes but for the id, which stands as the client spelled it ("\u0031" is "1", yet not every
 * client knows). Too long for the client: an error that says so, a tool result for a call, and *is_replaced is set. False: cap passed,
 * cannot be. */
#define REPLY_REPLACED "longer than an MCP client can read: an error was said in its place"     /* for the audit */
MUST_USE bool reply_write_answer(const struct jsonrpc *answer, struct json_value id, struct buf *out, bool *is_replaced);
MUST_USE bool reply_write_call_answer(const struct jsonrpc *answer, struct json_value id, struct buf *out, bool *is_replaced);
MUST_USE bool reply_write_too_long(struct json_value id, size_t bytes, bool is_call, struct buf *out);
/* The same for a result that was thrown away unread, being larger than max_body. */
MUST_USE bool reply_write_thrown_away(struct json_value id, int64_t max_bytes, bool is_call, struct buf *out);
/* Takes the text of b, which must be one message, and queues it. */
void reply_buf(struct part *p, struct buf *b);
