#include "unit/unit.h"
#include "broker/urlform.h"

static struct buf value;

static enum urlform_answer field(const char *body, size_t n, const char *name)
{
	buf_release(&value);
	buf_init(&value, 20);
	ck_assert(buf_append_text(&value, ""));
	return urlform_field((struct span){ body, n }, name, &value);
}
#define FIELD(body, name) field(body, sizeof(body) - 1, name)

START_TEST(fields_are_decoded)
{
	ck_assert_int_eq(FIELD("a=1&payload=%7B%22a%22%3A+1%7d&b=2", "payload"), URLFORM_FOUND);
	ck_assert_str_eq(value.data, "{\"a\": 1}");
	ck_assert_int_eq(FIELD("payload", "payload"), URLFORM_FOUND);
	ck_assert_str_eq(value.data, "");
	ck_assert_int_eq(FIELD("a=x=y", "a"), URLFORM_FOUND);
	ck_assert_str_eq(value.data, "x=y");
	ck_assert_int_eq(FIELD("", "a"), URLFORM_ABSENT);
	ck_assert_int_eq(FIELD("ab=1&ba=2", "a"), URLFORM_ABSENT);
	buf_release(&value);
}
END_TEST

START_TEST(what_two_readers_could_take_differently_is_refused)
{
	ck_assert_int_eq(FIELD("a=1&a=2", "a"), URLFORM_BROKEN);
	ck_assert_int_eq(FIELD("a=%", "a"), URLFORM_BROKEN);
	ck_assert_int_eq(FIELD("a=%4", "a"), URLFORM_BROKEN);
	ck_assert_int_eq(FIELD("a=%zz", "a"), URLFORM_BROKEN);
	ck_assert_int_eq(FIELD("a=%00", "a"), URLFORM_BROKEN);
	ck_assert_int_eq(FIELD("a=\0", "a"), URLFORM_BROKEN);
	ck_assert_int_eq(FIELD("a=012345678901234567890", "a"), URLFORM_BROKEN);
	buf_release(&value);
}
END_TEST

START_TEST(the_type_may_have_parameters)
{
	ck_assert(urlform_is_type("application/x-www-form-urlencoded"));
	ck_assert(urlform_is_type("Application/X-WWW-Form-Urlencoded; charset=utf-8"));
	ck_assert(!urlform_is_type("application/x-www-form-urlencodedx"));
	ck_assert(!urlform_is_type("application/json"));
	ck_assert(!urlform_is_type(NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("urlform");
	TCase *t = tcase_create("urlform");

	tcase_add_test(t, fields_are_decoded);
	tcase_add_test(t, what_two_readers_could_take_differently_is_refused);
	tcase_add_test(t, the_type_may_have_parameters);
	suite_add_tcase(s, t);
	return s;
}
