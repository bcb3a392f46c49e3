#include "shim/reply.h"
#include <inttypes.h>
#include "base/log.h"
#include "shim/shim.h"

#define SMALL_CAP (16 * 1024)

void reply_buf(struct part *p, struct buf *b)
{
	size_t n = b->len;
	part_say(p, buf_take(b), n);
}

bool reply_message(struct part *p, struct json_value message)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!buf_reserve(&line, message.text.len) || !json_append_line(message, &line))
		return false;
	reply_buf(p, &line);
	return true;
}

void reply_error_data(struct part *p, struct json_value id, int code, const char *text, struct span data)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, SMALL_CAP);
	if (jsonrpc_write_error(&line, id, code, span_of(text), data))
		reply_buf(p, &line);
	else
		log_error("reply.lost", "code=%d: the answer passed its cap", code);
}

void reply_error(struct part *p, struct json_value id, int code, const char *text)
{
	reply_error_data(p, id, code, text, (struct span){ 0 });
}

static bool write_replacement(struct json_value id, const char *why, bool is_call, struct buf *out)
{
	CLEANUP(buf_release) struct buf text = { 0 }, result = { 0 };

	buf_init(&text, SMALL_CAP);
	buf_init(&result, SMALL_CAP);
	if (!buf_printf(&text, "%s%s", why, is_call ? "; the call was executed, ask for less at once" : ""))
		return false;
	if (!is_call)
		return jsonrpc_write_error(out, id, -32603, buf_span(&text), (struct span){ 0 });
	return buf_append_text(&result, "{\"content\":[{\"type\":\"text\",\"text\":") && json_quote(&result, buf_span(&text)) &&
	       buf_append_text(&result, "}],\"isError\":true}") && jsonrpc_write_result(out, id, buf_span(&result));
}

bool reply_write_too_long(struct json_value id, size_t bytes, bool is_call, struct buf *out)
{
	char why[160];

	snprintf(why, sizeof(why), "the answer is %zu bytes long, more than the %d bytes an MCP client can read in one message", bytes,
	         HOST_MAX_LINE_BYTES);
	return write_replacement(id, why, is_call, out);
}

bool reply_write_thrown_away(struct json_value id, int64_t max_bytes, bool is_call, struct buf *out)
{
	char why[160];

	snprintf(why, sizeof(why), "the result is larger than the %" PRId64 " bytes that are taken from this backend in one answer (max_body)",
	         max_bytes);
	return write_replacement(id, why, is_call, out);
}

static bool copy(struct buf *out, const char *from, const char *to)
{
	return json_append_line((struct json_value){ JSON_OBJECT, { from, (size_t)(to - from) } }, out);
}

static bool write_whole(const struct jsonrpc *answer, struct json_value id, struct buf *out)
{
	struct span all = answer->root.text, theirs = answer->id.text;

	return buf_reserve(out, all.len - theirs.len + id.text.len) && copy(out, all.at, theirs.at) && buf_append_span(out, id.text) &&
	       copy(out, theirs.at + theirs.len, all.at + all.len);
}

bool reply_write_answer(const struct jsonrpc *answer, struct json_value id, struct buf *out, bool *is_replaced)
{
	*is_replaced = !write_whole(answer, id, out);
	if (!*is_replaced)
		return true;
	buf_clear(out);
	return reply_write_too_long(id, answer->root.text.len, false, out);
}

bool reply_write_call_answer(const struct jsonrpc *answer, struct json_value id, struct buf *out, bool *is_replaced)
{
	*is_replaced = !write_whole(answer, id, out);
	if (!*is_replaced)
		return true;
	buf_clear(out);
	return reply_write_too_long(id, answer->root.text.len, true, out);
}
