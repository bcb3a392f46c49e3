/* evidence: the digest covers every field, the chain covers order and number. */
#include "domain/evidence.h"
#include "unit.h"

static struct evidence sample(void)
{
	struct evidence e = { .call = "c1", .agent = "a", .backend = "x", .tool = "echo", .verdict = "allowed",
		.kind = EVIDENCE_INTENT, .at_ms = 1763718000123, .body = SPAN("{}") };

	evidence_seal(&e);
	return e;
}

static bool same(const struct evidence *a, const struct evidence *b)
{
	return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

START_TEST(equal_rows_have_equal_digests)
{
	struct evidence a = sample(), b = sample();

	ck_assert(same(&a, &b));
}
END_TEST

START_TEST(every_field_counts)
{
	struct evidence a = sample(), b;

	b = a, b.call = "c2", evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.agent = "b", evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.backend = "y", evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.tool = "echo2", evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.verdict = "denied", evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.kind = EVIDENCE_OUTCOME, evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.at_ms++, evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.body = SPAN("{ }"), evidence_seal(&b), ck_assert(!same(&a, &b));
	b = a, b.args_hash[31] = 1, evidence_seal(&b), ck_assert(!same(&a, &b));
}
END_TEST

START_TEST(bytes_cannot_move_from_one_field_to_the_next)
{
	struct evidence a = sample(), b = sample();

	a.agent = "ab", a.backend = "c", evidence_seal(&a);
	b.agent = "a", b.backend = "bc", evidence_seal(&b);
	ck_assert(!same(&a, &b));
}
END_TEST

START_TEST(the_chain_depends_on_what_came_before_and_on_the_number)
{
	struct evidence e = sample();
	uint8_t zero[32] = { 0 }, first[32], other[32];

	evidence_chain(zero, 1, e.digest, first);
	evidence_chain(zero, 2, e.digest, other);
	ck_assert_mem_ne(first, other, 32);
	evidence_chain(first, 1, e.digest, other);
	ck_assert_mem_ne(first, other, 32);
	evidence_chain(zero, 1, e.digest, other);
	ck_assert_mem_eq(first, other, 32);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evidence");
	TCase *t = tcase_create("evidence");

	tcase_add_test(t, equal_rows_have_equal_digests);
	tcase_add_test(t, every_field_counts);
	tcase_add_test(t, bytes_cannot_move_from_one_field_to_the_next);
	tcase_add_test(t, the_chain_depends_on_what_came_before_and_on_the_number);
	suite_add_tcase(s, t);
	return s;
}
