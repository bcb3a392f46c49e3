/* Whatever either side says, what the other is told of it is one message of the same kind, or nothing; what stands in headers is printable. */
#include <assert.h>
#include "base/xalloc.h"
#include "shim/era.h"
#include "shim/mcp_headers.h"
#include "shim/translate_schema.h"
#include "shim/translate_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CAP      (4 * 1024 * 1024)
#define ENVELOPE SPAN("\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"")

static struct json_value parsed(const char *text)
{
	struct json_value v;

	assert(jsonscan_check(span_of(text), &v, NULL) == JSONSCAN_OK);
	return v;
}

/* Too deep is the one thing that a message may become on its way. */
static bool nests_too_deep(const struct buf *b)
{
	struct json_value v;

	return jsonscan_check(buf_span(b), &v, NULL) == JSONSCAN_DEEP;
}

static void check_request(const struct jsonrpc *m)
{
	const struct retry again = { parsed("\"r\""), ENVELOPE, SPAN("{\"a\":{}}"), SPAN("\"s\"") };
	struct jsonrpc told;
	struct buf out;

	buf_init(&out, CAP);
	if (translate_request(m, ENVELOPE, &out) && !nests_too_deep(&out)) {
		jsonrpc_read(buf_span(&out), &told);
		assert(told.kind == m->kind && strcmp(told.method, m->method) == 0 && span_equal(told.id.text, m->id.text));
		assert(era_claim(&told).kind == JSON_STRING);
		assert(json_get(told.meta, ERA_META_CAN).kind == JSON_NONE);
		assert(span_equal(json_get(told.params, "arguments").text, json_get(m->params, "arguments").text));
		buf_clear(&out);
		assert(translate_retry(m, &again, &out));
		jsonrpc_read(buf_span(&out), &told);
		assert(told.kind == JSONRPC_REQUEST && span_is(told.id.text, "\"r\"") && strcmp(told.method, m->method) == 0);
		assert(json_string_is(json_get(told.params, "requestState"), "s"));
	}
	buf_release(&out);
}

static void check_answer(const struct jsonrpc *m)
{
	static const char *const methods[] = { "tools/call", "tools/list", "resources/read", "ping" };
	struct jsonrpc told;
	struct buf out;

	buf_init(&out, CAP);
	for (size_t i = 0; i < 2 * ARRAY_LEN(methods); i++) {
		struct translate_answer to = { methods[i / 2], parsed("7"), i % 2 == 1 };
		buf_clear(&out);
		assert(translate_result(m, &to, &out));
		jsonrpc_read(buf_span(&out), &told);
		assert(nests_too_deep(&out) || (told.kind == m->kind && span_is(told.id.text, "7")));
		assert(told.kind != JSONRPC_RESULT || json_get(told.result, "resultType").kind == JSON_NONE);
	}
	buf_release(&out);
}

static void check_opening(const struct jsonrpc *m)
{
	struct translate_opening o = { m->result, json_get(m->result, "x"), "name" };
	struct json_value v;
	struct buf out;

	buf_init(&out, CAP);
	assert(translate_opening(&o, &out) && jsonscan_check(buf_span(&out), &v, NULL) == JSONSCAN_OK);
	assert(json_get(v, "protocolVersion").kind == JSON_STRING && json_get(v, "capabilities").kind == JSON_OBJECT);
	buf_release(&out);
}

static void check_notification(const struct jsonrpc *m)
{
	struct jsonrpc told;
	struct buf out;

	buf_init(&out, CAP);
	assert(translate_notification(m, &out));
	jsonrpc_read(buf_span(&out), &told);
	assert(told.kind == m->kind && strcmp(told.method, m->method) == 0);
	assert(json_get(told.meta, ERA_META_SUBSCRIPTION).kind == JSON_NONE);
	buf_release(&out);
}

static void is_printable(void *arg, const char *header, const char *value)
{
	(void)arg;
	for (const char *c = header; *c; c++)
		assert(*c > 0x20 && *c < 0x7f && *c != ':');
	for (const char *c = value; *c; c++)
		assert((*c >= 0x20 && *c < 0x7f) || *c == '\t');
}

static void check_headers(struct json_value result)
{
	struct json_iter it = json_iter(json_get(result, "tools"));
	struct json_value tool;
	struct span key;

	while (json_next(&it, &key, &tool)) {
		struct mcp_params *p = mcp_params_read(json_get(tool, "inputSchema"));
		if (p)
			mcp_params_each(p, result, is_printable, NULL);
		mcp_params_free(p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct jsonrpc m;

	jsonrpc_read((struct span){ (const char *)bytes, n }, &m);
	if (m.kind == JSONRPC_REQUEST)
		check_request(&m);
	if (m.kind == JSONRPC_NOTIFICATION)
		check_notification(&m);
	if (m.kind == JSONRPC_RESULT || m.kind == JSONRPC_ERROR)
		check_answer(&m);
	if (m.kind == JSONRPC_RESULT) {
		check_opening(&m);
		check_headers(m.result);
	}
	(void)era_of_discover(&m);
	return 0;
}
