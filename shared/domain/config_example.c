/* config_example - the table of keys as an aegis.yaml to start from (config.h). Keys that are not set stand behind a "#" without
 * a blank, so that taking it away sets them; everything else behind "# ". */
#include "data/jsonscan.h"
#include "domain/config_table.h"

static const char head[] =
	"# aegis.yaml - the rules of Aegis.\n"
	"#\n"
	"# A line such as \"#timeout: 120s\" shows a default or an example: take the # away to set the key (of a whole\n"
	"# section: the # of every line). Check your work with `aegisctl config check`; `aegisctl config show` prints\n"
	"# what is in force. Durations: 250ms 30s 5m 1h30m 1d 1w. Sizes: 64KiB 10MiB. Tools: names or patterns with\n"
	"# * ? [a-z], in quotes. Secrets: {file: PATH}, {env: NAME}, {credential: NAME}, {command: [PROGRAM, ARGUMENT]}.\n"
	"# For completion in an editor: `aegisctl config schema > aegis.schema.json`, and as the first line here\n"
	"# \"# yaml-language-server: $schema=aegis.schema.json\" (without the quotes).\n";

struct example {
	struct buf *b;
	int depth;
	int hash_depth; /* where the "#" stands, or -1 outside of a comment */
	bool has_failed;
};

static void put(struct example *e, const char *text)
{
	e->has_failed = e->has_failed || !buf_append_text(e->b, text);
}

static void begin_line(struct example *e)
{
	for (int i = 0; i < e->depth; i++) {
		if (i == e->hash_depth)
			put(e, "#");
		put(e, "  ");
	}
	if (e->depth == e->hash_depth)
		put(e, "#");
}

static void put_line(struct example *e, const char *name, const char *value)
{
	begin_line(e);
	put(e, name);
	put(e, *value ? ": " : ":");
	put(e, value);
	put(e, "\n");
}

static void put_doc(struct example *e, const char *doc)
{
	begin_line(e);
	put(e, "# ");
	put(e, doc);
	put(e, "\n");
}

static void put_table(struct example *e, const struct config_table *table);

/* The default as a user would write it; a list "a b" becomes [a, b]. */
static void put_default(struct example *e, const struct config_key *key)
{
	struct buf value;

	buf_init(&value, 1000);
	bool fits = true;
	if (key->type == CONFIG_STRING && !key->words) {
		fits = json_quote(&value, span_of(key->fallback ? key->fallback : ""));
	} else if (key->type == CONFIG_LIST) {
		fits = buf_append_char(&value, '[');
		for (const char *c = key->fallback ? key->fallback : ""; *c; c++)
			fits = fits && (*c == ' ' ? buf_append_text(&value, ", ")
						  : buf_append_char(&value, *c));
		fits = fits && buf_append_char(&value, ']');
	} else {
		fits = buf_append_text(&value, key->fallback                ? key->fallback
					       : key->type == CONFIG_SECRET ? "\"\""
									    : "{}");
	}
	e->has_failed = e->has_failed || !fits;
	if (fits)
		put_line(e, key->name, value.data);
	buf_release(&value);
}

static void put_named_object(struct example *e, const struct config_table *table)
{
	bool needs_quotes = strchr(table->sample_name, ':') != NULL;
	char name[64];

	snprintf(name, sizeof name, needs_quotes ? "\"%s\"" : "%s", table->sample_name);
	e->depth++;
	put_line(e, name, "");
	e->depth++;
	put_table(e, table);
	e->depth -= 2;
}

static void put_listed_object(struct example *e, const struct config_table *table)
{
	e->depth++;
	begin_line(e);
	put(e, "-\n");
	e->depth++;
	put_table(e, table);
	e->depth -= 2;
}

static void put_key(struct example *e, const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_SECTION:
		put_line(e, key->name, "");
		e->depth++;
		put_table(e, key->table);
		e->depth--;
		break;
	case CONFIG_MAP:
		put_line(e, key->name, "");
		put_named_object(e, key->table);
		break;
	case CONFIG_OBJECTS:
		put_line(e, key->name, "");
		put_listed_object(e, key->table);
		break;
	default:
		if (key->sample)
			put_line(e, key->name, key->sample);
		else
			put_default(e, key);
	}
}

static void put_table(struct example *e, const struct config_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct config_key *key = &table->keys[i];
		bool begins_comment = e->hash_depth < 0 && !(key->flags & KEY_SAMPLE_IS_LIVE);

		if (key->flags & KEY_IS_IGNORED)
			continue;
		if (e->depth == 0)
			put(e, "\n");
		put_doc(e, key->doc);
		if (begins_comment)
			e->hash_depth = e->depth;
		put_key(e, key);
		if (begins_comment)
			e->hash_depth = -1;
	}
}

bool config_example(struct buf *b)
{
	struct example e = { .b = b, .hash_depth = -1 };

	put(&e, head);
	put_table(&e, &config_root);
	return !e.has_failed;
}
