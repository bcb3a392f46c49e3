/* A queue shared by real processes: deaths, stops, races. */
#include "unit/peer.h"
#include "unit/queue_kit.h"

#define RACERS     8
#define CALLS_EACH 12

static const struct queue_terms brisk = { 50, 1, 0, 0 };
static const struct queue_terms calm = { 50, 1, MINUTE, 2 * MINUTE };

/* ---- the peer's side ---- */

/* Until something happens to the queue, and a little longer at the most. */
static void look_around(struct store *s)
{
	struct pollfd wake = { .fd = store_wake_fd(s), .events = POLLIN };

	(void)poll(&wake, 1, 20);
	store_wake_drain(s);
}

/* The ticket stands in the row of intent: the rows' order is that of the starts. */
static void start_when_it_may(struct caller *c)
{
	CLEANUP(free_charp) char *body = xasprintf("{\"ticket\":%llu}", (unsigned long long)c->ticket);

	c->job.intent.body = span_of(body);
	evidence_seal(&c->job.intent);
	while (start(c) != COMMITTED) {
		(void)reap();
		look_around(kit.store);
	}
}

static void peer_run(int calls)
{
	for (int i = 0; i < calls; i++) {
		struct caller *c = enter_new(&brisk);
		start_when_it_may(c);
		finish(c);
		gone(c);
	}
}

static struct caller *mine;

static void peer_obey(const char *command)
{
	int n = 0;

	if (sscanf(command, "run %d", &n) == 1) {
		peer_run(n);
		peer_say("ran");
	} else if (strcmp(command, "enter") == 0 || strcmp(command, "enter calmly") == 0) {
		mine = enter_new(strcmp(command, "enter") == 0 ? &brisk : &calm);
		peer_say("%llu", (unsigned long long)mine->ticket);
	} else if (strcmp(command, "start") == 0) {
		peer_say("%d", start(mine));
	} else if (strcmp(command, "start late") == 0) {
		struct commit m = { .call = &mine->job.facts, .limits = mine->job.claims, .is_holding = true, .ticket = mine->ticket,
			.ticket_epoch = mine->epoch, .deadline_ms = 20, .intent = &mine->job.intent };
		struct op op = { 0 };
		store_commit(kit.store, &op, &m);
		op_finish(kit.store, &op);
		peer_say("%d", op.answer);
	} else if (strcmp(command, "finish") == 0) {
		finish(mine);
		peer_say("finished");
	} else if (strcmp(command, "park") == 0) {
		let_go(mine, true, MINUTE);
		peer_say("parked");
	} else if (strcmp(command, "rejoin") == 0) {
		(void)rejoin(mine, &brisk);
		peer_say("%llu", (unsigned long long)mine->ticket);
	} else {
		peer_say("what?");
	}
}

int peer_main(int argc, char **argv)
{
	char command[64], id[ID_SIZE];

	if (argc != 1)
		return EXIT_FAILURE;
	kit_set(&kit, argv[0]);
	kit.is_real_time = true;
	id_new(id, clock_wall_ms());
	if (kit_try_open(&kit, argv[0]) != OK || session_join(&kit, id) != OK)
		return EXIT_FAILURE;
	peer_say("open");
	while (peer_next(command, sizeof(command)))
		peer_obey(command);
	kit_close(&kit);
	if (mine)
		gone(mine);
	return EXIT_SUCCESS;
}

/* ---- the test's side ---- */

static void setup(void)
{
	char id[ID_SIZE];

	kit_set(&kit, scratch_new());
	kit.is_real_time = true;
	kit_open(&kit);
	id_new(id, clock_wall_ms());
	ck_assert_int_eq(session_join(&kit, id), OK);
}

static void teardown(void)
{
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM queue_slot WHERE number IS NOT NULL AND number NOT IN"
					   " (SELECT number FROM ticket WHERE state = 'FORWARDING')"),
		0);
	kit_release(&kit);
}

static void begin(struct peer *p)
{
	peer_start(p, kit.folder);
	ck_assert_str_eq(peer_hear(p), "open");
}

static bool is_stopped(pid_t pid)
{
	int status = 0;

	return waitpid(pid, &status, WNOHANG | WUNTRACED) == pid && WIFSTOPPED(status);
}

static void stop(struct peer *p)
{
	int64_t end_us = clock_mono_us() + KIT_PATIENCE_MS * 1000;

	ck_assert_int_eq(kill(p->pid, SIGSTOP), 0);
	while (!is_stopped(p->pid))
		ck_assert_int_lt(clock_mono_us(), end_us);
}

static int pass(uint64_t first, uint32_t owner)
{
	struct queue_pass pass = { "backend", first, owner };
	struct op op = { 0 };

	store_queue_pass_over(kit.store, &op, &pass);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return op.answer;
}

START_TEST(a_dead_waiter_is_nobody_at_once)
{
	struct peer p;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter"), "1");
	struct caller *c = enter_new(&brisk);
	ck_assert_int_eq(place(c).position, 2);
	ck_assert_int_eq(start(c), COMMIT_NOT_FIRST);
	struct queue_place at = place(c);
	ck_assert_uint_eq(at.ahead_n, 1);
	CLEANUP(close_fdp) int fd = store_watch_number(kit.store, at.ahead[0]);
	struct pollfd ahead = { .fd = fd, .events = POLLIN };
	ck_assert_int_eq(poll(&ahead, 1, 0), 0);
	peer_end(&p, SIGKILL);
	ck_assert_int_eq(poll(&ahead, 1, KIT_PATIENCE_MS), 1);
	ck_assert_int_eq(place(c).position, 1); /* before anybody has buried it */
	ck_assert_int_eq(start(c), COMMITTED); /* which buries it */
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM ticket"), 1);
	gone(c);
}
END_TEST

START_TEST(a_death_in_flight_frees_the_slot_after_a_delay_drawn_then)
{
	struct peer p;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter calmly"), "1");
	ck_assert_str_eq(peer_ask(&p, "start"), "0");
	struct caller *c = enter_new(&calm);
	struct queue_place at = place(c);
	ck_assert_int_eq(at.ready_us, -1);
	ck_assert_uint_eq(at.ahead_n, 1);
	peer_end(&p, SIGKILL);
	ck_assert_int_eq(start(c), COMMIT_NOT_FIRST); /* which buries it */
	int64_t ready = ready_ms(c);
	ck_assert_int_gt(ready, MINUTE - 10 * SECOND);
	ck_assert_int_le(ready, 2 * MINUTE);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM unknown"), 1);
	gone(c);
}
END_TEST

START_TEST(the_parked_place_of_a_dead_process_is_gone)
{
	struct peer p;
	struct caller again;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter"), "1");
	ck_assert_str_eq(peer_ask(&p, "park"), "parked");
	caller_init(&again, 1, &wide); /* the same arguments as the peer's first */
	peer_end(&p, SIGKILL);
	ck_assert_int_eq(enter(&again, &brisk), HELD_QUEUED);
	ck_assert_uint_eq(again.ticket, 2);
	(void)reap();
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM ticket"), 1);
	ck_assert_uint_eq(kit_show(&kit, "wide", HOUR).held, 1);
	job_release(&again.job);
}
END_TEST

START_TEST(the_parked_place_of_a_living_session_is_the_agents)
{
	struct peer p;
	struct caller again;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter"), "1");
	ck_assert_str_eq(peer_ask(&p, "park"), "parked");
	caller_init(&again, 1, &wide);
	ck_assert_int_eq(enter(&again, &brisk), HELD_RESUMED);
	ck_assert_uint_eq(again.ticket, 1);
	peer_end(&p, SIGKILL);
	(void)reap();
	ck_assert_int_eq(start(&again), COMMITTED); /* number and hold are its own now */
	job_release(&again.job);
}
END_TEST

START_TEST(a_stopped_head_is_passed_over_and_stands_at_the_end_when_it_wakes)
{
	struct peer p;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter"), "1");
	struct caller *b = enter_new(&brisk), *c = enter_new(&brisk);
	stop(&p);
	struct queue_place at = place(b);
	ck_assert(at.is_first_due);
	ck_assert_uint_eq(at.first, 1);
	ck_assert_int_eq(start(b), COMMIT_NOT_FIRST);
	ck_assert_int_eq(pass(at.first, at.first_owner + 1), 0);
	ck_assert_int_eq(pass(at.first, at.first_owner), 1);
	ck_assert_int_eq(start(b), COMMITTED);
	ck_assert_int_eq(kill(p.pid, SIGCONT), 0);
	CLEANUP(free_charp) char *passed_over = xasprintf("%d", COMMIT_PASSED_OVER);
	ck_assert_str_eq(peer_ask(&p, "start"), passed_over);
	ck_assert_str_eq(peer_ask(&p, "rejoin"), "4");
	finish(b);
	ck_assert_int_eq(start(c), COMMITTED);
	finish(c);
	ck_assert_str_eq(peer_ask(&p, "start"), "0");
	ck_assert_str_eq(peer_ask(&p, "finish"), "finished");
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick = 9223372036854775807"), 0);
	peer_end(&p, 0);
	gone(b);
	gone(c);
}
END_TEST

START_TEST(who_started_meanwhile_is_not_passed_over)
{
	struct peer p;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter"), "1");
	struct caller *b = enter_new(&brisk);
	struct queue_place at = place(b);
	ck_assert_str_eq(peer_ask(&p, "start"), "0");
	ck_assert_int_eq(pass(at.first, at.first_owner), 0);
	ck_assert_str_eq(peer_ask(&p, "finish"), "finished");
	peer_end(&p, 0);
	gone(b);
}
END_TEST

START_TEST(a_stopped_owner_keeps_its_slot_until_its_call_is_late)
{
	struct peer p;
	int64_t end_us = clock_mono_us() + KIT_PATIENCE_MS * 1000;

	begin(&p);
	ck_assert_str_eq(peer_ask(&p, "enter"), "1");
	ck_assert_str_eq(peer_ask(&p, "start late"), "0");
	stop(&p);
	struct caller *c = enter_new(&brisk);
	while (start(c) != COMMITTED)
		ck_assert_int_lt(clock_mono_us(), end_us);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM unknown"), 1);
	ck_assert_int_eq(kill(p.pid, SIGCONT), 0);
	ck_assert_str_eq(peer_ask(&p, "finish"), "finished"); /* changes nothing for the one that runs now */
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM queue_slot WHERE number = 2"), 1);
	peer_end(&p, 0);
	gone(c);
}
END_TEST

static void order_is_that_of_the_tickets(void)
{
	ck_assert_int_eq(file_number(&kit,
				 "SELECT count(*) FROM (SELECT json_extract(body, '$.ticket') AS n, lag(json_extract(body, '$.ticket'))"
				 " OVER (ORDER BY seq) AS before FROM audit WHERE kind = 'intent') WHERE before >= n"),
		0);
}

START_TEST(racing_processes_start_in_the_order_of_their_tickets)
{
	struct peer p[RACERS];
	CLEANUP(free_charp) char *run = xasprintf("run %d", CALLS_EACH);

	for (int i = 0; i < RACERS; i++)
		begin(&p[i]);
	for (int i = 0; i < RACERS; i++)
		peer_tell(&p[i], run);
	for (int i = 0; i < RACERS; i++)
		ck_assert_str_eq(peer_hear(&p[i]), "ran");
	order_is_that_of_the_tickets();
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), RACERS * CALLS_EACH);
	for (int i = 0; i < RACERS; i++)
		ck_assert_int_eq(peer_end(&p[i], 0), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM ticket"), 0);
}
END_TEST

START_TEST(the_order_holds_when_processes_die_at_any_moment)
{
	uint64_t seed = 4711;
	struct peer p[4];
	CLEANUP(free_charp) char *run = xasprintf("run %d", 100000);

	for (int i = 0; i < 4; i++) {
		begin(&p[i]);
		peer_tell(&p[i], run);
	}
	for (int round = 0; round < 24; round++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		peer_run((int)(seed >> 62) + 1); /* among theirs */
		struct peer *dies = &p[round % 4];
		peer_end(dies, SIGKILL);
		begin(dies);
		peer_tell(dies, run);
	}
	for (int i = 0; i < 4; i++)
		peer_end(&p[i], SIGKILL);
	(void)reap();
	order_is_that_of_the_tickets();
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM ticket"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick = 9223372036854775807"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_queue_peers");
	TCase *t = tcase_create("peers");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_dead_waiter_is_nobody_at_once);
	tcase_add_test(t, a_death_in_flight_frees_the_slot_after_a_delay_drawn_then);
	tcase_add_test(t, the_parked_place_of_a_dead_process_is_gone);
	tcase_add_test(t, the_parked_place_of_a_living_session_is_the_agents);
	tcase_add_test(t, a_stopped_head_is_passed_over_and_stands_at_the_end_when_it_wakes);
	tcase_add_test(t, who_started_meanwhile_is_not_passed_over);
	tcase_add_test(t, a_stopped_owner_keeps_its_slot_until_its_call_is_late);
	tcase_add_test(t, racing_processes_start_in_the_order_of_their_tickets);
	tcase_add_test(t, the_order_holds_when_processes_die_at_any_moment);
	suite_add_tcase(s, t);
	return s;
}
