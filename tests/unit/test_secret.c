#include "unit/unit.h"
#include "base/id.h"
#include "base/xalloc.h"
#include "data/secret.h"

static void ck_hash(struct hash *h, const char *hex)
{
	uint8_t out[32];
	char text[65];

	hash_done(h, out);
	hex_encode(text, out, 32);
	ck_assert_str_eq(text, hex);
}

START_TEST(hashes_are_blake2b_256)
{
	struct hash h;

	ck_assert_int_eq(secret_setup(), OK);
	hash_init(&h); /* b2sum -l 256 */
	ck_hash(&h, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
	hash_init(&h);
	hash_add(&h, "a", 1);
	hash_add(&h, NULL, 0);
	hash_add(&h, "bc", 2);
	ck_hash(&h, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}
END_TEST

START_TEST(fields_cannot_be_moved_into_each_other)
{
	uint8_t ab_c[32], a_bc[32];
	struct hash h;

	hash_init(&h);
	hash_add_field(&h, SPAN("ab"));
	hash_add_field(&h, SPAN("c"));
	hash_done(&h, ab_c);
	hash_init(&h);
	hash_add_field(&h, SPAN("a"));
	hash_add_field(&h, SPAN("bc"));
	hash_done(&h, a_bc);
	ck_assert_mem_ne(ab_c, a_bc, 32);
	hash_init(&h);
	hash_add(&h, "\2\0\0\0\0\0\0\0ab\1\0\0\0\0\0\0\0c", 19);
	hash_done(&h, a_bc);
	ck_assert_mem_eq(ab_c, a_bc, 32);
}
END_TEST

START_TEST(secrets_are_compared_whole)
{
	ck_assert(secret_equal(SPAN("abc"), SPAN("abc")));
	ck_assert(!secret_equal(SPAN("abc"), SPAN("abd")));
	ck_assert(!secret_equal(SPAN("abc"), SPAN("ab")));
	ck_assert(!secret_equal(SPAN("a\0b"), SPAN("a\0c")));
	ck_assert(secret_equal(SPAN(""), (struct span){ NULL, 0 }));
}
END_TEST

/* RFC 4231, test case 2. */
START_TEST(macs_are_hmac_sha_256)
{
	uint8_t got[32], want[32];
	struct mac m;

	mac_init(&m, SPAN("Jefe"));
	mac_add(&m, "what do ya want ", 16);
	mac_add(&m, NULL, 0);
	mac_add(&m, "for nothing?", 12);
	mac_done(&m, got);
	ck_assert(secret_from_hex(SPAN("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"), want, 32));
	ck_assert_mem_eq(got, want, 32);
	ck_assert(!secret_from_hex(SPAN("5bdc"), want, 1));
	ck_assert(!secret_from_hex(SPAN("5bd:"), want, 2));
}
END_TEST

START_TEST(wiping_leaves_zeroes)
{
	char secret[] = "secret", zeroes[sizeof(secret)] = { 0 };

	secret_wipe(secret, sizeof(secret));
	ck_assert_mem_eq(secret, zeroes, sizeof(secret));
	secret_free(xstrdup("x"));
	secret_free(NULL);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("secret");
	TCase *t = tcase_create("secret");

	tcase_add_test(t, hashes_are_blake2b_256);
	tcase_add_test(t, fields_cannot_be_moved_into_each_other);
	tcase_add_test(t, secrets_are_compared_whole);
	tcase_add_test(t, macs_are_hmac_sha_256);
	tcase_add_test(t, wiping_leaves_zeroes);
	suite_add_tcase(s, t);
	return s;
}
