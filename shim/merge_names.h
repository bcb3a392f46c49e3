/* merge_names - how what several backends offer is named for one client, and found again. Pure.
 *
 * Tools and prompts are BACKEND__NAME. What would be longer than 64 bytes, the most that some clients take, is cut and ends in _ and
 * 8 hex digits of the hash of the whole NAME; a backend's own name is never cut, so where it leaves no room the name stays long.
 * Resources are aegis:BACKEND/URI, a URI whose path keeps the backend's own as it is, templates likewise. Pages of MCP apps, which hosts
 * know by their scheme, are ui://aegis.BACKEND/ui://... */
#pragma once
#include "base/buf.h"

#define MERGE_NAME_BYTES 64

/* Appends the name the client sees. False: cap passed. */
MUST_USE bool merge_name_write(const char *backend, struct span name, struct buf *out);
/* True: shown begins with this backend's name; *name is what follows. */
bool merge_name_split(struct span shown, const char *backend, struct span *name);
/* May name, as merge_name_split gave it, be one that was cut? Then only the list tells which it is. */
bool merge_name_may_be_cut(struct span shown, struct span name);
/* Some tool of one could have the name of a tool of the other. */
bool merge_names_clash(const char *backend, const char *other);

MUST_USE bool merge_uri_write(const char *backend, struct span uri, struct buf *out);
bool merge_uri_split(struct span shown, struct span *backend, struct span *uri);
