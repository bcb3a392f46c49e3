#include "domain/config_loader.h"
#include <assert.h>
#include <stdarg.h>
#include "base/nearest.h"
#include "base/xalloc.h"
#include "domain/config_text.h"

/* ---- places and what is wrong there ---------------------------------------------------------- */
struct place place_of(const struct place *at, const char *key)
{
	return (struct place){ .up = at, .key = key, .node = yaml_get(at->node, key) };
}

static size_t write_path(const struct place *at, char *out, size_t room)
{
	size_t n = at->up ? write_path(at->up, out, room) : 0;

	if (!at->up || n + 60 > room) /* the root has no name */
		return n;
	if (!at->key)
		return n + (size_t)snprintf(out + n, room - n, "[%zu]", at->index);
	return n +
	       (size_t)snprintf(out + n, room - n, "%s%s", n ? "." : "", shown_of(at->key).text);
}

/* A map or list begins somewhere behind its key, and nothing stands nowhere: the key says more. */
static const struct yaml_node *nearest_node(const struct place *at)
{
	while (at && !at->node)
		at = at->up;
	if (!at)
		return NULL;
	bool is_vague = at->node->kind != YAML_TEXT || yaml_is_null(at->node);
	return is_vague && at->node->key ? at->node->key : at->node;
}

static void PRINTF_LIKE(4, 0)
	say(struct loader *l, const struct place *at, bool is_error, const char *fmt, va_list ap)
{
	const struct yaml_node *node = nearest_node(at);
	struct problem p = { .line = node ? node->line : 0, .column = node ? node->column : 0 };
	char path[240] = "";
	char reason[sizeof p.text];

	vsnprintf(reason, sizeof reason, fmt, ap);
	bool has_path = write_path(at, path, sizeof path) > 0;
	problem_set(&p, "%.240s%s%.230s", path, has_path ? ": " : "", reason);
	config_report_add(l->report, is_error, &p);
}

void loader_error(struct loader *l, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, at, true, fmt, ap);
	va_end(ap);
}

void loader_warn(struct loader *l, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, at, false, fmt, ap);
	va_end(ap);
}

bool loader_wants_map(struct loader *l, const struct place *at, const char *wanted)
{
	if (at->node->kind == YAML_MAP)
		return true;
	loader_error(l, at, "expected %s", wanted);
	return false;
}

/* ---- tables ---------------------------------------------------------------------------------- */
#define MAX_KEYS 64 /* of one table */

static bool is_known(const struct config_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return true;
	return false;
}

static void refuse_unknown(
	struct loader *l, const struct place *at, const struct config_table *table)
{
	const char *names[MAX_KEYS];

	for (size_t i = 0; i < table->n; i++)
		names[i] = table->keys[i].name;
	bool is_map = at->node && at->node->kind == YAML_MAP;
	for (const struct yaml_node *n = is_map ? at->node->first : NULL; n; n = n->next) {
		if (is_known(table, n->key->text))
			continue;
		struct place key = { .up = at, .key = n->key->text, .node = n->key };
		const char *near = nearest_word(span_of(n->key->text), names, table->n);
		if (near)
			loader_error(l, &key, "unknown key, did you mean %s?", near);
		else
			loader_error(l, &key, "unknown key");
	}
}

static void set_scalar(const struct config_key *key, const char *text, void *field)
{
	struct problem why;
	bool is_good = config_text_read(key, text, false, field, &why);

	assert(is_good); /* defaults come from the table; a test loads every one of them */
}

static void set_list(struct config_list *list, const char *words)
{
	size_t len;

	for (; *words; words += len + (words[len] == ' ')) {
		len = strcspn(words, " ");
		list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
		list->v[list->n++] = xstrndup(words, len);
	}
}

static void set_default(const struct config_key *key, void *object)
{
	void *field = config_field(object, key->offset);

	switch (key->type) {
	case CONFIG_STRING: *(char **)field = xstrdup(key->fallback ? key->fallback : ""); break;
	case CONFIG_LIST: set_list(field, key->fallback ? key->fallback : ""); break;
	case CONFIG_SECRET:
		*(struct config_secret *)field = (struct config_secret){ .text = xstrdup("") };
		break;
	case CONFIG_INT:
		if (!key->fallback) {
			*(int64_t *)field = CONFIG_AUTO;
			break;
		}
		/* fall through */
	case CONFIG_BOOL:
	case CONFIG_SWITCH:
	case CONFIG_WORD:
	case CONFIG_COUNT:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
		if (key->fallback)
			set_scalar(key, key->fallback, field);
		break;
	default: break; /* containers start empty */
	}
}

static void load_key(
	struct loader *l, const struct place *at, const struct config_key *key, void *object)
{
	struct place here = place_of(at, key->name);
	/* `key:` with nothing behind it is as good as absent. */
	bool is_given = here.node && !yaml_is_null(here.node);

	if (key->type == CONFIG_SECTION) {
		if (is_given)
			loader_wants_map(l, &here, "a section with keys");
		loader_table(l, &here, key->table, object);
		return;
	}
	set_default(key, object);
	if (is_given)
		loader_value(l, &here, key, object);
	else if (key->flags & KEY_REQUIRED)
		loader_error(l, &here, "is missing");
}

static void warn_idle(struct loader *l, const struct place *at, const struct config_table *table,
	const void *object)
{
	for (size_t i = 0; i < table->n; i++) {
		struct place here = place_of(at, table->keys[i].name);
		const char *why = here.node ? table->idle(&table->keys[i], object) : NULL;
		if (why)
			loader_warn(l, &here, "%s", why);
	}
}

void loader_table(
	struct loader *l, const struct place *at, const struct config_table *table, void *object)
{
	size_t errors = config_report_errors(l->report);

	for (size_t i = 0; i < table->n; i++)
		load_key(l, at, &table->keys[i], object);
	refuse_unknown(l, at, table);
	if (table->idle)
		warn_idle(l, at, table, object);
	if (table->check && config_report_errors(l->report) == errors)
		table->check(l, at, object);
}
