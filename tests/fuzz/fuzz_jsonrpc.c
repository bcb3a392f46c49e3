/* Whatever a line holds, it is classified; an id that may be answered can be written and read again. */
#include <assert.h>
#include "base/xalloc.h"
#include "data/jsonrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_answer(struct json_value id)
{
	struct jsonrpc answer;
	struct buf b, sent, got;

	buf_init(&b, 1000);
	buf_init(&sent, 1000);
	buf_init(&got, 1000);
	assert(jsonrpc_write_error(&b, id, -32600, SPAN("x"), SPAN("{}")));
	jsonrpc_read(buf_span(&b), &answer);
	assert(answer.kind == JSONRPC_ERROR);
	if (id.kind > JSON_NULL) {
		assert(jsonrpc_id_key(id, &sent) && jsonrpc_id_key(answer.id, &got));
		assert(span_equal(buf_span(&sent), buf_span(&got)));
	}
	buf_release(&b);
	buf_release(&sent);
	buf_release(&got);
}

static void check_message(const struct jsonrpc *m)
{
	bool is_call = m->kind == JSONRPC_REQUEST || m->kind == JSONRPC_NOTIFICATION;

	assert(is_call == (m->method[0] != '\0'));
	assert((m->kind == JSONRPC_INVALID) == (m->code != 0) && (m->code != 0) == (m->why[0] != '\0'));
	assert(m->kind != JSONRPC_REQUEST || m->id.kind > JSON_NULL);
	assert(m->kind != JSONRPC_NOTIFICATION || m->id.kind == JSON_NONE);
	if (m->kind != JSONRPC_NOTIFICATION && m->kind != JSONRPC_BATCH)
		check_answer(m->id);
}

/* A guess from the beginning is right, or none: whatever is cut off. */
static void check_guess(const struct jsonrpc *m, struct span line)
{
	bool is_call = m->kind == JSONRPC_REQUEST || m->kind == JSONRPC_NOTIFICATION;

	for (size_t n = 1; n <= line.len && n < 300; n++) {
		CLEANUP(free_charp) char *exact = xmalloc(n + 1);
		struct json_value id;
		memcpy(exact, line.at, n);
		enum jsonrpc_kind kind = jsonrpc_guess((struct span){ exact, n }, &id);
		if (m->kind == JSONRPC_INVALID || m->kind == JSONRPC_BATCH)
			continue;
		assert(kind == JSONRPC_INVALID || kind == (is_call ? JSONRPC_REQUEST : m->kind));
		assert(id.kind == JSON_NONE || span_equal(id.text, m->id.text));
	}
}

/* Read from the outline of the check and read by walking: the same message. */
static void check_walked(const struct jsonrpc *m)
{
	struct jsonrpc walked;

	if (m->root.kind != JSON_OBJECT)
		return;
	jsonrpc_classify(m->root, &walked);
	assert(walked.kind == m->kind && walked.is_error_result == m->is_error_result);
	assert(walked.id.text.at == m->id.text.at && walked.id.text.len == m->id.text.len);
	assert(walked.params.text.at == m->params.text.at && walked.params.text.len == m->params.text.len);
	assert(walked.result.text.at == m->result.text.at && walked.result.text.len == m->result.text.len);
	assert(walked.error.text.at == m->error.text.at && walked.error.text.len == m->error.text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct jsonrpc m, member;
	struct json_value v;
	struct span key;

	jsonrpc_read((struct span){ (const char *)bytes, n }, &m);
	check_message(&m);
	check_walked(&m);
	check_guess(&m, (struct span){ (const char *)bytes, n });
	struct json_iter it = json_iter(m.kind == JSONRPC_BATCH ? m.root : (struct json_value){ 0 });
	while (json_next(&it, &key, &v)) {
		jsonrpc_classify(v, &member);
		assert(member.kind != JSONRPC_BATCH);
		check_message(&member);
	}
	return 0;
}
