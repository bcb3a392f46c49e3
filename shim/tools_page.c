#include "shim/tools_page.h"
#include "base/xalloc.h"
#include "domain/annotate.h"

#define PREFIX_CAP 4096

/* ED A0..BF begins a surrogate, which is no character: no two programs agree on such a name. */
static bool has_surrogate(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (p[0] == 0xED && p[1] >= 0xA0)
			return true;
	return false;
}

char *tools_name(struct json_value name)
{
	char *text = json_text(name, TOOLS_MAX_NAME_BYTES);

	if (text && (!*text || has_surrogate(text))) {
		free(text);
		text = NULL;
	}
	return text;
}

void tools_page_names(struct json_value result, void (*fn)(void *arg, struct span name), void *arg)
{
	struct json_iter it = json_iter(json_get(result, "tools"));
	struct json_value tool;
	struct span key;

	while (json_next(&it, &key, &tool)) {
		CLEANUP(free_charp) char *name = tools_name(json_get(tool, "name"));
		if (name)
			fn(arg, span_of(name));
	}
}

/* ---- splicing ---------------------------------------------------------------------------------------------------------------- */
static bool copy(struct buf *out, const char *from, const char *to)
{
	return json_append_line((struct json_value){ JSON_ARRAY, { from, (size_t)(to - from) } }, out);
}

/* The prefix as it stands inside a JSON string: without the quotes. */
static bool write_prefix(const struct tools_view *view, const struct acl_answer *acl, const char *name, struct buf *out)
{
	CLEANUP(buf_release) struct buf plain = { 0 };
	struct annotate_facts facts = { view->config, acl->agent, acl->grant, span_of(name) };

	if (acl->agent->annotate == ANNOTATE_FALSE)
		return true;
	buf_init(&plain, PREFIX_CAP);
	if (!annotate_prefix(&facts, &plain) || (plain.len > 0 && !json_quote(out, buf_span(&plain))))
		return false;
	if (plain.len > 0) {
		out->len--;                     /* the closing quote, then the opening one */
		buf_consume(out, 1);
	}
	return true;
}

static bool copy_annotated(struct json_value tool, struct span prefix, struct buf *out)
{
	struct json_value d = json_get(tool, "description");
	const char *start = tool.text.at, *end = start + tool.text.len;

	if (prefix.len == 0 || (d.kind != JSON_NONE && d.kind != JSON_STRING))
		return copy(out, start, end);
	if (d.kind == JSON_STRING)
		return copy(out, start, d.text.at + 1) && buf_append_span(out, prefix) && copy(out, d.text.at + 1, end);
	return copy(out, start, end - 1) && buf_append_text(out, ",\"description\":\"") && buf_append_span(out, prefix) &&
	       buf_append_text(out, "\"") && copy(out, end - 1, end);
}

enum show { SHOW_PLAIN, SHOW_ANNOTATED, HIDE };

static enum show shown(struct json_value tool, const struct tools_view *view, struct acl_answer *acl, char **name)
{
	struct json_value raw = json_get(tool, "name");

	*name = tools_name(raw);
	if (!*name)
		return raw.kind == JSON_STRING ? HIDE : SHOW_PLAIN;     /* without a name it cannot be called */
	*acl = acl_tool(view->config, &view->who, span_of(*name));
	return acl->verdict == ACL_ALLOWED ? SHOW_ANNOTATED : HIDE;
}

/* *from: end of what was copied or cut so far, always inside the array. */
static bool copy_tool(struct json_value tool, const struct tools_view *view, const char **from, bool *has_kept, struct buf *out)
{
	CLEANUP(free_charp) char *name = NULL;
	CLEANUP(buf_release) struct buf prefix = { 0 };
	struct acl_answer acl;
	const char *gap = *from, *comma = memchr(gap, ',', (size_t)(tool.text.at - gap));
	enum show show = shown(tool, view, &acl, &name);

	*from = tool.text.at + tool.text.len;
	if (show == HIDE)
		return true;
	if (!*has_kept && comma)
		gap = comma + 1;                /* everything before it was cut out, and its comma with it */
	*has_kept = true;
	buf_init(&prefix, PREFIX_CAP);
	if (show == SHOW_ANNOTATED && !write_prefix(view, &acl, name, &prefix))
		return false;
	return copy(out, gap, tool.text.at) && copy_annotated(tool, buf_span(&prefix), out);
}

/* What lies outside the list of tools, the id among it. */
static bool copy_around(const struct jsonrpc *answer, struct json_value id, const char *from, const char *to, struct buf *out)
{
	const char *theirs = answer->id.text.at;

	if (theirs < from || theirs >= to)
		return copy(out, from, to);
	return copy(out, from, theirs) && buf_append_span(out, id.text) && copy(out, theirs + answer->id.text.len, to);
}

bool tools_page_rewrite(const struct jsonrpc *answer, struct json_value id, const struct tools_view *view, struct buf *out)
{
	struct span all = answer->root.text;
	struct json_value list = json_get(answer->result, "tools"), tool;
	struct json_iter it = json_iter(list);
	const char *from;
	bool has_kept = false;
	struct span key;

	if (answer->kind != JSONRPC_RESULT || list.kind != JSON_ARRAY)
		return copy_around(answer, id, all.at, all.at + all.len, out);
	from = list.text.at + 1;
	if (!copy_around(answer, id, all.at, from, out))
		return false;
	while (json_next(&it, &key, &tool))
		if (!copy_tool(tool, view, &from, &has_kept, out))
			return false;
	return copy_around(answer, id, from, all.at + all.len, out);
}
