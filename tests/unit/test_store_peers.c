/* Real processes at one store: races, deaths, late outcomes. */
#include "unit/peer.h"
#include "store/gate.h"
#include "unit/store_kit.h"

#define RACERS       8
#define TRIES_EACH   40
#define RACE_MAX     100
#define IN_GATE      "gate:"
#define PEER_SESSION "0123456789abcdef0123456789abcdef"

static struct kit kit;

/* ---- the peer's side ---- */

struct peer_state {
	struct kit kit;
	struct job job;
};

static void peer_race(struct kit *k, int tries, uint32_t max)
{
	int admitted = 0;

	for (int i = 0; i < tries; i++)
		admitted += call_once(k, LIMITS({ "race", HOUR, max }), DONE) == COMMITTED;
	peer_say("%d", admitted);
}

static void peer_obey(struct peer_state *p, const char *command)
{
	struct kit *k = &p->kit;
	int n = 0;
	unsigned max = 0;

	if (sscanf(command, "race %d %u", &n, &max) == 2) {
		peer_race(k, n, max);
	} else if (strcmp(command, "forever") == 0) {
		peer_say("begins");
		for (;;)
			(void)call_once(k,
				LIMITS({ "race", HOUR, RACE_MAX }, { "all", MINUTE, 1000000 }),
				DONE);
	} else if (strcmp(command, "join") == 0) {
		peer_say("%d", (int)session_join(k, PEER_SESSION));
	} else if (strcmp(command, "hold") == 0) {
		job_init(&p->job, k, LIMITS({ "k", HOUR, 1 }));
		peer_say("%d", job_hold(&p->job));
	} else if (sscanf(command, "commit %d", &n) == 1) {
		job_init(&p->job, k, LIMITS({ "k", HOUR, 1 }));
		struct commit c = { .call = &p->job.facts,
			.limits = p->job.claims,
			.deadline_ms = n,
			.intent = &p->job.intent };
		p->job.op = (struct op){ 0 };
		store_commit(k->store, &p->job.op, &c);
		op_finish(k->store, &p->job.op);
		p->job.epoch = c.epoch;
		peer_say("%d", p->job.op.answer);
	} else if (strcmp(command, "settle") == 0) {
		peer_say("%d", (int)job_settle_at(&p->job, DONE, -1));
	} else if (strcmp(command, "is_ours") == 0) {
		bool is_ours = false;
		must(store_flight_is_ours(k->store, p->job.facts.id, p->job.epoch, &is_ours) == OK);
		peer_say("%d", is_ours);
	} else {
		peer_say("what?");
	}
}

/* A program that sits in the gate, alive and slow. */
static int peer_in_gate(const char *folder)
{
	struct gate *gate = NULL;
	char command[64];

	if (gate_open(folder, &gate) != OK || gate_enter(gate, GATE_DEADLINE_MS) != OK)
		return EXIT_FAILURE;
	peer_say("inside");
	(void)peer_next(command, sizeof(command));
	gate_leave(gate);
	peer_say("outside");
	(void)peer_next(command, sizeof(command));
	gate_close(gate);
	return EXIT_SUCCESS;
}

int peer_main(int argc, char **argv)
{
	struct peer_state p = { 0 };
	char command[64];

	if (argc != 1)
		return EXIT_FAILURE;
	if (strncmp(argv[0], IN_GATE, strlen(IN_GATE)) == 0)
		return peer_in_gate(argv[0] + strlen(IN_GATE));
	kit_set(&p.kit, argv[0]);
	p.kit.is_real_time = true;
	if (kit_try_open(&p.kit, argv[0]) != OK)
		return EXIT_FAILURE;
	peer_say("open");
	while (peer_next(command, sizeof(command)))
		peer_obey(&p, command);
	job_release(&p.job);
	kit_close(&p.kit);
	return EXIT_SUCCESS;
}

/* ---- the test's side ---- */

static void setup(void)
{
	kit_set(&kit, scratch_new());
	kit.is_real_time = true;
	kit_open(&kit);
}

static void store_is_whole(void)
{
	ck_assert_int_eq(
		file_number(&kit,
			"SELECT count(*) FROM limit_window AS w WHERE live <> (SELECT count(*)"
			" FROM limit_entry AS e WHERE e.key = w.key AND e.tick > w.from_tick)"),
		0);
	ck_assert_int_eq(file_number(&kit, "SELECT max(seq) - count(*) FROM audit"), 0);
	ck_assert_int_eq(
		file_number(&kit,
			"SELECT count(*) FROM (SELECT call FROM audit WHERE kind = 'intent'"
			" GROUP BY call HAVING count(*) > 1)"),
		0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM pragma_integrity_check WHERE "
					   "integrity_check <> 'ok'"),
		0);
}

static void teardown(void)
{
	store_is_whole();
	kit_release(&kit);
}

static void start(struct peer *p)
{
	peer_start(p, kit.folder);
	ck_assert_str_eq(peer_hear(p), "open");
}

static int use(void)
{
	return call_once(&kit, LIMITS({ "k", HOUR, 1 }), DONE);
}

static int reap(void)
{
	struct op op = { 0 };

	store_reap(kit.store, &op);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return op.answer;
}

START_TEST(a_dead_owner_frees_its_hold)
{
	struct peer p;

	start(&p);
	ck_assert_str_eq(peer_ask(&p, "hold"), "0");
	ck_assert_int_eq(use(), COMMIT_LIMITED);
	peer_end(&p, SIGKILL);
	int64_t before_us = clock_mono_us();
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_int_lt(clock_mono_us() - before_us, GATE_DEADLINE_MS * 1000); /* the aim is 100 ms */
}
END_TEST

static uint32_t held_now(void)
{
	char key[] = "k";
	struct limit_row row = { .key = key, .window_ms = HOUR };

	ck_assert_int_eq(store_limits_show(kit.store, &row, 1), OK);
	ck_assert_int_eq(row.used, 0);
	return row.held;
}

START_TEST(who_looks_at_limits_sees_no_hold_of_a_dead_owner)
{
	struct peer p;

	start(&p);
	ck_assert_str_eq(peer_ask(&p, "hold"), "0");
	ck_assert_int_eq(held_now(), 1);
	peer_end(&p, SIGKILL);
	ck_assert_int_eq(held_now(), 0);
}
END_TEST

START_TEST(a_stopped_owner_keeps_its_hold)
{
	struct peer p;

	start(&p);
	ck_assert_str_eq(peer_ask(&p, "hold"), "0");
	ck_assert_int_eq(kill(p.pid, SIGSTOP), 0);
	ck_assert_int_eq(reap(), 0);
	ck_assert_int_eq(use(), COMMIT_LIMITED);
	ck_assert_int_eq(kill(p.pid, SIGCONT), 0);
	peer_end(&p, 0);
}
END_TEST

START_TEST(calls_of_a_dead_owner_become_unknown_and_keep_their_places)
{
	struct peer p;

	start(&p);
	ck_assert_str_eq(peer_ask(&p, "commit 600000"), "0");
	ck_assert_int_eq(reap(), 0);
	peer_end(&p, SIGKILL);
	ck_assert_int_eq(reap(), 1);
	ck_assert_int_eq(reap(), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 0);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM unknown WHERE settled_at IS NULL"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'outcome' AND "
					   "verdict = 'unknown'"),
		1);
	ck_assert_int_eq(
		file_number(
			&kit, "SELECT count(*) FROM limit_entry WHERE tick < 9223372036854775806"),
		1);
	ck_assert_int_eq(use(), COMMIT_LIMITED);
}
END_TEST

START_TEST(a_call_past_its_deadline_is_called_unknown_though_its_owner_lives)
{
	struct peer p;
	int64_t end_us = clock_mono_us() + KIT_PATIENCE_MS * 1000;

	start(&p);
	ck_assert_str_eq(peer_ask(&p, "commit 20"), "0");
	while (file_number(&kit, "SELECT count(*) FROM unknown") == 0) {
		ck_assert_int_lt(clock_mono_us(), end_us);
		ck_assert_int_eq(reap(), 0);
	}
	ck_assert_str_eq(peer_ask(&p, "is_ours"), "0");
	ck_assert_str_eq(peer_ask(&p, "settle"), "0");
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM unknown WHERE settled_as = 'done'"), 1);
	ck_assert_int_eq(use(), COMMIT_LIMITED);
	peer_end(&p, 0);
}
END_TEST

START_TEST(racing_processes_admit_exactly_max_count)
{
	struct peer p[RACERS];
	CLEANUP(free_charp) char *race = xasprintf("race %d %d", TRIES_EACH, RACE_MAX);
	int admitted = 0;

	for (int i = 0; i < RACERS; i++)
		start(&p[i]);
	for (int i = 0; i < RACERS; i++)
		peer_tell(&p[i], race);
	for (int i = 0; i < RACERS; i++)
		admitted += (int)strtol(peer_hear(&p[i]), NULL, 10);
	ck_assert_int_eq(admitted, RACE_MAX);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), RACE_MAX);
	for (int i = 0; i < RACERS; i++)
		ck_assert_int_eq(peer_end(&p[i], 0), 0);
}
END_TEST

START_TEST(processes_killed_at_random_leave_a_whole_store_and_no_place_too_many)
{
	uint64_t seed = 99;

	for (int round = 0; round < 12; round++) {
		struct peer p[3];
		for (int i = 0; i < 3; i++)
			start(&p[i]);
		for (int i = 0; i < 3; i++)
			ck_assert_str_eq(peer_ask(&p[i], "forever"), "begins");
		/* so many of our own calls among theirs, then they die wherever they are */
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		for (uint64_t n = seed >> 59; n > 0; n--)
			ck_assert_int_eq(call_once(&kit, LIMITS({ "all", MINUTE, 1000000 }), DONE),
				COMMITTED);
		for (int i = 0; i < 3; i++)
			peer_end(&p[i], SIGKILL);
		(void)reap();
		store_is_whole();
	}
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 0);
	int64_t taken = file_number(&kit, "SELECT count(*) FROM limit_entry WHERE key = 'race'");
	ck_assert_int_gt(taken, 0);
	ck_assert_int_le(taken, RACE_MAX);
}
END_TEST

START_TEST(past_the_gate_deadline_calls_are_refused_and_outcomes_are_kept)
{
	CLEANUP(free_charp) char *argument = xasprintf(IN_GATE "%s", kit.folder);
	struct peer p;
	struct job j;
	struct op op = { .is_kept = true };

	job_init(&j, &kit, LIMITS({ "k", HOUR, 9 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	peer_start(&p, argument);
	ck_assert_str_eq(peer_hear(&p), "inside");
	struct settle e = {
		.call = &j.facts, .limits = j.claims, .left_tick_ms = -1, .evidence = &j.outcome
	};
	store_settle(kit.store, &op, &e);
	int64_t before_us = clock_mono_us();
	ck_assert_int_eq(use(), ERR_STORE_BUSY);
	ck_assert_int_ge(clock_mono_us() - before_us, GATE_DEADLINE_MS * 1000);
	ck_assert(store_is_refusing(kit.store));
	before_us = clock_mono_us();
	ck_assert_int_eq(use(), ERR_STORE_BUSY); /* at once until the gate has been won again */
	ck_assert_int_lt(clock_mono_us() - before_us, GATE_DEADLINE_MS * 500);
	ck_assert(op.is_submitted);
	ck_assert_str_eq(peer_ask(&p, "leave"), "outside");
	op_finish(kit.store, &op); /* woken by gate_fd alone */
	ck_assert_int_eq(op.err, OK);
	ck_assert(!store_is_refusing(kit.store));
	peer_end(&p, 0);
	job_release(&j);
}
END_TEST

START_TEST(watching_an_owner_tells_its_death)
{
	struct peer p;

	start(&p);
	ck_assert_str_eq(peer_ask(&p, "join"), "0");
	CLEANUP(close_fdp) int fd = store_watch_owner(kit.store, PEER_SESSION);
	ck_assert_int_ge(fd, 0);
	struct pollfd owner = { .fd = fd, .events = POLLIN };
	ck_assert_int_eq(poll(&owner, 1, 0), 0);
	peer_end(&p, SIGKILL);
	ck_assert_int_eq(poll(&owner, 1, KIT_PATIENCE_MS), 1);
	ck_assert_int_eq(store_watch_owner(kit.store, PEER_SESSION), -1);
	ck_assert_int_eq(reap(), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM session"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_peers");
	TCase *t = tcase_create("peers");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_dead_owner_frees_its_hold);
	tcase_add_test(t, who_looks_at_limits_sees_no_hold_of_a_dead_owner);
	tcase_add_test(t, a_stopped_owner_keeps_its_hold);
	tcase_add_test(t, calls_of_a_dead_owner_become_unknown_and_keep_their_places);
	tcase_add_test(t, a_call_past_its_deadline_is_called_unknown_though_its_owner_lives);
	tcase_add_test(t, racing_processes_admit_exactly_max_count);
	tcase_add_test(t, processes_killed_at_random_leave_a_whole_store_and_no_place_too_many);
	tcase_add_test(t, past_the_gate_deadline_calls_are_refused_and_outcomes_are_kept);
	tcase_add_test(t, watching_an_owner_tells_its_death);
	suite_add_tcase(s, t);
	return s;
}
