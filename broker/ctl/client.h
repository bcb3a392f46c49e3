/* client - aegis-shim as an MCP client uses it: one process, one line a message, on two pipes. Blocking; one request at a time. */
#pragma once
#include "base/err.h"
#include "broker/ctl/ctl.h"
#include "data/jsonrpc.h"

#define CLIENT_MAX_LINE (16u * 1024 * 1024) /* the shim writes at most 10 MiB */

struct client;
/* Starts the shim that lies beside this program, else the one of PATH. --config and --state-dir are passed on. backend may be NULL.
 * seen is called for every notification that arrives. ERR_NOT_FOUND, ERR_IO: why. */
struct client_options {
	const struct ctl *ctl;
	const char *agent, *backend;
	void (*seen)(const struct jsonrpc *notification);
};
MUST_USE enum err client_start(const struct client_options *o, struct client **out, struct problem *why);
/* Closes its stdin and waits for its end: 2 s, then SIGTERM, 2 s, then SIGKILL, as MCP clients do. NULL is legal. */
void client_stop(struct client *c);

/* Sends a request and waits for its response (RESULT or ERROR), whose spans live until the next request.
 * ERR_IO: the shim ended or broke its protocol (why). */
MUST_USE enum err client_request(struct client *c, const char *method, struct span params,
	struct jsonrpc *response, struct problem *why);
MUST_USE enum err client_notify(struct client *c, const char *method, struct problem *why);
