/* upstream_http_session: opening, opening anew, the end. */
#include "unit/upstream_probe.h"

/* ---- sessions --------------------------------------------------------------------------------------------------------- */

static void serves_initialized_late(struct conn *c)
{
	while (conn_request(c)) {
		if (is_get(c))
			continue;
		int n = atomic_fetch_add(&heads_n, 1);
		(void)snprintf(heads[n], sizeof(heads[n]), "%s", c->body);
		if (strstr(c->body, "notifications/initialized"))
			wait_to_go_on(c);
		if (strstr(c->body, "\"initialize\""))
			answers_initialize(c);
		else if (strstr(c->body, "\"id\""))
			answers_ok(c);
		else
			conn_answer(c, "202 Accepted", "%s", "");
	}
}

START_TEST(nothing_overtakes_initialize_and_initialized)
{
	struct sent a, b, c, d;

	backend_is(serves_initialized_late, NULL);
	begin(&a, INITIALIZE); /* all at once, as from a file on stdin */
	begin(&b, INITIALIZED);
	begin(&c, LIST);
	begin(&d, CALL);
	TURN_UNTIL(atomic_load(&heads_n) == 2);
	ck_assert(!c.is_done && !d.is_done);
	ck_assert_str_eq(c.told, "");
	atomic_store(&may_go_on, true);
	finish(&c);
	finish(&d);
	ck_assert_str_eq(heads[0], INITIALIZE);
	ck_assert_str_eq(heads[1], INITIALIZED);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(b.end.fate, FATE_ACCEPTED);
	ck_assert_int_eq(d.end.fate, FATE_ANSWERED);
}
END_TEST

START_TEST(what_waits_for_initialize_can_be_cancelled)
{
	struct sent a, b;

	backend_is(serves_initialized_late, NULL);
	begin(&a, INITIALIZED);
	begin(&b, CALL);
	TURN_UNTIL(atomic_load(&heads_n) == 1);
	upstream_cancel(u, &b.d);
	finish(&b);
	ck_assert_int_eq(b.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(b.told, "d");
	atomic_store(&may_go_on, true);
	finish(&a);
	ck_assert_int_eq(atomic_load(&heads_n), 1);
}
END_TEST

static bool is_session_current(const struct conn *c)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "Mcp-Session-Id: %d\r\n", atomic_load(&sessions));
	return conn_header_is(c, line);
}

static atomic_bool forgets_by_400, refuses_to_begin_again;

/* Its session ids count; the one of the first session is forgotten after two calls. */
static void serves_forgetful(struct conn *c)
{
	char head[128];

	while (conn_request(c)) {
		if (is_get(c))
			continue;
		if (strstr(c->body, "\"initialize\"")) {
			int n = atomic_fetch_add(&sessions, 1) + 1;
			(void)snprintf(head, sizeof(head), "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: %d", n);
			if (n > 1 && atomic_load(&refuses_to_begin_again))
				conn_answer(c, "503 Busy", "%s", "");
			else
				conn_answer(c, head, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\"}}");
		} else if (!is_session_current(c) || (atomic_load(&sessions) == 1 && atomic_load(&calls) >= 2)) {
			if (atomic_load(&forgets_by_400))
				conn_answer(c, "400 Bad Request\r\nContent-Type: application/json",
					"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"Bad Request: No valid session ID provided\"},\"id\":null}");
			else
				conn_answer(c, "404 Not Found\r\nContent-Type: application/json",
					"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001,\"message\":\"Session not found\"},\"id\":null}");
		} else if (strstr(c->body, "notifications/initialized")) {
			atomic_fetch_add(&initialized_n, 1);
			conn_answer(c, "202 Accepted", "%s", "");
		} else {
			atomic_fetch_add(&calls, 1);
			answers_ok(c);
		}
	}
}

static void lose_session(bool by_400)
{
	struct sent s;

	atomic_store(&forgets_by_400, by_400);
	atomic_store(&refuses_to_begin_again, false);
	backend_is(serves_forgetful, NULL);
	open_session();
	TURN_UNTIL(atomic_load(&streams_asked) == 1);
	go(&s, CALL);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert(!s.end.may_repeat);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_REFUSED);
	ck_assert(s.end.may_repeat);
	ck_assert_str_eq(s.told, "mld");
}

START_TEST(a_forgotten_session_is_opened_anew_for_the_next)
{
	struct sent a, b;

	lose_session(_i == 1);
	begin(&a, CALL);
	begin(&b, LIST);
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(b.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&sessions), 2);
	ck_assert_int_eq(atomic_load(&initialized_n), 2);
	ck_assert_int_eq(atomic_load(&calls), 4);
	for (int i = 0; i < 10; i++)
		go(&b, LIST);
	ck_assert_int_eq(atomic_load(&streams_asked), 1); /* that none is offered is known */
}
END_TEST

START_TEST(a_session_that_cannot_be_opened_anew_is_tried_again_later)
{
	struct sent s;

	lose_session(false);
	atomic_store(&refuses_to_begin_again, true);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(s.told, "d");
	atomic_store(&refuses_to_begin_again, false);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

/* ---- what comes back with a new session ------------------------------------------------------------------------------------ */

static atomic_int alive;                       /* the number of the session that is served */
static char log_of[4096];                      /* what came in the second session, without spaces */
static const char *second_capabilities;

static void note_body(const struct conn *c)
{
	size_t n = strlen(log_of);

	(void)snprintf(log_of + n, sizeof(log_of) - n, "%s\n", c->body);
}

static void answers_in_session(struct conn *c)
{
	if (strstr(c->body, "asks"))
		conn_answer(c, "200 OK\r\nContent-Type: text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"roots/list\"}\n\n"
			"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"q\"}}\n\n"
			"data: " OK_7 "\n\n");
	else if (strstr(c->body, "\"id\"") && strstr(c->body, "\"method\""))
		answers_ok(c);
	else
		conn_answer(c, "202 Accepted", "%s", "");
}

static void serves_two_lives(struct conn *c)
{
	char head[128];

	while (conn_request(c)) {
		if (is_get(c))
			continue;
		(void)snprintf(head, sizeof(head), "Mcp-Session-Id: %d\r\n", atomic_load(&alive));
		bool is_initialize = strstr(c->body, "\"initialize\"");
		if (!is_initialize && !conn_header_is(c, head)) {
			conn_answer(c, "404 Not Found", "%s", "");
			continue;
		}
		if (atomic_load(&alive) == 2)
			note_body(c);
		if (!is_initialize) {
			answers_in_session(c);
			continue;
		}
		atomic_fetch_add(&sessions, 1);
		(void)snprintf(head, sizeof(head), "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: %d", atomic_load(&alive));
		conn_answer(c, head, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":%s}}",
			atomic_load(&alive) == 2 ? second_capabilities : "{\"tools\":{}}");
	}
}

static void open_first_life(void)
{
	atomic_store(&alive, 1);
	log_of[0] = '\0';
	second_capabilities = "{\"tools\":{}}";
	backend_is(serves_two_lives, NULL);
	open_session();
}

static void begin_second_life(void)
{
	struct sent s;

	atomic_store(&alive, 2);
	go(&s, CALL);
	ck_assert(s.end.may_repeat);
}

START_TEST(what_was_set_up_is_set_up_in_the_new_session)
{
	struct sent s;

	open_first_life();
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:1\"}}");
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:2\"}}");
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:3\"}}");
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"resources/unsubscribe\",\"params\":{\"uri\":\"a:2\"}}");
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"logging/setLevel\",\"params\":{\"level\":\"debug\"}}");
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"logging/setLevel\",\"params\":{\"level\":\"error\"}}");
	begin_second_life();
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(log_of, INITIALIZE "\n" INITIALIZED "\n"
		"{\"jsonrpc\":\"2.0\",\"id\":\"aegis:session:2:1\",\"method\":\"logging/setLevel\",\"params\":{\"level\":\"error\"}}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":\"aegis:session:2:2\",\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:1\"}}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":\"aegis:session:2:3\",\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:3\"}}\n" CALL "\n");
	ck_assert_str_eq(messages, "");
	ck_assert_int_eq(forgotten, 1);
}
END_TEST

START_TEST(other_capabilities_are_told_as_changed_lists)
{
	struct sent s;

	open_first_life();
	second_capabilities = "{\"tools\":{},\"prompts\":{}}";
	begin_second_life();
	go(&s, CALL);
	ck_assert_str_eq(messages, "notifications/tools/list_changed\nnotifications/prompts/list_changed\n");
}
END_TEST

static void forgets_at_once(struct conn *c)
{
	while (conn_request(c)) {
		if (is_get(c))
			continue;
		if (strstr(c->body, "\"initialize\""))
			answers_initialize(c);
		else if (strstr(c->body, "notifications/initialized"))
			conn_answer(c, "202 Accepted", "%s", "");
		else if (atomic_load(&sessions) == 1 && strstr(c->body, "logging/setLevel"))
			answers_ok(c);
		else
			conn_answer(c, "404 Not Found", "%s", "");
	}
}

START_TEST(a_backend_that_ends_every_session_at_once_is_left_alone)
{
	struct sent s;

	session_head = "Mcp-Session-Id: s";
	backend_is(forgets_at_once, NULL);
	open_session();
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"logging/setLevel\",\"params\":{\"level\":\"error\"}}");
	for (int i = 0; i < 3; i++) {
		go(&s, CALL);
		ck_assert_int_ne(s.end.fate, FATE_ANSWERED);
	}
	ck_assert_int_ge(atomic_load(&sessions), 2);
	ck_assert_int_le(atomic_load(&sessions), 20);
}
END_TEST

static char told_id[128];
static void keep_id(void *arg, const struct jsonrpc *m)
{
	(void)arg;
	(void)snprintf(told_id, sizeof(told_id), "%.*s",
		SPAN_ARGS(m->kind == JSONRPC_REQUEST ? m->id.text : json_get(m->params, "requestId").text));
}

#define ASK "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"asks\"}"

START_TEST(a_question_of_an_old_session_cannot_be_answered_in_the_new_one)
{
	struct sent s;

	tells = keep_id;
	open_first_life();
	go(&s, ASK);
	ck_assert_str_eq(told_id, "\"q\"");
	begin_second_life();
	go(&s, ASK);
	ck_assert_str_eq(told_id, "\"aegis:s2:\\\"q\\\"\"");      /* of its cancellation, which bears the id of the question */
	log_of[0] = '\0';
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{\"old\":1}}");
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(log_of, "");
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":\"aegis:s2:\\\"q\\\"\",\"result\":{\"new\":1}}");
	ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
	ck_assert_str_eq(log_of, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{\"new\":1}}\n");
}
END_TEST

static void ends_stream_then_forgets(struct conn *c)
{
	if (atomic_load(&alive) == 2 && conn_header_is(c, "Mcp-Session-Id: 1\r\n")) {
		conn_answer(c, "404 Not Found", "%s", "");
	} else if (atomic_load(&alive) == 1) {
		conn_say(c, SSE_HEAD);
		chunk(c, "retry: 20\n\n");
		chunk(c, "");
		atomic_store(&alive, 2);
	} else {
		conn_answer(c, "405 Method Not Allowed", "%s", "");
	}
}

START_TEST(a_stream_that_finds_its_session_gone_opens_a_new_one)
{
	answers_get = ends_stream_then_forgets;
	open_first_life();
	TURN_UNTIL(atomic_load(&sessions) == 2 && atomic_load(&streams_asked) == 3);
}
END_TEST

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

static void on_ended(void *arg)
{
	*(bool *)arg = true;
}

START_TEST(the_end_deletes_the_session)
{
	bool has_ended = false;

	session_head = "Mcp-Session-Id: abc";
	mcp_backend(answers_ok);
	open_session();
	upstream_end(u, 5000, on_ended, &has_ended);
	ck_assert(!has_ended);
	TURN_UNTIL(has_ended);
	ck_assert_int_eq(atomic_load(&deletes), 1);
	ck_assert_ptr_nonnull(strstr(heads[2], "\r\nMcp-Session-Id: abc\r\n"));
}
END_TEST

START_TEST(without_a_session_the_end_says_nothing)
{
	bool has_ended = false;
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, LIST);
	upstream_end(u, 5000, on_ended, &has_ended);
	ck_assert(!has_ended);
	TURN_UNTIL(has_ended);
	ck_assert_int_eq(atomic_load(&deletes), 0);
	ck_assert_int_eq(atomic_load(&p->arrivals), 1);
}
END_TEST

static void never_deletes(struct conn *c)
{
	while (conn_request(c)) {
		if (strncmp(c->head, "DELETE", 6) == 0)
			conn_wait_closed(c);
		else
			answers_initialize(c);
	}
}

START_TEST(a_silent_backend_does_not_hold_up_the_end)
{
	bool has_ended = false;
	struct sent s;

	session_head = "Mcp-Session-Id: abc";
	backend_is(never_deletes, NULL);
	go(&s, INITIALIZE);
	upstream_end(u, 50, on_ended, &has_ended);
	TURN_UNTIL(has_ended);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_session");
	TCase *t = tcase_create("upstream_session");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_overtakes_initialize_and_initialized);
	tcase_add_test(t, what_waits_for_initialize_can_be_cancelled);
	tcase_add_loop_test(t, a_forgotten_session_is_opened_anew_for_the_next, 0, 2);
	tcase_add_test(t, a_session_that_cannot_be_opened_anew_is_tried_again_later);
	tcase_add_test(t, what_was_set_up_is_set_up_in_the_new_session);
	tcase_add_test(t, other_capabilities_are_told_as_changed_lists);
	tcase_add_test(t, a_backend_that_ends_every_session_at_once_is_left_alone);
	tcase_add_test(t, a_question_of_an_old_session_cannot_be_answered_in_the_new_one);
	tcase_add_test(t, a_stream_that_finds_its_session_gone_opens_a_new_one);
	tcase_add_test(t, the_end_deletes_the_session);
	tcase_add_test(t, without_a_session_the_end_says_nothing);
	tcase_add_test(t, a_silent_backend_does_not_hold_up_the_end);
	suite_add_tcase(s, t);
	return s;
}
