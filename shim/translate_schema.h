/* translate_schema - tools whose results are no objects (MCP 2026-07-28 allows any JSON) for clients of the older revisions, which know
 * structuredContent as an object alone: the value stands in a member "result" there, and the outputSchema says so. As the official SDK
 * does it. Pure. */
#pragma once
#include "data/jsonrpc.h"

/* This outputSchema is not one of an object. */
bool translate_schema_wraps(struct json_value output_schema);
/* The array "tools" of tools/list. False: cap passed. */
MUST_USE bool translate_tools(struct json_value tools, struct buf *out);
