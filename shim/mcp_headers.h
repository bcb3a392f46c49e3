/* mcp_headers - what of a message of the modern era stands in its HTTP headers too (MCP 2026-07-28, transports/streamable-http, "Standard
 * Headers" and "Custom Headers from Tool Parameters"). Always written from the message that was judged. Pure. */
#pragma once
#include "data/jsonrpc.h"

#define MCP_HEADERS_MAX_VALUE (16 * 1024)     /* of one value as sent; a longer one is left out, and the server says so */
#define MCP_HEADERS_MAX_PARAMS 64             /* of one tool */

/* Appends text as a header value: as it is where it is printable ASCII without blanks at its ends, else =?base64?...?=. False: cap passed. */
MUST_USE bool mcp_header_encode(struct span text, struct buf *out);

/* The member of params that Mcp-Name mirrors; JSON_NONE where there is none. */
struct json_value mcp_header_name(const struct jsonrpc *m);

/* Which arguments of a tool stand in headers: x-mcp-header in its inputSchema. NULL: none do, or the definition breaks the rules. */
struct mcp_params;
struct mcp_params *mcp_params_read(struct json_value input_schema);
void mcp_params_free(void *params);          /* NULL is legal */
typedef void mcp_params_fn(void *arg, const char *header, const char *value);
void mcp_params_each(const struct mcp_params *p, struct json_value arguments, mcp_params_fn *fn, void *arg);
