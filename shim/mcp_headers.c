#include "shim/mcp_headers.h"
#include <strings.h>
#include "base/base64.h"
#include "base/xalloc.h"

#define OPENING      "=?base64?"
#define CLOSING      "?="
#define PREFIX       "Mcp-Param-"
#define MAX_NAME     128                       /* bytes of one x-mcp-header */
#define MAX_PATH     16                        /* properties in properties */
#define MAX_KEY      256
#define SAFE_INTEGER 9007199254740991LL        /* 2^53 - 1: beyond it programs read different numbers */

/* ---- one value --------------------------------------------------------------------------------------------------------------------- */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.at[i] < 0x20 && s.at[i] != '\t') || (unsigned char)s.at[i] > 0x7e)
			return false;
	return true;
}

static bool looks_encoded(struct span s)
{
	size_t opening = sizeof(OPENING) - 1, closing = sizeof(CLOSING) - 1;

	return s.len >= opening + closing && memcmp(s.at, OPENING, opening) == 0 &&
	       memcmp(s.at + s.len - closing, CLOSING, closing) == 0;
}

static bool goes_as_it_is(struct span s)
{
	return s.len > 0 && !is_blank(s.at[0]) && !is_blank(s.at[s.len - 1]) && is_printable(s) && !looks_encoded(s);
}

bool mcp_header_encode(struct span text, struct buf *out)
{
	if (goes_as_it_is(text))
		return buf_append_span(out, text);
	return buf_append_text(out, OPENING) && base64_append(out, text) && buf_append_text(out, CLOSING);
}

struct json_value mcp_header_name(const struct jsonrpc *m)
{
	static const struct { const char *method, *member; } sources[] = {
		{ "tools/call",     "name"   },
		{ "prompts/get",    "name"   },
		{ "resources/read", "uri"    },
		{ "tasks/get",      "taskId" },
		{ "tasks/update",   "taskId" },
		{ "tasks/cancel",   "taskId" },
	};

	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (strcmp(m->method, sources[i].method) == 0)
			return json_get(m->params, sources[i].member);
	return (struct json_value){ 0 };
}

/* ---- which arguments --------------------------------------------------------------------------------------------------------------- */
struct mcp_param {
	char *path[MAX_PATH];                  /* names of properties, from the arguments down */
	size_t depth;
	char *header;
};

struct mcp_params {
	struct mcp_param v[MCP_HEADERS_MAX_PARAMS];
	size_t n;
};

struct walk {
	struct mcp_params *found;
	char *path[MAX_PATH];                  /* of the schema looked at */
	size_t depth;
};

void mcp_params_free(void *params)
{
	struct mcp_params *p = params;

	for (size_t i = 0; p && i < p->n; i++) {
		for (size_t k = 0; k < p->v[i].depth; k++)
			free(p->v[i].path[k]);
		free(p->v[i].header);
	}
	free(p);
}

static bool is_token(const char *s)
{
	static const char also[] = "!#$%&'*+-.^_`|~";

	for (const char *c = s; *c; c++)
		if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || strchr(also, *c)))
			return false;
	return s[0] != '\0';
}

static bool has_usable_type(struct json_value schema)
{
	struct json_value type = json_get(schema, "type");

	return json_string_is(type, "string") || json_string_is(type, "integer") || json_string_is(type, "boolean");
}

static bool is_taken(const struct mcp_params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcasecmp(p->v[i].header + sizeof(PREFIX) - 1, name) == 0)
			return true;
	return false;
}

/* False: the definition breaks the rules, and no argument of it goes into headers. */
static bool note_declaration(struct walk *w, struct json_value schema, struct json_value declared)
{
	CLEANUP(free_charp) char *name = json_text(declared, MAX_NAME);
	struct mcp_params *p = w->found;

	if (!name || w->depth == 0 || !is_token(name) || !has_usable_type(schema) || is_taken(p, name) || p->n == ARRAY_LEN(p->v))
		return false;
	struct mcp_param *one = &p->v[p->n++];
	*one = (struct mcp_param){ .depth = w->depth, .header = xcalloc(1, sizeof(PREFIX) + strlen(name)) };
	(void)snprintf(one->header, sizeof(PREFIX) + strlen(name), PREFIX "%s", name);
	for (size_t i = 0; i < w->depth; i++)
		one->path[i] = xstrdup(w->path[i]);
	return true;
}

/* Anywhere but under "properties", a declaration makes the definition invalid. */
static bool declares_anything(struct json_value v)
{
	struct json_iter it = json_iter(v);
	struct json_value member;
	struct span key;

	while (json_next(&it, &key, &member))
		if ((v.kind == JSON_OBJECT && json_key_is(key, "x-mcp-header")) || declares_anything(member))
			return true;
	return false;
}

/* Values there are data, or names of schemas' own making. */
static bool holds_schemas(struct span key)
{
	static const char *const keywords[] = {
		"items", "prefixItems", "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames",
		"patternProperties", "dependentSchemas", "oneOf", "anyOf", "allOf", "not", "if", "then", "else", "$defs", "definitions",
	};

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (json_key_is(key, keywords[i]))
			return true;
	return false;
}

static bool read_schema(struct walk *w, struct json_value schema);

static bool read_properties(struct walk *w, struct json_value properties)
{
	struct json_iter it = json_iter(properties);
	struct json_value schema;
	struct span key;
	bool ok = true;

	while (ok && properties.kind == JSON_OBJECT && json_next(&it, &key, &schema)) {
		CLEANUP(free_charp) char *name = json_text((struct json_value){ JSON_STRING, key }, MAX_KEY);
		if (!name || w->depth == MAX_PATH) {
			ok = !declares_anything(schema);        /* out of reach for us: not if it matters */
			continue;
		}
		w->path[w->depth++] = name;
		ok = read_schema(w, schema);
		w->depth--;
	}
	return ok;
}

static bool read_schema(struct walk *w, struct json_value schema)
{
	struct json_iter it = json_iter(schema);
	struct json_value member;
	struct span key;
	bool ok = true;

	while (ok && schema.kind == JSON_OBJECT && json_next(&it, &key, &member)) {
		if (json_key_is(key, "x-mcp-header"))
			ok = note_declaration(w, schema, member);
		else if (json_key_is(key, "properties"))
			ok = read_properties(w, member);
		else if (holds_schemas(key))
			ok = !declares_anything(member);
	}
	return ok;
}

struct mcp_params *mcp_params_read(struct json_value input_schema)
{
	struct walk w = { .found = NULL };

	if (!declares_anything(input_schema))
		return NULL;
	w.found = xcalloc(1, sizeof(*w.found));
	if (read_schema(&w, input_schema) && w.found->n > 0)
		return w.found;
	mcp_params_free(w.found);
	return NULL;
}

/* ---- their values ------------------------------------------------------------------------------------------------------------------ */
/* As JavaScript writes it, which is what servers compare with: no exponent, and nothing beyond the safe integers. */
static bool write_number(struct json_value v, struct buf *out)
{
	char text[64];
	double d;

	if (v.text.len >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(v.text));
	d = strtod(text, NULL);
	if (d > (double)SAFE_INTEGER || d < -(double)SAFE_INTEGER)
		return false;
	if (d == (double)(int64_t)d)
		return buf_append_int(out, (int64_t)d);
	return !strpbrk(text, "eE") && buf_append_text(out, text);
}

static bool write_plain(struct json_value v, struct buf *out)
{
	switch (v.kind) {
	case JSON_STRING: return json_unescape(v, out);
	case JSON_NUMBER: return write_number(v, out);
	case JSON_TRUE:   return buf_append_text(out, "true");
	case JSON_FALSE:  return buf_append_text(out, "false");
	case JSON_NONE: case JSON_NULL: case JSON_ARRAY: case JSON_OBJECT: break;
	}
	return false;
}

void mcp_params_each(const struct mcp_params *p, struct json_value arguments, mcp_params_fn *fn, void *arg)
{
	for (size_t i = 0; i < p->n; i++) {
		CLEANUP(buf_release) struct buf plain = { 0 }, value = { 0 };
		struct json_value v = arguments;
		for (size_t k = 0; k < p->v[i].depth; k++)
			v = json_get(v, p->v[i].path[k]);
		buf_init(&plain, MCP_HEADERS_MAX_VALUE);
		buf_init(&value, 2 * MCP_HEADERS_MAX_VALUE);
		if (write_plain(v, &plain) && mcp_header_encode(buf_span(&plain), &value))
			fn(arg, p->v[i].header, value.data);
	}
}
