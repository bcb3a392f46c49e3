/* Approvals under fire: processes that approve, refuse, cancel, expire and use them all at once, tell people of it, and die meanwhile
 * (security test 21). */
#include "unit/message_kit.h"
#include "unit/peer.h"

#define ROUNDS 3
#define OF_A_ROUND 400                    /* approvals, each fought over by all */

static struct kit kit;

/* ---- the peer's side: does one thing to every approval that lives ---- */

static struct call_facts facts_of(const struct approval *a)
{
	struct call_facts f = { .tenant = "", .agent = "agent", .backend = "backend", .tool = "tool" };

	memcpy(f.args_hash, a->args_hash, sizeof(f.args_hash));
	id_new(f.id, clock_wall_ms());
	return f;
}

static int use_it(struct kit *k, const struct approval *a)
{
	struct asker as;

	asker_init(&as, k, 0, LIMITS({ "k", HOUR, 1000000 }));
	as.job.facts = facts_of(a);
	as.job.intent = job_evidence(&as.job, EVIDENCE_INTENT, "allowed");
	memcpy(as.approval, a->id, sizeof(as.approval));
	bool is_committed = asker_commit(&as) == COMMITTED;
	if (is_committed)
		job_settle(&as.job, DONE);
	job_release(&as.job);
	return is_committed;
}

static int vote_as(struct kit *k, const struct approval *a, const char *voter, bool is_approving)
{
	struct op op = { 0 };
	struct vote v = { .approval = a->id, .voter = voter, .is_approving = is_approving, .means = "test", .origin = "", .reason = "",
		.is_named = true };

	memcpy(v.args_hash, a->args_hash, sizeof(v.args_hash));
	store_approval_vote(k->store, &op, &v);
	op_finish(k->store, &op);
	approval_release(&v.as_it_is);
	return op.answer == VOTE_DECIDED;
}

/* As a broker does: what people have not been told yet. 1 when there was something. */
static int tell(struct kit *k, const char *approval)
{
	struct copy c = copy_of(k, approval, TWO_CHANNELS[0]);
	uint32_t n = c.m.state == MESSAGE_DUE ? message_begin(k, approval, TWO_CHANNELS[0]) : 0;
	struct message_end e = { .approval = approval, .channel = TWO_CHANNELS[0], .n = n, .told_seq = c.m.last_seq, .result = MESSAGE_OK,
		.ref = "ts", .said = "" };

	return n > 0 ? message_finish(k, e) : 0;
}

/* 1 when it was we who moved it. */
static int act(struct kit *k, const char *what, const struct approval *a)
{
	if (strcmp(what, "alice") == 0 || strcmp(what, "carol") == 0)
		return vote_as(k, a, what, true);
	if (strcmp(what, "bob") == 0)
		return vote_as(k, a, what, false);
	if (strcmp(what, "cancel") == 0)
		return cancel_on(k, a->id, "dave") == VOTE_DECIDED;
	if (strcmp(what, "use") == 0)
		return use_it(k, a);
	if (strcmp(what, "tell") == 0)
		return tell(k, a->id);
	return expire_all(k);
}

struct some { struct approval v[OF_A_ROUND]; size_t n; };

static bool take(void *arg, const struct approval *a)
{
	struct some *s = arg;

	memcpy(s->v[s->n].id, a->id, sizeof(a->id));
	memcpy(s->v[s->n].args_hash, a->args_hash, sizeof(a->args_hash));
	return ++s->n < ARRAY_LEN(s->v);
}

int peer_main(int argc, char **argv)
{
	struct kit k;
	char what[32], go[32];

	if (argc != 1)
		return EXIT_FAILURE;
	kit_set(&k, argv[0]);
	k.is_real_time = k.is_unsafe = true;
	if (kit_try_open(&k, argv[0]) != OK)
		return EXIT_FAILURE;
	peer_say("open");
	while (peer_next(what, sizeof(what))) {
		struct some *all = xcalloc(1, sizeof(*all));
		int moved = 0;
		must(store_approval_list(k.store, &(struct approval_filter){ .is_live_only = true }, take, all) == OK);
		peer_say("ready");
		(void)peer_next(go, sizeof(go));
		for (int turn = strcmp(what, "use") == 0 || strcmp(what, "tell") == 0 ? 3 : 1; turn > 0; turn--)
			for (size_t i = 0; i < all->n; i++)
				moved += act(&k, what, &all->v[i]);
		free(all);
		peer_say("%d", moved);
	}
	kit_close(&k);
	return EXIT_SUCCESS;
}

/* ---- the test's side ---- */

static void setup(void)
{
	kit_set(&kit, scratch_new());
	kit.is_real_time = kit.is_unsafe = true;
	kit_open(&kit);
}

static void teardown(void)
{
	kit_release(&kit);
}

static void start(struct peer *p)
{
	peer_start(p, kit.folder);
	ck_assert_str_eq(peer_hear(p), "open");
}

/* Some need two persons, some are over before long. */
static void ask_many(int round)
{
	struct asker a;

	asker_init(&a, &kit, 0, LIMITS({ "k", HOUR, 1000000 }));
	asker_tells(&a, 1);
	a.ask.max_pending = UINT32_MAX;
	a.ask.max_per_hour = UINT32_MAX;
	for (int i = 0; i < OF_A_ROUND; i++) {
		a.job.facts.args_hash[0] = (uint8_t)round;
		a.job.facts.args_hash[1] = (uint8_t)(i >> 8);
		a.job.facts.args_hash[2] = (uint8_t)i;
		a.ask.quorum = i % 3 == 0 ? 2 : 1;
		a.ask.timeout_ms = i % 5 == 0 ? 1000 + i : TIMEOUT_MS;
		id_new(a.job.facts.id, clock_wall_ms());
		ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	}
	job_release(&a.job);
}

static int64_t count(const char *where)
{
	CLEANUP(free_charp) char *sql = xasprintf("SELECT count(*) FROM approval AS a WHERE %s", where);

	return file_number(&kit, sql);
}

#define VOTES(of, is) "(SELECT count(*) FROM approval_vote AS v WHERE v.approval = a.id AND v.is_late = 0 AND v.verdict = '" of "') " is

#define EVENTS(what, is) "(SELECT count(*) FROM approval_event AS e WHERE e.approval = a.id AND e.what = '" what "') " is

/* Each is asked once and ends once, and what is told of it is what it came to. */
static void events_agree(void)
{
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) - max(seq) FROM approval_event"), 0);
	ck_assert_int_eq(count(EVENTS("asked", "<> 1") " OR " EVENTS("decided", "> 1") " OR " EVENTS("expired", "> 1") " OR "
			 EVENTS("cancelled", "> 1") " OR " EVENTS("executed", "> 1")), 0);
	ck_assert_int_eq(count("(state IN ('APPROVED','CONSUMED','REJECTED')) > " EVENTS("decided", "")), 0);
	ck_assert_int_eq(count("state IN ('PENDING','CANCELLED') AND " EVENTS("decided", "> 0")), 0);
	ck_assert_int_eq(count("(state = 'EXPIRED') <> " EVENTS("expired", "")), 0);
	ck_assert_int_eq(count("(state = 'CANCELLED') <> " EVENTS("cancelled", "")), 0);
	ck_assert_int_eq(count("(outcome <> '') <> " EVENTS("executed", "")), 0);
	ck_assert_int_eq(count("outcome <> '' AND state <> 'CONSUMED'"), 0);
	ck_assert_int_eq(count("(SELECT e.what FROM approval_event AS e WHERE e.approval = a.id ORDER BY seq LIMIT 1) <> 'asked'"), 0);
}

static bool tell_it(void *arg, const struct message *m)
{
	struct some *all = arg;

	snprintf(all->v[all->n].id, ID_SIZE, "%s", m->approval);
	return ++all->n < ARRAY_LEN(all->v);
}

/* Whatever is left to tell, told; then every copy tells the newest there is. */
static void tell_the_rest(void)
{
	struct message_filter due = { .is_due_only = true };
	struct some *all = xcalloc(1, sizeof(*all));

	(void)recover_all(&kit);
	do {
		all->n = 0;
		ck_assert_int_eq(store_messages(kit.store, &due, tell_it, all), OK);
		for (size_t i = 0; i < all->n; i++)
			ck_assert_int_eq(tell(&kit, all->v[i].id), 1);
	} while (all->n > 0);
	free(all);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM message WHERE state <> 'SENT' OR told_seq <> (SELECT max(seq)"
					   " FROM approval_event AS e WHERE e.approval = message.approval)"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT (SELECT count(*) FROM message) - (SELECT count(*) FROM approval)"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT (SELECT sum(tries) FROM message) - (SELECT count(*) FROM message_attempt)"), 0);
}

static void is_consistent(void)
{
	events_agree();
	ck_assert_int_eq(count("state IN ('APPROVED','CONSUMED') AND (" VOTES("approve", "< quorum") " OR " VOTES("reject", "> 0") ")"), 0);
	ck_assert_int_eq(count("state = 'REJECTED' AND " VOTES("reject", "<> 1")), 0);
	ck_assert_int_eq(count("state = 'REJECTED' AND " VOTES("approve", ">= quorum")), 0);
	ck_assert_int_eq(count("state IN ('PENDING','CANCELLED') AND (" VOTES("reject", "> 0") " OR " VOTES("approve", ">= quorum") ")"), 0);
	ck_assert_int_eq(count("(state = 'CONSUMED') <> (consumed_by <> '')"), 0);
	ck_assert_int_eq(count("state = 'CONSUMED' AND (SELECT count(*) FROM audit AS i WHERE i.kind = 'intent' AND i.call = a.consumed_by) <> 1"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), count("state = 'CONSUMED'"));
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick = 9223372036854775807"), count("state IN ('PENDING','APPROVED')"));
}

START_TEST(whatever_is_raced_each_ends_once_and_its_votes_agree)
{
	static const char *const acts[] = { "alice", "bob", "carol", "cancel", "use", "expire", "tell" };
	struct peer p[ARRAY_LEN(acts)];
	int moved[ARRAY_LEN(acts)] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		start(&p[i]);
	for (int round = 0; round < ROUNDS; round++) {
		ask_many(round);
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			ck_assert_str_eq(peer_ask(&p[i], acts[i]), "ready");
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			peer_tell(&p[i], "go");
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			moved[i] += (int)strtol(peer_hear(&p[i]), NULL, 10);
		is_consistent();
		tell_the_rest();
	}
	ck_assert_int_gt(moved[6], 0);
	ck_assert_int_eq(moved[0] + moved[2], count("state IN ('APPROVED','CONSUMED')"));
	ck_assert_int_eq(moved[1], count("state = 'REJECTED'"));
	ck_assert_int_eq(moved[3], count("state = 'CANCELLED'"));
	ck_assert_int_eq(moved[4], count("state = 'CONSUMED'"));
	ck_assert_int_gt(moved[4], 0);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		ck_assert_int_eq(peer_end(&p[i], 0), 0);
}
END_TEST

START_TEST(deciders_that_are_killed_leave_nothing_half_done)
{
	static const char *const acts[] = { "alice", "bob", "use", "tell" };

	for (int round = 0; round < ROUNDS; round++) {
		struct peer p[ARRAY_LEN(acts)];
		ask_many(round);
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			start(&p[i]);
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			ck_assert_str_eq(peer_ask(&p[i], acts[i]), "ready");
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			peer_tell(&p[i], "go");
		while (count("state = 'PENDING'") > OF_A_ROUND / 2)
			(void)poll(NULL, 0, 1);
		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			peer_end(&p[i], SIGKILL);
		is_consistent();
		for (int64_t left = -1; left != 0; left = count("state IN ('PENDING','APPROVED')")) {
			struct some *all = xcalloc(1, sizeof(*all));
			ck_assert_int_eq(store_approval_list(kit.store, &(struct approval_filter){ .is_live_only = true }, take, all), OK);
			for (size_t i = 0; i < all->n; i++) {
				(void)vote_as(&kit, &all->v[i], "bob", false);
				(void)use_it(&kit, &all->v[i]);
			}
			free(all);
			(void)expire_all(&kit);
		}
		is_consistent();
		tell_the_rest();
	}
}
END_TEST

static int reap(void)
{
	struct op op = { 0 };

	store_reap(kit.store, &op);
	op_finish(kit.store, &op);
	return op.answer;
}

START_TEST(who_dies_waiting_lets_go_and_the_approval_lives_on)
{
	struct asker a;

	asker_init(&a, &kit, 0, LIMITS({ "k", HOUR, 1 }));
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	kit_sql(&kit, "UPDATE approval_waiter SET owner = 999999");
	ck_assert_int_eq(reap(), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_waiter"), 0);
	ck_assert_int_eq(count("state = 'PENDING'"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 1);
	ck_assert_int_eq(asker_hold(&a), HELD_ATTACHED);
	job_release(&a.job);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_approval_race");
	TCase *t = tcase_create("race");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, whatever_is_raced_each_ends_once_and_its_votes_agree);
	tcase_add_test(t, deciders_that_are_killed_leave_nothing_half_done);
	tcase_add_test(t, who_dies_waiting_lets_go_and_the_approval_lives_on);
	suite_add_tcase(s, t);
	return s;
}
