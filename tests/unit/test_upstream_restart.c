/* upstream_stdio_life: start anew with the same session, and the end. */
#include "base/clock.h"
#include "unit/stdio_probe.h"

#define DIE     "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"die\"}"
#define REPLAY  "{\"jsonrpc\":\"2.0\",\"id\":\"aegis:restart:1\",\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}}"

static void restarts(const char *script)
{
	backend.on_exit = ON_EXIT_RESTART;
	server_is(script);
}

/* ---- start anew ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_new_child_takes_the_session_up_before_anything_else)
{
	struct sent dying, next;

	restarts(SERVES);
	open_session();
	begin(&dying, DIE);
	finish(&dying);
	ck_assert_int_eq(dying.end.fate, FATE_UNKNOWN);
	go(&next, CALL);
	ck_assert_int_eq(next.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(file_text("seen"), INITIALIZE "\n" INITIALIZED "\n" DIE "\n" REPLAY "\n" INITIALIZED "\n" CALL "\n");
	ck_assert_str_eq(messages, "");
}
END_TEST

START_TEST(an_open_session_is_taken_up_unasked)
{
	struct sent dying;

	restarts(SERVES);
	open_session();
	go(&dying, DIE);
	TURN_UNTIL(strstr(file_text("seen"), REPLAY "\n" INITIALIZED "\n"));
}
END_TEST

#define LEVEL(id, level)    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"logging/setLevel\",\"params\":{\"level\":\"" level "\"}}"
#define ON(what, id, uri)   "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"resources/" what "\",\"params\":{\"uri\":\"" uri "\"}}"

START_TEST(what_the_client_had_set_up_is_said_again_before_anything_else)
{
	static const char *const said[] = { LEVEL("21", "debug"), LEVEL("22", "error"), ON("subscribe", "23", "a:1"), ON("subscribe", "24", "a:2"),
		ON("unsubscribe", "25", "a:1") };
	struct sent s, dying, next;

	restarts(SERVES);
	open_session();
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		go(&s, said[i]);
	go(&dying, DIE);
	go(&next, CALL);
	ck_assert_int_eq(next.end.fate, FATE_ANSWERED);
	ck_assert_ptr_nonnull(strstr(file_text("seen"), DIE "\n" REPLAY "\n" INITIALIZED "\n" LEVEL("\"aegis:restart:2\"", "error") "\n"
		ON("subscribe", "\"aegis:restart:3\"", "a:2") "\n" CALL "\n"));
}
END_TEST

START_TEST(a_child_that_dies_while_it_is_set_up_is_followed_by_one_that_is)
{
	struct sent s, dying, next;

	restarts("if [ -e $DIR/pids ] && [ ! -e $DIR/second ]; then echo $$ > $DIR/second; read a; "
		"echo '{\"jsonrpc\":\"2.0\",\"id\":\"aegis:restart:1\",\"result\":{}}'; read b; read c; exit 1; fi; " SERVES);
	open_session();
	go(&s, LEVEL("21", "error"));
	go(&dying, DIE);
	go(&next, CALL);
	ck_assert_int_eq(next.end.fate, FATE_ANSWERED);
	ck_assert_ptr_nonnull(strstr(file_text("seen"), INITIALIZED "\n" LEVEL("\"aegis:restart:4\"", "error") "\n" CALL "\n"));
}
END_TEST

START_TEST(without_a_session_the_next_delivery_starts_it)
{
	struct sent dying, next;

	restarts(SERVES);
	go(&dying, DIE);
	TURN_UNTIL(process_is_gone("pids"));
	go(&next, CALL);
	ck_assert_int_eq(next.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(file_text("seen"), DIE "\n" CALL "\n");
}
END_TEST

START_TEST(a_child_that_does_not_take_the_session_up_is_tried_again_up_to_the_cap)
{
	struct sent dying, next;

	backend.max_restarts = 2;
	restarts("if [ -e $DIR/pids ]; then echo x >> $DIR/tries; read line; echo '{\"jsonrpc\":\"2.0\",\"id\":\"aegis:restart:'"
		"$(wc -l < $DIR/tries)'\",\"error\":{\"code\":1,\"message\":\"no\"}}'; read end; exit 0; fi; " SERVES);
	open_session();
	go(&dying, DIE);
	go(&next, CALL);
	ck_assert_int_eq(next.end.fate, FATE_NOT_SENT);
	ck_assert_ptr_nonnull(strstr(next.cause, "max_restarts"));
	ck_assert_str_eq(file_text("tries"), "x\nx\n");
	go(&next, LIST);
	ck_assert_int_eq(next.end.fate, FATE_NOT_SENT);
}
END_TEST

START_TEST(none_is_started_again_with_max_restarts_zero)
{
	struct sent dying, next;

	backend.max_restarts = 0;
	restarts(SERVES);
	go(&dying, DIE);
	go(&next, CALL);
	ck_assert_int_eq(next.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(file_text("seen"), DIE "\n");
}
END_TEST

START_TEST(what_waits_for_the_new_child_can_be_cancelled)
{
	struct sent dying, waiting;

	restarts("if [ -e $DIR/pids ]; then echo x > $DIR/second; read a; read b; exit 1; fi; " SERVES);
	open_session();
	go(&dying, DIE);
	begin(&waiting, CALL);
	TURN_UNTIL(file_text("second")[0]);
	upstream_cancel(u, &waiting.d);
	finish(&waiting);
	ck_assert_int_eq(waiting.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(waiting.told, "d");
}
END_TEST

START_TEST(answers_to_a_dead_child_do_not_reach_the_next)
{
	struct sent dying, answer, next;

	restarts("if [ ! -e $DIR/pids ]; then echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}'; fi; " SERVES);
	open_session();
	TURN_UNTIL(strcmp(messages, "roots/list\n") == 0);
	go(&dying, DIE);
	ck_assert_int_eq(forgotten, 1);
	begin(&answer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"roots\":[]}}");
	go(&next, CALL);
	ck_assert_int_eq(answer.end.fate, FATE_ACCEPTED);
	ck_assert_ptr_null(strstr(file_text("seen"), "roots"));
}
END_TEST

START_TEST(the_answer_to_the_living_child_reaches_it)
{
	struct sent answer;

	server_is("echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}'; " SERVES);
	open_session();
	TURN_UNTIL(strcmp(messages, "roots/list\n") == 0);
	go(&answer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"roots\":[]}}");
	TURN_UNTIL(strstr(file_text("seen"), "roots"));
}
END_TEST

/* ---- the end ---------------------------------------------------------------------------------------------------------------------------- */

static bool has_ended;
static void ended(void *arg)
{
	ck_assert(!has_ended);
	ck_assert_ptr_eq(arg, &has_ended);
	has_ended = true;
}

static int64_t end_within(int64_t budget_ms)
{
	int64_t from_us = clock_mono_us();

	has_ended = false;
	upstream_end(u, budget_ms, ended, &has_ended);
	ck_assert(!has_ended);
	TURN_UNTIL(has_ended);
	return (clock_mono_us() - from_us) / 1000;
}

START_TEST(the_end_of_input_is_enough_for_a_polite_child)
{
	struct sent s;

	server_is(SERVES "; echo bye > $DIR/bye");
	go(&s, CALL);
	ck_assert_int_lt(end_within(DEADLINE_MS), DEADLINE_MS / 2);
	ck_assert_str_eq(file_text("bye"), "bye\n");
	ck_assert(process_is_gone("pids"));
}
END_TEST

START_TEST(then_comes_sigterm_and_then_sigkill)
{
	struct sent s;

	server_is("trap 'echo term >> $DIR/term' TERM; " SERVES "; while :; do sleep 0.01; done");
	go(&s, CALL);
	int64_t ms = end_within(300);
	ck_assert_int_ge(ms, 240);
	ck_assert_str_eq(file_text("term"), "term\n");
	ck_assert(process_is_gone("pids"));
}
END_TEST

START_TEST(what_the_child_leaves_behind_does_not_outlive_the_end)
{
	struct sent s;

	server_is("sh -c 'trap \"\" TERM; echo $$ > $DIR/inner; while :; do sleep 1; done' & " AWAIT("inner") SERVES);
	go(&s, CALL);
	(void)end_within(300);
	TURN_UNTIL(process_is_gone("inner"));
	ck_assert(process_is_gone("pids"));
}
END_TEST

START_TEST(an_end_without_a_child_is_an_end)
{
	server_is(SERVES);
	(void)end_within(DEADLINE_MS);
	ck_assert_str_eq(file_text("pids"), "");
}
END_TEST

START_TEST(an_end_after_the_death_of_the_child_is_an_end)
{
	struct sent s;

	restarts(SERVES);
	open_session();
	go(&s, DIE);
	(void)end_within(DEADLINE_MS);
	ck_assert_str_eq(file_text("seen"), INITIALIZE "\n" INITIALIZED "\n" DIE "\n");
}
END_TEST

START_TEST(free_needs_no_end)
{
	struct sent s;

	server_is("trap '' TERM; " SERVES "; while :; do sleep 1; done");
	go(&s, CALL);
	upstream_free(u);
	u = NULL;
	ck_assert(process_is_gone("pids"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_restart");
	TCase *t = tcase_create("upstream_restart");

	tcase_add_checked_fixture(t, stdio_setup, stdio_teardown);
	tcase_add_test(t, a_new_child_takes_the_session_up_before_anything_else);
	tcase_add_test(t, an_open_session_is_taken_up_unasked);
	tcase_add_test(t, what_the_client_had_set_up_is_said_again_before_anything_else);
	tcase_add_test(t, a_child_that_dies_while_it_is_set_up_is_followed_by_one_that_is);
	tcase_add_test(t, without_a_session_the_next_delivery_starts_it);
	tcase_add_test(t, a_child_that_does_not_take_the_session_up_is_tried_again_up_to_the_cap);
	tcase_add_test(t, none_is_started_again_with_max_restarts_zero);
	tcase_add_test(t, what_waits_for_the_new_child_can_be_cancelled);
	tcase_add_test(t, answers_to_a_dead_child_do_not_reach_the_next);
	tcase_add_test(t, the_answer_to_the_living_child_reaches_it);
	tcase_add_test(t, the_end_of_input_is_enough_for_a_polite_child);
	tcase_add_test(t, then_comes_sigterm_and_then_sigkill);
	tcase_add_test(t, what_the_child_leaves_behind_does_not_outlive_the_end);
	tcase_add_test(t, an_end_without_a_child_is_an_end);
	tcase_add_test(t, an_end_after_the_death_of_the_child_is_an_end);
	tcase_add_test(t, free_needs_no_end);
	suite_add_tcase(s, t);
	return s;
}
