/* server_requests - what a backend may ask of the client: sampling, elicitation, roots (agents.A.server_requests). What is blocked is
 * refused, and the backend is not told of the capability in the first place. Pure. */
#pragma once
#include "data/jsonrpc.h"
#include "domain/config.h"

/* a: NULL blocks all. method: a request of the backend, or a notification of the client that belongs to one. */
bool server_requests_block(const struct config_agent *a, const char *method);

/* Which of them a client can answer, by its capabilities in initialize: one bit each. */
unsigned server_requests_declared(struct json_value capabilities);
/* False: this request of a backend needs a capability that is not among the declared ones. */
bool server_requests_can(unsigned declared, const char *method);

/* An answer that needs input (resultType "input_required"): does it ask for what is blocked? which: the first such method. */
#define SERVER_REQUESTS_NAME_SIZE 64
#define SERVER_REQUESTS_BLOCKED   "the rules of this agent block this request of the backend"
bool server_requests_blocked_input(const struct config_agent *a, const struct jsonrpc *answer, char which[SERVER_REQUESTS_NAME_SIZE]);

bool server_requests_block_any(const struct config_agent *a);

/* A message without the capabilities that are blocked; declared: the object in it that says what the client can. False: none of them was
 * declared, rpc goes as it is. Else *line holds the message and *withheld a JSON array of what was taken out. */
bool server_requests_withhold(const struct config_agent *a, const struct jsonrpc *rpc, struct json_value declared, struct buf *line,
                              struct buf *withheld);
