#include "shim/translate_text.h"
#include "shim/era.h"
#include "shim/translate_schema.h"

#define ENVELOPE_BEGIN "\"" ERA_META_VERSION "\":\"" ERA_MODERN_REVISION "\",\"" ERA_META_CLIENT "\":"

/* ---- members ----------------------------------------------------------------------------------------------------------------------- */
struct writer { struct buf *out; bool has_member; };

static bool begin_member(struct writer *w)
{
	bool ok = !w->has_member || buf_append_char(w->out, ',');

	w->has_member = true;
	return ok;
}

static bool copy_member(struct writer *w, struct span key, struct json_value value)
{
	return begin_member(w) && buf_append_span(w->out, key) && buf_append_char(w->out, ':') && buf_append_span(w->out, value.text);
}

static bool is_one_of(struct span key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (json_key_is(key, names[i]))
			return true;
	return false;
}

static bool copy_members_but(struct writer *w, struct json_value object, const char *const *names, size_t n)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct span key;

	while (json_next(&it, &key, &value))
		if (!is_one_of(key, names, n) && !copy_member(w, key, value))
			return false;
	return true;
}

/* ---- requests ---------------------------------------------------------------------------------------------------------------------- */
static const char *const reserved[] = { ERA_META_VERSION, ERA_META_CLIENT, ERA_META_CAN, ERA_META_LOG_LEVEL };

bool translate_envelope(struct json_value client, struct json_value can, struct span level, struct buf *out)
{
	struct span info = client.kind == JSON_OBJECT ? client.text : SPAN("{\"name\":\"aegis-shim\",\"version\":\"" AEGIS_VERSION "\"}");

	return buf_append_text(out, ENVELOPE_BEGIN) && buf_append_span(out, info) && buf_append_text(out, ",\"" ERA_META_CAN "\":") &&
	       buf_append_span(out, can.kind == JSON_OBJECT ? can.text : SPAN("{}")) &&
	       (level.len == 0 || (buf_append_text(out, ",\"" ERA_META_LOG_LEVEL "\":") && buf_append_span(out, level)));
}

/* What the client itself says under names of the envelope does not count. */
static bool write_meta(struct json_value meta, struct span envelope, struct buf *out)
{
	struct writer w = { out, true };

	return buf_append_char(out, '{') && buf_append_span(out, envelope) && copy_members_but(&w, meta, reserved, ARRAY_LEN(reserved)) &&
	       buf_append_char(out, '}');
}

static bool is_empty(struct json_value object)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct span key;

	return !json_next(&it, &key, &value);
}

static bool append_between(struct buf *out, const char *from, const char *to)
{
	return buf_append(out, from, (size_t)(to - from));
}

static bool write_params(struct json_value params, struct json_value meta, struct span envelope, struct buf *out)
{
	const char *begin = params.text.at, *end = begin + params.text.len;

	if (meta.kind == JSON_OBJECT)
		return append_between(out, begin, meta.text.at) && write_meta(meta, envelope, out) &&
		       append_between(out, meta.text.at + meta.text.len, end);
	return buf_append_text(out, "{\"_meta\":{") && buf_append_span(out, envelope) &&
	       buf_append_text(out, is_empty(params) ? "}" : "},") && append_between(out, begin + 1, end);
}

static bool can_be_framed(const struct jsonrpc *m)
{
	return (m->params.kind == JSON_OBJECT || m->params.kind == JSON_NONE) && (m->meta.kind == JSON_OBJECT || m->meta.kind == JSON_NONE);
}

bool translate_request(const struct jsonrpc *m, struct span envelope, struct buf *out)
{
	struct span all = m->root.text, params = m->params.text;
	const char *end = all.at + all.len;

	if (!can_be_framed(m))
		return false;
	if (m->params.kind == JSON_NONE)
		return append_between(out, all.at, end - 1) && buf_append_text(out, ",\"params\":{\"_meta\":{") &&
		       buf_append_span(out, envelope) && buf_append_text(out, "}}}");
	return append_between(out, all.at, params.at) && write_params(m->params, m->meta, envelope, out) &&
	       append_between(out, params.at + params.len, end);
}

static bool write_extra(struct writer *w, const char *key, struct span value)
{
	return value.len == 0 || (begin_member(w) && buf_printf(w->out, "\"%s\":", key) && buf_append_span(w->out, value));
}

bool translate_retry(const struct jsonrpc *m, const struct retry *r, struct buf *out)
{
	static const char *const ours[] = { "_meta", "inputResponses", "requestState" };
	struct writer w = { out, true };

	return buf_append_text(out, "{\"jsonrpc\":\"2.0\",\"id\":") && buf_append_span(out, r->id.text) &&
	       buf_append_text(out, ",\"method\":") && json_quote(out, span_of(m->method)) && buf_append_text(out, ",\"params\":{\"_meta\":") &&
	       write_meta(m->meta, r->envelope, out) && copy_members_but(&w, m->params, ours, ARRAY_LEN(ours)) &&
	       write_extra(&w, "inputResponses", r->responses) && write_extra(&w, "requestState", r->state) && buf_append_text(out, "}}");
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------------- */
static bool is_cacheable(const char *method)
{
	static const char *const methods[] = { "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read" };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return false;
}

static bool write_meta_but(struct writer *w, struct span key, struct json_value meta, const char *name)
{
	struct writer inner = { w->out, false };
	struct json_iter it = json_iter(meta);
	struct json_value value;
	struct span first;

	if (meta.kind != JSON_OBJECT || json_get(meta, name).kind == JSON_NONE)
		return copy_member(w, key, meta);
	if (json_next(&it, &first, &value) && !json_next(&it, &first, &value))
		return true;                    /* nothing else is in it */
	return begin_member(w) && buf_append_span(w->out, key) && buf_append_text(w->out, ":{") &&
	       copy_members_but(&inner, meta, &name, 1) && buf_append_char(w->out, '}');
}

/* What the older revisions know as an object alone. */
static bool write_structured(struct writer *w, const struct translate_answer *to, struct span key, struct json_value value)
{
	if (value.kind == JSON_OBJECT && !to->wraps)
		return copy_member(w, key, value);
	return begin_member(w) && buf_append_span(w->out, key) && buf_append_text(w->out, ":{\"result\":") &&
	       buf_append_span(w->out, value.text) && buf_append_char(w->out, '}');
}

static bool has_text(struct json_value content)
{
	struct json_iter it = json_iter(content);
	struct json_value block;
	struct span key;

	while (json_next(&it, &key, &block))
		if (json_string_is(json_get(block, "type"), "text"))
			return true;
	return false;
}

/* A value that is no object is said as text too, if nothing else is. */
static bool write_content(struct writer *w, struct json_value result, struct span key, struct json_value content)
{
	struct json_value said = json_get(result, "structuredContent");
	struct span all = content.text;

	if (said.kind == JSON_NONE || said.kind == JSON_OBJECT || content.kind != JSON_ARRAY || has_text(content))
		return copy_member(w, key, content);
	return begin_member(w) && buf_append_span(w->out, key) && buf_append_char(w->out, ':') &&
	       buf_append(w->out, all.at, all.len - 1) &&
	       buf_append_text(w->out, is_empty(content) ? "{\"type\":\"text\",\"text\":" : ",{\"type\":\"text\",\"text\":") &&
	       json_quote(w->out, said.text) && buf_append_text(w->out, "}]");
}

static bool write_result_member(struct writer *w, const struct translate_answer *to, struct json_value result, struct span key,
                                struct json_value value)
{
	bool is_call = strcmp(to->method, "tools/call") == 0;

	if (json_key_is(key, "resultType") ||
		(is_cacheable(to->method) && (json_key_is(key, "ttlMs") || json_key_is(key, "cacheScope"))))
		return true;
	if (json_key_is(key, "_meta"))
		return write_meta_but(w, key, value, ERA_META_SERVER);
	if (is_call && json_key_is(key, "structuredContent"))
		return write_structured(w, to, key, value);
	if (is_call && json_key_is(key, "content"))
		return write_content(w, result, key, value);
	if (json_key_is(key, "tools") && strcmp(to->method, "tools/list") == 0)
		return begin_member(w) && buf_append_span(w->out, key) && buf_append_char(w->out, ':') && translate_tools(value, w->out);
	return copy_member(w, key, value);
}

static bool write_result(struct json_value result, const struct translate_answer *to, struct buf *out)
{
	struct writer w = { out, false };
	struct json_iter it = json_iter(result);
	struct json_value value;
	struct span key;

	if (result.kind != JSON_OBJECT)
		return buf_append_span(out, result.text);
	if (!buf_append_char(out, '{'))
		return false;
	while (json_next(&it, &key, &value))
		if (!write_result_member(&w, to, result, key, value))
			return false;
	return buf_append_char(out, '}');
}

bool translate_result(const struct jsonrpc *answer, const struct translate_answer *to, struct buf *out)
{
	bool is_result = answer->kind == JSONRPC_RESULT;

	return buf_append_text(out, "{\"jsonrpc\":\"2.0\",\"id\":") && buf_append_span(out, to->id.text) &&
	       buf_append_text(out, is_result ? ",\"result\":" : ",\"error\":") &&
	       (is_result ? write_result(answer->result, to, out) : buf_append_span(out, answer->error.text)) && buf_append_char(out, '}');
}

bool translate_notification(const struct jsonrpc *m, struct buf *out)
{
	struct span all = m->root.text, params = m->params.text;
	struct json_iter it = json_iter(m->params);
	struct writer w = { out, false };
	struct json_value value;
	struct span key;
	bool ok = true;

	if (m->params.kind != JSON_OBJECT)
		return buf_append_span(out, all);
	ok = append_between(out, all.at, params.at) && buf_append_char(out, '{');
	while (ok && json_next(&it, &key, &value))
		ok = json_key_is(key, "_meta") ? write_meta_but(&w, key, value, ERA_META_SUBSCRIPTION) : copy_member(&w, key, value);
	return ok && buf_append_char(out, '}') && append_between(out, params.at + params.len, all.at + all.len);
}

/* ---- opening ----------------------------------------------------------------------------------------------------------------------- */
static const char *revision_for(struct json_value wanted)
{
	static const char *const known[] = { "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (json_string_is(wanted, known[i]))
			return known[i];
	return known[0];
}

static bool write_server(const struct translate_opening *o, struct buf *out)
{
	struct json_value server = json_get(json_get(o->discovered, "_meta"), ERA_META_SERVER);

	if (server.kind == JSON_OBJECT)
		return buf_append_span(out, server.text);
	return buf_append_text(out, "{\"name\":") && json_quote(out, span_of(o->name)) && buf_append_text(out, ",\"version\":\"0\"}");
}

bool translate_opening(const struct translate_opening *o, struct buf *out)
{
	struct json_value can = json_get(o->discovered, "capabilities"), how = json_get(o->discovered, "instructions");

	return buf_printf(out, "{\"protocolVersion\":\"%s\",\"capabilities\":", revision_for(o->wanted)) &&
	       buf_append_span(out, can.kind == JSON_OBJECT ? can.text : SPAN("{}")) && buf_append_text(out, ",\"serverInfo\":") &&
	       write_server(o, out) && (how.kind != JSON_STRING || (buf_append_text(out, ",\"instructions\":") && buf_append_span(out, how.text))) &&
	       buf_append_char(out, '}');
}
