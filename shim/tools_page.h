/* tools_page - one page of tools/list as this agent may see it: tools it may not call are cut out, restrictions stand in front of
 * descriptions, every other byte stays as the backend sent it. Pure. */
#pragma once
#include "data/jsonrpc.h"
#include "domain/acl.h"

#define TOOLS_MAX_NAME_BYTES 256

struct tools_view { const struct config *config; struct acl_subject who; };

/* The name of a tool as it is matched and forwarded: owned, NULL when it is no string, empty, too long, or holds a NUL or a lone
 * surrogate. */
char *tools_name(struct json_value name);

/* Visits the tools of a result that have a usable name. */
void tools_page_each(struct json_value result, void (*fn)(void *arg, struct span name, struct json_value tool), void *arg);

/* Appends the answer as a line, with the id as the client spelled it. is_changed: see page.h. False: cap passed. */
MUST_USE bool tools_page_rewrite(const struct jsonrpc *answer, struct json_value id, const struct tools_view *view, struct buf *out,
                                 bool *is_changed);
