#include "unit/unit.h"
#include "base/map.h"
#include "base/xalloc.h"

static struct span key_of(int i, char room[16])
{
	return (struct span){ room, (size_t)snprintf(room, 16, "key%d", i) };
}

START_TEST(what_is_set_is_found)
{
	struct map *m = map_new();
	int one = 1, two = 2;

	ck_assert_ptr_null(map_get(m, SPAN("a")));
	ck_assert_ptr_null(map_set(m, SPAN("a"), &one));
	ck_assert_ptr_eq(map_get(m, SPAN("a")), &one);
	ck_assert_ptr_eq(map_set(m, SPAN("a"), &two), &one);
	ck_assert_ptr_eq(map_get(m, SPAN("a")), &two);
	ck_assert_uint_eq(map_size(m), 1);
	ck_assert_ptr_eq(map_remove(m, SPAN("a")), &two);
	ck_assert_ptr_null(map_remove(m, SPAN("a")));
	ck_assert_ptr_null(map_get(m, SPAN("a")));
	ck_assert_uint_eq(map_size(m), 0);
	map_free(m, NULL);
}
END_TEST

START_TEST(keys_are_bytes)
{
	struct map *m = map_new();
	int values[4];

	map_set(m, SPAN("a\0b"), &values[0]);
	map_set(m, SPAN("a\0c"), &values[1]);
	map_set(m, SPAN("a"), &values[2]);
	map_set(m, SPAN(""), &values[3]);
	ck_assert_ptr_eq(map_get(m, SPAN("a\0b")), &values[0]);
	ck_assert_ptr_eq(map_get(m, SPAN("a\0c")), &values[1]);
	ck_assert_ptr_eq(map_get(m, SPAN("a")), &values[2]);
	ck_assert_ptr_eq(map_get(m, (struct span){ NULL, 0 }), &values[3]);
	map_free(m, NULL);
}
END_TEST

/* Against an array that says which keys are there; more removals than the table has room. */
START_TEST(many_changes_keep_it_true)
{
	enum { KEYS = 500, CHANGES = 20000 };
	struct map *m = map_new();
	static int there[KEYS];
	unsigned random = 1;
	size_t size = 0;
	char room[16];

	for (int i = 0; i < CHANGES; i++) {
		random = random * 1664525 + 1013904223;
		int k = (int)(random >> 16) % KEYS;

		if (random >> 15 & 1) {
			ck_assert_ptr_eq(map_set(m, key_of(k, room), &there[k]), there[k] ? &there[k] : NULL);
			size += !there[k];
			there[k] = 1;
		} else {
			ck_assert_ptr_eq(map_remove(m, key_of(k, room)), there[k] ? &there[k] : NULL);
			size -= (size_t)there[k];
			there[k] = 0;
		}
		ck_assert_uint_eq(map_size(m), size);
	}
	for (int k = 0; k < KEYS; k++)
		ck_assert_ptr_eq(map_get(m, key_of(k, room)), there[k] ? &there[k] : NULL);
	map_free(m, NULL);
}
END_TEST

START_TEST(a_walk_goes_in_order_of_insertion)
{
	struct map *m = map_new();
	int values[100];
	size_t pos = 0;
	struct span key;
	void *value;
	char room[16];
	int seen = 0;

	for (int i = 0; i < 100; i++)
		map_set(m, key_of(i, room), &values[i]);
	map_set(m, SPAN("key7"), &values[7]);
	while (map_next(m, &pos, &key, &value)) {
		ck_assert_ptr_eq(value, &values[seen]);
		ck_assert(span_equal(key, key_of(seen, room)));
		seen++;
	}
	ck_assert_int_eq(seen, 100);
	map_free(m, NULL);
}
END_TEST

START_TEST(a_walk_survives_removing_what_it_returned)
{
	struct map *m = map_new();
	int values[100];
	size_t pos = 0;
	struct span key;
	void *value;
	char room[16];
	int seen = 0;

	for (int i = 0; i < 100; i++)
		map_set(m, key_of(i, room), &values[i]);
	for (; map_next(m, &pos, &key, &value); seen++) {
		ck_assert_ptr_eq(value, &values[seen]);
		if (seen % 3 == 0)
			ck_assert_ptr_eq(map_remove(m, key), value);
	}
	ck_assert_int_eq(seen, 100);
	ck_assert_uint_eq(map_size(m), 66);
	map_free(m, NULL);
}
END_TEST

static void count(void *value)
{
	++*(int *)value;
}

START_TEST(freeing_frees_each_value_once)
{
	struct map *m = map_new();
	int freed = 0, kept = 0;

	map_set(m, SPAN("a"), &freed);
	map_set(m, SPAN("b"), &freed);
	map_set(m, SPAN("c"), &kept);
	map_remove(m, SPAN("c"));
	map_free(m, count);
	map_free(NULL, count);
	ck_assert_int_eq(freed, 2);
	ck_assert_int_eq(kept, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("map");
	TCase *t = tcase_create("map");

	tcase_add_test(t, what_is_set_is_found);
	tcase_add_test(t, keys_are_bytes);
	tcase_add_test(t, many_changes_keep_it_true);
	tcase_add_test(t, a_walk_goes_in_order_of_insertion);
	tcase_add_test(t, a_walk_survives_removing_what_it_returned);
	tcase_add_test(t, freeing_frees_each_value_once);
	suite_add_tcase(s, t);
	return s;
}
