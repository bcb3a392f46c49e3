/* What a browser sends from the approval page's form, and what is none of that. */
#include "unit/unit.h"
#include <stdio.h>
#include "broker/page_form.h"

START_TEST(the_form_is_read)
{
	struct page_form f;

	ck_assert(page_form_read(SPAN("token=a.b.c&decision=approve"), &f));
	ck_assert_str_eq(f.token, "a.b.c");
	ck_assert(f.is_approving);
	ck_assert_str_eq(f.reason, "");
	ck_assert(page_form_read(SPAN("reason=not+to%20day%3A%0D%0Am%C3%A4rz%09&decision=reject&token=t"), &f));
	ck_assert(!f.is_approving);
	ck_assert_str_eq(f.reason, "not to day:  m\303\244rz");
	ck_assert(!f.is_reason_odd && !f.is_reason_too_long);
}
END_TEST

START_TEST(what_is_not_our_form_is_refused)
{
	static const char *const wrong[] = {
		"", "token=a", "decision=approve", "token=&decision=approve", "token=a&decision=", "token=a&decision=Approve", "token=a&decision=approve&decision=reject",
		"token=a&token=b&decision=approve", "token=a&decision=approve&x=1", "token=a&decision", "token=a%&decision=approve", "token=a%4&decision=approve",
		"token=a%zz&decision=approve", "token=a%00&decision=approve", "&token=a&decision=approve", "token=a&&decision=approve", "{\"token\":\"a\"}",
		"token=a&decision=reject&reason=%f",
	};
	struct page_form f;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ck_assert_msg(!page_form_read(span_of(wrong[i]), &f), "%s", wrong[i]);
}
END_TEST

START_TEST(a_reason_is_plain_text_of_a_length)
{
	static const char *const odd[] = { "%ff", "%E2%80%AE", "%1b[2J", "a%00", "%ed%a0%80", "%c0%bc" };
	char body[5000];
	struct page_form f;

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		snprintf(body, sizeof body, "token=t&decision=reject&reason=%s", odd[i]);
		ck_assert_msg(!page_form_read(span_of(body), &f) || (f.is_reason_odd && f.reason[0] == '\0'), "%s", odd[i]);
	}
	snprintf(body, sizeof body, "token=t&decision=reject&reason=%0*d", PAGE_FORM_REASON_MAX, 0);
	ck_assert(page_form_read(span_of(body), &f) && !f.is_reason_too_long);
	snprintf(body, sizeof body, "token=t&decision=reject&reason=%0*d", PAGE_FORM_REASON_MAX + 1, 0);
	ck_assert(page_form_read(span_of(body), &f) && f.is_reason_too_long && f.reason[0] == '\0');
	snprintf(body, sizeof body, "token=%0600d&decision=reject", 0);
	ck_assert(!page_form_read(span_of(body), &f));
}
END_TEST

START_TEST(only_a_form_is_a_form)
{
	ck_assert(page_form_is_type("application/x-www-form-urlencoded"));
	ck_assert(page_form_is_type("Application/X-WWW-Form-urlencoded; charset=UTF-8"));
	ck_assert(!page_form_is_type("application/x-www-form-urlencodedx"));
	ck_assert(!page_form_is_type("text/plain"));
	ck_assert(!page_form_is_type("multipart/form-data; boundary=x"));
	ck_assert(!page_form_is_type("application/json"));
	ck_assert(!page_form_is_type(""));
	ck_assert(!page_form_is_type(NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("page_form");
	TCase *t = tcase_create("page_form");

	tcase_add_test(t, the_form_is_read);
	tcase_add_test(t, what_is_not_our_form_is_refused);
	tcase_add_test(t, a_reason_is_plain_text_of_a_length);
	tcase_add_test(t, only_a_form_is_a_form);
	suite_add_tcase(s, t);
	return s;
}
