/* What people are told: events in their order, a copy for each channel, and how its attempts end. */
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

static enum message_state copy_state(const char *channel)
{
	return copy_of(&kit, a.approval, channel).m.state;
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

Suite *suite(void)
{
	Suite *s = suite_create("store_messages");
	TCase *t = tcase_create("messages");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, asking_is_an_event_and_a_copy_for_each_channel);
	tcase_add_test(t, each_edge_is_an_event_and_the_end_of_the_call_too);
	tcase_add_test(t, an_approval_says_what_became_of_its_call);
	(void)copy_state;
	suite_add_tcase(s, t);
	return s;
}
