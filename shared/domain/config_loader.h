/* config_loader - what the files that load a config share: the place of a value in the file, and saying what is wrong there. */
#pragma once
#include "data/yaml.h"
#include "domain/config_table.h"

struct loader {
	struct config *config;
	struct config_report *report;
	const struct yaml_node *root;   /* NULL: the file is empty */
	const char *folder;             /* of the file: what relative paths are relative to */
};

/* One step of the way down; lives on the stack of whoever goes it. */
struct place {
	const struct place *up;
	const char *key;                /* NULL: the index-th of a list */
	size_t index;
	const struct yaml_node *node;   /* NULL: not in the file */
};
struct place place_of(const struct place *at, const char *key);   /* of a key of the map that stands at `at` */

/* "path: reason" at the place, or where the nearest that stands in the file is. */
void loader_error(struct loader *l, const struct place *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void loader_warn(struct loader *l, const struct place *at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Fills every field of table's keys from the map at `at` (which may be absent), defaults included, and says what is wrong. */
void loader_table(struct loader *l, const struct place *at, const struct config_table *table, void *object);
/* One value; at->node is neither NULL nor null. What is wrong leaves the default. */
void loader_value(struct loader *l, const struct place *at, const struct config_key *key, void *object);
/* Says when the node at `at` is no map (names what is wanted); true when it is. */
bool loader_wants_map(struct loader *l, const struct place *at, const char *wanted);

/* Checks a text of that form and puts it in place of *out. False: said what is wrong, *out is as it was. */
bool loader_text(struct loader *l, const struct place *at, enum config_form form, const char *text, char **out);

/* Adds to the report, which is kept in order of the file and capped. */
void config_report_add(struct config_report *r, bool is_error, const struct problem *problem);
