/* map - entries stand in an array in order of insertion; an open-addressed table of their numbers
 * finds them. A removed entry stays (value NULL) until the table is made anew, so that a walk
 * survives removals. */
#include "base/map.h"
#include <assert.h>
#include <sodium/crypto_shorthash.h>
#include "base/id.h"
#include "base/xalloc.h"

#define SMALLEST_TABLE 16 /* a power of two */

struct entry {
	char *key;
	size_t key_len;
	void *value; /* NULL = removed */
	uint64_t hash;
};

struct map {
	unsigned char seed[crypto_shorthash_KEYBYTES];
	struct entry *entries; /* room for half of table_size */
	size_t used, live;
	uint32_t *table; /* number of the entry + 1; 0 = free */
	size_t table_size;
};

struct map *map_new(void)
{
	struct map *m = xcalloc(1, sizeof(*m));

	random_bytes(m->seed, sizeof(m->seed));
	return m;
}

void map_free(struct map *m, void (*free_value)(void *))
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->used; i++) {
		if (m->entries[i].value && free_value)
			free_value(m->entries[i].value);
		free(m->entries[i].key);
	}
	free(m->entries);
	free(m->table);
	free(m);
}

static uint64_t map_hash(const struct map *m, struct span key)
{
	uint64_t hash;

	static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash gives 64 bits");
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key.at, key.len, m->seed);
	return hash;
}

/* The entry's number, or m->used. */
static size_t map_find(const struct map *m, struct span key, uint64_t hash)
{
	if (m->table == NULL)
		return m->used;
	for (size_t slot = hash & (m->table_size - 1); m->table[slot];
		slot = (slot + 1) & (m->table_size - 1)) {
		struct entry *e = &m->entries[m->table[slot] - 1];

		if (e->value && e->hash == hash &&
			span_equal((struct span){ e->key, e->key_len }, key))
			return m->table[slot] - 1;
	}
	return m->used;
}

static void map_put_slot(struct map *m, size_t number)
{
	size_t slot = m->entries[number].hash & (m->table_size - 1);

	while (m->table[slot])
		slot = (slot + 1) & (m->table_size - 1);
	m->table[slot] = (uint32_t)(number + 1);
}

/* Room for one more entry: drops the removed ones and doubles when half of the room is alive. */
static void map_rebuild(struct map *m)
{
	size_t live = 0;

	for (size_t i = 0; i < m->used; i++)
		if (m->entries[i].value)
			m->entries[live++] = m->entries[i];
	assert(live == m->live);
	m->used = live;
	if (m->table_size == 0)
		m->table_size = SMALLEST_TABLE;
	else if (live >= m->table_size / 4)
		m->table_size *= 2;
	assert(m->table_size <= UINT32_MAX);
	m->entries = xreallocarray(m->entries, m->table_size / 2, sizeof(*m->entries));
	free(m->table);
	m->table = xcalloc(m->table_size, sizeof(*m->table));
	for (size_t i = 0; i < live; i++)
		map_put_slot(m, i);
}

void *map_get(const struct map *m, struct span key)
{
	size_t number = map_find(m, key, map_hash(m, key));

	return number < m->used ? m->entries[number].value : NULL;
}

void *map_set(struct map *m, struct span key, void *value)
{
	uint64_t hash = map_hash(m, key);
	size_t number = map_find(m, key, hash);

	assert(value);
	if (number < m->used) {
		void *before = m->entries[number].value;

		m->entries[number].value = value;
		return before;
	}
	if (m->used == m->table_size / 2)
		map_rebuild(m);
	m->entries[m->used] = (struct entry){
		.key = span_dup(key), .key_len = key.len, .value = value, .hash = hash
	};
	map_put_slot(m, m->used);
	m->used++;
	m->live++;
	return NULL;
}

void *map_remove(struct map *m, struct span key)
{
	size_t number = map_find(m, key, map_hash(m, key));

	if (number == m->used)
		return NULL;
	struct entry *e = &m->entries[number];
	void *value = e->value;
	free_charp(&e->key);
	e->value = NULL;
	m->live--;
	return value;
}

size_t map_size(const struct map *m)
{
	return m->live;
}

bool map_next(const struct map *m, size_t *pos, struct span *key, void **value)
{
	while (*pos < m->used && m->entries[*pos].value == NULL)
		++*pos;
	if (*pos >= m->used)
		return false;
	struct entry *e = &m->entries[(*pos)++];
	if (key)
		*key = (struct span){ e->key, e->key_len };
	if (value)
		*value = e->value;
	return true;
}
