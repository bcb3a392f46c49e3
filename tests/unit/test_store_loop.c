/* The loop guard in the store: windows that count every call, whatever comes of it, and whose keys do not pile up. */
#include "unit/store_kit.h"

static struct kit kit;

static void setup(void)
{
	kit_init(&kit);
}

static void teardown(void)
{
	kit_release(&kit);
}

#define LOOP LIMITS_LOOP_PREFIX

static enum commit_answer call_looping(const char *key, enum end how, bool is_void)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "rate", HOUR, 2 }, { key, MINUTE, 2 }));
	j.claims.v[1].scope = LIMIT_LOOP;
	enum commit_answer answer = (enum commit_answer)job_commit(&j);
	if (answer == COMMITTED) {
		struct settle e = { .call = &j.facts, .limits = j.claims, .is_refund = how == REFUND, .is_void = is_void,
			.left_tick_ms = -1, .evidence = &j.outcome };
		struct op op = { .is_kept = true };
		store_settle(kit.store, &op, &e);
		op_finish(kit.store, &op);
		ck_assert_int_eq(op.err, OK);
	}
	job_release(&j);
	return answer;
}

START_TEST(a_call_that_failed_gives_back_every_place_but_this_one)
{
	ck_assert_int_eq(call_looping(LOOP "a", REFUND, false), COMMITTED);
	ck_assert_int_eq(kit_show(&kit, "rate", HOUR).used, 0);
	ck_assert_int_eq(kit_show(&kit, LOOP "a", MINUTE).used, 1);
	ck_assert_int_eq(call_looping(LOOP "a", REFUND, false), COMMITTED);
	ck_assert_int_eq(call_looping(LOOP "a", REFUND, false), COMMIT_LIMITED);
	hands_move(&kit.hands, MINUTE + GUARD + 1);
	ck_assert_int_eq(call_looping(LOOP "a", REFUND, false), COMMITTED);
}
END_TEST

START_TEST(a_call_that_goes_once_more_counts_once)
{
	ck_assert_int_eq(call_looping(LOOP "a", REFUND, true), COMMITTED);
	ck_assert_int_eq(kit_show(&kit, LOOP "a", MINUTE).used, 0);
	ck_assert_int_eq(kit_show(&kit, "rate", HOUR).used, 0);
}
END_TEST

START_TEST(one_that_was_stamped_before_it_failed_stays_where_it_was)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ LOOP "a", MINUTE, 2 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	int64_t left = kit_tick(&kit);
	hands_move(&kit.hands, 30 * SECOND);
	job_stamp(&j, left);
	job_settle(&j, REFUND);
	ck_assert_int_eq(kit_show(&kit, LOOP "a", MINUTE).used, 1);
	hands_move(&kit.hands, 30 * SECOND + GUARD + 1);
	ck_assert_int_eq(kit_show(&kit, LOOP "a", MINUTE).used, 0);
	job_release(&j);
}
END_TEST

START_TEST(records_lost_with_the_power_do_not_make_every_call_a_loop)
{
	ck_assert_int_eq(call_looping(LOOP "a", DONE, false), COMMITTED);
	kit_close(&kit);
	kit_sql(&kit, "UPDATE meta SET is_synced = 0");
	hands_reboot(&kit.hands, "b2:1", 10 * SECOND);
	kit_open(&kit);
	struct job j;
	job_init(&j, &kit, LIMITS({ LOOP "b", MINUTE, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	job_release(&j);
	job_init(&j, &kit, LIMITS({ "rate", MINUTE, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMIT_LIMITED); /* as a limit is */
	job_release(&j);
}
END_TEST

START_TEST(keys_nobody_comes_back_to_are_forgotten_and_live_ones_kept)
{
	char key[80];

	for (int i = 0; i < 400; i++) {
		struct job j;
		snprintf(key, sizeof(key), LOOP "%08x", (unsigned)i * 2654435761u); /* as hashes lie: anywhere */
		job_init(&j, &kit, LIMITS({ key, MINUTE, 2 }));
		j.claims.v[0].scope = LIMIT_LOOP;
		ck_assert_int_eq(job_commit(&j), COMMITTED);
		job_settle(&j, DONE);
		job_release(&j);
		hands_move(&kit.hands, SECOND);
	}
	int64_t keys = file_number(&kit, "SELECT count(*) FROM limit_window");
	int64_t live = file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick > (SELECT max(tick) FROM limit_entry) - 60000");
	ck_assert_msg(keys < 200, "%lld keys", (long long)keys);
	ck_assert_int_eq(live, 60);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry WHERE key NOT IN (SELECT key FROM limit_window)"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_loop");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_call_that_failed_gives_back_every_place_but_this_one);
	tcase_add_test(t, a_call_that_goes_once_more_counts_once);
	tcase_add_test(t, one_that_was_stamped_before_it_failed_stays_where_it_was);
	tcase_add_test(t, records_lost_with_the_power_do_not_make_every_call_a_loop);
	tcase_add_test(t, keys_nobody_comes_back_to_are_forgotten_and_live_ones_kept);
	suite_add_tcase(s, t);
	return s;
}
