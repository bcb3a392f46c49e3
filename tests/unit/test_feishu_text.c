#include "broker/feishu_text.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "unit/unit.h"

static char *written(const char *text, enum feishu_markup markup, size_t cap, size_t *taken)
{
	struct buf b;

	buf_init(&b, 100000);
	ck_assert(buf_append_text(&b, ""));
	ck_assert(feishu_text(&b, span_of(text), markup, cap, taken));
	return buf_take(&b);
}

static void ck_written(const char *text, enum feishu_markup markup, const char *expected)
{
	size_t taken = 0;
	CLEANUP(free_charp) char *got = written(text, markup, 10000, &taken);

	ck_assert_str_eq(got, expected);
	ck_assert_uint_eq(taken, strlen(text));
}

START_TEST(plain_text_stays_as_it_is)
{
	ck_written("a <at id=all></at> *b* & \"c\"\nd 世界", FEISHU_PLAIN, "a <at id=all></at> *b* & \"c\"\nd 世界");
}
END_TEST

START_TEST(nothing_of_it_is_markup)
{
	ck_written("<at id=all></at>", FEISHU_LARK_MD, "&#60;at id&#61;all&#62;&#60;/at&#62;");
	ck_written("*b* _i_ ~s~ [l](u) `c` & \\ :OK:", FEISHU_LARK_MD,
		"&#42;b&#42; &#95;i&#95; &#126;s&#126; &#91;l&#93;&#40;u&#41; &#96;c&#96; &#38; &#92; &#58;OK&#58;");
	ck_written("a\n# b", FEISHU_LARK_MD, "a&#92;u&#123;A&#125;&#35; b");
	ck_written("publish.post 世界 50%", FEISHU_LARK_MD, "publish.post 世界 50%");
}
END_TEST

START_TEST(what_cannot_be_seen_is_shown)
{
	ck_written("a\xe2\x80\xae" "b\x1b[1m\xe2\x80\x8b\x7f", FEISHU_PLAIN, "a\\u{202E}b\\u{1B}[1m\\u{200B}\\u{7F}");
	ck_written("\xf3\xa0\x80\x81", FEISHU_PLAIN, "\\u{E0001}");
	ck_written("a\xff\xc3", FEISHU_PLAIN, "a\\x{FF}\\x{C3}");
	ck_written("\xe2\x80\xae", FEISHU_LARK_MD, "&#92;u&#123;202E&#125;");
}
END_TEST

/* Whatever the cap: whole characters, never more bytes than it, and what stands there is what was taken. */
START_TEST(it_is_cut_between_characters)
{
	static const char text[] = "a世<b>\xe2\x80\xae\xffz€";

	for (size_t cap = 3; cap < 120; cap++) {
		for (int md = 0; md < 2; md++) {
			size_t taken = 0;
			CLEANUP(free_charp) char *got = written(text, md ? FEISHU_LARK_MD : FEISHU_PLAIN, cap, &taken);
			CLEANUP(free_charp) char *beginning = xstrndup(text, taken);
			size_t whole = 0, length = strlen(got);
			uint32_t code;

			ck_assert_uint_le(length, cap);
			for (size_t i = 0, n; i < length; i += n)
				ck_assert_uint_gt(n = utf8_decode(got + i, length - i, &code), 0);
			CLEANUP(free_charp) char *again = written(beginning, md ? FEISHU_LARK_MD : FEISHU_PLAIN, 1000, &whole);
			ck_assert_int_eq(strncmp(got, again, strlen(again)), 0);
			ck_assert_str_eq(got + strlen(again), taken == sizeof(text) - 1 ? "" : "…");
		}
	}
}
END_TEST

START_TEST(what_just_fits_is_not_cut)
{
	size_t taken = 0;
	CLEANUP(free_charp) char *got = written("abcdef", FEISHU_PLAIN, 6, &taken);
	CLEANUP(free_charp) char *cut = written("abcdefg", FEISHU_PLAIN, 6, &taken);

	ck_assert_str_eq(got, "abcdef");
	ck_assert_str_eq(cut, "abc…");
	ck_assert_uint_eq(taken, 3);
}
END_TEST

START_TEST(the_buffer_may_be_full)
{
	struct buf b;
	size_t taken;

	buf_init(&b, 3);
	ck_assert(!feishu_text(&b, SPAN("abcdef"), FEISHU_PLAIN, 100, &taken));
	buf_release(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("feishu_text");
	TCase *t = tcase_create("text");

	tcase_add_test(t, plain_text_stays_as_it_is);
	tcase_add_test(t, nothing_of_it_is_markup);
	tcase_add_test(t, what_cannot_be_seen_is_shown);
	tcase_add_test(t, it_is_cut_between_characters);
	tcase_add_test(t, what_just_fits_is_not_cut);
	tcase_add_test(t, the_buffer_may_be_full);
	suite_add_tcase(s, t);
	return s;
}
