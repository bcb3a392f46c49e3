#include "shim/modern.h"
#include "shim/merge_text.h"

#define DATA_CAP            1024
#define MAX_REQUESTED_BYTES 128

bool modern_write_unsupported(struct json_value id, struct span supported, struct json_value requested, struct buf *out)
{
	CLEANUP(buf_release) struct buf data = { 0 };
	bool is_named = requested.kind == JSON_STRING && requested.text.len <= MAX_REQUESTED_BYTES;

	buf_init(&data, DATA_CAP);
	return buf_printf(&data, "{\"supported\":%.*s,\"requested\":%.*s}", SPAN_ARGS(supported),
	                  SPAN_ARGS(is_named ? requested.text : SPAN("\"unknown\""))) &&
	       jsonrpc_write_error(out, id, ERA_UNSUPPORTED, SPAN("this revision of the protocol is not spoken here"), buf_span(&data));
}

/* ---- places of a line replaced ----------------------------------------------------------------------------------------------------- */
static bool replace(struct buf *line, struct merge_pair a, struct merge_pair b)
{
	struct buf edited;

	if (a.old.kind == JSON_NONE && b.old.kind == JSON_NONE)
		return true;
	buf_init(&edited, line->cap_bytes);
	if (!merge_edit_two(buf_span(line), a, b, &edited)) {
		buf_release(&edited);
		return false;
	}
	buf_release(line);
	*line = edited;
	return true;
}

/* The empty place before the brace that ends an object. */
static struct json_value end_of(struct json_value object)
{
	return (struct json_value){ JSON_OBJECT, { object.text.at + object.text.len - 1, 0 } };
}

static bool is_empty(struct json_value object)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct span key;

	return !json_next(&it, &key, &value);
}

bool modern_complete(struct buf *line)
{
	struct merge_pair type = { 0 };
	struct jsonrpc rpc;

	jsonrpc_read(buf_span(line), &rpc);
	if (rpc.kind != JSONRPC_RESULT || rpc.result.kind != JSON_OBJECT || json_get(rpc.result, "resultType").kind != JSON_NONE)
		return true;
	type.old = end_of(rpc.result);
	type.text = is_empty(rpc.result) ? SPAN("\"resultType\":\"complete\"") : SPAN(",\"resultType\":\"complete\"");
	return replace(line, type, (struct merge_pair){ 0 });
}

#define STRING(n) STRING_OF(n)
#define STRING_OF(n) #n

static struct merge_pair limit_ttl(struct json_value ttl)
{
	int64_t ms;

	if (ttl.kind != JSON_NUMBER || (json_to_i64(ttl, &ms) && ms <= MODERN_MAX_TTL_MS))
		return (struct merge_pair){ 0 };
	return (struct merge_pair){ ttl, SPAN(STRING(MODERN_MAX_TTL_MS)) };
}

static struct merge_pair make_private(struct json_value result)
{
	struct json_value scope = json_get(result, "cacheScope");

	if (scope.kind == JSON_NONE)
		return (struct merge_pair){ end_of(result), SPAN(",\"cacheScope\":\"private\"") };
	return (struct merge_pair){ scope, SPAN("\"private\"") };
}

bool modern_limit_list(struct buf *line, bool is_private)
{
	struct merge_pair scope = { 0 };
	struct jsonrpc rpc;

	jsonrpc_read(buf_span(line), &rpc);
	if (rpc.kind != JSONRPC_RESULT || rpc.result.kind != JSON_OBJECT || is_empty(rpc.result))
		return true;
	if (is_private)
		scope = make_private(rpc.result);
	return replace(line, limit_ttl(json_get(rpc.result, "ttlMs")), scope);
}
