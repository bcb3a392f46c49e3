#include "unit/unit.h"
#include <string.h>
#include "base/err.h"

START_TEST(every_error_has_a_text_of_its_own)
{
	static const enum err all[] = { OK, ERR_IO, ERR_TOO_LARGE, ERR_NOT_FOUND, ERR_PERMISSION, ERR_INVALID, ERR_UNSUPPORTED,
		ERR_STORE_BUSY, ERR_STORE_LOCKED, ERR_STORE_FULL, ERR_STORE_READONLY, ERR_STORE_CORRUPT, ERR_STORE_MOVED,
		ERR_STORE_NEWER, ERR_STORE_MISSING, ERR_STORE_IO, ERR_STORE_NETWORK_FS };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const char *text = err_text(all[i]);

		ck_assert_str_ne(text, "unknown error");
		ck_assert_int_ne(text[strlen(text) - 1], '.');
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(text, err_text(all[j]));
	}
	ck_assert_str_eq(err_text((enum err)-999), "unknown error");
}
END_TEST

START_TEST(a_problem_keeps_its_place_and_cuts_its_text)
{
	struct problem p = { .line = 3, .column = 7 };

	problem_set(&p, "unknown key %s", "foo");
	ck_assert_str_eq(p.text, "unknown key foo");
	ck_assert_int_eq(p.line, 3);
	ck_assert_int_eq(p.column, 7);
	problem_set(&p, "%01000d", 0);
	ck_assert_uint_eq(strlen(p.text), sizeof(p.text) - 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("err");
	TCase *t = tcase_create("err");

	tcase_add_test(t, every_error_has_a_text_of_its_own);
	tcase_add_test(t, a_problem_keeps_its_place_and_cuts_its_text);
	suite_add_tcase(s, t);
	return s;
}
