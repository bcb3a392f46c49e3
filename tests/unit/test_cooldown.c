/* cooldown: what an answer says of being left alone. */
#include "shim/cooldown.h"
#include <stdio.h>
#include "unit/unit.h"

#define MAX_MS 60000

START_TEST(only_429_and_503_with_a_time_ask_for_it)
{
	static const struct { int status; int64_t retry_after_ms, ms; } cases[] = {
		{ 429, -1, COOLDOWN_UNSAID_MS }, { 429, 0, 0 }, { 429, 3000, 3000 }, { 429, MAX_MS + 1, MAX_MS },
		{ 503, -1, 0 }, { 503, 0, 0 }, { 503, 3000, 3000 }, { 503, 10LL * MAX_MS, MAX_MS },
		{ 200, 3000, 0 }, { 301, 3000, 0 }, { 404, 3000, 0 }, { 408, 3000, 0 }, { 500, 3000, 0 }, { 0, 3000, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct delivery_end end = { .http_status = cases[i].status, .retry_after_ms = cases[i].retry_after_ms };
		struct cooldown_wish w = cooldown_wish_of(&end, MAX_MS);
		ck_assert_msg(w.ms == cases[i].ms, "%d %lld: %lld", cases[i].status, (long long)cases[i].retry_after_ms, (long long)w.ms);
		ck_assert_int_eq(w.cause[0] != '\0', w.ms > 0);
	}
}
END_TEST

START_TEST(a_maximum_of_0_takes_no_wish)
{
	struct delivery_end end = { .http_status = 429, .retry_after_ms = 5000 };

	ck_assert_int_eq(cooldown_wish_of(&end, 0).ms, 0);
}
END_TEST

START_TEST(the_cause_says_what_the_backend_said)
{
	struct delivery_end said = { .http_status = 503, .retry_after_ms = 90000 }, unsaid = { .http_status = 429, .retry_after_ms = -1 };

	ck_assert_str_eq(cooldown_wish_of(&said, MAX_MS).cause, "it answered HTTP 503 and asked for 90 s");
	ck_assert_str_eq(cooldown_wish_of(&unsaid, MAX_MS).cause, "it answered HTTP 429");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("cooldown");
	TCase *t = tcase_create("all");

	tcase_add_test(t, only_429_and_503_with_a_time_ask_for_it);
	tcase_add_test(t, a_maximum_of_0_takes_no_wish);
	tcase_add_test(t, the_cause_says_what_the_backend_said);
	suite_add_tcase(s, t);
	return s;
}
