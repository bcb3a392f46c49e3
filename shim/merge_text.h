/* merge_text - the JSON of merging: places of a message replaced, pages put together, capabilities united. Pure. */
#pragma once
#include "data/jsonrpc.h"

/* Copies a message, some values of it replaced. Places are given in the order in which they stand in it. */
struct merge_edit {
	const char *at, *end;
	struct buf *out;
	bool ok;                             /* false: the cap of out was passed */
};
struct merge_edit merge_edit_begin(struct span whole, struct buf *out);
void merge_edit_put(struct merge_edit *e, struct json_value old, struct span text);
MUST_USE bool merge_edit_end(struct merge_edit *e);

/* Values that may stand in any order, which is that of the pairs afterwards; NONE is left out. */
struct merge_pair { struct json_value old; struct span text; };
MUST_USE bool merge_edit_all(struct span whole, struct merge_pair *pairs, size_t n, struct buf *out);
MUST_USE bool merge_edit_two(struct span whole, struct merge_pair a, struct merge_pair b, struct buf *out);

/* The answer to method with the URIs of what it embeds, as the client must ask for them. False: cap passed. */
MUST_USE bool merge_text_answer(const struct jsonrpc *answer, const char *method, const char *backend, struct buf *out);

/* The URIs in the _meta of a tool that lead to its page (MCP apps, and what they grew from); how many there are. */
#define MERGE_MAX_PAGES 3
size_t merge_text_pages(struct json_value tool, struct json_value out[MERGE_MAX_PAGES]);

/* The union of objects: true wins over false, else the first that has a key; objects are united in turn. Values must be of checked
 * documents, n at most MERGE_MAX_UNITED. */
#define MERGE_MAX_UNITED 65              /* as many backends as one shim may have, and one object of ours */
MUST_USE bool merge_text_unite(const struct json_value *v, size_t n, struct buf *out);

/* The cursor of the next page: what each backend said, by its name. */
MUST_USE bool merge_cursor_add(struct buf *cursor, const char *backend, struct json_value next);
MUST_USE bool merge_cursor_write(struct buf *cursor, struct buf *out);   /* as a JSON string */
/* *plain holds the text *cursors points into. False: it is none of ours. */
MUST_USE bool merge_cursor_read(struct json_value cursor, struct buf *plain, struct json_value *cursors);
