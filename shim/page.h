/* page - one page of a list from the backend as this agent may see it: what it may not use is cut out, a text may stand in front of a
 * description, every other byte stays as the backend sent it. Pure. */
#pragma once
#include "data/jsonrpc.h"

enum page_show { PAGE_SHOWN, PAGE_HIDDEN, PAGE_FAILED /* a cap was passed */ };

struct page_edit {
	const char *list;                    /* key of the array in the result: "tools" */
	/* Appends to prefix what goes in front of the item's description, as it stands inside a JSON string. */
	enum page_show (*look)(const void *arg, struct json_value item, struct buf *prefix);
	const void *arg;
	bool *is_changed;                    /* set when something was cut out or stands in front; may be NULL */
};

/* A name or URI as it is matched: owned, NULL when it is no string, empty, too long, or holds a NUL or a lone surrogate. */
char *page_name(struct json_value name, size_t cap_bytes);

/* Appends the answer as a line, with the id as the client spelled it. False: cap passed. */
MUST_USE bool page_rewrite(const struct jsonrpc *answer, struct json_value id, const struct page_edit *edit, struct buf *out);
