/* config_schema - the table of keys as JSON Schema, draft-07: what editors (yaml-language-server) understand (config.h). */
#include "domain/config_out.h"
#include "domain/config_table.h"

#define DURATION "([0-9]+(\\.[0-9]{1,6})?(ms|s|m|h|d|w))+"

static void write_table(struct out *o, const struct config_table *table);

static const char *form_pattern(enum config_form form)
{
	switch (form) {
	case FORM_NAME:
	case FORM_BACKEND:
	case FORM_AGENT:
	case FORM_PERSON:
	case FORM_ROOM: return "^(?!.*__)[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
	case FORM_UID: return "^uid:[0-9]{1,10}$";
	case FORM_URL: return "^[Hh][Tt][Tt][Pp][Ss]?://[^ ]+$";
	case FORM_PROXY: return "^[A-Za-z0-9]+://[^ ]+$";
	case FORM_ADDRESS: return ":[0-9]{1,5}$";
	case FORM_HEADER: return "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
	case FORM_VARIABLE: return "^[A-Za-z_][A-Za-z0-9_]*$";
	case FORM_REPOSITORY: return "^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$";
	case FORM_CREDENTIAL: return "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$";
	case FORM_PATH: return "^[^~]";
	case FORM_GLOB: return "^.{1,500}$";
	case FORM_LINE:
	case FORM_TEXT: break;
	}
	return "";
}

static void write_enum(struct out *o, const char *const *words)
{
	out_open_list(o, "enum");
	for (; *words; words++) {
		if (strcmp(*words, "true") == 0 || strcmp(*words, "false") == 0)
			out_raw(o, NULL, *words);
		else
			out_text(o, NULL, *words);
	}
	out_close_list(o);
}

static void write_pattern(struct out *o, const char *pattern)
{
	out_text(o, "type", "string");
	if (*pattern)
		out_text(o, "pattern", pattern);
}

/* "" is "not set" wherever a single text is wanted. */
static void write_string(struct out *o, const struct config_key *key)
{
	const char *pattern = form_pattern(key->form);
	char with_empty[120];

	if (key->words) {
		write_enum(o, key->words);
		return;
	}
	snprintf(with_empty, sizeof with_empty, "^$|%s", pattern);
	write_pattern(o, *pattern ? with_empty : "");
}

static void write_item(struct out *o, const char *name, const struct config_key *key)
{
	out_open_map(o, name);
	if (key->words)
		write_enum(o, key->words);
	else
		write_pattern(o, form_pattern(key->form));
	out_close_map(o);
}

static void write_array(struct out *o, const struct config_key *key)
{
	out_text(o, "type", "array");
	write_item(o, "items", key);
}

static void write_list(struct out *o, const struct config_key *key)
{
	if (!(key->flags & KEY_ONE_OR_MORE)) {
		write_array(o, key);
		return;
	}
	out_open_list(o, "anyOf");
	write_item(o, NULL, key);
	out_open_map(o, NULL);
	write_array(o, key);
	out_close_map(o);
	out_close_list(o);
}

static void write_range(struct out *o, const struct config_key *key)
{
	out_text(o, "type", "integer");
	out_number(o, "minimum", key->min);
	out_number(o, "maximum", key->max);
}

static void write_reference(struct out *o, const char *name, const char *to)
{
	out_open_map(o, name);
	out_text(o, "$ref", to);
	out_close_map(o);
}

static void write_names(struct out *o, enum config_form form)
{
	out_text(o, "type", "object");
	out_open_map(o, "propertyNames");
	out_text(o, "pattern", form_pattern(form));
	out_close_map(o);
}

static void write_named(struct out *o, const struct config_key *key, const char *to)
{
	write_names(o, key->type == CONFIG_LIMITS ? FORM_GLOB : key->form);
	write_reference(o, "additionalProperties", to);
}

static void write_objects(struct out *o, const struct config_key *key)
{
	bool is_map = key->type == CONFIG_MAP;

	if (is_map)
		write_names(o, key->form);
	else
		out_text(o, "type", "array");
	if (key->min > 0)
		out_number(o, "minProperties", key->min);
	out_open_map(o, is_map ? "additionalProperties" : "items");
	write_table(o, key->table);
	out_close_map(o);
}

static void write_nothing(struct out *o)
{
	out_open_list(o, "enum");
	out_text(o, NULL, "none");
	out_open_map(o, NULL);
	out_close_map(o);
	out_close_list(o);
}

/* Beside a bare $ref draft-07 ignores everything else. */
static void write_secret(struct out *o)
{
	out_open_list(o, "allOf");
	write_reference(o, NULL, "#/definitions/secret");
	out_close_list(o);
}

static void write_type(struct out *o, const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_BOOL: out_text(o, "type", "boolean"); break;
	case CONFIG_SWITCH:
	case CONFIG_WORD: write_enum(o, key->words); break;
	case CONFIG_INT:
	case CONFIG_COUNT: write_range(o, key); break;
	case CONFIG_DURATION:
		write_pattern(
			o, key->flags & KEY_AUTO ? "^(auto|" DURATION ")$" : "^" DURATION "$");
		break;
	case CONFIG_SIZE: write_pattern(o, "^[0-9]+(\\.[0-9]{1,6})?(B|KiB|MiB|GiB)$"); break;
	case CONFIG_STRING: write_string(o, key); break;
	case CONFIG_LIST: write_list(o, key); break;
	case CONFIG_SECRET: write_secret(o); break;
	case CONFIG_SECRETS: write_named(o, key, "#/definitions/secret"); break;
	case CONFIG_LIMITS: write_named(o, key, "#/definitions/limits"); break;
	case CONFIG_SECTION: write_table(o, key->table); break;
	case CONFIG_MAP:
	case CONFIG_OBJECTS: write_objects(o, key); break;
	case CONFIG_EMPTY: write_nothing(o); break;
	}
}

static void write_words(struct out *o, const char *name, const char *words)
{
	char word[64];

	out_open_list(o, name);
	for (size_t len; *words; words += len + (words[len] == ' ')) {
		len = strcspn(words, " ");
		snprintf(word, sizeof word, "%.*s", (int)len, words);
		out_text(o, NULL, word);
	}
	out_close_list(o);
}

static void write_default(struct out *o, const struct config_key *key)
{
	bool is_literal =
		key->type == CONFIG_BOOL || key->type == CONFIG_INT || key->type == CONFIG_COUNT;

	if (!key->fallback || (key->flags & KEY_REQUIRED))
		return;
	if (key->type == CONFIG_LIST)
		write_words(o, "default", key->fallback);
	else if (is_literal || strcmp(key->fallback, "true") == 0 ||
		 strcmp(key->fallback, "false") == 0)
		out_raw(o, "default", key->fallback);
	else
		out_text(o, "default", key->fallback);
}

static void write_key(struct out *o, const struct config_key *key)
{
	out_open_map(o, key->name);
	out_text(o, "description", key->doc);
	if (key->flags & KEY_OF_GO)
		out_text(o, "$comment", "also a key of the Go predecessor");
	write_type(o, key);
	write_default(o, key);
	out_close_map(o);
}

static void write_required(struct out *o, const struct config_table *table)
{
	out_open_list(o, "required");
	for (size_t i = 0; i < table->n; i++)
		if (table->keys[i].flags & KEY_REQUIRED)
			out_text(o, NULL, table->keys[i].name);
	out_close_list(o);
}

static void write_table(struct out *o, const struct config_table *table)
{
	out_text(o, "type", "object");
	out_bool(o, "additionalProperties", false);
	write_required(o, table);
	out_open_map(o, "properties");
	for (size_t i = 0; i < table->n; i++)
		write_key(o, &table->keys[i]);
	out_close_map(o);
}

/* { NAME: text or argv } and nothing beside it */
static void write_source(struct out *o, const char *name, enum config_form form)
{
	const struct config_key argv = { .type = CONFIG_LIST, .form = FORM_TEXT };

	out_open_map(o, NULL);
	out_text(o, "type", "object");
	out_bool(o, "additionalProperties", false);
	write_words(o, "required", name);
	out_open_map(o, "properties");
	out_open_map(o, name);
	if (form == FORM_TEXT)
		write_array(o, &argv);
	else
		write_pattern(o, form_pattern(form));
	out_close_map(o);
	out_close_map(o);
	out_close_map(o);
}

static void write_definitions(struct out *o)
{
	out_open_map(o, "definitions");
	out_open_map(o, "secret");
	out_open_list(o, "anyOf");
	out_open_map(o, NULL);
	out_text(o, "type", "string");
	out_close_map(o);
	write_source(o, "file", FORM_PATH);
	write_source(o, "env", FORM_VARIABLE);
	write_source(o, "credential", FORM_CREDENTIAL);
	write_source(o, "command", FORM_TEXT);
	out_close_list(o);
	out_close_map(o);
	out_open_map(o, "limit");
	write_table(o, &config_limit_table);
	out_close_map(o);
	out_open_map(o, "limits");
	out_open_list(o, "anyOf");
	write_reference(o, NULL, "#/definitions/limit");
	out_open_map(o, NULL);
	out_text(o, "type", "array");
	write_reference(o, "items", "#/definitions/limit");
	out_close_map(o);
	out_close_list(o);
	out_close_map(o);
	out_close_map(o);
}

bool config_schema(struct buf *b)
{
	struct out o = out_begin(b, true);

	out_text(&o, "$schema", "http://json-schema.org/draft-07/schema#");
	out_text(&o, "title", "aegis.yaml");
	write_table(&o, &config_root);
	write_definitions(&o);
	return out_end(&o);
}
