#include "shim/tools_page.h"
#include "base/xalloc.h"
#include "domain/annotate.h"
#include "shim/page.h"

#define PREFIX_CAP 4096

char *tools_name(struct json_value name)
{
	return page_name(name, TOOLS_MAX_NAME_BYTES);
}

void tools_page_each(struct json_value result, void (*fn)(void *arg, struct span name, struct json_value tool), void *arg)
{
	struct json_iter it = json_iter(json_get(result, "tools"));
	struct json_value tool;
	struct span key;

	while (json_next(&it, &key, &tool)) {
		CLEANUP(free_charp) char *name = tools_name(json_get(tool, "name"));
		if (name)
			fn(arg, span_of(name), tool);
	}
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

static enum page_show look(const void *arg, struct json_value tool, struct buf *prefix)
{
	const struct tools_view *view = arg;
	struct json_value raw = json_get(tool, "name");
	CLEANUP(free_charp) char *name = tools_name(raw);
	struct acl_answer acl;

	if (!name)
		return raw.kind == JSON_STRING ? PAGE_HIDDEN : PAGE_SHOWN;      /* without a name it cannot be called */
	acl = acl_tool(view->config, &view->who, span_of(name));
	if (acl.verdict != ACL_ALLOWED)
		return PAGE_HIDDEN;
	return write_prefix(view, &acl, name, prefix) ? PAGE_SHOWN : PAGE_FAILED;
}

bool tools_page_rewrite(const struct jsonrpc *answer, struct json_value id, const struct tools_view *view, struct buf *out,
                        bool *is_changed)
{
	struct page_edit edit = { "tools", look, view, is_changed };

	return page_rewrite(answer, id, &edit, out);
}
