#include "unit/unit.h"
#include <string.h>
#include "base/utf8.h"

/* How many bytes of UTF-8 the code takes, by the table of RFC 3629 section 3. */
static size_t length_of(uint32_t code)
{
	if (code >= 0xd800 && code <= 0xdfff)
		return 0;
	return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : code < 0x110000 ? 4 : 0;
}

static size_t encode(uint32_t code, size_t n, char out[4])
{
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(leads[n] | code);
	return n;
}

START_TEST(every_code_in_its_shortest_form_and_no_other)
{
	for (uint32_t code = 0; code < 0x120000; code++) {
		for (size_t n = 1; n <= 4; n++) {
			uint32_t got = 0;
			char bytes[4];

			if (code >= 1u << (n == 1 ? 7 : 5 * n + 1))
				continue; /* does not fit in n bytes */
			encode(code, n, bytes);
			size_t expected = n == length_of(code) ? n : 0;
			if (utf8_decode(bytes, 4, &got) != expected || (expected && got != code))
				ck_abort_msg("U+%X in %zu bytes", code, n);
			if (n > 1 && utf8_decode(bytes, n - 1, &got) != 0)
				ck_abort_msg("U+%X cut", code);
		}
	}
}
END_TEST

START_TEST(a_broken_tail_is_refused)
{
	static const char *const broken[] = { "\x80", "\xbf", "\xc3(", "\xe4\xb8(", "\xe4(\xad", "\xf0\x9f\x98(", "\xf0(\x98\x80",
		"\xf5\x80\x80\x80", "\xf8\x88\x80\x80", "\xfe", "\xff" };
	uint32_t code;

	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		ck_assert_uint_eq(utf8_decode(broken[i], strlen(broken[i]), &code), 0);
}
END_TEST

START_TEST(what_a_terminal_would_obey_is_hidden)
{
	static const uint32_t hidden[] = { 0, 0x1b, 0x7f, 0x9b, 0xad, 0x200b, 0x200f, 0x2028, 0x202e, 0x2066, 0xfeff, 0xe0041 };
	static const uint32_t shown[] = { ' ', 'a', '~', 0xa0, 0xe9, 0x4e2d, 0x2010, 0x2030, 0x1f600 };

	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		ck_assert_msg(utf8_is_hidden(hidden[i]), "U+%X", hidden[i]);
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		ck_assert_msg(!utf8_is_hidden(shown[i]), "U+%X", shown[i]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("utf8");
	TCase *t = tcase_create("utf8");

	tcase_add_test(t, every_code_in_its_shortest_form_and_no_other);
	tcase_add_test(t, a_broken_tail_is_refused);
	tcase_add_test(t, what_a_terminal_would_obey_is_hidden);
	suite_add_tcase(s, t);
	return s;
}
