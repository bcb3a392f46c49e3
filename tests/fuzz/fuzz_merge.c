/* Whatever a backend says, what the client is told of it is one message of the same kind; ids lead back. */
#include <assert.h>
#include "base/xalloc.h"
#include "shim/merge_asks.h"
#include "shim/merge_names.h"
#include "shim/merge_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CAP (1024 * 1024)

static void check_answer(const struct jsonrpc *m)
{
	static const char *const methods[] = { "tools/call", "resources/read", "prompts/get", "tasks/result", "ping" };
	struct buf out;
	struct jsonrpc told;

	buf_init(&out, CAP);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		buf_clear(&out);
		assert(merge_text_answer(m, methods[i], "b", &out));
		jsonrpc_read(buf_span(&out), &told);
		assert(told.kind == m->kind && span_equal(told.id.text, m->id.text));
	}
	buf_release(&out);
}

static void check_union(struct json_value a, struct json_value b)
{
	struct json_value v[] = { a, b }, got;
	struct buf out;

	buf_init(&out, CAP);
	assert(merge_text_unite(v, ARRAY_LEN(v), &out));
	assert(jsonscan_check(buf_span(&out), &got, NULL) == JSONSCAN_OK && got.kind == JSON_OBJECT);
	buf_release(&out);
}

static void check_request(const struct jsonrpc *m)
{
	struct merge_asks asks;
	struct merge_ask *one;
	struct buf out;
	struct jsonrpc told;

	merge_asks_init(&asks);
	buf_init(&out, CAP);
	assert(merge_asks_open(&asks, NULL, m, &out));
	jsonrpc_read(buf_span(&out), &told);
	assert(told.kind == JSONRPC_REQUEST && strcmp(told.method, m->method) == 0);
	one = merge_asks_find(&asks, told.id);
	assert(one && span_is(m->id.text, one->id));
	assert(merge_asks_find_by_id(&asks, NULL, m->id) == one);
	merge_asks_close(&asks, one);
	buf_release(&out);
	merge_asks_release(&asks);
}

static void check_cursor(struct json_value cursor)
{
	struct buf plain;
	struct json_value cursors;

	buf_init(&plain, CAP);
	if (merge_cursor_read(cursor, &plain, &cursors))
		assert(cursors.kind == JSON_OBJECT);
	buf_release(&plain);
}

static void check_name(struct span name)
{
	struct buf out;
	struct span rest;

	buf_init(&out, CAP);
	assert(merge_name_write("b", name, &out) && out.len >= 3 && (out.len <= MERGE_NAME_BYTES || name.len == 0));
	assert(name.len == 0 || merge_name_split(buf_span(&out), "b", &rest));
	assert(name.len == 0 || name.len > MERGE_NAME_BYTES - 3 || span_equal(rest, name));
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span line = { (const char *)bytes, n };
	struct jsonrpc m;

	check_name(line);
	jsonrpc_read(line, &m);
	if (m.kind == JSONRPC_RESULT || m.kind == JSONRPC_ERROR)
		check_answer(&m);
	if (m.kind == JSONRPC_RESULT)
		check_union(m.result, json_get(m.result, "x"));
	if (m.kind == JSONRPC_REQUEST) {
		check_request(&m);
		check_cursor(json_get(m.params, "cursor"));
	}
	return 0;
}
