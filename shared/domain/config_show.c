/* config_show - the rules in force, defaults included, so that they load again (config.h). */
#include "domain/config_out.h"
#include "domain/config_table.h"
#include "domain/config_text.h"

static void show_table(struct out *o, const struct config_table *table, const void *object);

static void show_words(struct out *o, const char *name, const char *word)
{
	bool is_bool = strcmp(word, "true") == 0 || strcmp(word, "false") == 0;

	if (o->as_json && !is_bool)
		out_text(o, name, word);
	else
		out_raw(o, name, word);
}

static void show_measure(struct out *o, const struct config_key *key, int64_t n)
{
	struct buf b;

	buf_init(&b, 64);
	bool fits = n == CONFIG_AUTO           ? buf_append_text(&b, "auto")
		    : key->type == CONFIG_SIZE ? config_text_write_size(&b, n)
					       : config_text_write_duration(&b, n);
	o->has_failed = o->has_failed || !fits;
	if (fits)
		show_words(o, key->name, b.data);
	buf_release(&b);
}

static void show_list(struct out *o, const char *name, const struct config_list *list)
{
	out_open_list(o, name);
	for (size_t i = 0; i < list->n; i++)
		out_text(o, NULL, list->v[i]);
	out_close_list(o);
}

static void show_secret_source(
	struct out *o, const char *name, const char *source, const char *text)
{
	out_open_map(o, name);
	out_text(o, source, text);
	out_close_map(o);
}

static void show_secret(struct out *o, const char *name, const struct config_secret *s)
{
	switch (s->source) {
	case SECRET_NONE: out_text(o, name, ""); break;
	case SECRET_PLAIN: out_text(o, name, CONFIG_HIDDEN); break;
	case SECRET_FILE: show_secret_source(o, name, "file", s->text); break;
	case SECRET_ENV: show_secret_source(o, name, "env", s->text); break;
	case SECRET_CREDENTIAL: show_secret_source(o, name, "credential", s->text); break;
	case SECRET_COMMAND:
		out_open_map(o, name);
		show_list(o, "command", &s->argv);
		out_close_map(o);
		break;
	}
}

static void show_secrets(struct out *o, const char *name, const struct config_secrets *secrets)
{
	out_open_map(o, name);
	for (size_t i = 0; i < secrets->n; i++)
		show_secret(o, secrets->v[i].name, &secrets->v[i].value);
	out_close_map(o);
}

static void show_tool_limits(struct out *o, const struct config_tool_limits *t)
{
	out_open_list(o, t->tool);
	for (size_t i = 0; i < t->n; i++) {
		out_open_map(o, NULL);
		show_table(o, &config_limit_table, &t->v[i]);
		out_close_map(o);
	}
	out_close_list(o);
}

static void show_limits(struct out *o, const char *name, const struct config_limits *limits)
{
	out_open_map(o, name);
	for (size_t i = 0; i < limits->n; i++)
		show_tool_limits(o, &limits->v[i]);
	out_close_map(o);
}

static void show_objects(struct out *o, const struct config_key *key, const void *object)
{
	bool is_map = key->type == CONFIG_MAP;
	size_t n = config_objects_n(key, object);

	(is_map ? out_open_map : out_open_list)(o, key->name);
	for (size_t i = 0; i < n; i++) {
		const void *one = config_object_at(key, object, i);
		out_open_map(o, is_map ? *(char *const *)one : NULL);
		show_table(o, key->table, one);
		out_close_map(o);
	}
	(is_map ? out_close_map : out_close_list)(o);
}

static void show_section(struct out *o, const struct config_key *key, const void *object)
{
	out_open_map(o, key->name);
	show_table(o, key->table, object);
	out_close_map(o);
}

static int word_of(const void *field)
{
	int which;

	memcpy(&which, field, sizeof which);
	return which;
}

static void show_key(struct out *o, const struct config_key *key, const void *object)
{
	const void *field = config_field(object, key->offset);

	switch (key->type) {
	case CONFIG_BOOL: out_bool(o, key->name, *(const bool *)field); break;
	case CONFIG_SWITCH: show_words(o, key->name, key->words[*(const bool *)field]); break;
	case CONFIG_WORD: show_words(o, key->name, key->words[word_of(field)]); break;
	case CONFIG_INT: out_number(o, key->name, *(const int64_t *)field); break;
	case CONFIG_COUNT: out_number(o, key->name, *(const uint32_t *)field); break;
	case CONFIG_DURATION:
	case CONFIG_SIZE: show_measure(o, key, *(const int64_t *)field); break;
	case CONFIG_STRING: out_text(o, key->name, *(char *const *)field); break;
	case CONFIG_LIST: show_list(o, key->name, field); break;
	case CONFIG_SECRET: show_secret(o, key->name, field); break;
	case CONFIG_SECRETS: show_secrets(o, key->name, field); break;
	case CONFIG_LIMITS: show_limits(o, key->name, field); break;
	case CONFIG_SECTION: show_section(o, key, object); break;
	case CONFIG_MAP:
	case CONFIG_OBJECTS: show_objects(o, key, object); break;
	case CONFIG_EMPTY: break;
	}
}

/* An absent allowlist allows all and an empty one nothing, so what is not set is not shown. */
static bool is_set(const struct config_key *key, const void *object)
{
	const void *field = config_field(object, key->offset);

	switch (key->type) {
	case CONFIG_EMPTY: return false;
	case CONFIG_INT: return key->fallback || *(const int64_t *)field != CONFIG_AUTO;
	case CONFIG_LIST: return key->fallback || ((const struct config_list *)field)->is_set;
	default: return true;
	}
}

static void show_table(struct out *o, const struct config_table *table, const void *object)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct config_key *key = &table->keys[i];
		bool is_idle = table->idle && table->idle(key, object);
		if (!is_idle && is_set(key, object))
			show_key(o, key, object);
	}
}

bool config_show(const struct config *c, bool as_json, struct buf *b)
{
	struct out o = out_begin(b, as_json);

	show_table(&o, &config_root, c);
	return out_end(&o);
}
