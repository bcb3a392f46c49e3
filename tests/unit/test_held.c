/* held: messages that wait come out as they went in, and their number and bytes are bounded. */
#include "base/xalloc.h"
#include "shim/held.h"
#include "unit/unit.h"

START_TEST(what_was_held_comes_out_in_order_and_is_a_copy)
{
	struct held h;
	char line[] = "first";
	size_t n = 0;

	held_init(&h);
	held_add(&h, span_of(line));
	line[0] = 'X';
	held_add(&h, SPAN("second"));
	CLEANUP(free_charp) char *first = held_take(&h, &n);
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(memcmp(first, "first", 5), 0);
	CLEANUP(free_charp) char *second = held_take(&h, &n);
	ck_assert_int_eq(memcmp(second, "second", n), 0);
	ck_assert_ptr_null(held_take(&h, &n));
	ck_assert_uint_eq(h.n + h.bytes, 0);
}
END_TEST

START_TEST(room_ends_by_number_and_by_bytes_and_comes_back)
{
	struct held h;
	size_t big = 8 * 1024 * 1024;
	CLEANUP(free_charp) char *bytes = xcalloc(1, big);

	held_init(&h);
	for (int i = 0; i < 1024; i++) {
		ck_assert(held_has_room(&h));
		held_add(&h, SPAN("x"));
	}
	ck_assert(!held_has_room(&h));
	held_release(&h);
	ck_assert(held_has_room(&h));
	held_add(&h, (struct span){ bytes, big });
	ck_assert(!held_has_room(&h));
	held_release(&h);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("held");
	TCase *t = tcase_create("held");

	tcase_add_test(t, what_was_held_comes_out_in_order_and_is_a_copy);
	tcase_add_test(t, room_ends_by_number_and_by_bytes_and_comes_back);
	suite_add_tcase(s, t);
	return s;
}
