/* mcp - the demo's side of the Model Context Protocol: initialize, ping, tools/list, tools/call over Streamable HTTP,
 * revisions up to 2025-11-25. */
#include "contrib/demo/demo.h"
#include "base/clock.h"

static const char *const versions[] = { "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" };

enum { NO_SESSION = -32000, BAD_PARAMS = -32602, UNKNOWN_METHOD = -32601, INTERNAL = -32603 };

struct exchange {
	struct demo *demo;
	const struct jsonrpc *message;
	struct mcp_answer *out;
};

static void answer_error(struct exchange *x, unsigned status, int code, const char *sentence)
{
	x->out->status = status;
	buf_clear(&x->out->body);
	if (!jsonrpc_write_error(
		    &x->out->body, x->message->id, code, span_of(sentence), (struct span){ 0 }))
		x->out->status = 500;
}

static void answer_result(struct exchange *x, const struct buf *result)
{
	if (!jsonrpc_write_result(&x->out->body, x->message->id, buf_span(result)))
		answer_error(x, 200, INTERNAL, "the answer is too large");
}

/* The revision to speak: the client's if we know it, else our newest. */
static const char *negotiate(struct json_value asked)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (json_string_is(asked, versions[i]))
			return versions[i];
	return versions[0];
}

static bool version_is_known(const char *version)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (strcmp(version, versions[i]) == 0)
			return true;
	return false;
}

static void session_open(struct demo *d, char id[ID_SIZE])
{
	struct span oldest;
	void *value;
	size_t at = 0;

	if (map_size(d->sessions) >= DEMO_MAX_SESSIONS && map_next(d->sessions, &at, &oldest, &value))
		map_remove(d->sessions, oldest);
	id_new(id, clock_wall_ms());
	map_set(d->sessions, span_of(id), d);
	d->sessions_opened++;
}

static void initialize(struct exchange *x)
{
	struct buf result CLEANUP(buf_release);

	buf_init(&result, 4096);
	const char *version = negotiate(json_get(x->message->params, "protocolVersion"));
	bool is_whole = buf_printf(&result,
		"{\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{}},"
		"\"serverInfo\":{\"name\":\"aegis-demo-server\",\"version\":\"" AEGIS_VERSION "\"}}",
		version);
	session_open(x->demo, x->out->session);
	if (is_whole)
		answer_result(x, &result);
}

static void ping(struct exchange *x)
{
	struct buf result CLEANUP(buf_release);

	buf_init(&result, 16);
	if (buf_append_text(&result, "{}"))
		answer_result(x, &result);
}

static void list_tools(struct exchange *x)
{
	struct buf result CLEANUP(buf_release);

	buf_init(&result, DEMO_MAX_ANSWER);
	if (tools_write_list(x->demo, &result))
		answer_result(x, &result);
}

bool mcp_write_tool_result(struct buf *b, struct span text, bool is_error)
{
	return buf_append_text(b, "{\"content\":[{\"type\":\"text\",\"text\":") && json_quote(b, text) &&
	       buf_printf(b, "}],\"isError\":%s}", is_error ? "true" : "false");
}

static void start_slow(struct exchange *x, struct json_value arguments)
{
	int64_t ms = tool_slow_ms(arguments);

	if (ms < 0)
		answer_error(x, 200, BAD_PARAMS, "slow wants a number from 0 to 600: seconds");
	else
		x->out->slow = slow_new(x->demo, x->message, ms);
}

static void call_tool(struct exchange *x)
{
	struct json_value arguments = json_get(x->message->params, "arguments");
	const struct tool *tool = tool_find(x->demo, json_get(x->message->params, "name"));
	struct buf text CLEANUP(buf_release), result CLEANUP(buf_release);
	bool is_error = false;

	buf_init(&text, DEMO_MAX_ANSWER);
	buf_init(&result, DEMO_MAX_ANSWER);
	if (!tool)
		answer_error(x, 200, BAD_PARAMS, "unknown tool");
	else if (tool_is_slow(tool))
		start_slow(x, arguments);
	else if (tool_run(tool, x->demo, arguments, &text, &is_error) &&
		 mcp_write_tool_result(&result, buf_span(&text), is_error))
		answer_result(x, &result);
	else
		answer_error(x, 200, INTERNAL, "the answer is too large");
}

static const struct method {
	const char *name;
	void (*run)(struct exchange *x);
} methods[] = {
	{ "initialize", initialize },
	{ "ping", ping },
	{ "tools/list", list_tools },
	{ "tools/call", call_tool },
};

static void answer_request(struct exchange *x)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].name, x->message->method) == 0) {
			methods[i].run(x);
			return;
		}
	answer_error(x, 200, UNKNOWN_METHOD, "method not found");
}

/* Everything but initialize belongs to a session we opened. */
static bool session_is_known(struct exchange *x, const struct mcp_request *r)
{
	if (x->message->kind == JSONRPC_REQUEST && strcmp(x->message->method, "initialize") == 0)
		return true;
	if (!r->session)
		answer_error(x, 400, NO_SESSION, "no Mcp-Session-Id; initialize first");
	else if (!map_get(x->demo->sessions, span_of(r->session)))
		answer_error(x, 404, NO_SESSION, "unknown session; initialize again");
	else
		return true;
	return false;
}

static void answer_message(struct exchange *x, const struct mcp_request *r)
{
	if (r->version && !version_is_known(r->version)) {
		answer_error(x, 400, NO_SESSION, "unknown MCP-Protocol-Version");
		return;
	}
	if (!session_is_known(x, r))
		return;
	if (x->message->kind == JSONRPC_REQUEST)
		answer_request(x);
	else
		x->out->status = 202;
}

void mcp_answer(struct demo *d, const struct mcp_request *r, struct mcp_answer *out)
{
	struct jsonrpc message;
	struct exchange x = { d, &message, out };

	*out = (struct mcp_answer){ .status = 200 };
	buf_init(&out->body, DEMO_MAX_ANSWER + 4096);
	jsonrpc_read(r->body, &message);
	if (message.kind == JSONRPC_INVALID) {
		answer_error(&x, 400, message.code, message.why);
		return;
	}
	if (message.kind == JSONRPC_BATCH) {
		answer_error(&x, 400, -32600, "batches are not supported");
		return;
	}
	pthread_mutex_lock(&d->lock);
	answer_message(&x, r);
	pthread_mutex_unlock(&d->lock);
}

unsigned mcp_delete(struct demo *d, const char *session)
{
	unsigned status = 404;

	if (!session)
		return 400;
	pthread_mutex_lock(&d->lock);
	if (map_remove(d->sessions, span_of(session))) {
		d->sessions_closed++;
		status = 200;
	}
	pthread_mutex_unlock(&d->lock);
	return status;
}
