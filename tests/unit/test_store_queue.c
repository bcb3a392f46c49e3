/* The queue of a backend: order, slots and their delays, parked places. One process under clocks the test moves. */
#include <fcntl.h>
#include <unistd.h>
#include "unit/queue_kit.h"

static const struct queue_terms calm = { 50, 1, MINUTE, 10 * MINUTE };
static const struct queue_terms brisk = { 50, 1, 0, 0 };

static int64_t tickets(void)
{
	return file_number(&kit, "SELECT count(*) FROM ticket");
}

static int64_t held(void)
{
	return file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick = 9223372036854775807");
}

static void setup(void)
{
	kit_init(&kit);
}

static void teardown(void)
{
	kit_release(&kit);
}

/* ---- order and delays ---- */

START_TEST(the_first_starts_at_once_the_next_after_a_delay_drawn_once)
{
	struct caller *a = enter_new(&calm), *b = enter_new(&calm);

	ck_assert(place(a).may_start);
	ck_assert_int_eq(start(a), COMMITTED);
	ck_assert_int_eq(place(b).position, 1);
	ck_assert_int_eq(ready_ms(b), -1);
	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	hands_move(&kit.hands, 5 * SECOND);
	finish(a);
	int64_t ready = ready_ms(b);
	ck_assert_int_ge(ready, MINUTE);
	ck_assert_int_le(ready, 10 * MINUTE);
	ck_assert_int_eq(ready_ms(b), ready);
	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	ck_assert_int_eq(ready_ms(b), ready); /* asking draws nothing */
	hands_move(&kit.hands, ready - 1);
	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	hands_move(&kit.hands, 1);
	ck_assert(place(b).may_start);
	ck_assert_int_eq(start(b), COMMITTED);
	gone(a);
	gone(b);
}
END_TEST

START_TEST(delays_lie_between_their_bounds_and_differ)
{
	int64_t least = INT64_MAX, most = 0;

	for (int i = 0; i < 60; i++) {
		struct caller *a = enter_new(&calm);
		int64_t ready = ready_ms(a);
		least = i > 0 && ready < least ? ready : least;
		most = ready > most ? ready : most;
		hands_move(&kit.hands, ready);
		ck_assert_int_eq(start(a), COMMITTED);
		finish(a);
		gone(a);
	}
	ck_assert_int_ge(least, MINUTE);
	ck_assert_int_le(most, 10 * MINUTE);
	ck_assert_int_gt(most - least, 3 * MINUTE); /* 60 draws of 9 minutes: nearer together once in 10^20 */
}
END_TEST

START_TEST(calls_start_in_the_order_of_their_tickets)
{
	struct caller *c[5];

	for (int i = 0; i < 5; i++)
		c[i] = enter_new(&brisk);
	for (int i = 0; i < 5; i++) {
		for (int j = 4; j > i; j--) {
			ck_assert_int_eq(start(c[j]), COMMIT_NOT_FIRST);
			ck_assert_int_eq(place(c[j]).position, (uint32_t)(j - i + 1));
		}
		ck_assert_int_eq(start(c[i]), COMMITTED);
		finish(c[i]);
	}
	ck_assert_int_eq(tickets(), 0);
	for (int i = 0; i < 5; i++)
		gone(c[i]);
}
END_TEST

START_TEST(who_leaves_makes_room_and_gives_back_its_hold)
{
	struct caller *a = enter_new(&brisk), *b = enter_new(&brisk);

	ck_assert_int_eq(held(), 2);
	let_go(a, false, 0);
	ck_assert_int_eq(held(), 1);
	ck_assert_int_eq(place(b).position, 1);
	ck_assert_int_eq(start(a), COMMIT_PASSED_OVER);
	ck_assert_int_eq(start(b), COMMITTED);
	gone(a);
	gone(b);
}
END_TEST

START_TEST(each_slot_has_its_own_delay)
{
	struct queue_terms two = { 50, 2, MINUTE, MINUTE };
	struct caller *a = enter_new(&two), *b = enter_new(&two), *c = enter_new(&two), *d = enter_new(&two);

	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	ck_assert_int_eq(start(a), COMMITTED);
	ck_assert_int_eq(start(b), COMMITTED);
	ck_assert_int_eq(start(c), COMMIT_NOT_FIRST);
	finish(a);
	hands_move(&kit.hands, 30 * SECOND);
	finish(b);
	hands_move(&kit.hands, 30 * SECOND);
	ck_assert_int_eq(start(c), COMMITTED);
	ck_assert_int_eq(start(d), COMMIT_NOT_FIRST);
	hands_move(&kit.hands, 30 * SECOND);
	ck_assert_int_eq(start(d), COMMITTED);
	gone(a);
	gone(b);
	gone(c);
	gone(d);
}
END_TEST

START_TEST(concurrency_follows_the_rules_in_force)
{
	struct queue_terms two = { 50, 2, 0, 0 };
	struct caller *a = enter_new(&brisk), *b = enter_new(&brisk), *c = enter_new(&brisk);

	ck_assert_int_eq(start(a), COMMITTED);
	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	uint64_t number = b->ticket;
	ck_assert_int_eq(rejoin(b, &two), HELD_QUEUED);
	ck_assert_uint_eq(b->ticket, number);
	ck_assert_int_eq(start(b), COMMITTED);
	rejoin(c, &brisk);
	finish(a); /* one still runs, and no more may */
	ck_assert_int_eq(start(c), COMMIT_NOT_FIRST);
	finish(b);
	ck_assert_int_eq(start(c), COMMITTED);
	gone(a);
	gone(b);
	gone(c);
}
END_TEST

START_TEST(shorter_delays_count_for_those_drawn_before)
{
	struct queue_terms day = { 50, 1, 24 * HOUR, 24 * HOUR };
	struct caller *a = enter_new(&day), *b;

	ck_assert_int_eq(start(a), COMMITTED);
	finish(a);
	b = enter_new(&day);
	ck_assert_int_eq(ready_ms(b), 24 * HOUR);
	rejoin(b, &calm);
	ck_assert_int_eq(ready_ms(b), 10 * MINUTE);
	hands_move(&kit.hands, MINUTE);
	rejoin(b, &calm);
	ck_assert_int_eq(ready_ms(b), 9 * MINUTE);
	gone(a);
	gone(b);
}
END_TEST

START_TEST(a_full_queue_takes_nobody_and_holds_nothing)
{
	struct queue_terms small = { 2, 1, 0, 0 };
	struct caller *a = enter_new(&small), *b, *c, d;

	ck_assert_int_eq(start(a), COMMITTED); /* the one that runs does not count */
	b = enter_new(&small);
	c = enter_new(&small);
	caller_init(&d, 200, &wide);
	ck_assert_int_eq(enter(&d, &small), HOLD_QUEUE_FULL);
	ck_assert_int_eq(held(), 2);
	let_go(b, true, MINUTE); /* a promised place counts */
	ck_assert_int_eq(enter(&d, &small), HOLD_QUEUE_FULL);
	finish(a);
	ck_assert_int_eq(start(c), COMMITTED);
	ck_assert_int_eq(enter(&d, &small), HELD_QUEUED);
	job_release(&d.job);
	gone(a);
	gone(b);
	gone(c);
}
END_TEST

START_TEST(a_full_window_draws_no_ticket)
{
	struct limit once = { "once", HOUR, 1 };
	struct caller a, b;

	caller_init(&a, 1, &once);
	caller_init(&b, 2, &once);
	ck_assert_int_eq(enter(&a, &brisk), HELD_QUEUED);
	ck_assert_int_eq(enter(&b, &brisk), HOLD_LIMITED);
	ck_assert_int_eq(tickets(), 1);
	job_release(&a.job);
	job_release(&b.job);
}
END_TEST

START_TEST(the_guess_how_long_it_takes_knows_delays_and_durations)
{
	struct queue_terms even = { 50, 1, MINUTE, 3 * MINUTE };
	struct caller *a = enter_new(&even), *b = enter_new(&even), *c = enter_new(&even);

	ck_assert_int_eq(place(a).eta_ms, 0);
	ck_assert_int_eq(place(b).eta_ms, 2 * MINUTE);
	ck_assert_int_eq(start(a), COMMITTED);
	hands_move(&kit.hands, 40 * SECOND);
	finish(a);
	int64_t ready = ready_ms(b);
	ck_assert_int_eq(place(b).eta_ms, ready);
	ck_assert_int_eq(place(c).eta_ms, ready + 40 * SECOND + 2 * MINUTE);
	hands_move(&kit.hands, ready);
	ck_assert_int_eq(start(b), COMMITTED);
	hands_move(&kit.hands, 10 * SECOND);
	ck_assert_int_eq(place(c).eta_ms, 30 * SECOND + 2 * MINUTE);
	gone(a);
	gone(b);
	gone(c);
}
END_TEST

/* ---- parked ---- */

START_TEST(a_parked_call_blocks_nobody_and_its_repetition_has_its_number_and_hold)
{
	struct limit once = { "once", HOUR, 1 };
	struct caller a, again, other;
	struct caller *b;

	caller_init(&a, 1, &once);
	caller_init(&again, 1, &once);
	caller_init(&other, 2, &once);
	ck_assert_int_eq(enter(&a, &brisk), HELD_QUEUED);
	b = enter_new(&brisk);
	let_go(&a, true, 2 * MINUTE);
	ck_assert_int_eq(start(&a), COMMIT_PASSED_OVER);
	ck_assert_int_eq(place(b).position, 1);
	ck_assert_int_eq(start(b), COMMITTED);
	ck_assert_int_eq(enter(&other, &brisk), HOLD_LIMITED); /* the hold is still there */
	ck_assert_int_eq(enter(&again, &brisk), HELD_RESUMED);
	ck_assert_uint_eq(again.ticket, a.ticket);
	ck_assert_int_eq(held(), 1);
	finish(b);
	ck_assert_int_eq(start(&again), COMMITTED);
	ck_assert_int_eq(held(), 0);
	finish(&again);
	ck_assert_int_eq(tickets(), 0);
	ck_assert_int_eq(enter(&other, &brisk), HOLD_LIMITED);
	job_release(&a.job);
	job_release(&again.job);
	job_release(&other.job);
	gone(b);
}
END_TEST

START_TEST(a_repetition_under_other_limits_holds_those_and_only_those)
{
	struct limit old = { "old", HOUR, 1 }, new = { "new", HOUR, 1 };
	struct caller a, again;

	caller_init(&a, 1, &old);
	caller_init(&again, 1, &new);
	ck_assert_int_eq(enter(&a, &brisk), HELD_QUEUED);
	let_go(&a, true, MINUTE);
	ck_assert_int_eq(enter(&again, &brisk), HELD_RESUMED);
	ck_assert_uint_eq(kit_show(&kit, "old", HOUR).held, 0);
	ck_assert_uint_eq(kit_show(&kit, "new", HOUR).held, 1);
	job_release(&a.job);
	job_release(&again.job);
}
END_TEST

START_TEST(a_parked_place_goes_so_long_after_its_turn_has_come)
{
	struct caller *a = enter_new(&calm), *b = enter_new(&calm), *c = enter_new(&calm), again;

	ck_assert_int_eq(start(a), COMMITTED);
	let_go(c, true, 2 * MINUTE);
	hands_move(&kit.hands, HOUR);
	(void)reap();
	ck_assert_int_eq(tickets(), 3); /* b stands before it */
	finish(a);
	hands_move(&kit.hands, ready_ms(b));
	ck_assert_int_eq(start(b), COMMITTED);
	hands_move(&kit.hands, HOUR);
	(void)reap();
	ck_assert_int_eq(tickets(), 2); /* no slot is free: still not its turn */
	finish(b);
	int64_t turn = file_number(&kit, "SELECT ready_us / 1000 FROM queue_slot");
	hands_move(&kit.hands, turn - kit_tick(&kit) + 2 * MINUTE - 1);
	(void)reap();
	ck_assert_int_eq(tickets(), 1);
	hands_move(&kit.hands, 1);
	ck_assert_int_eq(reap(), 1);
	ck_assert_int_eq(tickets(), 0);
	ck_assert_int_eq(held(), 0);
	caller_init(&again, c->job.facts.args_hash[0], &wide);
	ck_assert_int_eq(enter(&again, &calm), HELD_QUEUED);
	job_release(&again.job);
	gone(a);
	gone(b);
	gone(c);
}
END_TEST

START_TEST(the_place_of_the_late_is_free_for_others_limits)
{
	struct limit once = { "once", HOUR, 1 };
	struct caller a, b;

	caller_init(&a, 1, &once);
	caller_init(&b, 2, &once);
	ck_assert_int_eq(enter(&a, &brisk), HELD_QUEUED);
	let_go(&a, true, MINUTE);
	ck_assert_int_eq(enter(&b, &brisk), HOLD_LIMITED);
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(enter(&b, &brisk), HELD_QUEUED);
	job_release(&a.job);
	job_release(&b.job);
}
END_TEST

START_TEST(a_parked_ticket_with_an_approval_is_for_that_approval)
{
	struct caller a, again;
	struct op op = { 0 };

	caller_init(&a, 1, &wide);
	caller_init(&again, 1, &wide);
	struct queue_join j = { .call = &a.job.facts, .limits = a.job.claims, .queue = &brisk, .approval = "approval-1" };
	store_queue_join(kit.store, &op, &j);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, HELD_QUEUED);
	ck_assert_int_eq(held(), 0); /* the hold is the approval's */
	a.ticket = j.ticket;
	let_go(&a, true, MINUTE);
	ck_assert_int_eq(enter(&again, &brisk), HELD_QUEUED);
	let_go(&again, false, 0);
	j.call = &again.job.facts;
	store_queue_join(kit.store, &op, &j);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, HELD_RESUMED);
	ck_assert_uint_eq(j.ticket, a.ticket);
	job_release(&a.job);
	job_release(&again.job);
}
END_TEST

/* ---- who may not start lets others past ---- */

START_TEST(one_aside_lets_others_past_and_keeps_its_number)
{
	struct caller *a = enter_new(&brisk), *b = enter_new(&brisk), *c = enter_new(&brisk);

	aside(a, MINUTE);
	ck_assert_int_eq(ready_ms(a), MINUTE);
	ck_assert(!place(a).may_start);
	ck_assert_int_eq(start(a), COMMIT_NOT_FIRST);
	ck_assert_int_eq(start(b), COMMITTED);
	finish(b);
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(place(c).position, 2);
	ck_assert_int_eq(start(c), COMMIT_NOT_FIRST);
	ck_assert_int_eq(start(a), COMMITTED);
	gone(a);
	gone(b);
	gone(c);
}
END_TEST

static void brake(const char *tool, bool is_on)
{
	struct brake_set b = { .brake = { .scope = "tool", .subject = tool, .by = "alice", .reason = "" }, .is_on = is_on };
	struct op op = { 0 };

	store_brake_set(kit.store, &op, &b);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
}

START_TEST(a_braked_head_lets_others_past_and_has_its_turn_when_the_brake_goes)
{
	struct caller *a = enter_new(&brisk), *b = xcalloc(1, sizeof(*b)), *c = xcalloc(1, sizeof(*c));

	caller_init(b, 201, &wide);
	caller_init(c, 202, &wide);
	b->job.facts.tool = c->job.facts.tool = "other";
	ck_assert_int_eq(enter(b, &brisk), HELD_QUEUED);
	ck_assert_int_eq(enter(c, &brisk), HELD_QUEUED);
	brake("tool", true);
	ck_assert_int_eq(start(a), COMMIT_BRAKED);
	ck_assert_int_eq(place(a).eta_ms, -1);
	ck_assert_int_eq(place(b).position, 1);
	ck_assert_int_eq(start(b), COMMITTED);
	finish(b);
	brake("tool", false);
	ck_assert_int_eq(start(c), COMMIT_NOT_FIRST);
	ck_assert_int_eq(start(a), COMMITTED);
	gone(a);
	gone(b);
	gone(c);
}
END_TEST

/* ---- for people ---- */

struct seen {
	char states[200];
	uint32_t positions[8];
	size_t n;
};

static bool see(void *arg, const struct queue_row *row)
{
	struct seen *s = arg;
	size_t used = strlen(s->states);

	snprintf(s->states + used, sizeof(s->states) - used, "%s%s", used ? " " : "", row->state);
	s->positions[s->n++] = row->position;
	return true;
}

START_TEST(a_list_says_how_everybody_stands)
{
	struct seen seen = { 0 };
	struct caller *c[4];

	for (int i = 0; i < 4; i++)
		c[i] = enter_new(&calm);
	ck_assert_int_eq(start(c[0]), COMMITTED);
	let_go(c[1], true, MINUTE);
	aside(c[2], MINUTE);
	ck_assert_int_eq(store_queue_list(kit.store, NULL, see, &seen), OK);
	ck_assert_str_eq(seen.states, "FORWARDING PARKED ASIDE WAITING");
	ck_assert_uint_eq(seen.positions[0], 0);
	ck_assert_uint_eq(seen.positions[1], 1);
	ck_assert_uint_eq(seen.positions[2], 0);
	ck_assert_uint_eq(seen.positions[3], 1);
	seen.n = 0;
	ck_assert_int_eq(store_queue_list(kit.store, "nosuch", see, &seen), OK);
	ck_assert_uint_eq(seen.n, 0);
	for (int i = 0; i < 4; i++)
		gone(c[i]);
}
END_TEST

/* ---- repair ---- */

/* The page of a table that is no queue's. */
static void damage(void)
{
	CLEANUP(free_charp) char *database = kit_path(&kit, "aegis.db");
	char page[4096];

	kit_sql(&kit, "PRAGMA journal_mode=DELETE");
	int64_t number = file_number(&kit, "SELECT rootpage FROM sqlite_schema WHERE name = 'limit_window'");
	memset(page, 0xff, sizeof(page));
	CLEANUP(close_fdp) int fd = open(database, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, page, sizeof(page), (number - 1) * (off_t)sizeof(page)), sizeof(page));
}

START_TEST(a_repaired_database_knows_delays_and_numbers)
{
	struct buf lost;
	struct caller *a = enter_new(&calm), *b = enter_new(&calm);

	ck_assert_int_eq(start(a), COMMITTED);
	finish(a);
	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	kit_close(&kit);
	damage();
	buf_init(&lost, 16384);
	ck_assert_int_eq(store_repair(kit.folder, &lost, &kit.why), OK);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM ticket"), 1);
	kit_open(&kit);
	struct caller c;
	caller_init(&c, 200, &(struct limit){ "other", SECOND, 9 });
	hands_move(&kit.hands, 10 * SECOND); /* every window is full for its length */
	ck_assert_int_eq(enter(&c, &calm), HELD_QUEUED);
	ck_assert_uint_eq(c.ticket, 3);
	ck_assert_int_gt(ready_ms(&c), 40 * SECOND);
	buf_release(&lost);
	job_release(&c.job);
	gone(a);
	gone(b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_queue");
	TCase *t = tcase_create("order");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_first_starts_at_once_the_next_after_a_delay_drawn_once);
	tcase_add_test(t, delays_lie_between_their_bounds_and_differ);
	tcase_add_test(t, calls_start_in_the_order_of_their_tickets);
	tcase_add_test(t, who_leaves_makes_room_and_gives_back_its_hold);
	tcase_add_test(t, each_slot_has_its_own_delay);
	tcase_add_test(t, concurrency_follows_the_rules_in_force);
	tcase_add_test(t, shorter_delays_count_for_those_drawn_before);
	tcase_add_test(t, a_full_queue_takes_nobody_and_holds_nothing);
	tcase_add_test(t, a_full_window_draws_no_ticket);
	tcase_add_test(t, the_guess_how_long_it_takes_knows_delays_and_durations);
	suite_add_tcase(s, t);
	t = tcase_create("parked");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_parked_call_blocks_nobody_and_its_repetition_has_its_number_and_hold);
	tcase_add_test(t, a_repetition_under_other_limits_holds_those_and_only_those);
	tcase_add_test(t, a_parked_place_goes_so_long_after_its_turn_has_come);
	tcase_add_test(t, the_place_of_the_late_is_free_for_others_limits);
	tcase_add_test(t, a_parked_ticket_with_an_approval_is_for_that_approval);
	suite_add_tcase(s, t);
	t = tcase_create("aside");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_aside_lets_others_past_and_keeps_its_number);
	tcase_add_test(t, a_braked_head_lets_others_past_and_has_its_turn_when_the_brake_goes);
	tcase_add_test(t, a_list_says_how_everybody_stands);
	tcase_add_test(t, a_repaired_database_knows_delays_and_numbers);
	suite_add_tcase(s, t);
	return s;
}
