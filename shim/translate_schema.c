#include "shim/translate_schema.h"

#define MOVED "#/properties/result"          /* where the schema stands in the one that wraps it */

bool translate_schema_wraps(struct json_value output_schema)
{
	return output_schema.kind == JSON_OBJECT && !json_string_is(json_get(output_schema, "type"), "object");
}

/* ---- references within the schema follow it ---------------------------------------------------------------------------------------- */
static bool is_named(struct span key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (json_key_is(key, names[i]))
			return true;
	return false;
}

static bool holds_data(struct span key)
{
	static const char *const keywords[] = { "const", "enum", "default", "examples" };

	return is_named(key, keywords, sizeof(keywords) / sizeof(keywords[0]));
}

/* Of schemas, by names of the author's own choice. */
static bool holds_names(struct span key)
{
	static const char *const keywords[] = { "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies" };

	return is_named(key, keywords, sizeof(keywords) / sizeof(keywords[0]));
}

static bool has_base_of_its_own(struct json_value schema)
{
	struct json_value id = json_get(schema, "$id");

	return id.kind != JSON_NONE && !(id.kind == JSON_STRING && id.text.at[1] == '#');
}

static bool is_reference(struct span key, struct json_value v)
{
	static const char *const keywords[] = { "$ref", "$dynamicRef" };
	bool is_pointer = v.kind == JSON_STRING && v.text.at[1] == '#' && (v.text.at[2] == '"' || v.text.at[2] == '/');

	return is_pointer && is_named(key, keywords, sizeof(keywords) / sizeof(keywords[0]));
}

static bool move(struct json_value v, bool are_names, struct buf *out);

static bool move_member(struct span key, struct json_value value, bool is_name, struct buf *out)
{
	if (!buf_append_span(out, key) || !buf_append_char(out, ':'))
		return false;
	if (is_name)
		return move(value, false, out);
	if (is_reference(key, value))
		return buf_append_text(out, "\"" MOVED) && buf_append(out, value.text.at + 2, value.text.len - 2);
	return holds_data(key) ? buf_append_span(out, value.text) : move(value, holds_names(key), out);
}

static bool move(struct json_value v, bool are_names, struct buf *out)
{
	struct json_iter it = json_iter(v);
	bool is_object = v.kind == JSON_OBJECT, ok, has_member = false;
	struct json_value value;
	struct span key;

	if ((!is_object && v.kind != JSON_ARRAY) || (is_object && !are_names && has_base_of_its_own(v)))
		return buf_append_span(out, v.text);
	ok = buf_append_char(out, is_object ? '{' : '[');
	while (ok && json_next(&it, &key, &value)) {
		ok = (!has_member || buf_append_char(out, ',')) &&
		     (is_object ? move_member(key, value, are_names, out) : move(value, false, out));
		has_member = true;
	}
	return ok && buf_append_char(out, is_object ? '}' : ']');
}

/* ---- tools ------------------------------------------------------------------------------------------------------------------------- */
static bool write_wrapped(struct json_value schema, struct buf *out)
{
	struct json_value dialect = json_get(schema, "$schema");

	return buf_append_char(out, '{') &&
	       (dialect.kind != JSON_STRING || (buf_append_text(out, "\"$schema\":") && buf_append_span(out, dialect.text) && buf_append_char(out, ','))) &&
	       buf_append_text(out, "\"type\":\"object\",\"properties\":{\"result\":") && move(schema, false, out) &&
	       buf_append_text(out, "},\"required\":[\"result\"]}");
}

static bool write_tool(struct json_value tool, struct buf *out)
{
	struct json_value schema = json_get(tool, "outputSchema");
	const char *begin = tool.text.at, *end = begin + tool.text.len, *from = schema.text.at;

	if (!translate_schema_wraps(schema))
		return buf_append_span(out, tool.text);
	return buf_append(out, begin, (size_t)(from - begin)) && write_wrapped(schema, out) &&
	       buf_append(out, from + schema.text.len, (size_t)(end - from) - schema.text.len);
}

bool translate_tools(struct json_value tools, struct buf *out)
{
	struct json_iter it = json_iter(tools);
	struct json_value tool;
	struct span key;
	bool ok, has_tool = false;

	if (tools.kind != JSON_ARRAY)
		return buf_append_span(out, tools.text);
	ok = buf_append_char(out, '[');
	while (ok && json_next(&it, &key, &tool)) {
		ok = (!has_tool || buf_append_char(out, ',')) && write_tool(tool, out);
		has_tool = true;
	}
	return ok && buf_append_char(out, ']');
}
