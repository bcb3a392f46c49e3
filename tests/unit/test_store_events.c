/* What became of approvals, in order: events, the end of the call, what came before, and what is forgotten. */
#include "unit/message_kit.h"

static struct kit kit;
static struct asker a, b;

static void setup(void)
{
	kit_init(&kit);
	asker_init(&a, &kit, 0, LIMITS({ "k", HOUR, 100 }));
	asker_init(&b, &kit, 1, LIMITS({ "k", HOUR, 100 }));
	asker_tells(&a, 2);
	asker_tells(&b, 2);
}

static void teardown(void)
{
	job_release(&a.job);
	job_release(&b.job);
	kit_release(&kit);
}

static int approve(const char *id, uint8_t args)
{
	return vote_on(&kit, id, (struct ballot){ .voter = "alice", .is_approving = true, .args = args }, NULL);
}

static void ask(struct asker *who)
{
	ck_assert_int_eq(asker_hold(who), HELD_ASKED);
}

/* ---- events ---- */

START_TEST(asking_is_an_event_and_a_copy_for_each_channel)
{
	ask(&a);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked");
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .approval = a.approval, .is_due_only = true }), 2);
	struct copy c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DUE);
	ck_assert_uint_eq(c.m.told_seq, 0);
	ck_assert_uint_eq(c.m.last_seq, 1);
	ck_assert_int_eq(c.m.due_in_ms, 0);
	ck_assert_int_eq(asker_hold(&a), HELD_ATTACHED);
	ck_assert_str_eq(events_of(&kit, NULL).text, "asked");
}
END_TEST

START_TEST(each_edge_is_an_event_and_the_end_of_the_call_too)
{
	a.ask.quorum = 2;
	ask(&a);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_COUNTED);
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "bob", .is_approving = true }, NULL), VOTE_DECIDED);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_SECOND);
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked voted decided");
	job_settle(&a.job, DONE);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked voted decided executed");
	ask(&b);
	ck_assert_int_eq(cancel_on(&kit, b.approval, "carol"), VOTE_DECIDED);
	ck_assert_int_eq(cancel_on(&kit, b.approval, "carol"), VOTE_SECOND);
	ck_assert_str_eq(events_of(&kit, b.approval).text, "asked cancelled");
	ask(&b);
	hands_move(&kit.hands, TIMEOUT_MS);
	ck_assert_int_eq(expire_all(&kit), 1);
	ck_assert_str_eq(events_of(&kit, b.approval).text, "asked expired");
	ask(&b);
	ck_assert_int_eq(approve(b.approval, 1), VOTE_DECIDED);
	hands_move(&kit.hands, REDEEM_MS);
	ck_assert_int_eq(expire_all(&kit), 1);
	ck_assert_str_eq(events_of(&kit, b.approval).text, "asked decided expired");
	uint64_t last = 0;
	ck_assert_int_eq(store_approval_event_last(kit.store, &last), OK);
	ck_assert_uint_eq(last, 11);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_event"), 11);
}
END_TEST

static void run(struct asker *who, enum end how)
{
	ask(who);
	ck_assert_int_eq(approve(who->approval, who->job.facts.args_hash[0]), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(who), COMMITTED);
	job_settle(&who->job, how);
}

START_TEST(an_approval_says_what_became_of_its_call)
{
	static const struct { enum end how; const char *outcome; } ends[] = { { DONE, "ok" }, { REFUND, "failed" }, { UNKNOWN, "unknown" } };
	struct approval shown;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		id_new(a.job.facts.id, kit.hands.wall_ms);
		run(&a, ends[i].how);
		ck_assert_int_eq(store_approval_get(kit.store, a.approval, &shown), OK);
		ck_assert_str_eq(shown.outcome, ends[i].outcome);
		ck_assert_int_eq(shown.executed_at_ms, kit.hands.wall_ms);
		approval_release(&shown);
	}
}
END_TEST

START_TEST(a_call_that_goes_once_more_or_on_is_over_at_its_last_flight)
{
	struct settle once_more = { .call = &a.job.facts, .limits = a.job.claims, .is_void = true, .ran = RAN_FAILED, .left_tick_ms = -1 };
	struct commit second = { .call = &a.job.facts, .limits = a.job.claims, .under = a.approval, .deadline_ms = MINUTE, .intent = &a.job.intent };
	struct op op = { .is_kept = true };

	ask(&a);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	store_settle(kit.store, &op, &once_more);
	op_finish(kit.store, &op);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked decided");
	op = (struct op){ 0 };
	store_commit(kit.store, &op, &second);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, COMMITTED);
	once_more.is_void = false;
	once_more.ran = RAN_NOT;
	op = (struct op){ .is_kept = true };
	store_settle(kit.store, &op, &once_more);
	op_finish(kit.store, &op);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked decided executed");
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval WHERE outcome = 'not_run'"), 1);
}
END_TEST

START_TEST(a_call_that_stopped_and_never_went_on_is_told_as_unknown_after_a_day)
{
	struct settle stopped = { .call = &a.job.facts, .limits = a.job.claims, .ran = RAN_ON, .left_tick_ms = -1 };
	struct op op = { .is_kept = true };

	ask(&a);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	hands_move(&kit.hands, 25 * HOUR);
	ck_assert_int_eq(sweep(&kit), 0);      /* it is under way */
	store_settle(kit.store, &op, &stopped);
	op_finish(kit.store, &op);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked decided");
	ck_assert_int_eq(sweep(&kit), 1);
	ck_assert_int_eq(sweep(&kit), 0);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked decided executed");
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval WHERE outcome = 'unknown'"), 1);
}
END_TEST

static int64_t outcome_is(const char *outcome)
{
	CLEANUP(free_charp) char *sql = xasprintf("SELECT count(*) FROM approval WHERE outcome = '%s' AND executed_at > 0", outcome);

	return file_number(&kit, sql);
}

START_TEST(what_nobody_knows_at_first_is_told_again_when_somebody_does)
{
	struct unknown_settle known = { .call = a.job.facts.id, .by = "alice", .was_done = true };
	struct op op = { 0 };

	ask(&a);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	kit_sql(&kit, "UPDATE flight SET owner = 999999");
	store_reap(kit.store, &op);
	op_finish(kit.store, &op);
	ck_assert_int_eq(outcome_is("unknown"), 1);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked decided executed");
	op = (struct op){ 0 };
	store_unknown_settle(kit.store, &op, &known);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, UNKNOWN_SETTLED);
	ck_assert_int_eq(outcome_is("ok"), 1);
	ck_assert_str_eq(events_of(&kit, a.approval).text, "asked decided executed executed");
}
END_TEST

START_TEST(the_owner_of_a_call_that_others_gave_up_knows_better)
{
	struct op op = { 0 };

	ask(&a);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	kit_sql(&kit, "UPDATE flight SET owner = 999999");
	store_reap(kit.store, &op);
	op_finish(kit.store, &op);
	job_settle(&a.job, REFUND);
	ck_assert_int_eq(outcome_is("failed"), 1);
}
END_TEST

START_TEST(a_call_without_an_approval_is_no_event)
{
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 9 }), DONE), COMMITTED);
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 9 }), UNKNOWN), COMMITTED);
	ck_assert_str_eq(events_of(&kit, NULL).text, "");
	uint64_t last = 9;
	ck_assert_int_eq(store_approval_event_last(kit.store, &last), OK);
	ck_assert_uint_eq(last, 0);
}
END_TEST

/* A word that can be told to nobody is not asked for; nothing is told of a question that was not put. */
START_TEST(question_event_and_messages_stand_together_or_not_at_all)
{
	static const char *const tables[] = { "approval_event", "message" };

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		CLEANUP(free_charp) char *in_the_way = xasprintf("CREATE TRIGGER no BEFORE INSERT ON %s BEGIN SELECT RAISE(ABORT, 'no'); END", tables[i]);
		struct hold h = { .call = &a.job.facts, .limits = a.job.claims, .ask = &a.ask };
		struct op op = { 0 };
		kit_sql(&kit, in_the_way);
		store_hold(kit.store, &op, &h);
		op_finish(kit.store, &op);
		ck_assert_int_eq(op.err, ERR_INVALID);
		kit_sql(&kit, "DROP TRIGGER no");
		ck_assert_int_eq(file_number(&kit, "SELECT (SELECT count(*) FROM approval) + (SELECT count(*) FROM approval_event)"
						   " + (SELECT count(*) FROM message) + (SELECT count(*) FROM limit_entry)"), 0);
	}
	ask(&a);
	ck_assert_int_eq(file_number(&kit, "SELECT (SELECT count(*) FROM approval) + (SELECT count(*) FROM approval_event)"
					   " + (SELECT count(*) FROM message)"), 4);
}
END_TEST

static bool stop_at_2(void *arg, const struct approval_event *e)
{
	*(uint64_t *)arg = e->seq;
	return e->seq != 2;
}

START_TEST(events_are_read_on_from_any_number)
{
	uint64_t seen = 0;

	run(&a, DONE);
	struct approval_event_filter f = { .after_seq = 1, .limit = 1 };
	ck_assert_int_eq(store_approval_events(kit.store, &f, stop_at_2, &seen), OK);
	ck_assert_uint_eq(seen, 2);
	f = (struct approval_event_filter){ .approval = a.approval };
	ck_assert_int_eq(store_approval_events(kit.store, &f, stop_at_2, &seen), OK);
	ck_assert_uint_eq(seen, 2);
	f.after_seq = 2;
	ck_assert_int_eq(store_approval_events(kit.store, &f, stop_at_2, &seen), OK);
	ck_assert_uint_eq(seen, 3);
}
END_TEST

/* ---- what came before, and what goes ---- */

START_TEST(the_previous_call_of_that_tool_is_the_newest_that_ran)
{
	struct approval before;
	char first[ID_SIZE];

	a.ask.args = SPAN("{\"x\":\"first\"}");
	run(&a, DONE);
	memcpy(first, a.approval, ID_SIZE);
	ck_assert_int_eq(store_approval_previous(kit.store, first, &before), ERR_NOT_FOUND);
	ask(&b);
	ck_assert_int_eq(cancel_on(&kit, b.approval, "carol"), VOTE_DECIDED); /* did not run */
	hands_move(&kit.hands, SECOND);
	id_new(b.job.facts.id, kit.hands.wall_ms);
	ask(&b);
	ck_assert_int_eq(store_approval_previous(kit.store, b.approval, &before), OK);
	ck_assert_str_eq(before.id, first);
	ck_assert_str_eq(before.args, "{\"x\":\"first\"}");
	ck_assert_str_eq(before.outcome, "ok");
	approval_release(&before);
	b.job.facts.tool = "other";
	ask(&b);
	ck_assert_int_eq(store_approval_previous(kit.store, b.approval, &before), ERR_NOT_FOUND);
	b.job.facts.tool = "tool";
	b.job.facts.agent = "other";
	ask(&b);
	ck_assert_int_eq(store_approval_previous(kit.store, b.approval, &before), ERR_NOT_FOUND);
	ck_assert_int_eq(store_approval_previous(kit.store, "nobody", &before), ERR_NOT_FOUND);
}
END_TEST

#define DAYS (24 * HOUR)

static int64_t rows_left(void)
{
	return file_number(&kit, "SELECT (SELECT count(*) FROM approval) + (SELECT count(*) FROM approval_vote) + (SELECT count(*) FROM message)"
				 " + (SELECT count(*) FROM message_attempt) + (SELECT count(*) FROM approval_event)");
}

START_TEST(what_is_over_for_long_goes_and_no_event_number_comes_twice)
{
	uint64_t last = 0, next = 0;

	run(&a, DONE);
	message_tell(&kit, a.approval, "slack", "r");
	ck_assert_int_eq(see_callback(&kit, "slack", "1"), 1);
	ck_assert_int_eq(sweep(&kit), 0);
	ck_assert_int_eq(store_approval_event_last(kit.store, &last), OK);
	hands_move(&kit.hands, 1 * DAYS + 1);
	ck_assert_int_eq(sweep(&kit), 1);
	ck_assert_int_eq(see_callback(&kit, "slack", "1"), 1);
	hands_move(&kit.hands, 90 * DAYS);
	for (int i = 0; sweep(&kit) > 0; i++)
		ck_assert_int_lt(i, 20);
	ck_assert_int_eq(rows_left(), 1); /* the newest event */
	id_new(b.job.facts.id, kit.hands.wall_ms);
	ask(&b);
	ck_assert_int_eq(store_approval_event_last(kit.store, &next), OK);
	ck_assert_uint_eq(next, last + 1);
	ck_assert_int_eq(sweep(&kit), 1);
	ck_assert_str_eq(events_of(&kit, NULL).text, "asked");
	ck_assert_int_eq(sweep(&kit), 0);
}
END_TEST

START_TEST(without_a_broker_the_next_question_sweeps)
{
	run(&a, DONE);
	hands_move(&kit.hands, 400 * DAYS); /* ids never go back in a process: those of other tests may be 92 days ahead */
	id_new(b.job.facts.id, kit.hands.wall_ms);
	ask(&b);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM message"), 2);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_event"), 1);
}
END_TEST

/* A backlog is worked off in steps that let others in between. */
START_TEST(a_backlog_is_swept_in_steps)
{
	int steps = 0;

	kit_sql(&kit, "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 20000)"
		      " INSERT INTO seen_callback SELECT 'slack', x, 0 FROM i");
	while (sweep(&kit) > 0)
		ck_assert_int_lt(++steps, 20000);
	ck_assert_int_ge(steps, 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM seen_callback"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_events");
	TCase *t = tcase_create("events");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, asking_is_an_event_and_a_copy_for_each_channel);
	tcase_add_test(t, each_edge_is_an_event_and_the_end_of_the_call_too);
	tcase_add_test(t, an_approval_says_what_became_of_its_call);
	tcase_add_test(t, a_call_that_goes_once_more_or_on_is_over_at_its_last_flight);
	tcase_add_test(t, a_call_that_stopped_and_never_went_on_is_told_as_unknown_after_a_day);
	tcase_add_test(t, what_nobody_knows_at_first_is_told_again_when_somebody_does);
	tcase_add_test(t, the_owner_of_a_call_that_others_gave_up_knows_better);
	tcase_add_test(t, a_call_without_an_approval_is_no_event);
	tcase_add_test(t, question_event_and_messages_stand_together_or_not_at_all);
	tcase_add_test(t, events_are_read_on_from_any_number);
	tcase_add_test(t, the_previous_call_of_that_tool_is_the_newest_that_ran);
	tcase_add_test(t, what_is_over_for_long_goes_and_no_event_number_comes_twice);
	tcase_add_test(t, without_a_broker_the_next_question_sweeps);
	tcase_add_test(t, a_backlog_is_swept_in_steps);
	suite_add_tcase(s, t);
	return s;
}
