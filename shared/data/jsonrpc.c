/* jsonrpc - what kind of message it is, and the few we say ourselves. */
#include "data/jsonrpc.h"
#include <stdarg.h>
#include "base/utf8.h"

static const char *const message_keys[] = { "jsonrpc", "id", "method", "params", "result",
	"error" };
static const char *const params_keys[] = { "name", "arguments", "_meta", "uri", "cursor",
	"requestId", "progressToken", "protocolVersion", "capabilities", "clientInfo", "level",
	"ref", "argument", "task", "requestState", "inputResponses", "reason" };

/* ---- reading -------------------------------------------------------------------------------- */

static void refuse(struct jsonrpc *out, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void refuse(struct jsonrpc *out, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
	out->kind = JSONRPC_INVALID;
	out->code = code;
}

static bool is_integer(struct json_value v)
{
	size_t i = v.kind == JSON_NUMBER && v.text.at[0] == '-';

	while (i < v.text.len && v.text.at[i] >= '0' && v.text.at[i] <= '9')
		i++;
	return v.kind == JSON_NUMBER && i == v.text.len;
}

static bool is_id(struct json_value v)
{
	return (v.kind == JSON_STRING || is_integer(v)) && v.text.len <= JSONRPC_MAX_ID_BYTES;
}

/* True when the method is text without NUL and lone surrogates, neither empty nor too long. */
static bool read_method(struct json_value v, struct jsonrpc *out)
{
	struct buf b;

	buf_init(&b, JSONRPC_METHOD_SIZE - 1);
	bool is_good = json_unescape(v, &b) && b.len > 0;
	for (size_t i = 0, n; is_good && i < b.len; i += n) {
		uint32_t code;

		n = utf8_decode(b.data + i, b.len - i, &code);
		is_good = n && code;
	}
	if (is_good)
		memcpy(out->method, b.data, b.len + 1);
	buf_release(&b);
	return is_good;
}

#define INPUT_REQUIRED "input_required"

struct message { /* the members as they stand; JSON_NONE = absent */
	struct json_value version, id, method, params, meta, arguments, result, error;
	bool has_twin;       /* some key differs from one of ours only by case */
	bool is_id_in_doubt; /* two keys might be taken for the id */
	bool is_error_result, is_input_required;
};

static void read_member(struct span key, struct json_value value, struct message *m)
{
	static const char *const id[] = { "id" };
	struct json_value *const places[] = { &m->version, &m->id, &m->method, &m->params,
		&m->result, &m->error };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (json_key_is(key, message_keys[i])) {
			m->is_id_in_doubt |= places[i] == &m->id && m->id.kind;
			*places[i] = value;
			return;
		}
	}
	m->has_twin |= json_key_is_case_twin(key, message_keys, ARRAY_LEN(message_keys));
	m->is_id_in_doubt |= json_key_is_case_twin(key, id, 1);
}

/* Walks the document: only for what has no outline. */
static void read_members(struct json_value root, struct message *m)
{
	struct json_iter it = json_iter(root);
	struct json_value value;
	struct span key;

	*m = (struct message){ 0 };
	while (it.is_object && json_next(&it, &key, &value))
		read_member(key, value, m);
	m->meta = json_get(m->params, "_meta");
	m->arguments = json_get(m->params, "arguments");
	m->is_error_result = json_get(m->result, "isError").kind == JSON_TRUE;
	m->is_input_required = json_string_is(json_get(m->result, "resultType"), INPUT_REQUIRED);
}

static void read_result_member(const struct json_member *member, struct message *m)
{
	if (json_key_is(member->key, "isError"))
		m->is_error_result = member->value.kind == JSON_TRUE;
	if (json_key_is(member->key, "resultType"))
		m->is_input_required = json_string_is(member->value, INPUT_REQUIRED);
}

static void read_outline(const struct json_outline *o, struct message *m)
{
	int result = -1, params = -1;

	*m = (struct message){ 0 };
	for (size_t i = 0; i < o->n; i++) {
		const struct json_member *member = &o->members[i];
		if (member->parent < 0) {
			read_member(member->key, member->value, m);
			if (json_key_is(member->key, "result"))
				result = (int)i;
			if (json_key_is(member->key, "params"))
				params = (int)i;
		} else if (member->parent == result) {
			read_result_member(member, m);
		} else if (member->parent == params && json_key_is(member->key, "_meta")) {
			m->meta = member->value;
		} else if (member->parent == params && json_key_is(member->key, "arguments")) {
			m->arguments = member->value;
		}
	}
}

/* What may be meant as a response must not be answered with its id: that one names a request of our
 * own side. */
static struct json_value answerable_id(const struct message *m)
{
	bool may_be_response = m->result.kind || m->error.kind;

	return is_id(m->id) && !m->is_id_in_doubt && !may_be_response ? m->id
								      : (struct json_value){ 0 };
}

static void classify_call(const struct message *m, struct jsonrpc *out)
{
	struct span which;

	if (m->result.kind || m->error.kind)
		refuse(out, -32600, "a method beside a result or an error");
	else if (m->id.kind && !is_id(m->id))
		refuse(out, -32600, "the id is neither a string nor an integer of at most %d bytes",
			JSONRPC_MAX_ID_BYTES);
	else if (!read_method(m->method, out))
		refuse(out, -32600, "the method is not text of 1 to %d bytes",
			JSONRPC_METHOD_SIZE - 1);
	else if (m->params.kind && m->params.kind != JSON_OBJECT && m->params.kind != JSON_ARRAY)
		refuse(out, -32600, "params is neither an object nor an array");
	else if (json_has_case_twin(m->params, params_keys, ARRAY_LEN(params_keys), &which))
		refuse(out, -32600, "a key of params differs from a protocol key only by case");
	else
		out->kind = m->id.kind ? JSONRPC_REQUEST : JSONRPC_NOTIFICATION;
}

static void classify_response(const struct message *m, struct jsonrpc *out)
{
	bool is_error = m->error.kind != JSON_NONE;

	if (!is_error && m->result.kind == JSON_NONE)
		refuse(out, -32600, "neither a method nor a result nor an error");
	else if (is_error && m->result.kind)
		refuse(out, -32600, "a result beside an error");
	else if (is_error && m->error.kind != JSON_OBJECT)
		refuse(out, -32600, "the error is not an object");
	else if (!is_id(m->id) && !(is_error && m->id.kind <= JSON_NULL))
		refuse(out, -32600, "the id is neither a string nor an integer of at most %d bytes",
			JSONRPC_MAX_ID_BYTES);
	else
		out->kind = is_error ? JSONRPC_ERROR : JSONRPC_RESULT;
}

static void classify(struct json_value root, const struct message *m, struct jsonrpc *out)
{
	*out = (struct jsonrpc){ .root = root };
	if (root.kind != JSON_OBJECT)
		refuse(out, -32600, "not an object");
	else if (m->has_twin)
		refuse(out, -32600, "a key differs from a protocol key only by case");
	else if (!json_string_is(m->version, "2.0"))
		refuse(out, -32600, "\"jsonrpc\" is not \"2.0\"");
	else if (m->method.kind)
		classify_call(m, out);
	else
		classify_response(m, out);
	if (out->kind == JSONRPC_INVALID) {
		out->method[0] = '\0';
		out->id = answerable_id(m);
		return;
	}
	out->id = m->id;
	out->params = m->params;
	out->meta = m->meta;
	out->arguments = m->arguments;
	out->result = m->result;
	out->error = m->error;
	out->is_error_result = m->is_error_result;
	out->is_input_required = m->is_input_required;
}

void jsonrpc_classify(struct json_value root, struct jsonrpc *out)
{
	struct message m;

	read_members(root, &m);
	classify(root, &m, out);
}

/* The fault is no fault of the grammar: the members can be told, so that the sender is answered by
 * id. */
static bool is_well_formed(enum jsonscan_fault f)
{
	return f == JSONSCAN_DUPLICATE_KEY || f == JSONSCAN_NUL_IN_KEY ||
	       f == JSONSCAN_SURROGATE_IN_KEY;
}

void jsonrpc_read(struct span line, struct jsonrpc *out)
{
	struct json_value root;
	struct json_outline outline;
	struct message m;
	size_t offset;
	enum jsonscan_fault fault = jsonscan_outline(line, &root, &offset, &outline);

	if (fault == JSONSCAN_OK && root.kind != JSON_ARRAY) {
		if (outline.is_whole)
			read_outline(&outline, &m);
		else
			read_members(root, &m);
		classify(root, &m, out);
		return;
	}
	*out = (struct jsonrpc){ .kind = JSONRPC_BATCH };
	if (fault)
		refuse(out, is_well_formed(fault) ? -32600 : -32700, "%s at byte %zu",
			jsonscan_fault_text(fault), offset);
	else
		out->root = root;
	if (is_well_formed(fault)) {
		read_members(root, &m);
		out->id = answerable_id(&m);
	}
}

/* ---- guessing -------------------------------------------------------------------------------- */

static size_t end_of_string(struct span s, size_t quote)
{
	size_t i = quote + 1;

	while (i < s.len && s.at[i] != '"')
		i += s.at[i] == '\\' ? 2 : 1;
	return i < s.len ? i + 1 : s.len;
}

static enum jsonrpc_kind kind_of_key(struct span quoted)
{
	static const struct { const char *key; enum jsonrpc_kind kind; } keys[] = {
		{ "\"result\"", JSONRPC_RESULT }, { "\"error\"", JSONRPC_ERROR }, { "\"method\"", JSONRPC_REQUEST },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (span_is(quoted, keys[i].key))
			return keys[i].kind;
	return JSONRPC_INVALID;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(struct span s, size_t i)
{
	while (i < s.len && is_blank(s.at[i]))
		i++;
	return i;
}

/* Where a string or number that begins there ends; s.len when that is not there. */
static size_t end_of_scalar(struct span s, size_t i)
{
	if (i < s.len && s.at[i] == '"')
		return end_of_string(s, i);
	while (i < s.len && !is_blank(s.at[i]) && s.at[i] != ',' && s.at[i] != '}')
		i++;
	return i;
}

static struct json_value guess_id(struct span s, size_t after_key)
{
	size_t colon = skip_blanks(s, after_key), from = skip_blanks(s, colon + 1), end = end_of_scalar(s, from);
	struct json_value id = { 0 };

	if (end >= s.len || s.at[colon] != ':')
		return id;
	if (jsonscan_check((struct span){ s.at + from, end - from }, &id, NULL) == JSONSCAN_OK && is_id(id))
		return id;
	return (struct json_value){ 0 };
}

/* Walks along the keys at the top. */
enum jsonrpc_kind jsonrpc_guess(struct span s, struct json_value *id)
{
	enum jsonrpc_kind kind = JSONRPC_INVALID;
	size_t i = skip_blanks(s, 0), next;
	bool is_key = false;
	int depth = 0;

	*id = (struct json_value){ 0 };
	if (i == s.len || s.at[i] != '{')
		return JSONRPC_INVALID;
	for (; i < s.len && kind == JSONRPC_INVALID; i = next) {
		char c = s.at[i];
		next = c == '"' ? end_of_string(s, i) : i + 1;
		if (c == '"' && is_key) {
			struct span key = { s.at + i, next - i };
			kind = kind_of_key(key);
			if (span_is(key, "\"id\""))
				*id = guess_id(s, next);
		}
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		is_key = is_blank(c) ? is_key : depth == 1 && (c == '{' || c == ',');
	}
	return kind;
}

bool jsonrpc_id_key(struct json_value id, struct buf *key)
{
	return is_id(id) && json_canonical(id, key);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool append_head(struct buf *b)
{
	return buf_append_text(b, "{\"jsonrpc\":\"2.0\"");
}

static bool append_id(struct buf *b, struct json_value id)
{
	return buf_append_text(b, ",\"id\":") &&
	       buf_append_span(b, id.kind ? id.text : SPAN("null"));
}

/* Leaves b as it was when something did not fit. */
static bool finish(struct buf *b, size_t before, bool fits)
{
	if (!fits)
		buf_truncate(b, before);
	return fits;
}

bool jsonrpc_write_error(
	struct buf *b, struct json_value id, int code, struct span message, struct span data)
{
	size_t before = b->len;
	bool fits = append_head(b) && append_id(b, id) &&
		    buf_printf(b, ",\"error\":{\"code\":%d,\"message\":", code) &&
		    json_quote(b, message);

	if (fits && data.len)
		fits = buf_append_text(b, ",\"data\":") && buf_append_span(b, data);
	return finish(b, before, fits && buf_append_text(b, "}}"));
}

bool jsonrpc_write_result(struct buf *b, struct json_value id, struct span result)
{
	size_t before = b->len;
	bool fits = append_head(b) && append_id(b, id) && buf_append_text(b, ",\"result\":") &&
		    buf_append_span(b, result) && buf_append_char(b, '}');

	return finish(b, before, fits);
}

bool jsonrpc_write_call(struct buf *b, struct json_value id, const char *method, struct span params)
{
	size_t before = b->len;
	bool fits = append_head(b) && (id.kind == JSON_NONE || append_id(b, id)) &&
		    buf_append_text(b, ",\"method\":") && json_quote(b, span_of(method));

	if (fits && params.len)
		fits = buf_append_text(b, ",\"params\":") && buf_append_span(b, params);
	return finish(b, before, fits && buf_append_char(b, '}'));
}
