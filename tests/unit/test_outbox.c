#include "unit/outbox_kit.h"

/* ---- the tests ------------------------------------------------------------------------------------------------------------- */

START_TEST(each_event_is_told_once_in_order)
{
	ASK(only_each);
	turns();
	approve();
	turns();
	turns();
	ck_assert_uint_eq(each.delivered, 2);
	ck_assert_int_eq(each.what[0], EVENT_ASKED);
	ck_assert_int_eq(each.what[1], EVENT_DECIDED);
	ck_assert_str_ne(each.message_id[0], each.message_id[1]);
	ck_assert_int_eq(message("generic").state, MESSAGE_SENT);
}
END_TEST

START_TEST(events_that_piled_up_are_told_one_by_one)
{
	ASK(only_each);
	approve();
	turns();
	ck_assert_uint_eq(each.delivered, 2);
	ck_assert_int_eq(each.what[0], EVENT_ASKED);
	ck_assert_int_eq(each.what[1], EVENT_DECIDED);
}
END_TEST

START_TEST(votes_that_decide_nothing_are_no_event_of_their_own)
{
	a.ask.quorum = 2;
	ASK(both);
	turns();
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ "bob", NULL, true, false, 1 }, NULL), VOTE_COUNTED);
	turns();
	ck_assert_uint_eq(each.delivered, 1);
	ck_assert_int_eq(message("generic").state, MESSAGE_SENT);
	ck_assert_uint_eq(state.delivered, 2);
	ck_assert_int_eq(state.what[1], EVENT_VOTED);
	approve();
	turns();
	ck_assert_uint_eq(each.delivered, 2);
	ck_assert_int_eq(each.what[1], EVENT_DECIDED);
}
END_TEST

START_TEST(a_copy_is_told_how_it_stands_and_keeps_its_name)
{
	state.answer = (struct delivered){ .result = MESSAGE_OK, .ref = "C1:17.5" };
	ASK(only_state);
	turns();
	state.answer.ref = NULL;
	approve();
	turns();
	ck_assert_uint_eq(state.delivered, 2);
	ck_assert_str_eq(state.ref[0], "");
	ck_assert_str_eq(state.ref[1], "C1:17.5");
	ck_assert_str_eq(message("slack").ref, "C1:17.5");
}
END_TEST

START_TEST(who_was_never_asked_is_not_told_that_it_is_over)
{
	ASK(both);
	approve();
	turns();
	ck_assert_uint_eq(state.delivered, 0);
	ck_assert_int_eq(message("slack").state, MESSAGE_DROPPED);
	ck_assert_uint_eq(each.delivered, 2);
}
END_TEST

START_TEST(who_was_asked_is_told_that_it_is_over_even_by_a_copy_without_a_name)
{
	ASK(only_state);
	turns();
	approve();
	turns();
	ck_assert_uint_eq(state.delivered, 2);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
}
END_TEST

START_TEST(who_may_have_been_asked_is_told_that_it_is_over)
{
	state.answer = (struct delivered){ .result = MESSAGE_RETRY, .is_maybe_out = true, .said = "no answer" };
	ASK(only_state);
	turns();
	approve();
	state.answer = (struct delivered){ .result = MESSAGE_OK, .ref = "x" };
	later(2 * SECOND);
	ck_assert_uint_eq(state.delivered, 2);
	ck_assert(state.is_maybe_out[1]);
	ck_assert_int_eq(state.what[1], EVENT_DECIDED);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
}
END_TEST

START_TEST(a_decision_at_any_moment_of_a_look_is_shown_to_who_was_asked)
{
	for (int at = 1; at <= 12; at++) {
		a.job.facts.args_hash[0] = (uint8_t)at;
		state = (struct play){ .answers = true };
		ASK(only_state);
		meanwhile.at = at;
		turns();
		if (meanwhile.at > 0)
			approve();
		meanwhile.at = 0;
		turns();
		if (state.delivered > 0)
			ck_assert_int_eq(state.stands[state.delivered - 1], APPROVAL_APPROVED);
		else
			ck_assert_int_eq(message("slack").state, MESSAGE_DROPPED);
	}
}
END_TEST

START_TEST(a_failure_is_tried_again_with_growing_pauses_under_the_same_name)
{
	each.answer = (struct delivered){ .result = MESSAGE_RETRY, .said = "it answered HTTP 500" };
	ASK(only_each);
	turns();
	ck_assert_uint_eq(each.delivered, 1);
	ck_assert_int_eq(message("generic").state, MESSAGE_DUE);
	ck_assert_str_eq(message("generic").error, "it answered HTTP 500");
	ck_assert_int_ge(message("generic").due_in_ms, 800);
	ck_assert_int_le(message("generic").due_in_ms, 1200);
	later(700);
	ck_assert_uint_eq(each.delivered, 1);
	later(600);
	ck_assert_uint_eq(each.delivered, 2);
	ck_assert_int_ge(message("generic").due_in_ms, 1600);
	each.answer = (struct delivered){ .result = MESSAGE_OK };
	later(3 * SECOND);
	ck_assert_uint_eq(each.delivered, 3);
	ck_assert_str_eq(each.message_id[0], each.message_id[2]);
	ck_assert_int_eq(message("generic").state, MESSAGE_SENT);
	ck_assert_str_eq(message("generic").error, "");
}
END_TEST

START_TEST(a_wish_to_be_left_alone_is_never_undercut)
{
	each.answer = (struct delivered){ .result = MESSAGE_RETRY, .said = "busy", .retry_after_ms = 90 * SECOND };
	ASK(only_each);
	turns();
	ck_assert_int_eq(message("generic").due_in_ms, 90 * SECOND);
	later(89 * SECOND);
	ck_assert_uint_eq(each.delivered, 1);
	later(SECOND);
	ck_assert_uint_eq(each.delivered, 2);
}
END_TEST

START_TEST(who_wishes_to_be_left_alone_is_not_sent_other_messages_either)
{
	each.answer = (struct delivered){ .result = MESSAGE_RETRY, .said = "busy", .retry_after_ms = 30 * SECOND };
	ASK(only_each);
	turns();
	each.answer = (struct delivered){ .result = MESSAGE_OK };
	a.job.facts.args_hash[0] = 2;
	ASK(both);
	turns();
	ck_assert_uint_eq(each.delivered, 1);
	ck_assert_uint_eq(state.delivered, 1);
	later(29 * SECOND);
	ck_assert_uint_eq(each.delivered, 1);
	later(2 * SECOND);
	ck_assert_uint_eq(each.delivered, 3);
}
END_TEST

START_TEST(pauses_double_to_five_minutes_and_wishes_count_up_to_an_hour)
{
	ck_assert_int_eq(send_backoff_ms(0, 0, 0), 800);
	ck_assert_int_eq(send_backoff_ms(0, 1000, 0), 1200);
	ck_assert_int_eq(send_backoff_ms(3, 500, 0), 8000);
	ck_assert_int_eq(send_backoff_ms(9, 500, 0), 300000);
	ck_assert_int_eq(send_backoff_ms(UINT32_MAX, 1000, 0), 360000);
	ck_assert_int_eq(send_backoff_ms(0, 0, 5000), 5000);
	ck_assert_int_eq(send_backoff_ms(0, 0, 100 * HOUR), HOUR);
}
END_TEST

START_TEST(after_give_up_it_is_dead_until_an_operator_says_again)
{
	struct message_again again = { .channel = "generic" };
	struct op op = { 0 };

	each.answer = (struct delivered){ .result = MESSAGE_RETRY, .said = "it answered HTTP 500" };
	ASK(only_each);
	turns();
	later(2 * SECOND);
	later(HOUR);
	ck_assert_uint_eq(each.delivered, 3);
	ck_assert_int_eq(message("generic").state, MESSAGE_DEAD);
	ck_assert_str_eq(message("generic").error, "it answered HTTP 500");
	each.answer = (struct delivered){ .result = MESSAGE_OK };
	store_messages_again(kit.store, &op, &again);
	op_finish(kit.store, &op);
	turns();
	ck_assert_int_eq(message("generic").state, MESSAGE_SENT);
}
END_TEST

START_TEST(what_a_channel_gives_up_is_dead_at_once)
{
	each.answer = (struct delivered){ .result = MESSAGE_GIVEN_UP, .said = "it answered HTTP 404" };
	ASK(only_each);
	turns();
	ck_assert_int_eq(message("generic").state, MESSAGE_DEAD);
	ck_assert(!outbox_is_busy(&b));
}
END_TEST

START_TEST(one_attempt_at_a_copy_a_few_at_a_channel_and_no_other_waits_for_a_stuck_one)
{
	struct asker all[8];

	state.answers = false;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		asker_init(&all[i], &kit, (uint8_t)(10 + i), NULL, 0);
		all[i].ask.channels = both;
		all[i].ask.channels_n = 2;
		ck_assert_int_eq(asker_hold(&all[i]), HELD_ASKED);
	}
	turns();
	ck_assert_uint_eq(each.delivered, 8);
	ck_assert_uint_eq(state.delivered, OUTBOX_LANE_SENDS);
	while (state.delivered < 8 || state.open_n > 0) {
		struct delivery *d = state.open[0];
		forget(&state, d);
		delivery_end(d, &(struct delivered){ .result = MESSAGE_OK });
		turns();
	}
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		job_release(&all[i].job);
}
END_TEST

START_TEST(an_attempt_that_a_dead_broker_began_is_made_again)
{
	struct message_take t = { .approval = NULL, .channel = "slack", .told_seq = 1 };
	struct op op = { 0 };

	broker_ends();
	ASK(only_state);
	t.approval = a.approval;
	store_message_take(kit.store, &op, &t);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, 1);
	broker_begins();
	turns();
	ck_assert_uint_eq(state.delivered, 1);
	ck_assert(state.is_maybe_out[0]);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
}
END_TEST

START_TEST(other_rules_reopen_the_channels_and_what_was_under_way_comes_again)
{
	state.answers = false;
	ASK(only_state);
	turns();
	ck_assert_uint_eq(state.open_n, 1);
	state.answers = true;
	outbox_rules_changed(&b);
	ck_assert_uint_eq(state.cancelled, 1);
	ck_assert_uint_eq(state.closed, 1);
	ck_assert_uint_eq(state.opened, 2);
	turns();
	ck_assert_uint_eq(state.delivered, 2);
	ck_assert(state.is_maybe_out[1]);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
}
END_TEST

START_TEST(an_end_in_the_middle_leaves_the_message_due)
{
	state.answers = false;
	ASK(only_state);
	turns();
	broker_ends();
	ck_assert_int_eq(message("slack").state, MESSAGE_DUE);
	ck_assert(message("slack").is_maybe_out);
	broker_begins();
}
END_TEST

START_TEST(an_attempt_of_somebody_who_is_gone_is_taken_over_at_any_time)
{
	turns();
	ASK(only_state);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "slack"), 1);
	ck_assert(outbox_is_busy(&b));
	turns();
	ck_assert_uint_eq(state.delivered, 1);
	ck_assert(state.is_maybe_out[0]);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
	ck_assert(!outbox_is_busy(&b));
}
END_TEST

START_TEST(an_end_before_the_beginning_sends_nothing)
{
	state.answers = false;
	ASK(only_state);
	outbox_look(&b);               /* recovery is asked for */
	store_turn_run(kit.store);
	outbox_look(&b);               /* the attempt is asked for */
	broker_ends();
	ck_assert_uint_eq(state.delivered, 0);
	broker_begins();
	state.answers = true;
	later(2 * SECOND);
	ck_assert_uint_eq(state.delivered, 1);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
}
END_TEST

START_TEST(a_channel_that_cannot_be_opened_keeps_its_messages_and_says_why)
{
	broker_ends();
	state.is_broken = each.is_missing = true;
	broker_begins();
	ASK(both);
	turns();
	ck_assert_str_eq(message("slack").error, "its secret cannot be read");
	ck_assert_str_eq(message("generic").error, "the rules do not say where this channel sends to");
	ck_assert_int_eq(message("generic").state, MESSAGE_DUE);
	ck_assert(outbox_is_busy(&b));
	state.is_broken = each.is_missing = false;
	outbox_rules_changed(&b);
	later(2 * SECOND);
	ck_assert_int_eq(message("slack").state, MESSAGE_SENT);
	ck_assert_int_eq(message("generic").state, MESSAGE_SENT);
}
END_TEST

/* ---- tests of channels ------------------------------------------------------------------------------------------------------ */

struct tester { struct channel_test t; int steps, fails, dones; bool is_ok; };

static void tester_step(struct channel_test *t, bool is_ok, const char *what)
{
	struct tester *q = container_of(t, struct tester, t);

	ck_assert_str_ne(what, "");
	q->steps++;
	q->fails += !is_ok;
}

static void tester_done(struct channel_test *t, bool is_ok)
{
	struct tester *q = container_of(t, struct tester, t);

	q->dones++;
	q->is_ok = is_ok;
}

START_TEST(a_test_tells_its_steps_and_ends_once)
{
	struct tester q = { .t = { .step = tester_step, .done = tester_done } };
	struct problem why;

	ck_assert(outbox_test(b.outbox, "slack", &q.t, &why));
	ck_assert_int_eq(q.steps, 1);
	state.test->done(state.test, true);
	ck_assert_int_eq(q.dones, 1);
	ck_assert(q.is_ok);
	outbox_test_cancel(b.outbox, &q.t);
}
END_TEST

START_TEST(a_test_ends_with_the_rules_it_was_of)
{
	struct tester q = { .t = { .step = tester_step, .done = tester_done } };
	struct problem why;

	ck_assert(outbox_test(b.outbox, "slack", &q.t, &why));
	outbox_rules_changed(&b);
	ck_assert_int_eq(q.dones, 1);
	ck_assert(!q.is_ok);
	ck_assert_int_eq(q.fails, 1);
	ck_assert_ptr_null(state.test);
}
END_TEST

START_TEST(a_test_may_be_forgotten)
{
	struct tester q = { .t = { .step = tester_step, .done = tester_done } };
	struct problem why;

	ck_assert(outbox_test(b.outbox, "slack", &q.t, &why));
	outbox_test_cancel(b.outbox, &q.t);
	ck_assert_int_eq(q.dones, 0);
	ck_assert_ptr_null(state.test);
	ck_assert(!outbox_test(b.outbox, "pigeon", &q.t, &why));
	ck_assert_str_eq(why.text, "channel pigeon: there is no such channel");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("outbox");
	TCase *t = tcase_create("outbox");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_event_is_told_once_in_order);
	tcase_add_test(t, events_that_piled_up_are_told_one_by_one);
	tcase_add_test(t, votes_that_decide_nothing_are_no_event_of_their_own);
	tcase_add_test(t, a_copy_is_told_how_it_stands_and_keeps_its_name);
	tcase_add_test(t, who_was_never_asked_is_not_told_that_it_is_over);
	tcase_add_test(t, who_was_asked_is_told_that_it_is_over_even_by_a_copy_without_a_name);
	tcase_add_test(t, who_may_have_been_asked_is_told_that_it_is_over);
	tcase_add_test(t, a_decision_at_any_moment_of_a_look_is_shown_to_who_was_asked);
	tcase_add_test(t, a_failure_is_tried_again_with_growing_pauses_under_the_same_name);
	tcase_add_test(t, a_wish_to_be_left_alone_is_never_undercut);
	tcase_add_test(t, who_wishes_to_be_left_alone_is_not_sent_other_messages_either);
	tcase_add_test(t, pauses_double_to_five_minutes_and_wishes_count_up_to_an_hour);
	tcase_add_test(t, after_give_up_it_is_dead_until_an_operator_says_again);
	tcase_add_test(t, what_a_channel_gives_up_is_dead_at_once);
	tcase_add_test(t, one_attempt_at_a_copy_a_few_at_a_channel_and_no_other_waits_for_a_stuck_one);
	tcase_add_test(t, an_attempt_that_a_dead_broker_began_is_made_again);
	tcase_add_test(t, other_rules_reopen_the_channels_and_what_was_under_way_comes_again);
	tcase_add_test(t, an_end_in_the_middle_leaves_the_message_due);
	tcase_add_test(t, an_attempt_of_somebody_who_is_gone_is_taken_over_at_any_time);
	tcase_add_test(t, an_end_before_the_beginning_sends_nothing);
	tcase_add_test(t, a_channel_that_cannot_be_opened_keeps_its_messages_and_says_why);
	tcase_add_test(t, a_test_tells_its_steps_and_ends_once);
	tcase_add_test(t, a_test_ends_with_the_rules_it_was_of);
	tcase_add_test(t, a_test_may_be_forgotten);
	suite_add_tcase(s, t);
	return s;
}
