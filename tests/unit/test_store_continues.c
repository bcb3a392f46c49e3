/* A call that goes on where another stopped for input: both are one use. */
#include "unit/store_kit.h"

static struct kit kit;
static struct job first, rest;

static void setup(void)
{
	kit_init(&kit);
}

static void teardown(void)
{
	ck_assert_int_eq(
		file_number(&kit,
			"SELECT count(*) FROM limit_window AS w WHERE live <> (SELECT count(*)"
			" FROM limit_entry AS e WHERE e.key = w.key AND e.tick > w.from_tick)"),
		0);
	job_release(&first);
	job_release(&rest);
	kit_release(&kit);
}

static int use(const char *key, int64_t window_ms, uint32_t max_count)
{
	return call_once(&kit, LIMITS({ key, window_ms, max_count }), DONE);
}

/* Both calls under these limits; the first has run and its uses stand at the answer. */
static int64_t run_first(const struct limit *limits, size_t n)
{
	struct settle e;

	job_init(&first, &kit, limits, n);
	job_init(&rest, &kit, limits, n);
	ck_assert_int_eq(job_commit(&first), COMMITTED);
	e = (struct settle){ .call = &first.facts, .limits = first.claims, .left_tick_ms = -1, .evidence = &first.outcome };
	first.op = (struct op){ .is_kept = true };
	store_settle(kit.store, &first.op, &e);
	op_finish(kit.store, &first.op);
	ck_assert_int_eq(first.op.err, OK);
	return e.use_tick;
}

static int go_on(int64_t use_tick)
{
	struct commit c = {
		.call = &rest.facts, .limits = rest.claims, .continues = first.facts.id, .continues_tick = use_tick,
		.deadline_ms = 10 * MINUTE, .intent = &rest.intent,
	};

	rest.op = (struct op){ 0 };
	store_commit(kit.store, &rest.op, &c);
	op_finish(kit.store, &rest.op);
	return rest.op.err != OK ? (int)rest.op.err : rest.op.answer;
}

START_TEST(both_are_one_use)
{
	int64_t tick = run_first(LIMITS({ "k", HOUR, 1 }));

	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	ck_assert_int_eq(go_on(tick), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 1);
	job_settle(&rest, DONE);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).used, 1);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
}
END_TEST

START_TEST(the_use_is_as_young_as_the_rest)
{
	int64_t tick = run_first(LIMITS({ "k", HOUR, 1 }));

	hands_move(&kit.hands, HOUR / 2);
	ck_assert_int_eq(go_on(tick), COMMITTED);
	job_settle(&rest, DONE);
	hands_move(&kit.hands, HOUR / 2 + MINUTE);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	hands_move(&kit.hands, HOUR / 2);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
}
END_TEST

START_TEST(a_use_that_left_its_window_is_admitted_anew)
{
	int64_t tick = run_first(LIMITS({ "k", MINUTE, 1 }, { "k", HOUR, 2 }));

	hands_move(&kit.hands, 2 * MINUTE);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	ck_assert_int_eq(go_on(tick), COMMIT_LIMITED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 2);
	hands_move(&kit.hands, 2 * MINUTE);
	ck_assert_int_eq(go_on(tick), COMMITTED);
	job_settle(&rest, DONE);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).used, 2);
	ck_assert_uint_eq(kit_show(&kit, "k", MINUTE).used, 1);
}
END_TEST

START_TEST(a_limit_that_was_lowered_does_not_stop_the_rest)
{
	int64_t tick = run_first(LIMITS({ "k", HOUR, 3 }));

	ck_assert_int_eq(use("k", HOUR, 3), COMMITTED);
	rest.claims.v[0].max_count = 1;
	ck_assert_int_eq(go_on(tick), COMMITTED);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).held + kit_show(&kit, "k", HOUR).used, 2);
}
END_TEST

START_TEST(it_takes_over_once)
{
	int64_t tick = run_first(LIMITS({ "k", HOUR, 1 }));

	ck_assert_int_eq(go_on(tick), COMMITTED);
	job_settle(&rest, DONE);
	id_new(rest.facts.id, kit.hands.wall_ms);
	ck_assert_int_eq(go_on(tick), COMMIT_LIMITED);
	ck_assert_int_eq(go_on(0), COMMIT_LIMITED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_continues");
	TCase *t = tcase_create("continues");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, both_are_one_use);
	tcase_add_test(t, the_use_is_as_young_as_the_rest);
	tcase_add_test(t, a_use_that_left_its_window_is_admitted_anew);
	tcase_add_test(t, a_limit_that_was_lowered_does_not_stop_the_rest);
	tcase_add_test(t, it_takes_over_once);
	suite_add_tcase(s, t);
	return s;
}
