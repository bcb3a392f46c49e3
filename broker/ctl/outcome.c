#include "broker/ctl/outcome.h"

static const struct outcome executed = { "executed", "executed", CTL_OK };
static const struct outcome tool_error = { "tool_error", "executed, the tool answered with an error", CTL_FAILED };

/* By _meta["aegis/status"]. */
static const struct {
	const char *status;
	struct outcome outcome;
} deferrals[] = {
	{ "require_approval",
		{ "waiting", "not executed: waits for a person (aegisctl approvals list); once approved, the same call runs", CTL_WAITING } },
	{ "queued", { "waiting", "not executed: waits in the queue (aegisctl queue); call again", CTL_WAITING } },
	{ "paused", { "waiting", "not executed: paused by an operator (aegisctl resume ends that); call again then", CTL_WAITING } },
};
static const struct outcome waiting = { "waiting", "not executed, waits; call again", CTL_WAITING };
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

static struct outcome of_status(struct json_value status)
{
	for (size_t i = 0; i < ARRAY_LEN(deferrals); i++)
		if (json_string_is(status, deferrals[i].status))
			return deferrals[i].outcome;
	return waiting;
}

struct outcome outcome_of(const struct jsonrpc *response)
{
	if (response->kind == JSONRPC_ERROR)
		return is_ours(response->error) ? of_code(response->error) : backend_error;
	if (json_get(response->result, "isError").kind != JSON_TRUE)
		return executed;
	struct json_value status = json_get(json_get(response->result, "_meta"), "aegis/status");
	return status.kind == JSON_STRING ? of_status(status) : tool_error;
}

struct outcome outcome_of_start(const struct jsonrpc *response)
{
	return of_code(response->error);
}
