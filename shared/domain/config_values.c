/* config_values - from a node of the file into a field (config_loader.h). */
#include <assert.h>
#include <strings.h>
#include "base/nearest.h"
#include "base/xalloc.h"
#include "domain/config_loader.h"
#include "domain/config_text.h"

#define MAX_SECRETS 64 /* headers of a request, variables of a child */

/* ---- text ------------------------------------------------------------------------------------ */
/* The section whose names a text of that form must be one of; NULL: none. */
static const char *section_of(enum config_form form)
{
	switch (form) {
	case FORM_BACKEND: return "backends";
	case FORM_AGENT: return "agents";
	case FORM_PERSON: return "people";
	case FORM_ROOM: return "rooms";
	default: return NULL;
	}
}

static bool name_exists(
	struct loader *l, const struct place *at, const char *section, const char *name)
{
	const struct yaml_node *map = yaml_get(l->root, section);

	if (yaml_get(map, name))
		return true;
	size_t n = 0;
	const char **names = xcalloc(map ? map->n + 1 : 1, sizeof *names);
	for (const struct yaml_node *x = map ? map->first : NULL; x && x->key; x = x->next)
		names[n++] = x->key->text;
	const char *near = nearest_word(span_of(name), names, n);
	loader_error(l, at, "%s is not in %s%s%s%s", shown_of(name).text, section,
		near ? ", did you mean " : "", near ? shown_of(near).text : "", near ? "?" : "");
	free(names);
	return false;
}

bool loader_text(struct loader *l, const struct place *at, enum config_form form, const char *text,
	char **out)
{
	const char *section = section_of(form);
	struct problem why;

	assert(text); /* only values in lists have no key */
	if (!config_text_has_form(form, text, &why)) {
		loader_error(l, at, "%s", why.text);
		return false;
	}
	if (section && !name_exists(l, at, section, text))
		return false;
	free(*out);
	bool is_relative = form == FORM_PATH && text[0] != '/';
	*out = is_relative ? xasprintf("%s/%s", l->folder, text) : xstrdup(text);
	return true;
}

static bool is_text(struct loader *l, const struct place *at)
{
	if (at->node->kind == YAML_TEXT && !yaml_is_null(at->node))
		return true;
	loader_error(l, at, "expected text");
	return false;
}

static bool is_one_of(struct loader *l, const struct place *at, const char *const *words)
{
	const struct config_key key = { .type = CONFIG_WORD, .words = words };
	struct problem why;
	int which;

	if (!words || config_text_read(&key, at->node->text, true, &which, &why))
		return true;
	loader_error(l, at, "%s", why.text);
	return false;
}

static void load_string(
	struct loader *l, const struct place *at, const struct config_key *key, char **out)
{
	if (!is_text(l, at) || at->node->text[0] == '\0' || !is_one_of(l, at, key->words))
		return;
	if (key->flags & KEY_IS_IGNORED)
		loader_warn(l, at,
			"this key of older versions is ignored; the audit lives in the state folder (state_dir)");
	loader_text(l, at, key->form, at->node->text, out);
}

static void load_scalar(
	struct loader *l, const struct place *at, const struct config_key *key, void *field)
{
	struct problem why;

	if (at->node->kind != YAML_TEXT)
		loader_error(l, at, "expected one value, not a list or map");
	else if (!config_text_read(key, at->node->text, at->node->is_quoted, field, &why))
		loader_error(l, at, "%s", why.text);
}

/* ---- lists ----------------------------------------------------------------------------------- */
static void list_release(struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct config_list){ 0 };
}

static void load_item(struct loader *l, const struct place *at, const struct config_key *key,
	struct config_list *out)
{
	if (!is_text(l, at) || !is_one_of(l, at, key->words))
		return;
	if (at->node->text[0] == '\0')
		loader_error(l, at, "must not be empty");
	else if (loader_text(l, at, key->form, at->node->text, &out->v[out->n]))
		out->n++;
}

static void load_list(struct loader *l, const struct place *at, const struct config_key *key,
	struct config_list *out)
{
	bool is_single = at->node->kind == YAML_TEXT && (key->flags & KEY_ONE_OR_MORE);

	if (at->node->kind != YAML_LIST && !is_single) {
		loader_error(l, at, "expected a list%s",
			at->node->kind == YAML_TEXT ? ": write [\"...\"]" : "");
		return;
	}
	list_release(out);
	out->is_set = true;
	out->v = xcalloc(at->node->n + 1, sizeof(*out->v));
	if (is_single)
		load_item(l, at, key, out);
	size_t i = 0;
	for (const struct yaml_node *n = at->node->first; n; n = n->next)
		load_item(l, &(struct place){ .up = at, .index = i++, .node = n }, key, out);
}

/* ---- secrets --------------------------------------------------------------------------------- */
static void load_plain_secret(struct loader *l, const struct place *at, struct config_secret *out)
{
	if (strcmp(at->node->text, CONFIG_HIDDEN) == 0)
		loader_error(l, at,
			"this is the output of `aegisctl config show`, which hides the secret that stood here");
	else if (at->node->text[0] && loader_text(l, at, FORM_LINE, at->node->text, &out->text))
		out->source = SECRET_PLAIN;
}

static const struct {
	const char *key;
	enum config_secret_source source;
	enum config_form form;
} secret_sources[] = {
	{ "file", SECRET_FILE, FORM_PATH },
	{ "env", SECRET_ENV, FORM_VARIABLE },
	{ "credential", SECRET_CREDENTIAL, FORM_CREDENTIAL },
	{ "command", SECRET_COMMAND, FORM_TEXT },
};

static void load_secret_source(struct loader *l, const struct place *at, struct config_secret *out)
{
	const struct yaml_node *only = at->node->first;
	struct place here = { .up = at, .key = only->key->text, .node = only };
	size_t i = 0;

	while (i < ARRAY_LEN(secret_sources) && strcmp(secret_sources[i].key, here.key) != 0)
		i++;
	if (i == ARRAY_LEN(secret_sources)) {
		loader_error(l, &here, "unknown key, expected file, env, credential or command");
		return;
	}
	out->source = secret_sources[i].source;
	if (out->source != SECRET_COMMAND) {
		if (is_text(l, &here))
			loader_text(l, &here, secret_sources[i].form, only->text, &out->text);
		if (out->source == SECRET_FILE && out->text[0] && config_secret_is_missing(out))
			loader_warn(l, at, "there is no such file yet; what needs it does not work until it is there");
		return;
	}
	load_list(l, &here, &(struct config_key){ .form = FORM_TEXT }, &out->argv);
	if (only->kind == YAML_LIST && only->n == 0)
		loader_error(l, &here, "expected a program and its arguments");
}

static void load_secret(struct loader *l, const struct place *at, struct config_secret *out)
{
	if (at->node->kind == YAML_TEXT)
		load_plain_secret(l, at, out);
	else if (at->node->kind == YAML_MAP && at->node->n == 1)
		load_secret_source(l, at, out);
	else
		loader_error(l, at,
			"expected text or one of {file: PATH}, {env: NAME}, {credential: NAME}, {command: [...]}");
}

static void warn_plain(struct loader *l, const struct place *at, const struct config_secret *s)
{
	if (s->source == SECRET_PLAIN)
		loader_warn(l, at, "a secret in plain text: better {env: NAME} or {file: PATH}");
}

static bool sounds_secret(const char *name)
{
	static const char *const parts[] = { "auth", "token", "key", "secret", "cookie", "pass",
		"credential" };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

static void load_named_secret(struct loader *l, const struct place *at,
	const struct config_key *key, struct config_secrets *out)
{
	struct config_named_secret *s = &out->v[out->n++];
	struct place name = { .up = at->up, .key = at->key, .node = at->node->key };

	*s = (struct config_named_secret){ .name = xstrdup(""), .value.text = xstrdup("") };
	loader_text(l, &name, key->form, at->key, &s->name);
	for (size_t i = 0; i + 1 < out->n; i++)
		if (key->form == FORM_HEADER && strcasecmp(out->v[i].name, s->name) == 0)
			loader_error(l, &name, "this header stands here twice");
	load_secret(l, at, &s->value);
	if (sounds_secret(at->key))
		warn_plain(l, at, &s->value);
}

static void load_secrets(struct loader *l, const struct place *at, const struct config_key *key,
	struct config_secrets *out)
{
	if (!loader_wants_map(l, at, "a map of names and values"))
		return;
	if (at->node->n > MAX_SECRETS) {
		loader_error(l, at, "more than %d names", MAX_SECRETS);
		return;
	}
	out->v = xcalloc(at->node->n + 1, sizeof(*out->v));
	for (const struct yaml_node *n = at->node->first; n; n = n->next)
		load_named_secret(
			l, &(struct place){ .up = at, .key = n->key->text, .node = n }, key, out);
}

/* ---- limits ---------------------------------------------------------------------------------- */
static void load_limit(struct loader *l, const struct place *at, struct config_tool_limits *out)
{
	if (loader_wants_map(
		    l, at, "a limit such as { window: 1h, max_count: 10 }, or a list of them"))
		loader_table(l, at, &config_limit_table, &out->v[out->n++]);
}

static void load_tool_limits(
	struct loader *l, const struct place *at, struct config_tool_limits *out)
{
	struct place name = { .up = at->up, .key = at->key, .node = at->node->key };
	bool is_list = at->node->kind == YAML_LIST;
	size_t i = 0;

	*out = (struct config_tool_limits){ .tool = xstrdup(""), .line = at->node->key->line };
	out->v = xcalloc(is_list ? at->node->n + 1 : 1, sizeof(*out->v));
	loader_text(l, &name, FORM_GLOB, at->key, &out->tool);
	if (!is_list) {
		load_limit(l, at, out);
		return;
	}
	for (const struct yaml_node *n = at->node->first; n; n = n->next)
		load_limit(l, &(struct place){ .up = at, .index = i++, .node = n }, out);
}

static void load_limits(struct loader *l, const struct place *at, struct config_limits *out)
{
	if (!loader_wants_map(l, at, "a map of tools and their limits"))
		return;
	out->v = xcalloc(at->node->n + 1, sizeof(*out->v));
	for (const struct yaml_node *n = at->node->first; n; n = n->next)
		load_tool_limits(l, &(struct place){ .up = at, .key = n->key->text, .node = n },
			&out->v[out->n++]);
}

/* ---- objects --------------------------------------------------------------------------------- */
static void load_object(
	struct loader *l, const struct place *at, const struct config_key *key, void *object)
{
	const struct config_table *table = key->table;
	const struct yaml_node *mark = at->node->key ? at->node->key : at->node;

	memcpy(config_field(object, table->line_offset), &mark->line, sizeof mark->line);
	if (key->type == CONFIG_MAP) {
		*(char **)object = xstrdup("");
		struct place name = { .up = at->up, .key = at->key, .node = at->node->key };
		loader_text(l, &name, key->form, at->key, object);
	}
	if (!yaml_is_null(at->node))
		loader_wants_map(l, at, "a map of keys");
	loader_table(l, at, table, object);
}

static void load_objects(
	struct loader *l, const struct place *at, const struct config_key *key, void *object)
{
	enum yaml_kind kind = key->type == CONFIG_MAP ? YAML_MAP : YAML_LIST;
	char *v = NULL;
	size_t i = 0;

	if (at->node->kind != kind) {
		loader_error(l, at, "expected %s", kind == YAML_MAP ? "a map of names" : "a list");
		return;
	}
	if ((int64_t)at->node->n < key->min)
		loader_error(l, at, "at least one is needed");
	v = xcalloc(at->node->n + 1, key->table->size);
	memcpy(config_field(object, key->offset), &v, sizeof v);
	memcpy(config_field(object, key->count_offset), &at->node->n, sizeof at->node->n);
	for (const struct yaml_node *n = at->node->first; n; n = n->next, i++) {
		struct place here = {
			.up = at, .key = n->key ? n->key->text : NULL, .index = i, .node = n
		};
		load_object(l, &here, key, v + i * key->table->size);
	}
}

static void refuse_content(struct loader *l, const struct place *at)
{
	bool is_none = at->node->kind == YAML_TEXT ? strcmp(at->node->text, "none") == 0
						   : at->node->n == 0;

	if (!is_none)
		loader_error(l, at, "this version cannot do that; leave it out");
}

void loader_value(
	struct loader *l, const struct place *at, const struct config_key *key, void *object)
{
	void *field = config_field(object, key->offset);

	switch (key->type) {
	case CONFIG_STRING: load_string(l, at, key, field); break;
	case CONFIG_LIST: load_list(l, at, key, field); break;
	case CONFIG_SECRET:
		load_secret(l, at, field);
		if (!(key->flags & KEY_PLAIN_IS_FINE))
			warn_plain(l, at, field);
		break;
	case CONFIG_SECRETS: load_secrets(l, at, key, field); break;
	case CONFIG_LIMITS: load_limits(l, at, field); break;
	case CONFIG_MAP:
	case CONFIG_OBJECTS: load_objects(l, at, key, object); break;
	case CONFIG_EMPTY: refuse_content(l, at); break;
	default: load_scalar(l, at, key, field);
	}
}
