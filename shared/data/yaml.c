#include "data/yaml.h"
#include <stdarg.h>
#include <stdint.h>
#include <yaml.h>
#include "base/map.h"
#include "base/shown.h"
#include "base/xalloc.h"

#define BLOCK_BYTES 16384

/* ---- memory: blocks that live and die with the tree ------------------------------------------ */
struct block {
	struct block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct yaml_tree {
	struct block *blocks;
	struct yaml_node *root;
};

static void *arena_take(struct yaml_tree *y, size_t n)
{
	n = (n + 15) & ~(size_t)15;
	if (!y->blocks || y->blocks->size - y->blocks->used < n) {
		size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		struct block *b = xmalloc(sizeof *b + size);
		*b = (struct block){ .next = y->blocks, .size = size };
		y->blocks = b;
	}
	void *p = y->blocks->bytes + y->blocks->used;
	y->blocks->used += n;
	return p;
}

void yaml_tree_free(struct yaml_tree *y)
{
	while (y && y->blocks) {
		struct block *b = y->blocks;
		y->blocks = b->next;
		free(b);
	}
	free(y);
}

static void yaml_tree_freep(struct yaml_tree **y)
{
	yaml_tree_free(*y);
}

/* ---- reading --------------------------------------------------------------------------------- */
struct level { /* a list or map that is still open */
	struct yaml_node *node;
	struct yaml_node *last; /* its newest child */
	struct yaml_node *key;  /* map: read, its value still to come */
	struct map *seen;       /* map: key text -> key node */
};

struct reader {
	yaml_parser_t parser;
	struct span text;
	struct yaml_tree *tree;
	yaml_problem_fn *say;
	void *arg;
	struct level levels[YAML_MAX_DEPTH];
	size_t depth, nodes;
	bool has_faults, must_stop;
};

static void PRINTF_LIKE(4, 5) fault(struct reader *r, int line, int column, const char *fmt, ...)
{
	struct problem p;
	char text[sizeof p.text];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	problem_set(&p, "%s", text);
	p.line = line;
	p.column = column;
	r->has_faults = true;
	r->say(r->arg, &p);
}

static int mark_number(size_t from_zero)
{
	return (int)from_zero + 1; /* the text is at most YAML_MAX_BYTES long */
}

#define AT_MARK(mark) mark_number((mark).line), mark_number((mark).column)

/* The bytes of the text from a place on; empty when it lies behind the end. */
static struct span text_at(struct span text, int line, int column)
{
	const char *at = text.at, *end = text.at + text.len;

	for (; line > 1 && at < end; at++)
		line -= *at == '\n';
	for (; column > 1 && at < end; at++)
		column -= (at + 1 == end || ((unsigned char)at[1] & 0xC0) != 0x80);
	return (struct span){ at, (size_t)(end - at) };
}

/* libyaml gives faults of the encoding as a byte offset only; its mark would say line 1. */
static void report_encoding(struct reader *r)
{
	int line = 1, column = 1;
	size_t end = r->parser.problem_offset;

	for (size_t i = 0; i < end && i < r->text.len; i++) {
		unsigned char c = (unsigned char)r->text.at[i];
		column = c == '\n' ? 1 : column + ((c & 0xC0) != 0x80);
		line += c == '\n';
	}
	fault(r, line, column, "%s", r->parser.problem);
}

static const char *syntax_hint(struct span rest)
{
	switch (rest.len ? rest.at[0] : '\0') {
	case '\t': return "; a tab cannot indent, use blanks";
	case '*': return "; put a pattern that starts with * into quotes";
	case '%':
	case '@':
	case '`': return "; put the text into quotes";
	default: return "";
	}
}

static void report_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	int line = mark_number(p->problem_mark.line), column = mark_number(p->problem_mark.column);

	if (p->error == YAML_MEMORY_ERROR)
		abort(); /* like every other allocation that fails */
	if (p->error == YAML_READER_ERROR) {
		report_encoding(r);
		return;
	}
	const char *hint = syntax_hint(text_at(r->text, line, column));
	if (*hint == '\0' && column > 1)
		hint = syntax_hint(text_at(r->text, line, column - 1));
	if (p->context && p->context_mark.line != p->problem_mark.line)
		fault(r, line, column, "%s (%s that began in line %d)%s", p->problem, p->context,
			mark_number(p->context_mark.line), hint);
	else
		fault(r, line, column, "%s%s", p->problem, hint);
}

/* A fault behind which reading on would only make noise. */
static void stop(struct reader *r, const yaml_event_t *e, const char *why)
{
	fault(r, AT_MARK(e->start_mark), "%s", why);
	r->must_stop = true;
}

static struct yaml_node *node_new(struct reader *r, enum yaml_kind kind, const yaml_event_t *e)
{
	struct yaml_node *n = arena_take(r->tree, sizeof *n);

	*n = (struct yaml_node){ .kind = kind, .text = "" };
	n->line = mark_number(e->start_mark.line);
	n->column = mark_number(e->start_mark.column);
	if (++r->nodes > YAML_MAX_NODES)
		stop(r, e, "more values than a configuration may hold");
	return n;
}

static void take_key(struct reader *r, struct level *l, struct yaml_node *n)
{
	const struct yaml_node *twin = map_get(l->seen, span_of(n->text));

	if (n->kind != YAML_TEXT)
		fault(r, n->line, n->column, "a key must be plain text");
	else if (!n->is_quoted && strcmp(n->text, "<<") == 0)
		fault(r, n->line, n->column, "merge keys (<<) are not read: write the keys out");
	else if (twin)
		fault(r, n->line, n->column, "%s stands here twice: first in line %d",
			shown_of(n->text).text, twin->line);
	else
		(void)map_set(l->seen, span_of(n->text), n);
	l->key = n;
}

/* Hangs a node into the innermost open list or map; the first node of all is the root. */
static void take_node(struct reader *r, struct yaml_node *n)
{
	struct level *l = r->depth ? &r->levels[r->depth - 1] : NULL;

	if (!l) {
		r->tree->root = n;
		return;
	}
	if (l->node->kind == YAML_MAP && !l->key) {
		take_key(r, l, n);
		return;
	}
	n->key = l->key;
	l->key = NULL;
	if (l->last)
		l->last->next = n;
	else
		l->node->first = n;
	l->last = n;
	l->node->n++;
}

static void refuse_decoration(
	struct reader *r, const yaml_event_t *e, const void *anchor, const void *tag)
{
	if (anchor)
		fault(r, AT_MARK(e->start_mark),
			"anchors (&name) are not read; put text that starts with & into quotes");
	if (tag)
		fault(r, AT_MARK(e->start_mark),
			"tags (!name) are not read; put text that starts with ! into quotes");
}

static struct yaml_node *text_new(
	struct reader *r, const yaml_event_t *e, const char *prefix, struct span value)
{
	struct yaml_node *n = node_new(r, YAML_TEXT, e);
	size_t before = strlen(prefix);
	char *text = arena_take(r->tree, before + value.len + 1);

	memcpy(text, prefix, before);
	memcpy(text + before, value.at, value.len);
	text[before + value.len] = '\0';
	n->text = text;
	return n;
}

static void read_scalar(struct reader *r, const yaml_event_t *e)
{
	struct span value = { (const char *)e->data.scalar.value, e->data.scalar.length };
	struct yaml_node *n = text_new(r, e, "", value);

	refuse_decoration(r, e, e->data.scalar.anchor, e->data.scalar.tag);
	if (strlen(n->text) != value.len)
		fault(r, n->line, n->column, "text must not hold a NUL character");
	n->is_quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	take_node(r, n);
}

/* Mostly a pattern whose quotes were forgotten, and it is read on as that. */
static void read_alias(struct reader *r, const yaml_event_t *e)
{
	struct yaml_node *n = text_new(r, e, "*", span_of((const char *)e->data.alias.anchor));

	fault(r, n->line, n->column, "aliases are not read; put a pattern into quotes: \"%s\"",
		shown_of(n->text).text);
	take_node(r, n);
}

static void open_level(struct reader *r, enum yaml_kind kind, const yaml_event_t *e)
{
	struct yaml_node *n = node_new(r, kind, e);

	if (r->depth == YAML_MAX_DEPTH) {
		stop(r, e, "nested deeper than 64 levels");
		return;
	}
	take_node(r, n);
	r->levels[r->depth++] =
		(struct level){ .node = n, .seen = kind == YAML_MAP ? map_new() : NULL };
}

static void close_level(struct reader *r)
{
	map_free(r->levels[--r->depth].seen, NULL);
}

static void read_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->nodes > 0)
			stop(r, e, "a second document: only one is read");
		break;
	case YAML_ALIAS_EVENT: read_alias(r, e); break;
	case YAML_SCALAR_EVENT: read_scalar(r, e); break;
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(r, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
		open_level(r, YAML_LIST, e);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(r, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
		open_level(r, YAML_MAP, e);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: close_level(r); break;
	default: break;
	}
}

/* True when the end was reached, so that the tree is whole. */
static bool read_all(struct reader *r)
{
	bool is_done = false;

	while (!is_done && !r->must_stop) {
		yaml_event_t e;
		if (!yaml_parser_parse(&r->parser, &e)) {
			report_syntax(r);
			return false;
		}
		is_done = e.type == YAML_STREAM_END_EVENT;
		read_event(r, &e);
		yaml_event_delete(&e);
	}
	return !r->must_stop;
}

enum err yaml_tree_read(struct span text, yaml_problem_fn *say, void *arg, struct yaml_tree **out)
{
	CLEANUP(yaml_tree_freep) struct yaml_tree *tree = xcalloc(1, sizeof *tree);
	struct reader r = { .text = text, .tree = tree, .say = say, .arg = arg };

	*out = NULL;
	if (text.len > YAML_MAX_BYTES) {
		fault(&r, 0, 0, "larger than %d bytes", YAML_MAX_BYTES);
		return ERR_TOO_LARGE;
	}
	if (!yaml_parser_initialize(&r.parser))
		abort();
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&r.parser, (const unsigned char *)(text.len ? text.at : ""), text.len);
	bool is_whole = read_all(&r);
	while (r.depth > 0)
		close_level(&r);
	yaml_parser_delete(&r.parser);
	if (is_whole) {
		*out = tree;
		tree = NULL;
	}
	return r.has_faults ? ERR_INVALID : OK;
}

/* ---- looking --------------------------------------------------------------------------------- */
const struct yaml_node *yaml_tree_root(const struct yaml_tree *y)
{
	return y->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *n = map->first; n; n = n->next)
		if (strcmp(n->key->text, key) == 0)
			return n;
	return NULL;
}

bool yaml_is_null(const struct yaml_node *n)
{
	return n->kind == YAML_TEXT && !n->is_quoted &&
	       (n->text[0] == '\0' || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}
