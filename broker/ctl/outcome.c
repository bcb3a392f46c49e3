#include "broker/ctl/outcome.h"

static const struct outcome executed = { "executed", "executed", CTL_OK };
static const struct outcome tool_error = { "tool_error", "executed, the tool answered with an error", CTL_FAILED };
static const struct outcome waiting = { "waiting", "not executed, waits", CTL_WAITING };
static const struct outcome backend_error = { "backend_error", "the backend answered with an error", CTL_FAILED };

static const struct {
	int64_t code;
	struct outcome outcome;
} refusals[] = {
	{ -32001, { "denied", "refused by a rule", CTL_DENIED } },
	{ -32002, { "limited", "refused by a rate limit", CTL_LIMITED } },
	{ -32003, { "waiting", "refused by the queue", CTL_WAITING } },
	{ -32004, { "waiting", "refused for want of an approval", CTL_WAITING } },
	{ -32005, { "unreachable", "the backend cannot be reached", CTL_UNREACHABLE } },
	{ -32006, { "unknown", "whether it was executed is not known", CTL_UNREACHABLE } },
	{ -32603, { "broken", "Aegis cannot decide", CTL_BROKEN } },
};

static struct outcome of_code(struct json_value error)
{
	int64_t code = 0;

	for (size_t i = 0; json_to_i64(json_get(error, "code"), &code) && i < ARRAY_LEN(refusals); i++)
		if (refusals[i].code == code)
			return refusals[i].outcome;
	return backend_error;
}

static bool is_ours(struct json_value error)
{
	struct json_value data = json_get(error, "data");

	return json_get(data, "reason").kind == JSON_STRING && json_get(data, "executed").kind == JSON_STRING;
}

struct outcome outcome_of(const struct jsonrpc *response)
{
	if (response->kind == JSONRPC_ERROR)
		return is_ours(response->error) ? of_code(response->error) : backend_error;
	if (json_get(response->result, "isError").kind != JSON_TRUE)
		return executed;
	if (json_get(json_get(response->result, "_meta"), "aegis/status").kind == JSON_STRING)
		return waiting;
	return tool_error;
}

struct outcome outcome_of_start(const struct jsonrpc *response)
{
	return of_code(response->error);
}
