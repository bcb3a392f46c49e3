/* outcome - what an answer of the shim means to the one who called. Pure. */
#pragma once
#include "broker/ctl/ctl.h"
#include "data/jsonrpc.h"

struct outcome {
	const char *name;        /* for --json: executed, tool_error, denied, limited, waiting, unreachable, unknown, backend_error, broken */
	const char *sentence;    /* for people */
	enum ctl_exit exit;
};
/* A refusal of Aegis is known by error.data.reason and executed: backends use the same codes for other things. */
struct outcome outcome_of(const struct jsonrpc *response);
/* An error that answers initialize: there the code alone tells, since the shim answers before any backend is asked for a tool. */
struct outcome outcome_of_start(const struct jsonrpc *response);
