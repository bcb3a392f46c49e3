/* yaml - a strict reader of one small YAML document, from libyaml's events into a tree whose nodes know their place.
 *
 * Refused: anchors, aliases, tags, merge keys, duplicate keys, keys that are not plain text, a second document, NUL in text,
 * invalid UTF-8, more than YAML_MAX_DEPTH levels, more than YAML_MAX_NODES values. Meaning is the caller's: every scalar is
 * text and remembers whether it was quoted. The tree owns its memory and does not point into the input.
 * (Names: libyaml exports a yaml_free of its own, which one of ours would replace.) */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "base/span.h"

#define YAML_MAX_BYTES (1024 * 1024)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 100000

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool is_quoted;
	int line, column;             /* from 1; column in characters */
	const char *text;             /* of YAML_TEXT, without NUL inside; "" for the others */
	const struct yaml_node *key;  /* of a value in a map, else NULL */
	struct yaml_node *first, *next;
	size_t n;                     /* children of a list, values of a map */
};

struct yaml_tree;
typedef void yaml_problem_fn(void *arg, const struct problem *problem);

/* Reads a document; say is told every fault in order of the file. OK: *out is owned by the caller. ERR_INVALID: there were faults;
 * *out is NULL, unless the tree could still be built whole (duplicates and the like), so that the caller may look for more.
 * ERR_TOO_LARGE: above YAML_MAX_BYTES, said too. */
MUST_USE enum err yaml_tree_read(struct span text, yaml_problem_fn *say, void *arg, struct yaml_tree **out);
void yaml_tree_free(struct yaml_tree *y);

const struct yaml_node *yaml_tree_root(const struct yaml_tree *y);                       /* NULL: an empty document */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);          /* NULL: absent, or no map */
bool yaml_is_null(const struct yaml_node *n);                                            /* plain: nothing, ~ or null */
