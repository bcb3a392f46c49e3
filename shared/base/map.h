/* map - byte-string keys to pointers, in order of insertion. Keys are copied; values are the caller's.
 * Lookup is by a seeded hash, so hostile keys cannot make it slow. */
#pragma once
#include "base/attr.h"
#include "base/span.h"

struct map;
struct map *map_new(void);
void map_free(struct map *m, void (*free_value)(void *)); /* NULL: values are left alone */

void *map_get(const struct map *m, struct span key);      /* NULL = absent */
void *map_set(struct map *m, struct span key, void *value); /* returns the value it replaced, or NULL; value != NULL */
void *map_remove(struct map *m, struct span key);         /* returns the value, or NULL */
size_t map_size(const struct map *m);

/* Visits entries in order of insertion; *pos starts at 0. The entry just returned may be removed. */
bool map_next(const struct map *m, size_t *pos, struct span *key, void **value);
