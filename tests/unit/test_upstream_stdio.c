/* upstream_stdio: deliveries to a child, and what is certain about them. */
#include "unit/stdio_probe.h"

#define ANSWER(id) "echo '{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"result\":{}}'; "
#define NOTE       "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}"
#define OTHER      "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}"
#define BIG_BYTES  300000

/* ---- one after the other ------------------------------------------------------------------------------------------------------------ */

START_TEST(a_request_is_answered)
{
	struct sent s;

	server_is(SERVES);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(s.answer, OK_7);
	ck_assert_str_eq(s.told, "mlad");
	ck_assert_str_eq(file_text("seen"), CALL "\n");
}
END_TEST

START_TEST(a_notification_is_accepted_when_it_is_written)
{
	struct sent s;

	server_is(SERVES);
	go(&s, NOTE);
	ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
	ck_assert_str_eq(s.told, "mld");
	TURN_UNTIL(strcmp(file_text("seen"), NOTE "\n") == 0);
}
END_TEST

START_TEST(nothing_starts_before_the_first_delivery)
{
	server_is("echo x > $DIR/started; " SERVES);
	for (int i = 0; i < 20; i++) {
		loop_hurry(l);
		loop_turn(l);
	}
	ck_assert_str_eq(file_text("started"), "");
}
END_TEST

START_TEST(line_breaks_outside_strings_are_dropped_and_nothing_else)
{
	struct sent s;

	server_is(SERVES);
	go(&s, "{\"jsonrpc\": \"2.0\",\r\n \"id\":7,\n\"method\":\"x\",\n\"params\":{\"a\" : \"\\n\\u00e9\", \"b\":1.0e0}}");
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(file_text("seen"), "{\"jsonrpc\": \"2.0\", \"id\":7,\"method\":\"x\",\"params\":{\"a\" : \"\\n\\u00e9\", \"b\":1.0e0}}\n");
}
END_TEST

START_TEST(order_is_kept_and_nobody_waits_for_another)
{
	struct sent a, b, c;

	server_is("read a; read b; read c; " ANSWER(9) ANSWER(8) "read d; " ANSWER(7) "read e");
	begin(&a, CALL);
	begin(&b, LIST);
	begin(&c, OTHER);
	finish(&c);
	finish(&b);
	ck_assert(!a.is_done);
	struct sent d;
	begin(&d, NOTE);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
}
END_TEST

START_TEST(what_may_not_leave_does_not)
{
	struct sent a, b;

	server_is(SERVES);
	sent_init(&a, CALL);
	a.refuses = true;
	upstream_send(u, &a.d);
	go(&b, LIST);
	ck_assert_int_eq(a.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(a.told, "md");
	ck_assert_str_eq(file_text("seen"), LIST "\n");
}
END_TEST

/* ---- a child that reads slowly --------------------------------------------------------------------------------------------------------- */

static char big[BIG_BYTES + 200];

static void begin_big(struct sent *s)
{
	int n = snprintf(big, sizeof(big), "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"");

	sent_init(s, CALL);
	memset(big + n, 'x', BIG_BYTES);
	(void)snprintf(big + n + BIG_BYTES, sizeof(big) - (size_t)n - BIG_BYTES, "\"}}");
	jsonrpc_read(span_of(big), &s->m);
	s->d.body = span_of(big);
	upstream_send(u, &s->d);
}

static int asked_to_leave;
static bool counts_may_leave(struct delivery *d)
{
	asked_to_leave++;
	return may_leave(d);
}

START_TEST(a_full_pipe_holds_back_without_blocking)
{
	struct sent a, b;

	server_is(AWAIT("go") SERVES);
	begin_big(&a);
	sent_init(&b, LIST);
	b.d.may_leave = counts_may_leave;
	asked_to_leave = 0;
	upstream_send(u, &b.d);
	TURN_UNTIL(strcmp(a.told, "m") == 0);
	for (int i = 0; i < 50; i++) {
		loop_hurry(l);
		loop_turn(l);
	}
	ck_assert_str_eq(a.told, "m"); /* part of it is in the pipe */
	ck_assert_int_eq(asked_to_leave, 0);
	file_make("go");
	finish(&b);
	ck_assert_str_eq(a.told, "mlad");
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(b.end.fate, FATE_ANSWERED);
	ck_assert_int_ge(asked_to_leave, 1);
}
END_TEST

START_TEST(a_half_written_one_is_unknown_when_cancelled_and_its_line_is_finished)
{
	struct sent a, b, c;

	server_is(AWAIT("go") SERVES);
	begin_big(&a);
	begin(&b, LIST);
	begin(&c, OTHER);
	TURN_UNTIL(strcmp(a.told, "m") == 0);
	upstream_cancel(u, &a.d);
	upstream_cancel(u, &b.d);
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_int_eq(b.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(b.told, "d");
	ck_assert(!c.is_done);
	file_make("go");
	finish(&c);
	ck_assert_int_eq(c.end.fate, FATE_ANSWERED);
	ck_assert_ptr_null(strstr(file_text("seen"), "tools/list"));
}
END_TEST

START_TEST(a_child_that_dies_makes_the_written_unknown_and_the_waiting_not_sent)
{
	struct sent a, b;

	server_is(AWAIT("go") "exit 5");
	begin_big(&a);
	begin(&b, LIST);
	TURN_UNTIL(strcmp(a.told, "m") == 0);
	file_make("go");
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(a.cause, "its command ended with exit code 5");
	ck_assert_int_eq(b.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(b.cause, "its command ended with exit code 5 and is not started again (on_exit: fail)");
	ck_assert_str_eq(b.told, "d");
}
END_TEST

/* ---- cancelling and time ---------------------------------------------------------------------------------------------------------------- */

START_TEST(a_late_answer_is_thrown_away_and_its_id_is_blocked_until_then)
{
	struct sent a, b, c, d;

	server_is("read a; read b; " ANSWER(8) AWAIT("go") ANSWER(7) "read c; " ANSWER(9) "read d; " ANSWER(7) "read e");
	begin(&a, CALL);
	TURN_UNTIL(strcmp(a.told, "ml") == 0);
	upstream_cancel(u, &a.d);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(a.cause, "it was cancelled");
	go(&b, LIST);
	go(&c, CALL);
	ck_assert_int_eq(c.end.fate, FATE_NOT_SENT);
	file_make("go");
	begin(&b, OTHER);
	finish(&b);
	go(&d, CALL);
	ck_assert_int_eq(d.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(a.told, "mld");
}
END_TEST

START_TEST(time_runs_from_the_last_byte)
{
	struct sent a;

	server_is("read a; read b");
	sent_init(&a, CALL);
	a.d.timeout_ms = 30;
	upstream_send(u, &a.d);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert(a.end.has_timed_out);
	ck_assert_str_eq(a.told, "mld");
}
END_TEST

START_TEST(what_was_cancelled_before_it_began_is_not_sent)
{
	struct sent a, b;

	server_is(SERVES);
	begin(&a, CALL);
	upstream_cancel(u, &a.d);
	ck_assert(!a.is_done);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_NOT_SENT);
	go(&b, LIST);
	ck_assert_str_eq(file_text("seen"), LIST "\n");
}
END_TEST

START_TEST(an_id_is_open_once)
{
	struct sent a, b;

	server_is("read a; " AWAIT("go") ANSWER(7) "read b");
	begin(&a, CALL);
	begin(&b, CALL);
	finish(&b);
	ck_assert_int_eq(b.end.fate, FATE_NOT_SENT);
	file_make("go");
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
}
END_TEST

/* ---- what comes -------------------------------------------------------------------------------------------------------------------------- */

START_TEST(ids_are_told_apart_by_kind_and_not_by_spelling)
{
	struct sent a, b;

	server_is("read a; read b; echo '{\"jsonrpc\":\"2.0\",\"id\":\"\\u0037\",\"result\":{\"s\":1}}'; " ANSWER(7) "read c");
	begin(&a, CALL);
	begin(&b, "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"method\":\"x\"}");
	finish(&a);
	finish(&b);
	ck_assert_str_eq(a.answer, OK_7);
	ck_assert_ptr_nonnull(strstr(b.answer, "\"s\":1"));
}
END_TEST

START_TEST(what_is_no_message_and_what_answers_nobody_is_passed_over)
{
	struct sent a;

	server_is("read a; echo hello; echo; echo '{'; echo 5; echo '[]'; echo '{\"jsonrpc\":\"1.0\",\"id\":9}'; " ANSWER(99) ANSWER("7")
		"printf '  %s\\r\\n' '" OK_7 "'; " ANSWER(7) "read b");
	go(&a, CALL);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(messages, "");
}
END_TEST

START_TEST(an_answer_that_cannot_be_read_is_unknown)
{
	struct sent a;

	server_is("read a; echo '{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{},\"error\":{}}'; read b");
	go(&a, CALL);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(a.cause, "the answer cannot be read");
}
END_TEST

static void answers_too_much(const char *script)
{
	struct sent a, b;

	backend.max_body_bytes = 1000;
	server_is(script);
	begin(&a, CALL);
	go(&b, LIST);
	ck_assert_int_eq(b.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(b.cause, "the answer is too large");
	ck_assert(!a.is_done);
	begin(&b, OTHER);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	finish(&b);
}

#define MANY_X "\"result\":{\"x\":\"'; head -c 200000 /dev/zero | tr '\\0' x; printf '%s\\n' '"

START_TEST(an_answer_that_is_too_large_is_found_by_an_id_at_its_head)
{
	answers_too_much("read a; read b; printf '%s' '{\"jsonrpc\":\"2.0\", \"id\": 8," MANY_X "\"}}'; read c; " ANSWER(7) ANSWER(9) "read d");
}
END_TEST

START_TEST(an_answer_that_is_too_large_is_found_by_an_id_at_its_tail)
{
	answers_too_much("read a; read b; printf '%s' '{" MANY_X "\"},\"jsonrpc\":\"2.0\",\"id\":8}'; read c; " ANSWER(7) ANSWER(9) "read d");
}
END_TEST

START_TEST(messages_of_the_server_are_handed_on)
{
	struct sent a;

	server_is("read a; printf '{\"jsonrpc\":\"2.0\",\"method\":\"notifi'; sleep 0.02; printf 'cations/y\"}\\n{\"jsonrpc\":\"2.0\",\"id\":1,"
		"\"method\":\"roots/list\"}\\n'; " ANSWER(7) "read b");
	go(&a, CALL);
	ck_assert_str_eq(messages, "notifications/y\nroots/list\n");
}
END_TEST

START_TEST(without_room_nothing_is_read_and_nothing_is_lost)
{
	struct sent a;

	server_is("read a; for i in 1 2 3; do echo '{\"jsonrpc\":\"2.0\",\"method\":\"n\"}'; done; " ANSWER(7) "echo x > $DIR/done; read b");
	has_room = false;
	begin(&a, CALL);
	TURN_UNTIL(file_text("done")[0]);
	for (int i = 0; i < 20; i++) {
		loop_hurry(l);
		loop_turn(l);
	}
	ck_assert_str_eq(messages, "");
	has_room = true;
	upstream_resume(u);
	ck_assert_str_eq(messages, "");
	finish(&a);
	ck_assert_str_eq(messages, "n\nn\nn\n");
}
END_TEST

START_TEST(room_that_ends_between_two_lines_stops_there)
{
	struct sent a;

	server_is("read a; printf '{\"jsonrpc\":\"2.0\",\"method\":\"n\"}\\n{\"jsonrpc\":\"2.0\",\"method\":\"m\"}\\n'; read b");
	sent_init(&a, CALL);
	cancel_on_message = &a.d;
	upstream_send(u, &a.d);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN); /* cancelled from inside a callback */
	TURN_UNTIL(strcmp(messages, "n\nm\n") == 0);
}
END_TEST

START_TEST(batches_are_split_in_the_revision_that_has_them)
{
	static const char batch[] = "echo '[{\"jsonrpc\":\"2.0\",\"method\":\"n\"},{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}]'; ";
	struct sent a;
	char *script = xasprintf("read i; echo '{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-03-26\"}}'; read a; %s read b", batch);

	server_is(script);
	go(&a, INITIALIZE);
	go(&a, CALL);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(messages, "n\n");
	free(script);
}
END_TEST

START_TEST(batches_of_another_revision_are_dropped)
{
	struct sent a;

	server_is("read a; echo '[{\"jsonrpc\":\"2.0\",\"method\":\"n\"}]'; " ANSWER(7) "read b");
	go(&a, CALL);
	ck_assert_str_eq(messages, "");
}
END_TEST

/* ---- the environment --------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_secret_that_cannot_be_read_is_an_answer)
{
	struct problem why;
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend };
	char *words[] = { "true" };

	dir_variable.value = (struct config_secret){ .source = SECRET_ENV, .text = "AEGIS_TEST_NOT_SET" };
	backend.command = (struct config_list){ .v = words, .n = 1 };
	ck_assert_int_eq(upstream_new(&o, &u, &why), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(why.text, "AEGIS_TEST_NOT_SET"));
	dir_variable.value = (struct config_secret){ .source = SECRET_PLAIN, .text = dir };
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_stdio");
	TCase *t = tcase_create("upstream_stdio");

	tcase_add_checked_fixture(t, stdio_setup, stdio_teardown);
	tcase_add_test(t, a_request_is_answered);
	tcase_add_test(t, a_notification_is_accepted_when_it_is_written);
	tcase_add_test(t, nothing_starts_before_the_first_delivery);
	tcase_add_test(t, line_breaks_outside_strings_are_dropped_and_nothing_else);
	tcase_add_test(t, order_is_kept_and_nobody_waits_for_another);
	tcase_add_test(t, what_may_not_leave_does_not);
	tcase_add_test(t, a_full_pipe_holds_back_without_blocking);
	tcase_add_test(t, a_half_written_one_is_unknown_when_cancelled_and_its_line_is_finished);
	tcase_add_test(t, a_child_that_dies_makes_the_written_unknown_and_the_waiting_not_sent);
	tcase_add_test(t, a_late_answer_is_thrown_away_and_its_id_is_blocked_until_then);
	tcase_add_test(t, time_runs_from_the_last_byte);
	tcase_add_test(t, what_was_cancelled_before_it_began_is_not_sent);
	tcase_add_test(t, an_id_is_open_once);
	tcase_add_test(t, ids_are_told_apart_by_kind_and_not_by_spelling);
	tcase_add_test(t, what_is_no_message_and_what_answers_nobody_is_passed_over);
	tcase_add_test(t, an_answer_that_cannot_be_read_is_unknown);
	tcase_add_test(t, an_answer_that_is_too_large_is_found_by_an_id_at_its_head);
	tcase_add_test(t, an_answer_that_is_too_large_is_found_by_an_id_at_its_tail);
	tcase_add_test(t, messages_of_the_server_are_handed_on);
	tcase_add_test(t, without_room_nothing_is_read_and_nothing_is_lost);
	tcase_add_test(t, room_that_ends_between_two_lines_stops_there);
	tcase_add_test(t, batches_are_split_in_the_revision_that_has_them);
	tcase_add_test(t, batches_of_another_revision_are_dropped);
	tcase_add_test(t, a_secret_that_cannot_be_read_is_an_answer);
	suite_add_tcase(s, t);
	return s;
}
