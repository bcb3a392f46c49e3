#include "shim/merge_text.h"
#include "base/xalloc.h"
#include "shim/merge_names.h"
#include "shim/page.h"

#define URI_CAP (64 * 1024)
#define KEY_CAP 1024

/* ---- replacing --------------------------------------------------------------------------------------------------------------- */
struct merge_edit merge_edit_begin(struct span whole, struct buf *out)
{
	return (struct merge_edit){ whole.at, whole.at + whole.len, out, true };
}

void merge_edit_put(struct merge_edit *e, struct json_value old, struct span text)
{
	e->ok = e->ok && buf_append(e->out, e->at, (size_t)(old.text.at - e->at)) && buf_append_span(e->out, text);
	e->at = old.text.at + old.text.len;
}

bool merge_edit_end(struct merge_edit *e)
{
	return e->ok && buf_append(e->out, e->at, (size_t)(e->end - e->at));
}

static int by_place(const void *a, const void *b)
{
	const struct merge_pair *x = a, *y = b;
	return (x->old.text.at > y->old.text.at) - (x->old.text.at < y->old.text.at);
}

bool merge_edit_all(struct span whole, struct merge_pair *pairs, size_t n, struct buf *out)
{
	struct merge_edit e = merge_edit_begin(whole, out);

	qsort(pairs, n, sizeof(*pairs), by_place);
	for (size_t i = 0; i < n; i++)
		if (pairs[i].old.kind != JSON_NONE)
			merge_edit_put(&e, pairs[i].old, pairs[i].text);
	return merge_edit_end(&e);
}

bool merge_edit_two(struct span whole, struct merge_pair a, struct merge_pair b, struct buf *out)
{
	struct merge_pair pairs[] = { a, b };
	return merge_edit_all(whole, pairs, ARRAY_LEN(pairs), out);
}

/* ---- URIs in answers ----------------------------------------------------------------------------------------------------------- */
static void put_uri(struct merge_edit *e, struct json_value uri, const char *backend)
{
	CLEANUP(free_charp) char *plain = page_name(uri, URI_CAP);
	CLEANUP(buf_release) struct buf shown = { 0 }, quoted = { 0 };

	if (!plain)
		return;
	buf_init(&shown, 2 * URI_CAP);
	buf_init(&quoted, 12 * URI_CAP);
	e->ok = e->ok && merge_uri_write(backend, span_of(plain), &shown) && json_quote(&quoted, buf_span(&shown));
	merge_edit_put(e, uri, buf_span(&quoted));
}

size_t merge_text_pages(struct json_value tool, struct json_value out[MERGE_MAX_PAGES])
{
	struct json_value meta = json_get(tool, "_meta");
	const struct json_value all[MERGE_MAX_PAGES] = {
		json_get(json_get(meta, "ui"), "resourceUri"), json_get(meta, "ui/resourceUri"), json_get(meta, "openai/outputTemplate"),
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].kind == JSON_STRING)
			out[n++] = all[i];
	return n;
}

static void put_block(struct merge_edit *e, struct json_value block, const char *backend)
{
	struct json_value type = json_get(block, "type");

	if (json_string_is(type, "resource_link"))
		put_uri(e, json_get(block, "uri"), backend);
	else if (json_string_is(type, "resource"))
		put_uri(e, json_get(json_get(block, "resource"), "uri"), backend);
}

static void put_blocks(struct merge_edit *e, struct json_value content, const char *backend)
{
	struct json_iter it = json_iter(content);
	struct json_value block;
	struct span key;

	if (content.kind == JSON_OBJECT)
		put_block(e, content, backend);
	else
		while (json_next(&it, &key, &block))
			put_block(e, block, backend);
}

static void put_contents(struct merge_edit *e, struct json_value result, const char *backend)
{
	struct json_iter it = json_iter(json_get(result, "contents"));
	struct json_value one;
	struct span key;

	while (json_next(&it, &key, &one))
		put_uri(e, json_get(one, "uri"), backend);
}

static void put_messages(struct merge_edit *e, struct json_value result, const char *backend)
{
	struct json_iter it = json_iter(json_get(result, "messages"));
	struct json_value one;
	struct span key;

	while (json_next(&it, &key, &one))
		put_blocks(e, json_get(one, "content"), backend);
}

bool merge_text_answer(const struct jsonrpc *answer, const char *method, const char *backend, struct buf *out)
{
	struct merge_edit e = merge_edit_begin(answer->root.text, out);

	if (strcmp(method, "resources/read") == 0)
		put_contents(&e, answer->result, backend);
	else if (strcmp(method, "prompts/get") == 0)
		put_messages(&e, answer->result, backend);
	else if (strcmp(method, "tools/call") == 0 || strcmp(method, "tasks/result") == 0)
		put_blocks(&e, json_get(answer->result, "content"), backend);
	return merge_edit_end(&e);
}

/* ---- uniting ------------------------------------------------------------------------------------------------------------------- */
static bool unite_values(const struct json_value *v, size_t n, struct buf *out)
{
	if (v[0].kind == JSON_OBJECT)
		return merge_text_unite(v, n, out);
	for (size_t i = 0; i < n; i++)
		if (v[i].kind == JSON_TRUE)
			return buf_append_text(out, "true");
	return buf_append_span(out, v[0].text);
}

/* The values of one key, from the first object that has it. A key that is absurdly long is left out. */
static bool unite_key(const struct json_value *v, size_t n, size_t from, struct span key, struct buf *out)
{
	CLEANUP(free_charp) char *plain = json_text((struct json_value){ JSON_STRING, key }, KEY_CAP);
	struct json_value same[MERGE_MAX_UNITED];
	size_t same_n = 0;

	for (size_t i = 0; plain && i < from; i++)
		if (json_get(v[i], plain).kind != JSON_NONE)
			return true;            /* written already */
	for (size_t i = from; plain && i < n; i++) {
		same[same_n] = json_get(v[i], plain);
		same_n += same[same_n].kind != JSON_NONE;
	}
	return same_n == 0 || ((out->data[out->len - 1] == '{' || buf_append_char(out, ',')) && buf_append_span(out, key) &&
	                       buf_append_char(out, ':') && unite_values(same, same_n, out));
}

bool merge_text_unite(const struct json_value *v, size_t n, struct buf *out)
{
	struct json_value value;
	struct span key;
	bool ok = n <= MERGE_MAX_UNITED && buf_append_char(out, '{');

	for (size_t i = 0; ok && i < n; i++) {
		struct json_iter it = json_iter(v[i]);
		if (v[i].kind != JSON_OBJECT)
			continue;
		while (ok && json_next(&it, &key, &value))
			ok = unite_key(v, n, i, key, out);
	}
	return ok && buf_append_char(out, '}');
}

/* ---- cursors ------------------------------------------------------------------------------------------------------------------- */
bool merge_cursor_add(struct buf *cursor, const char *backend, struct json_value next)
{
	return buf_printf(cursor, "%s\"%s\":", cursor->len > 0 ? "," : "{", backend) && buf_append_span(cursor, next.text);
}

bool merge_cursor_write(struct buf *cursor, struct buf *out)
{
	return buf_append_char(cursor, '}') && json_quote(out, buf_span(cursor));
}

bool merge_cursor_read(struct json_value cursor, struct buf *plain, struct json_value *cursors)
{
	return json_unescape(cursor, plain) && jsonscan_check(buf_span(plain), cursors, NULL) == JSONSCAN_OK &&
	       cursors->kind == JSON_OBJECT;
}
