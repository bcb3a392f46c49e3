#include "unit/unit.h"
#include <pthread.h>
#include <string.h>
#include "base/id.h"

START_TEST(an_id_is_a_uuid_of_version_7)
{
	char id[ID_SIZE];

	id_new(id, 0x0123456789ab);
	ck_assert_uint_eq(strlen(id), 32);
	ck_assert_uint_eq(strspn(id, "0123456789abcdef"), 32);
	ck_assert_int_eq(strncmp(id, "0123456789ab", 12), 0);
	ck_assert_int_eq(id[12], '7');
	ck_assert_ptr_nonnull(strchr("89ab", id[16]));
}
END_TEST

START_TEST(later_ids_sort_later_even_when_the_clock_does_not)
{
	enum { IDS = 10000 };
	char before[ID_SIZE], id[ID_SIZE];

	id_new(before, 2000000000000);
	for (int i = 0; i < IDS; i++) {
		id_new(id, 2000000000000 - i % 7);
		ck_assert_str_gt(id, before);
		memcpy(before, id, ID_SIZE);
	}
}
END_TEST

enum { PER_THREAD = 5000, THREADS = 4 };
static char made[THREADS * PER_THREAD][ID_SIZE];

static void *make_many(void *first)
{
	char(*ids)[ID_SIZE] = first;

	for (int i = 0; i < PER_THREAD; i++)
		id_new(ids[i], 2100000000000);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16); /* time and counter, without the random part */
}

START_TEST(threads_never_make_the_same_id)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, make_many, made[i * PER_THREAD]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(made, ARRAY_LEN(made), ID_SIZE, compare);
	for (size_t i = 1; i < ARRAY_LEN(made); i++)
		ck_assert_int_ne(compare(made[i - 1], made[i]), 0);
}
END_TEST

START_TEST(random_bytes_fill_all_of_it)
{
	unsigned char bytes[1000], again[1000], seen[1000] = { 0 };

	for (int round = 0; round < 8; round++) { /* a byte stays 0 in all of them once in 2^64 */
		random_bytes(bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++)
			seen[i] |= bytes[i];
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		ck_assert_uint_ne(seen[i], 0);
	random_bytes(again, sizeof(again));
	ck_assert_mem_ne(bytes, again, sizeof(again));
}
END_TEST

START_TEST(hex_is_lower_case)
{
	char out[9];

	hex_encode(out, "\x00\x9f\xff\x10", 4);
	ck_assert_str_eq(out, "009fff10");
	hex_encode(out, NULL, 0);
	ck_assert_str_eq(out, "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("id");
	TCase *t = tcase_create("id");

	tcase_add_test(t, an_id_is_a_uuid_of_version_7);
	tcase_add_test(t, later_ids_sort_later_even_when_the_clock_does_not);
	tcase_add_test(t, threads_never_make_the_same_id);
	tcase_add_test(t, random_bytes_fill_all_of_it);
	tcase_add_test(t, hex_is_lower_case);
	suite_add_tcase(s, t);
	return s;
}
