/* What stops calls for a time: brakes, cool-downs, outcomes nobody knows. */
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

/* ---- one-liners ---- */

static bool brake_by(struct kit *k, const char *scope, const char *subject, bool is_on)
{
	struct evidence e = { .call = "", .agent = "", .backend = "", .tool = "", .verdict = is_on ? "pause" : "resume",
		.kind = EVIDENCE_OPERATOR, .at_ms = k->hands.wall_ms, .body = SPAN("{}") };
	struct brake_set b = { .brake = { .scope = scope, .subject = subject, .by = "alice", .reason = "lunch" },
		.is_on = is_on, .evidence = &e };
	struct op op = { 0 };

	evidence_seal(&e);
	store_brake_set(k->store, &op, &b);
	op_finish(k->store, &op);
	ck_assert_int_eq(op.err, OK);
	ck_assert_int_eq(op.answer, b.was_changed);
	return b.was_changed;
}

static bool brake(const char *scope, const char *subject)
{
	return brake_by(&kit, scope, subject, true);
}

static bool unbrake(const char *scope, const char *subject)
{
	return brake_by(&kit, scope, subject, false);
}

static int commit_of(struct job *j)
{
	int answer = job_commit(j);

	if (answer == COMMITTED)
		job_settle(j, DONE);
	return answer;
}

struct who { const char *agent, *backend, *tool; };

static int commit_as(struct who who, struct obstacle *why)
{
	struct job j;

	job_init(&j, &kit, NULL, 0);
	j.facts.agent = who.agent;
	j.facts.backend = who.backend;
	j.facts.tool = who.tool;
	int answer = commit_of(&j);
	if (why)
		*why = j.obstacle;
	job_release(&j);
	return answer;
}

/* ---- brakes ---- */

START_TEST(a_brake_stops_those_it_names_and_nobody_else)
{
	static const struct { const char *scope, *subject; struct who stopped, free; } cases[] = {
		{ "agent", "a", { "a", "b", "t" }, { "b", "a", "a" } },
		{ "backend", "b", { "a", "b", "t" }, { "b", "a", "b" } },
		{ "tool", "get_*", { "a", "b", "get_x" }, { "a", "b", "forget_x" } },
		{ "tool", "get", { "a", "b", "get" }, { "a", "b", "gets" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert(brake(cases[i].scope, cases[i].subject));
		ck_assert_int_eq(commit_as(cases[i].stopped, NULL), COMMIT_BRAKED);
		ck_assert_int_eq(commit_as(cases[i].free, NULL), COMMITTED);
		ck_assert(unbrake(cases[i].scope, cases[i].subject));
		ck_assert_int_eq(commit_as(cases[i].stopped, NULL), COMMITTED);
	}
}
END_TEST

START_TEST(a_brake_on_all_stops_everyone_and_says_why)
{
	struct obstacle why;

	brake("all", "");
	ck_assert_int_eq(commit_as((struct who){ "x", "y", "z" }, &why), COMMIT_BRAKED);
	ck_assert_str_eq(why.text, "lunch");
	ck_assert_int_eq(why.until_ms, -1);
	ck_assert_int_eq(why.since_at_ms, kit.hands.wall_ms);
	brake("agent", "x");
	unbrake("all", "");
	ck_assert_int_eq(commit_as((struct who){ "x", "y", "z" }, &why), COMMIT_BRAKED);
}
END_TEST

START_TEST(a_brake_stops_a_call_before_it_holds_anything)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", HOUR, 1 }));
	brake("all", "");
	ck_assert_int_eq(job_hold(&j), HOLD_BRAKED);
	ck_assert_int_eq(kit_show(&kit, "k", HOUR).held, 0);
	unbrake("all", "");
	ck_assert_int_eq(job_hold(&j), HELD);
	brake("all", "");
	ck_assert_int_eq(job_commit_as(&j, true), COMMIT_BRAKED); /* and its hold stays its own */
	ck_assert_int_eq(kit_show(&kit, "k", HOUR).held, 1);
	job_release(&j);
}
END_TEST

START_TEST(a_brake_that_is_set_stays_whose_it_was)
{
	ck_assert(brake("agent", "a"));
	ck_assert(!brake("agent", "a"));
	ck_assert(unbrake("agent", "a"));
	ck_assert(!unbrake("agent", "a"));
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'operator'"), 2);
}
END_TEST

START_TEST(a_brake_outlives_who_set_it)
{
	brake("backend", "b");
	kit_close(&kit);
	kit_open(&kit);
	ck_assert_int_eq(commit_as((struct who){ "a", "b", "t" }, NULL), COMMIT_BRAKED);
}
END_TEST

START_TEST(a_brake_of_a_scope_we_do_not_know_stops)
{
	kit_sql(&kit, "PRAGMA ignore_check_constraints = 1; INSERT INTO brake VALUES ('planet', 'mars', 'x', '', 1, 1)");
	ck_assert_int_eq(commit_as((struct who){ "a", "b", "t" }, NULL), COMMIT_BRAKED);
}
END_TEST

static bool count_brake(void *arg, const struct brake *b)
{
	ck_assert_str_eq(b->by, "alice");
	++*(int *)arg;
	return true;
}

START_TEST(brakes_are_listed)
{
	int n = 0;

	brake("all", "");
	brake("tool", "a*");
	ck_assert_int_eq(store_brake_list(kit.store, count_brake, &n), OK);
	ck_assert_int_eq(n, 2);
}
END_TEST

static bool is_woken(struct store *s)
{
	bool is = poll(&(struct pollfd){ .fd = store_wake_fd(s), .events = POLLIN }, 1, 0) == 1;

	store_wake_drain(s);
	return is;
}

START_TEST(a_program_that_never_joined_wakes_all_sessions)
{
	struct kit operator;

	ck_assert_int_eq(session_join(&kit, "s1"), OK);
	kit_set(&operator, kit.folder);
	kit_open(&operator);
	ck_assert(!is_woken(kit.store));
	brake_by(&operator, "all", "", true);
	ck_assert(is_woken(kit.store));
	ck_assert(!brake_by(&operator, "all", "", true));
	ck_assert(!is_woken(kit.store)); /* nothing changed */
	brake_by(&operator, "all", "", false);
	ck_assert(is_woken(kit.store));
	kit_close(&operator);
}
END_TEST

static enum approval_state state_of(const char *id)
{
	struct approval a;

	ck_assert_int_eq(store_approval_get(kit.store, id, &a), OK);
	enum approval_state state = a.state;
	approval_release(&a);
	return state;
}

static void expire(void)
{
	struct op op = { 0 };

	store_approval_expire(kit.store, &op);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
}

START_TEST(approvals_do_not_run_out_while_a_brake_covers_them)
{
	struct approval_ask ask = { .args = SPAN("{}"), .rule = "t", .timeout_ms = MINUTE, .redeem_ms = MINUTE, .quorum = 1,
		.max_pending = 5, .max_per_hour = 5 };
	struct op op = { 0 };
	struct job j;

	job_init(&j, &kit, NULL, 0);
	struct hold h = { .call = &j.facts, .ask = &ask };
	store_hold(kit.store, &op, &h);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, HELD_ASKED);
	hands_move(&kit.hands, 50 * SECOND);
	brake("agent", "somebody else");
	brake("tool", "to*");
	hands_move(&kit.hands, HOUR);
	expire();
	ck_assert_int_eq(state_of(h.approval), APPROVAL_PENDING);
	unbrake("tool", "to*");
	hands_move(&kit.hands, 9 * SECOND);
	expire();
	ck_assert_int_eq(state_of(h.approval), APPROVAL_PENDING);
	hands_move(&kit.hands, SECOND);
	expire();
	ck_assert_int_eq(state_of(h.approval), APPROVAL_EXPIRED);
	job_release(&j);
}
END_TEST

/* ---- cool-downs ---- */

static void settle_cooling(const char *backend, int64_t for_ms)
{
	struct job j;

	job_init(&j, &kit, NULL, 0);
	j.facts.backend = backend;
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	struct settle e = { .call = &j.facts, .is_refund = true, .left_tick_ms = -1, .evidence = &j.outcome,
		.cooldown_ms = for_ms, .cooldown_cause = "it answered HTTP 429" };
	struct op op = { .is_kept = true };
	store_settle(kit.store, &op, &e);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	job_release(&j);
}

static bool set_cooling(const char *backend, int64_t for_ms)
{
	struct cooldown_set c = { .backend = backend, .cause = "it answered HTTP 503", .for_ms = for_ms };
	struct op op = { 0 };

	store_cooldown_set(kit.store, &op, &c);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return c.was_changed;
}

static const struct who on_b = { "a", "b", "t" }, on_c = { "a", "c", "t" };

START_TEST(an_outcome_closes_its_backend_for_a_time)
{
	struct obstacle why;

	settle_cooling("b", MINUTE);
	ck_assert_int_eq(commit_as(on_b, &why), COMMIT_COOLING);
	ck_assert_int_eq(why.until_ms, MINUTE);
	ck_assert_str_eq(why.text, "it answered HTTP 429");
	ck_assert_int_eq(commit_as(on_c, NULL), COMMITTED);
	hands_move(&kit.hands, MINUTE - 1);
	ck_assert_int_eq(commit_as(on_b, &why), COMMIT_COOLING);
	ck_assert_int_eq(why.until_ms, 1);
	hands_move(&kit.hands, 1);
	ck_assert_int_eq(commit_as(on_b, NULL), COMMITTED);
}
END_TEST

START_TEST(the_longer_of_two_cool_downs_counts)
{
	struct obstacle why;

	ck_assert(set_cooling("b", MINUTE));
	ck_assert(!set_cooling("b", SECOND));
	ck_assert_int_eq(commit_as(on_b, &why), COMMIT_COOLING);
	ck_assert_int_eq(why.until_ms, MINUTE);
	ck_assert(set_cooling("b", HOUR));
	commit_as(on_b, &why);
	ck_assert_int_eq(why.until_ms, HOUR);
}
END_TEST

START_TEST(a_cool_down_can_be_ended_early)
{
	set_cooling("b", HOUR);
	ck_assert(set_cooling("b", 0));
	ck_assert(!set_cooling("b", 0));
	ck_assert_int_eq(commit_as(on_b, NULL), COMMITTED);
}
END_TEST

static bool note_cooldown(void *arg, const struct cooldown *c)
{
	ck_assert_str_eq(c->backend, "b");
	*(int64_t *)arg += c->left_ms;
	return true;
}

START_TEST(only_cool_downs_in_force_are_listed)
{
	int64_t left_ms = 0;

	set_cooling("c", SECOND);
	set_cooling("b", HOUR);
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(store_cooldown_list(kit.store, note_cooldown, &left_ms), OK);
	ck_assert_int_eq(left_ms, HOUR - MINUTE);
}
END_TEST

/* ---- outcomes nobody knows ---- */

static const struct terms hold_for_a_minute = { .is_held_after_unknown = true, .on_unknown_hold_ms = MINUTE };

static int commit_twin(struct job *like, const struct terms *terms, struct obstacle *why)
{
	struct job j;

	job_init(&j, &kit, NULL, 0);
	j.facts.agent = like->facts.agent;
	memcpy(j.facts.args_hash, like->facts.args_hash, sizeof(j.facts.args_hash));
	j.terms = terms;
	int answer = commit_of(&j);
	if (why)
		*why = j.obstacle;
	job_release(&j);
	return answer;
}

static void lose(struct job *j, uint8_t args)
{
	job_init(j, &kit, NULL, 0);
	j->facts.args_hash[0] = args;
	j->terms = &hold_for_a_minute;
	ck_assert_int_eq(job_commit(j), COMMITTED);
	job_settle(j, UNKNOWN);
}

static int settle_unknown(const char *call, bool was_done)
{
	struct unknown_settle u = { .call = call, .by = "alice", .was_done = was_done };
	struct op op = { 0 };

	store_unknown_settle(kit.store, &op, &u);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return op.answer;
}

START_TEST(the_same_call_is_held_after_an_unknown_outcome)
{
	struct obstacle why;
	struct job j;

	lose(&j, 7);
	ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, &why), COMMIT_AFTER_UNKNOWN);
	ck_assert_str_eq(why.call, j.facts.id);
	ck_assert_int_eq(why.until_ms, MINUTE);
	ck_assert_int_eq(why.since_at_ms, kit.hands.wall_ms);
	ck_assert_int_eq(commit_twin(&j, NULL, NULL), COMMITTED); /* rules that allow it */
	j.facts.args_hash[0] = 8;
	ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, NULL), COMMITTED);
	j.facts.args_hash[0] = 7;
	j.facts.agent = "another";
	ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, NULL), COMMITTED);
	j.facts.agent = "agent";
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, NULL), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(settled_by_a_person_it_is_free)
{
	static const bool was_done[] = { true, false };
	struct job j;

	for (size_t i = 0; i < ARRAY_LEN(was_done); i++) {
		lose(&j, (uint8_t)i);
		ck_assert_int_eq(settle_unknown(j.facts.id, was_done[i]), UNKNOWN_SETTLED);
		ck_assert_int_eq(settle_unknown(j.facts.id, !was_done[i]), UNKNOWN_SETTLED_BEFORE);
		ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, NULL), COMMITTED);
		job_release(&j);
	}
	ck_assert_int_eq(settle_unknown("nobody", true), UNKNOWN_NO_SUCH);
}
END_TEST

START_TEST(a_persons_word_gives_no_place_of_a_limit_back)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", HOUR, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	job_settle(&j, UNKNOWN);
	ck_assert_int_eq(settle_unknown(j.facts.id, false), UNKNOWN_SETTLED);
	ck_assert_int_eq(kit_show(&kit, "k", HOUR).used, 1);
	job_release(&j);
}
END_TEST

START_TEST(whoever_finds_it_late_holds_it_as_long_as_its_own_rules_said)
{
	static const struct terms for_an_hour = { .is_held_after_unknown = true, .on_unknown_hold_ms = HOUR };
	struct kit other;
	struct obstacle why;
	struct job j;

	job_init(&j, &kit, NULL, 0);
	j.terms = &for_an_hour;
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	hands_move(&kit.hands, 11 * MINUTE); /* past the deadline of its flight */
	kit_set(&other, kit.folder);
	other.hands = kit.hands;
	kit_open(&other);
	struct job same;
	job_init(&same, &other, NULL, 0);
	same.terms = &hold_for_a_minute;
	ck_assert_int_eq(job_commit(&same), COMMIT_AFTER_UNKNOWN); /* nobody had noticed before */
	ck_assert_int_eq(same.obstacle.until_ms, HOUR);
	job_release(&same);
	kit_close(&other);
	ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, &why), COMMIT_AFTER_UNKNOWN);
	ck_assert_int_eq(why.until_ms, HOUR);
	job_settle(&j, DONE); /* its owner was only slow: now it is known, and the same call free */
	ck_assert_int_eq(commit_twin(&j, &hold_for_a_minute, NULL), COMMITTED);
	job_release(&j);
}
END_TEST

static bool count_unknown(void *arg, const struct unknown_row *u)
{
	ck_assert_str_eq(u->agent, "agent");
	++*(int *)arg;
	return true;
}

START_TEST(settled_ones_are_listed_on_demand_and_forgotten_in_the_end)
{
	struct job j, k;
	int n = 0;

	lose(&j, 1);
	lose(&k, 2);
	settle_unknown(j.facts.id, true);
	ck_assert_int_eq(store_unknown_list(kit.store, true, count_unknown, &n), OK);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(store_unknown_list(kit.store, false, count_unknown, &n), OK);
	ck_assert_int_eq(n, 3);
	hands_move(&kit.hands, 31 * 24 * HOUR);
	job_release(&j);
	lose(&j, 3);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM unknown"), 1);
	job_release(&j);
	job_release(&k);
}
END_TEST

/* ---- all of them ---- */

START_TEST(a_plain_look_says_what_the_commit_would)
{
	struct obstacle why;
	enum obstacle_kind kind;
	struct job j;

	lose(&j, 1);
	ck_assert_int_eq(store_obstacle_look(kit.store, &j.facts, NULL, &kind, &why), OK);
	ck_assert_int_eq(kind, OBSTACLE_NONE);
	ck_assert_int_eq(store_obstacle_look(kit.store, &j.facts, &hold_for_a_minute, &kind, &why), OK);
	ck_assert_int_eq(kind, OBSTACLE_UNKNOWN);
	set_cooling("backend", SECOND);
	ck_assert_int_eq(store_obstacle_look(kit.store, &j.facts, &hold_for_a_minute, &kind, &why), OK);
	ck_assert_int_eq(kind, OBSTACLE_COOLDOWN);
	brake("tool", "tool");
	ck_assert_int_eq(store_obstacle_look(kit.store, &j.facts, &hold_for_a_minute, &kind, &why), OK);
	ck_assert_int_eq(kind, OBSTACLE_BRAKE);
	job_release(&j);
}
END_TEST

static TCase *brakes(void)
{
	TCase *t = tcase_create("brake");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_brake_stops_those_it_names_and_nobody_else);
	tcase_add_test(t, a_brake_on_all_stops_everyone_and_says_why);
	tcase_add_test(t, a_brake_stops_a_call_before_it_holds_anything);
	tcase_add_test(t, a_brake_that_is_set_stays_whose_it_was);
	tcase_add_test(t, a_brake_outlives_who_set_it);
	tcase_add_test(t, a_brake_of_a_scope_we_do_not_know_stops);
	tcase_add_test(t, brakes_are_listed);
	tcase_add_test(t, approvals_do_not_run_out_while_a_brake_covers_them);
	tcase_add_test(t, a_program_that_never_joined_wakes_all_sessions);
	return t;
}

static TCase *cool_downs(void)
{
	TCase *t = tcase_create("cool-down");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_outcome_closes_its_backend_for_a_time);
	tcase_add_test(t, the_longer_of_two_cool_downs_counts);
	tcase_add_test(t, a_cool_down_can_be_ended_early);
	tcase_add_test(t, only_cool_downs_in_force_are_listed);
	return t;
}

static TCase *unknowns(void)
{
	TCase *t = tcase_create("unknown");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_same_call_is_held_after_an_unknown_outcome);
	tcase_add_test(t, settled_by_a_person_it_is_free);
	tcase_add_test(t, a_persons_word_gives_no_place_of_a_limit_back);
	tcase_add_test(t, whoever_finds_it_late_holds_it_as_long_as_its_own_rules_said);
	tcase_add_test(t, settled_ones_are_listed_on_demand_and_forgotten_in_the_end);
	tcase_add_test(t, a_plain_look_says_what_the_commit_would);
	return t;
}

Suite *suite(void)
{
	Suite *s = suite_create("store_switch");

	suite_add_tcase(s, brakes());
	suite_add_tcase(s, cool_downs());
	suite_add_tcase(s, unknowns());
	return s;
}
