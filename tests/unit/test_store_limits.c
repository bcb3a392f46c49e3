#include "unit/store_kit.h"

static struct kit kit;

static void setup(void)
{
	kit_init(&kit);
}

/* Whatever a test did: every stored count is the count of its entries. */
static void counts_are_exact(void)
{
	ck_assert_int_eq(
		file_number(&kit,
			"SELECT count(*) FROM limit_window AS w WHERE live <> (SELECT count(*)"
			" FROM limit_entry AS e WHERE e.key = w.key AND e.tick > w.from_tick)"),
		0);
}

static void teardown(void)
{
	counts_are_exact();
	kit_release(&kit);
}

static int use(const char *key, int64_t window_ms, uint32_t max_count)
{
	return call_once(&kit, LIMITS({ key, window_ms, max_count }), DONE);
}

static void pass(int64_t ms)
{
	hands_move(&kit.hands, ms);
}

/* ---- the window ---- */

START_TEST(a_window_admits_max_count_and_no_more)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(use("k", HOUR, 3), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 3), COMMIT_LIMITED);
	ck_assert_int_eq(use("other", HOUR, 3), COMMITTED);
}
END_TEST

START_TEST(a_place_is_free_when_the_use_is_older_than_the_window_and_the_guard)
{
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	pass(MINUTE + GUARD);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	pass(1);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
}
END_TEST

START_TEST(a_limit_of_none_admits_none)
{
	ck_assert_int_eq(use("k", HOUR, 0), COMMIT_LIMITED);
}
END_TEST

START_TEST(the_wall_clock_does_not_move_a_window)
{
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	kit.hands.wall_ms += 24 * HOUR;
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
	kit.hands.wall_ms -= 48 * HOUR;
	pass(HOUR + GUARD + 1);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
}
END_TEST

START_TEST(several_windows_are_taken_together_or_not_at_all)
{
	const struct limit both[] = { { "a", HOUR, 5 }, { "b", HOUR, 1 } };

	ck_assert_int_eq(call_once(&kit, both, 2, DONE), COMMITTED);
	ck_assert_int_eq(call_once(&kit, both, 2, DONE), COMMIT_LIMITED);
	ck_assert_uint_eq(kit_show(&kit, "a", HOUR).used, 1);
}
END_TEST

START_TEST(windows_of_one_key_share_one_entry)
{
	const struct limit list[] = { { "k", MINUTE, 1 }, { "k", HOUR, 2 } };

	ck_assert_int_eq(call_once(&kit, list, 2, DONE), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 1);
	pass(MINUTE + GUARD + 1);
	ck_assert_int_eq(call_once(&kit, list, 2, DONE), COMMITTED);
	pass(MINUTE + GUARD + 1);
	ck_assert_int_eq(call_once(&kit, list, 2, DONE), COMMIT_LIMITED);
	ck_assert_int_eq(call_once(&kit, list, 1, DONE), COMMITTED);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).used, 3);
}
END_TEST

START_TEST(an_edited_limit_keeps_its_history)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(use("k", HOUR, 3), COMMITTED);
		pass(10 * MINUTE);
	}
	ck_assert_int_eq(use("k", 2 * HOUR, 3), COMMIT_LIMITED);
	ck_assert_int_eq(use("k", 15 * MINUTE, 1), COMMIT_LIMITED);
	ck_assert_int_eq(use("k", 9 * MINUTE, 1), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 5), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 5), COMMIT_LIMITED);
}
END_TEST

START_TEST(history_is_kept_for_a_day_or_the_longest_window_and_then_forgotten)
{
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(use("short", MINUTE, 100), COMMITTED);
	ck_assert_int_eq(use("long", 72 * HOUR, 100), COMMITTED);
	pass(23 * HOUR);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(use("short", MINUTE, 100), COMMITTED);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM limit_entry WHERE key = 'short'"), 80);
	pass(2 * HOUR);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(use("short", MINUTE, 100), COMMITTED);
		ck_assert_int_eq(use("long", 72 * HOUR, 100), COMMITTED);
	}
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM limit_entry WHERE key = 'short'"), 80);
	ck_assert_uint_eq(kit_show(&kit, "long", 72 * HOUR).used, 41);
}
END_TEST

START_TEST(a_window_nobody_claims_any_more_does_not_keep_history)
{
	ck_assert_int_eq(use("k", MINUTE, 100), COMMITTED);
	ck_assert_int_eq(use("k", 2 * MINUTE, 100), COMMITTED);
	pass(25 * HOUR);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(use("k", 2 * MINUTE, 100), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 20);
	counts_are_exact();
	ck_assert_int_eq(use("k", MINUTE, 20), COMMIT_LIMITED);
}
END_TEST

START_TEST(a_window_in_use_is_counted_once_and_then_moved)
{
	const char *mark = "SELECT from_tick FROM limit_window";

	ck_assert_int_eq(use("k", 24 * HOUR, 1000), COMMITTED);
	int64_t first = file_number(&kit, mark);
	for (int i = 0; i < 40; i++) {
		pass(SECOND);
		ck_assert_int_eq(use("k", 24 * HOUR, 1000), COMMITTED);
	}
	ck_assert_int_eq(file_number(&kit, mark), first);
	pass(24 * HOUR);
	ck_assert_int_eq(use("k", 24 * HOUR, 1000), COMMITTED);
	ck_assert_int_gt(file_number(&kit, mark), first);
}
END_TEST

/* ---- when a use begins to age ---- */

START_TEST(windows_age_by_stamp_not_by_commit)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", MINUTE, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	pass(5 * MINUTE);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	job_settle(&j, DONE); /* when it left is not known: now */
	pass(MINUTE + GUARD);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	pass(1);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(the_stamp_is_when_the_first_byte_left)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", MINUTE, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	pass(20);
	int64_t left = kit_tick(&kit);
	pass(30 * SECOND);
	ck_assert_int_eq(job_settle_at(&j, DONE, left), OK);
	pass(30 * SECOND + GUARD);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	pass(1);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(a_stamped_use_ages_while_its_call_is_open)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", MINUTE, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	int64_t left = kit_tick(&kit);
	pass(2 * SECOND);
	job_stamp(&j, left);
	pass(MINUTE);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	job_settle(&j, REFUND); /* its place was free already: nothing to give back */
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	job_release(&j);
}
END_TEST

START_TEST(a_stamp_older_than_the_window_frees_the_place_at_once)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", MINUTE, 2 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	int64_t left = kit_tick(&kit);
	ck_assert_int_eq(use("k", MINUTE, 2), COMMITTED);
	pass(2 * MINUTE);
	ck_assert_int_eq(use("k", MINUTE, 2), COMMITTED); /* moves the mark past `left` */
	ck_assert_int_eq(use("k", MINUTE, 2), COMMIT_LIMITED);
	ck_assert_int_eq(job_settle_at(&j, DONE, left), OK);
	counts_are_exact();
	ck_assert_int_eq(use("k", MINUTE, 2), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(a_stamp_cannot_lie_before_the_commit_or_after_now)
{
	struct job early, late;

	job_init(&early, &kit, LIMITS({ "a", MINUTE, 1 }));
	job_init(&late, &kit, LIMITS({ "b", MINUTE, 1 }));
	ck_assert_int_eq(job_commit(&early), COMMITTED);
	ck_assert_int_eq(job_commit(&late), COMMITTED);
	ck_assert_int_eq(job_settle_at(&early, DONE, 1), OK);
	ck_assert_int_eq(job_settle_at(&late, DONE, kit_tick(&kit) + 9 * HOUR), OK);
	ck_assert_int_eq(use("a", MINUTE, 1), COMMIT_LIMITED);
	pass(MINUTE + GUARD + 1);
	ck_assert_int_eq(use("b", MINUTE, 1), COMMITTED);
	job_release(&early);
	job_release(&late);
}
END_TEST

/* ---- what is given back ---- */

START_TEST(a_refund_gives_the_place_back)
{
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 1 }), REFUND), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
}
END_TEST

START_TEST(a_refund_after_the_stamp_gives_the_place_back)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", HOUR, 1 }, { "k", 2 * HOUR, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	pass(2 * SECOND);
	job_stamp(&j, kit_tick(&kit) - 1);
	pass(SECOND);
	job_settle(&j, REFUND);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(an_unknown_outcome_keeps_the_place)
{
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 1 }), UNKNOWN), COMMITTED);
	ck_assert_int_eq(use("k", HOUR, 1), COMMIT_LIMITED);
}
END_TEST

/* ---- holds ---- */

START_TEST(a_hold_counts_while_it_lives)
{
	struct job j, second;

	job_init(&j, &kit, LIMITS({ "k", MINUTE, 1 }));
	job_init(&second, &kit, LIMITS({ "k", MINUTE, 1 }));
	ck_assert_int_eq(job_hold(&j), HELD);
	pass(HOUR);
	ck_assert_int_eq(job_hold(&second), HOLD_LIMITED);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	job_unhold(&j);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	job_release(&j);
	job_release(&second);
}
END_TEST

START_TEST(a_hold_becomes_a_use_at_the_commit_point)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", MINUTE, 1 }, { "g", HOUR, 7 }));
	ck_assert_int_eq(job_hold(&j), HELD);
	pass(HOUR);
	ck_assert_int_eq(job_commit_as(&j, true), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 2);
	job_settle(&j, DONE);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMIT_LIMITED);
	pass(MINUTE + GUARD + 1);
	ck_assert_int_eq(use("k", MINUTE, 1), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(a_hold_that_is_gone_must_be_admitted_anew)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", HOUR, 1 }));
	ck_assert_int_eq(job_hold(&j), HELD);
	job_unhold(&j);
	ck_assert_int_eq(use("k", HOUR, 1), COMMITTED);
	ck_assert_int_eq(job_commit_as(&j, true), COMMIT_LIMITED);
	job_release(&j);
}
END_TEST

START_TEST(releasing_twice_frees_one_place)
{
	struct job a, b;

	job_init(&a, &kit, LIMITS({ "k", HOUR, 2 }));
	job_init(&b, &kit, LIMITS({ "k", HOUR, 2 }));
	ck_assert_int_eq(job_hold(&a), HELD);
	ck_assert_int_eq(job_hold(&b), HELD);
	job_unhold(&a);
	job_unhold(&a);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).held, 1);
	job_release(&a);
	job_release(&b);
}
END_TEST

/* ---- what a refusal says ---- */

static struct limit_refusal refused(const struct limit *limits, size_t n)
{
	struct job j;

	job_init(&j, &kit, limits, n);
	ck_assert_int_eq(job_commit(&j), COMMIT_LIMITED);
	struct limit_refusal why = j.why;
	job_release(&j);
	return why;
}

START_TEST(retry_after_is_when_the_oldest_use_leaves)
{
	ck_assert_int_eq(use("k", HOUR, 2), COMMITTED);
	pass(10 * MINUTE);
	ck_assert_int_eq(use("k", HOUR, 2), COMMITTED);
	pass(MINUTE);
	struct limit_refusal why = refused(LIMITS({ "k", HOUR, 2 }));
	ck_assert_uint_eq(why.used, 2);
	ck_assert_uint_eq(why.held, 0);
	ck_assert(!why.is_held);
	ck_assert_int_eq(why.retry_after_ms, 49 * MINUTE + GUARD + 1);
	pass(why.retry_after_ms - 1);
	ck_assert_int_eq(use("k", HOUR, 2), COMMIT_LIMITED);
	pass(1);
	ck_assert_int_eq(use("k", HOUR, 2), COMMITTED);
}
END_TEST

START_TEST(after_a_limit_was_lowered_more_than_one_use_must_leave)
{
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(use("k", HOUR, 4), COMMITTED);
		pass(MINUTE);
	}
	ck_assert_int_eq(
		refused(LIMITS({ "k", HOUR, 2 })).retry_after_ms, HOUR - 2 * MINUTE + GUARD + 1);
}
END_TEST

START_TEST(the_window_that_stays_full_longest_is_the_answer)
{
	const struct limit both[] = { { "k", MINUTE, 1 }, { "k", HOUR, 1 } };

	ck_assert_int_eq(call_once(&kit, both, 2, DONE), COMMITTED);
	ck_assert_int_eq(refused(both, 2).retry_after_ms, HOUR + GUARD + 1);
}
END_TEST

START_TEST(when_holds_alone_fill_the_window_it_says_so)
{
	struct job a, b;

	job_init(&a, &kit, LIMITS({ "k", HOUR, 2 }));
	job_init(&b, &kit, LIMITS({ "k", HOUR, 2 }));
	ck_assert_int_eq(job_hold(&a), HELD);
	ck_assert_int_eq(job_commit(&b), COMMITTED);
	struct limit_refusal why = refused(LIMITS({ "k", HOUR, 2 }));
	ck_assert(!why.is_held);
	ck_assert_uint_eq(why.used, 1);
	ck_assert_uint_eq(why.held, 1);
	ck_assert_int_eq(why.retry_after_ms, -1); /* only their end frees a place */
	why = refused(LIMITS({ "k", HOUR, 1 }));
	ck_assert(why.is_held);
	job_release(&a);
	job_release(&b);
}
END_TEST

START_TEST(showing_counts_without_changing)
{
	ck_assert_int_eq(use("k", HOUR, 9), COMMITTED);
	pass(MINUTE);
	struct limit_row row = kit_show(&kit, "k", HOUR);
	ck_assert_uint_eq(row.used, 1);
	ck_assert_int_eq(row.next_free_ms, 59 * MINUTE + GUARD + 1);
	ck_assert_uint_eq(kit_show(&kit, "k", 30 * SECOND).used, 0);
	pass(HOUR);
	row = kit_show(&kit, "k", HOUR);
	ck_assert_uint_eq(row.used, 0);
	ck_assert_int_eq(row.next_free_ms, -1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_window"), 1);
}
END_TEST

/* ---- against a plain count ---- */

#define JOBS            400
#define PROMISED_WINDOW MINUTE
#define PROMISED_MAX    7

struct seen {
	struct job job;
	bool is_open, counts;
	int64_t left_tick;
};

/* What the promise counts: no window holds more than max_count calls that left us and were not
 * given back. */
static void promise_holds(const struct seen *v, int n)
{
	for (int i = 0; i < n; i++) {
		int together = 0;
		if (!v[i].counts)
			continue;
		for (int j = 0; j < n; j++)
			together += v[j].counts && v[j].left_tick >= v[i].left_tick &&
				    v[j].left_tick < v[i].left_tick + PROMISED_WINDOW;
		ck_assert_int_le(together, PROMISED_MAX);
	}
}

static uint32_t dice(uint64_t *seed, uint32_t sides)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % sides;
}

static void settle_one(struct seen *v, int n, uint64_t *seed)
{
	int first = (int)dice(seed, (uint32_t)n + 1);

	for (int i = 0; i < n; i++) {
		struct seen *one = &v[(first + i) % n];
		if (!one->is_open)
			continue;
		one->counts = dice(seed, 3) > 0;
		one->is_open = false;
		ck_assert_int_eq(
			job_settle_at(&one->job, one->counts ? DONE : REFUND, one->left_tick), OK);
		return;
	}
}

/* Its first byte leaves at most 50 ms after the commit; longer ones ask the store again. */
static bool begin_one(struct seen *one, uint64_t *seed)
{
	if (job_commit(&one->job) != COMMITTED)
		return false;
	one->is_open = one->counts = true;
	one->left_tick = kit_tick(&kit) + dice(seed, 50);
	pass(50);
	if (dice(seed, 4) == 0)
		job_stamp(&one->job, one->left_tick);
	return true;
}

START_TEST(random_histories_keep_the_promise_and_the_counts)
{
	struct seen *v = xcalloc(JOBS, sizeof(*v));
	uint64_t seed = 12345 + (uint64_t)_i;
	int admitted = 0;

	for (int n = 0; n < JOBS; n++) {
		job_init(&v[n].job, &kit,
			LIMITS({ "k", PROMISED_WINDOW, PROMISED_MAX }, { "k", 10 * SECOND, 3 }));
		pass(dice(&seed, 4000));
		if (dice(&seed, 3) > 0)
			settle_one(v, n, &seed);
		admitted += begin_one(&v[n], &seed);
		if (n % 50 == 0)
			counts_are_exact();
	}
	promise_holds(v, JOBS);
	ck_assert_int_gt(admitted, JOBS / 8);
	for (int n = 0; n < JOBS; n++)
		job_release(&v[n].job);
	free(v);
}
END_TEST

static void add_windows(TCase *t)
{
	tcase_add_test(t, a_window_admits_max_count_and_no_more);
	tcase_add_test(t, a_place_is_free_when_the_use_is_older_than_the_window_and_the_guard);
	tcase_add_test(t, a_limit_of_none_admits_none);
	tcase_add_test(t, the_wall_clock_does_not_move_a_window);
	tcase_add_test(t, several_windows_are_taken_together_or_not_at_all);
	tcase_add_test(t, windows_of_one_key_share_one_entry);
	tcase_add_test(t, an_edited_limit_keeps_its_history);
	tcase_add_test(t, history_is_kept_for_a_day_or_the_longest_window_and_then_forgotten);
	tcase_add_test(t, a_window_nobody_claims_any_more_does_not_keep_history);
	tcase_add_test(t, a_window_in_use_is_counted_once_and_then_moved);
}

static void add_stamps(TCase *t)
{
	tcase_add_test(t, windows_age_by_stamp_not_by_commit);
	tcase_add_test(t, the_stamp_is_when_the_first_byte_left);
	tcase_add_test(t, a_stamped_use_ages_while_its_call_is_open);
	tcase_add_test(t, a_stamp_older_than_the_window_frees_the_place_at_once);
	tcase_add_test(t, a_stamp_cannot_lie_before_the_commit_or_after_now);
	tcase_add_test(t, a_refund_gives_the_place_back);
	tcase_add_test(t, a_refund_after_the_stamp_gives_the_place_back);
	tcase_add_test(t, an_unknown_outcome_keeps_the_place);
}

static void add_holds_and_answers(TCase *t)
{
	tcase_add_test(t, a_hold_counts_while_it_lives);
	tcase_add_test(t, a_hold_becomes_a_use_at_the_commit_point);
	tcase_add_test(t, a_hold_that_is_gone_must_be_admitted_anew);
	tcase_add_test(t, releasing_twice_frees_one_place);
	tcase_add_test(t, retry_after_is_when_the_oldest_use_leaves);
	tcase_add_test(t, after_a_limit_was_lowered_more_than_one_use_must_leave);
	tcase_add_test(t, the_window_that_stays_full_longest_is_the_answer);
	tcase_add_test(t, when_holds_alone_fill_the_window_it_says_so);
	tcase_add_test(t, showing_counts_without_changing);
}

Suite *suite(void)
{
	Suite *s = suite_create("store_limits");
	TCase *t = tcase_create("limits");

	tcase_add_checked_fixture(t, setup, teardown);
	add_windows(t);
	add_stamps(t);
	add_holds_and_answers(t);
	tcase_add_loop_test(t, random_histories_keep_the_promise_and_the_counts, 0, 5);
	suite_add_tcase(s, t);
	return s;
}
