#include "broker/feishu_crypto.h"
#include "base/base64.h"
#include "unit/unit.h"

/* The vectors: recomputed from the vendor's pages and SDKs. */

START_TEST(a_callback_is_signed_by_sha256_over_its_raw_bytes)
{
	char got[FEISHU_SIGNATURE_SIZE];

	feishu_signature(SPAN("1700000000"), SPAN("nonce1"), SPAN("test key"), SPAN("{\"encrypt\":\"x\"}"), got);
	ck_assert_str_eq(got, "0750079ced63fb99ad83cf61c58f8d8134dfc0246555d095fd0b47d6721f2819");
	feishu_signature(SPAN("1700000000"), SPAN("nonce1"), SPAN("test key"), SPAN("{\"encrypt\":\"y\"}"), got);
	ck_assert_str_ne(got, "0750079ced63fb99ad83cf61c58f8d8134dfc0246555d095fd0b47d6721f2819");
}
END_TEST

static bool decrypts_to(struct span key, struct span text, const char *expected)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 1000);
	ck_assert(buf_append_text(&b, "before "));
	bool is_good = feishu_decrypt(key, text, &b);
	if (!is_good)
		ck_assert_str_eq(b.data, "before ");
	return is_good && strcmp(b.data + strlen("before "), expected) == 0;
}

START_TEST(a_body_is_decrypted)
{
	ck_assert(decrypts_to(SPAN("test key"), SPAN("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="), "hello world"));
}
END_TEST

static const char *const broken[] = {
	"", "====", "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk", "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk= ",
	"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghl=",              /* bits left over */
	"P37w-VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=",              /* another alphabet */
	"P37w+VZImNgPEO1RBhJ6Rg==",                                  /* an IV alone */
	"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzgg==",              /* a byte short */
	"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghg=",              /* another last block: its padding is wrong */
};

START_TEST(what_is_no_such_body_is_refused)
{
	ck_assert_msg(!decrypts_to(SPAN("test key"), span_of(broken[_i]), "hello world"), "case %d", _i);
}
END_TEST

START_TEST(another_key_does_not_decrypt)
{
	ck_assert(!decrypts_to(SPAN("test kez"), SPAN("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="), "hello world"));
}
END_TEST

START_TEST(a_cap_is_kept)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 10);
	ck_assert(!feishu_decrypt(SPAN("test key"), SPAN("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="), &b));
}
END_TEST

START_TEST(a_custom_bot_signs_nothing_under_time_and_secret)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 100);
	ck_assert(feishu_bot_sign(1700000000, SPAN("aegis-test-secret"), &b));
	ck_assert_str_eq(b.data, "MkiafEcXe+k/DQQGAKupjLNuldxuRSyqYmX32wIilog=");
}
END_TEST

static const struct { const char *text, *bytes; } encoded[] = {
	{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" }, { "Zm9vYmE=", "fooba" }, { "Zm9vYmFy", "foobar" },
};

START_TEST(base64_is_read_as_it_is_written)
{
	CLEANUP(buf_release) struct buf b = { 0 }, again = { 0 };

	buf_init(&b, 100);
	buf_init(&again, 100);
	ck_assert(buf_append_text(&again, ""));
	ck_assert(base64_decode(&b, span_of(encoded[_i].text)) && buf_append_text(&b, ""));
	ck_assert_str_eq(b.data, encoded[_i].bytes);
	ck_assert(base64_append(&again, buf_span(&b)));
	ck_assert_str_eq(again.data, encoded[_i].text);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("feishu_crypto");
	TCase *t = tcase_create("crypto");

	tcase_add_test(t, a_callback_is_signed_by_sha256_over_its_raw_bytes);
	tcase_add_test(t, a_body_is_decrypted);
	tcase_add_loop_test(t, what_is_no_such_body_is_refused, 0, ARRAY_LEN(broken));
	tcase_add_test(t, another_key_does_not_decrypt);
	tcase_add_test(t, a_cap_is_kept);
	tcase_add_test(t, a_custom_bot_signs_nothing_under_time_and_secret);
	tcase_add_loop_test(t, base64_is_read_as_it_is_written, 0, ARRAY_LEN(encoded));
	suite_add_tcase(s, t);
	return s;
}
