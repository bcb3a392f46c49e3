#include "shim/page.h"
#include "base/xalloc.h"

#define PREFIX_CAP 4096

/* ED A0..BF begins a surrogate, which is no character: no two programs agree on such a name. */
static bool has_surrogate(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (p[0] == 0xED && p[1] >= 0xA0)
			return true;
	return false;
}

char *page_name(struct json_value name, size_t cap_bytes)
{
	char *text = json_text(name, cap_bytes);

	if (text && (!*text || has_surrogate(text))) {
		free(text);
		text = NULL;
	}
	return text;
}

static bool copy(struct buf *out, const char *from, const char *to)
{
	return json_append_line((struct json_value){ JSON_ARRAY, { from, (size_t)(to - from) } }, out);
}

static bool copy_item(struct json_value item, struct span prefix, struct buf *out)
{
	struct json_value d = json_get(item, "description");
	const char *start = item.text.at, *end = start + item.text.len;

	if (prefix.len == 0 || (d.kind != JSON_NONE && d.kind != JSON_STRING))
		return copy(out, start, end);
	if (d.kind == JSON_STRING)
		return copy(out, start, d.text.at + 1) && buf_append_span(out, prefix) && copy(out, d.text.at + 1, end);
	return copy(out, start, end - 1) && buf_append_text(out, ",\"description\":\"") && buf_append_span(out, prefix) &&
	       buf_append_text(out, "\"") && copy(out, end - 1, end);
}

/* *from: end of what was copied or cut so far, always inside the array. */
static bool take_item(struct json_value item, const struct page_edit *edit, const char **from, bool *has_kept, struct buf *out)
{
	CLEANUP(buf_release) struct buf prefix = { 0 };
	const char *gap = *from, *comma = memchr(gap, ',', (size_t)(item.text.at - gap));
	enum page_show show;

	buf_init(&prefix, PREFIX_CAP);
	show = edit->look(edit->arg, item, &prefix);
	*from = item.text.at + item.text.len;
	if (edit->is_changed)
		*edit->is_changed |= show == PAGE_HIDDEN || prefix.len > 0;
	if (show != PAGE_SHOWN)
		return show == PAGE_HIDDEN;
	if (!*has_kept && comma)
		gap = comma + 1;                /* everything before it was cut out, and its comma with it */
	*has_kept = true;
	return copy(out, gap, item.text.at) && copy_item(item, buf_span(&prefix), out);
}

/* What lies outside the list, the id among it. */
static bool copy_around(const struct jsonrpc *answer, struct json_value id, const char *from, const char *to, struct buf *out)
{
	const char *theirs = answer->id.text.at;

	if (theirs < from || theirs >= to)
		return copy(out, from, to);
	return copy(out, from, theirs) && buf_append_span(out, id.text) && copy(out, theirs + answer->id.text.len, to);
}

bool page_rewrite(const struct jsonrpc *answer, struct json_value id, const struct page_edit *edit, struct buf *out)
{
	struct span all = answer->root.text;
	struct json_value list = json_get(answer->result, edit->list), item;
	struct json_iter it = json_iter(list);
	const char *from;
	bool has_kept = false;
	struct span key;

	if (answer->kind != JSONRPC_RESULT || list.kind != JSON_ARRAY)
		return copy_around(answer, id, all.at, all.at + all.len, out);
	from = list.text.at + 1;
	if (!copy_around(answer, id, all.at, from, out))
		return false;
	while (json_next(&it, &key, &item))
		if (!take_item(item, edit, &from, &has_kept, out))
			return false;
	return copy_around(answer, id, from, all.at + all.len, out);
}
