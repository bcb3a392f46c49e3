#include "shim/era.h"
#include "base/attr.h"

#define REVISION_BYTES 64

static bool is_modern_revision(struct json_value v)
{
	static const char first[] = ERA_MODERN_REVISION;
	char text[REVISION_BYTES];
	struct buf b;

	if (v.kind != JSON_STRING || v.text.len < sizeof(first) + 1 || v.text.len > REVISION_BYTES)
		return false;
	buf_init(&b, sizeof(text));
	bool is_read = json_unescape(v, &b);
	bool is_modern = is_read && b.len >= sizeof(first) - 1 && memcmp(b.data, first, sizeof(first) - 1) >= 0;
	buf_release(&b);
	return is_modern;
}

struct json_value era_claim(const struct jsonrpc *m)
{
	struct json_value claim = json_get(m->meta, ERA_META_VERSION);

	return is_modern_revision(claim) ? claim : (struct json_value){ 0 };
}

static bool names_our_revision(struct json_value list)
{
	struct json_iter it = json_iter(list);
	struct json_value v;
	struct span key;

	while (list.kind == JSON_ARRAY && json_next(&it, &key, &v))
		if (json_string_is(v, ERA_MODERN_REVISION))
			return true;
	return false;
}

static int64_t code_of(const struct jsonrpc *answer)
{
	int64_t code = 0;

	return answer->kind == JSONRPC_ERROR && json_to_i64(json_get(answer->error, "code"), &code) ? code : 0;
}

enum era era_of_discover(const struct jsonrpc *answer)
{
	if (answer->kind == JSONRPC_RESULT)
		return names_our_revision(json_get(answer->result, "supportedVersions")) ? ERA_MODERN : ERA_LEGACY;
	if (code_of(answer) == ERA_UNSUPPORTED && names_our_revision(json_get(json_get(answer->error, "data"), "supported")))
		return ERA_MODERN;
	return ERA_LEGACY;
}

/* Missing headers, a method that does not exist, params without the envelope: what a strict server finds wrong with initialize. A lax
 * one agrees, to a revision that has no initialize. */
bool era_may_be_modern(const struct jsonrpc *opened)
{
	static const int codes[] = { ERA_UNSUPPORTED, ERA_HEADER_MISMATCH, -32601, -32602, -32600 };

	if (opened->kind == JSONRPC_RESULT)
		return is_modern_revision(json_get(opened->result, "protocolVersion"));
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (code_of(opened) == codes[i])
			return true;
	return false;
}
