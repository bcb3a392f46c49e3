/* What people are told: a copy for each channel, how its attempts end, callbacks, and the broker. */
#include "unit/message_kit.h"
#include "unit/peer.h"

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

/* ---- copies ---- */

START_TEST(a_new_event_makes_every_copy_due_that_was_told)
{
	ask(&a);
	message_tell(&kit, a.approval, "slack", "C1:17");
	ck_assert_int_eq(copy_state("slack"), MESSAGE_SENT);
	ck_assert_int_eq(copy_state("generic"), MESSAGE_DUE);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .is_open_only = true }), 1);
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(copy_of(&kit, a.approval, "slack").m.age_ms, 0);
	ck_assert_int_eq(copy_of(&kit, a.approval, "generic").m.age_ms, MINUTE);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	struct copy c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DUE);
	ck_assert_str_eq(c.ref, "C1:17");
	ck_assert_uint_eq(c.m.told_seq, 1);
	ck_assert_uint_eq(c.m.last_seq, 2);
	ck_assert_int_eq(c.m.age_ms, 0);
	ck_assert_uint_eq(c.m.attempts, 0);
	message_tell(&kit, a.approval, "slack", NULL);
	c = copy_of(&kit, a.approval, "slack");
	ck_assert_str_eq(c.ref, "C1:17");
	ck_assert_uint_eq(c.m.told_seq, 2);
	ck_assert_int_eq(c.m.sent_at_ms, kit.hands.wall_ms);
}
END_TEST

START_TEST(an_event_that_comes_while_a_copy_is_being_sent_is_not_lost)
{
	ask(&a);
	uint32_t n = message_begin(&kit, a.approval, "slack");
	ck_assert_int_eq(copy_state("slack"), MESSAGE_SENDING);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(copy_state("slack"), MESSAGE_SENDING);
	ck_assert_int_eq(message_finish(&kit, (struct message_end){ .approval = a.approval, .channel = "slack", .n = n, .told_seq = 1,
		.result = MESSAGE_OK, .ref = "r", .said = "" }), 1);
	struct copy c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DUE);
	ck_assert_int_eq(c.m.due_in_ms, 0);
	ck_assert_uint_eq(c.m.told_seq, 1);
}
END_TEST

START_TEST(one_attempt_at_a_time)
{
	ask(&a);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "slack"), 1);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "slack"), 0);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "generic"), 1);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "notify"), 0);
	ck_assert_uint_eq(message_begin(&kit, "nobody", "slack"), 0);
}
END_TEST

struct attempts { char text[512]; };

static bool add_attempt(void *arg, const struct message_attempt *at)
{
	struct attempts *all = arg;
	size_t n = strlen(all->text);

	snprintf(all->text + n, sizeof(all->text) - n, "%u:%s:%lld:%s ", at->n, at->result, (long long)at->took_ms, at->said);
	return true;
}

START_TEST(every_attempt_is_on_record_and_a_retry_waits)
{
	struct message_end e = { .approval = a.approval, .channel = "slack", .told_seq = 1, .result = MESSAGE_RETRY, .is_maybe_out = true,
		.said = "HTTP 503", .in_ms = 2000, .took_ms = 7 };
	struct attempts all = { "" };
	int64_t in_ms = 0;

	a.ask.channels_n = 1;
	ask(&a);
	e.n = message_begin(&kit, a.approval, "slack");
	ck_assert_int_eq(message_finish(&kit, e), 1);
	struct copy c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DUE);
	ck_assert_int_eq(c.m.due_in_ms, 2000);
	ck_assert(c.m.is_maybe_out);
	ck_assert_str_eq(c.error, "HTTP 503");
	ck_assert_int_eq(store_message_next_due(kit.store, &in_ms), OK);
	ck_assert_int_eq(in_ms, 2000);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .is_due_only = true }), 0);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED); /* the pause of a peer that asked for it is kept */
	ck_assert_int_eq(copy_of(&kit, a.approval, "slack").m.due_in_ms, 2000);
	hands_move(&kit.hands, 2000);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .is_due_only = true }), 1);
	e.n = message_begin(&kit, a.approval, "slack");
	e.result = MESSAGE_GIVEN_UP;
	e.is_maybe_out = false;
	e.said = "HTTP 404";
	ck_assert_int_eq(message_finish(&kit, e), 1);
	c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DEAD);
	ck_assert(c.m.is_maybe_out);
	ck_assert_uint_eq(c.m.attempts, 2);
	ck_assert_int_eq(store_message_attempts(kit.store, a.approval, "slack", add_attempt, &all), OK);
	ck_assert_str_eq(all.text, "1:retry:7:HTTP 503 2:dead:7:HTTP 404 ");
	ck_assert_int_eq(store_message_next_due(kit.store, &in_ms), OK);
	ck_assert_int_eq(in_ms, -1);
}
END_TEST

START_TEST(what_was_given_up_stays_so_until_an_operator_says_otherwise)
{
	ask(&a);
	for (int i = 0; i < 2; i++) {
		uint32_t n = message_begin(&kit, a.approval, TWO_CHANNELS[i]);
		ck_assert_int_eq(message_finish(&kit, (struct message_end){ .approval = a.approval, .channel = TWO_CHANNELS[i], .n = n,
			.told_seq = 1, .result = i ? MESSAGE_NOT_WORTH_IT : MESSAGE_GIVEN_UP, .said = "x" }), 1);
	}
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(copy_state("slack"), MESSAGE_DEAD);
	ck_assert_int_eq(copy_state("generic"), MESSAGE_DROPPED);
	ck_assert_int_eq(again(&kit, a.approval, "generic"), 0);
	ck_assert_int_eq(again(&kit, "other", NULL), 0);
	hands_move(&kit.hands, HOUR);
	ck_assert_int_eq(again(&kit, NULL, NULL), 1);
	struct copy c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DUE);
	ck_assert_int_eq(c.m.age_ms, 0);
	ck_assert_uint_eq(c.m.attempts, 0);
	ck_assert_uint_eq(c.m.tries, 1);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "slack"), 2);
}
END_TEST

START_TEST(an_attempt_that_was_taken_over_changes_nothing_when_it_ends)
{
	ask(&a);
	uint32_t n = message_begin(&kit, a.approval, "slack");
	ck_assert_int_eq(recover_all(&kit), 1);
	struct copy c = copy_of(&kit, a.approval, "slack");
	ck_assert_int_eq(c.m.state, MESSAGE_DUE);
	ck_assert(c.m.is_maybe_out);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "slack"), n + 1);
	ck_assert_int_eq(message_finish(&kit, (struct message_end){ .approval = a.approval, .channel = "slack", .n = n, .told_seq = 1,
		.result = MESSAGE_GIVEN_UP, .said = "late" }), 0);
	ck_assert_int_eq(copy_state("slack"), MESSAGE_SENDING);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM message_attempt WHERE n = 1 AND result = 'dead'"), 1);
	ck_assert_int_eq(recover_all(&kit), 1);
	ck_assert_int_eq(recover_all(&kit), 0);
}
END_TEST

START_TEST(a_channel_the_rules_gained_is_told_when_the_call_comes_again)
{
	a.ask.channels_n = 0;
	ask(&a);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ 0 }), 0);
	a.ask.channels_n = 1;
	ck_assert_int_eq(asker_hold(&a), HELD_ATTACHED);
	ck_assert_int_eq(asker_hold(&a), HELD_ATTACHED);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .approval = a.approval }), 1);
	message_tell(&kit, a.approval, "slack", "r");
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	a.ask.channels_n = 2;
	ck_assert_int_eq(asker_hold(&a), HELD_ATTACHED);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .approval = a.approval }), 1); /* nothing is left to decide */
}
END_TEST

START_TEST(messages_are_found_by_approval_by_channel_and_by_what_is_due_first)
{
	ask(&a);
	hands_move(&kit.hands, SECOND);
	ask(&b);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ 0 }), 4);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .limit = 3 }), 3);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .channel = "slack" }), 2);
	ck_assert_int_eq(messages_n(&kit, (struct message_filter){ .channel = "slack", .is_due_only = true, .approval = b.approval }), 1);
	struct copy last = { 0 };
	ck_assert_int_eq(store_messages(kit.store, &(struct message_filter){ .is_due_only = true, .limit = 2 }, copy_take, &last), OK);
	ck_assert_str_eq(last.channel, "slack");
	ck_assert_int_eq(last.m.age_ms, SECOND);
}
END_TEST

/* ---- callbacks ---- */

static int vote_by(const char *channel, const char *ref, const char *voter)
{
	struct op op = { 0 };
	struct vote v = { .approval = a.approval, .voter = voter, .is_approving = true, .means = "slack", .origin = "", .reason = "",
		.is_named = true, .seen_channel = channel, .seen_ref = ref };

	store_approval_vote(kit.store, &op, &v);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	ck_assert_str_eq(v.as_it_is.id, a.approval);
	approval_release(&v.as_it_is);
	return op.answer;
}

START_TEST(a_callback_counts_once)
{
	a.ask.quorum = 2;
	ask(&a);
	ck_assert_int_eq(vote_by("slack", "17.1/U1", "alice"), VOTE_COUNTED);
	ck_assert_int_eq(vote_by("slack", "17.1/U1", "bob"), VOTE_REPLAYED);
	ck_assert_int_eq(vote_by("feishu", "17.1/U1", "alice"), VOTE_COUNTED);
	ck_assert_int_eq(vote_by("slack", "", "alice"), VOTE_COUNTED);
	ck_assert_int_eq(vote_by("slack", "", "alice"), VOTE_COUNTED);
	ck_assert_int_eq(see_callback(&kit, "slack", "17.1/U1"), 0);
	ck_assert_int_eq(see_callback(&kit, "slack", "17.2/U1"), 1);
	ck_assert_int_eq(see_callback(&kit, "slack", "17.2/U1"), 0);
	ck_assert_int_eq(vote_by("slack", "17.2/U1", "bob"), VOTE_REPLAYED);
	ck_assert_int_eq(vote_by("slack", "17.3/U1", "bob"), VOTE_DECIDED);
	ck_assert_int_eq(vote_by("slack", "17.3/U1", "bob"), VOTE_REPLAYED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_vote WHERE is_late = 1"), 0);
}
END_TEST

/* ---- the broker ---- */

int peer_main(int argc, char **argv)
{
	struct kit k;
	struct op op = { 0 };
	char line[8];
	struct session me = { .kind = "broker", .agent = "", .client = "", .client_version = "", .backend = "", .tenant = "" };

	if (argc != 1)
		return EXIT_FAILURE;
	kit_set(&k, argv[0]);
	k.is_real_time = k.is_unsafe = true;
	if (kit_try_open(&k, argv[0]) != OK)
		return EXIT_FAILURE;
	id_new(me.id, clock_wall_ms());
	store_session_join(k.store, &op, &me);
	op_finish(k.store, &op);
	peer_say("%u", store_number(k.store));
	while (peer_next(line, sizeof(line))) {
		struct pollfd wake = { .fd = store_wake_fd(k.store), .events = POLLIN };
		bool is_woken = poll(&wake, 1, KIT_PATIENCE_MS) == 1;
		store_wake_drain(k.store);       /* before it is said: the next may come at once */
		peer_say("%s", is_woken ? "woken" : "nothing");
	}
	kit_close(&k);
	return EXIT_SUCCESS;
}

START_TEST(every_event_wakes_the_broker)
{
	struct peer p;

	peer_start(&p, kit.folder);
	(void)peer_hear(&p);
	a.ask.quorum = 2;
	ask(&a);
	ck_assert_str_eq(peer_ask(&p, "?"), "woken");
	ck_assert_int_eq(approve(a.approval, 0), VOTE_COUNTED);
	ck_assert_str_eq(peer_ask(&p, "?"), "woken");
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "bob", .is_approving = true }, NULL), VOTE_DECIDED);
	ck_assert_str_eq(peer_ask(&p, "?"), "woken");
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	ck_assert_str_eq(peer_ask(&p, "?"), "woken");
	job_settle(&a.job, DONE);
	ck_assert_str_eq(peer_ask(&p, "?"), "woken");
	ck_assert_int_eq(peer_end(&p, 0), 0);
}
END_TEST

START_TEST(nothing_is_taken_over_from_a_broker_that_lives)
{
	struct peer p;

	ask(&a);
	ck_assert_uint_eq(message_begin(&kit, a.approval, "slack"), 1);
	peer_start(&p, kit.folder);
	(void)peer_hear(&p);
	ck_assert_int_eq(recover_all(&kit), 0);
	(void)peer_end(&p, SIGKILL);
	ck_assert_int_eq(recover_all(&kit), 1);
}
END_TEST

struct here { char text[256]; };

static bool add_session(void *arg, const struct session_row *row)
{
	struct here *h = arg;
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%s(%s) %u/%u/%u ", row->kind, row->agent, row->approvals, row->tickets, row->flights);
	ck_assert_int_gt(row->pid, 0);
	ck_assert_str_ne(row->program_version, "");
	return true;
}

START_TEST(who_is_here_is_listed_with_what_it_waits_for)
{
	struct here h = { "" };
	struct peer p;

	ck_assert_int_eq(session_join(&kit, "01234567890123456789012345678901"), OK);
	peer_start(&p, kit.folder);
	(void)peer_hear(&p);
	ask(&a);
	ck_assert_int_eq(approve(a.approval, 0), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(&a), COMMITTED);
	ask(&b);
	ck_assert_int_eq(store_session_list(kit.store, add_session, &h), OK);
	ck_assert_str_eq(h.text, "shim(a) 1/0/1 broker() 0/0/0 ");
	(void)peer_end(&p, SIGKILL);
	h.text[0] = '\0';
	ck_assert_int_eq(store_session_list(kit.store, add_session, &h), OK);
	ck_assert_str_eq(h.text, "shim(a) 1/0/1 ");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_messages");
	TCase *t = tcase_create("messages");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_new_event_makes_every_copy_due_that_was_told);
	tcase_add_test(t, an_event_that_comes_while_a_copy_is_being_sent_is_not_lost);
	tcase_add_test(t, one_attempt_at_a_time);
	tcase_add_test(t, every_attempt_is_on_record_and_a_retry_waits);
	tcase_add_test(t, what_was_given_up_stays_so_until_an_operator_says_otherwise);
	tcase_add_test(t, an_attempt_that_was_taken_over_changes_nothing_when_it_ends);
	tcase_add_test(t, a_channel_the_rules_gained_is_told_when_the_call_comes_again);
	tcase_add_test(t, messages_are_found_by_approval_by_channel_and_by_what_is_due_first);
	tcase_add_test(t, a_callback_counts_once);
	tcase_add_test(t, every_event_wakes_the_broker);
	tcase_add_test(t, nothing_is_taken_over_from_a_broker_that_lives);
	tcase_add_test(t, who_is_here_is_listed_with_what_it_waits_for);
	suite_add_tcase(s, t);
	return s;
}
