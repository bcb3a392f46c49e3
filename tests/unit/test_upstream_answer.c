/* upstream_http_answer: event streams, JSON answers, HTTP statuses; legal and illegal ones. */
#include "unit/upstream_probe.h"

/* ---- event streams ---------------------------------------------------------------------------------------------------- */

static void streams_with_progress(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, ": hello\n\nid: 1\ndata:\n\nevent: other\ndata: {}\n\n");
	chunk(c, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n");
	chunk(c, "event: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"method\":\"sampling/createMessage\"}\n\n");
	wait_to_go_on(c);
	chunk(c, "data: " OK_7 "\n\n");
	chunk(c, "");
}

START_TEST(what_streams_before_the_answer_arrives_at_once)
{
	struct sent s;

	mcp_backend(streams_with_progress);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&messages_n) == 2);
	ck_assert_str_eq(messages, "notifications/progress\nsampling/createMessage\n");
	ck_assert(!s.is_done);
	atomic_store(&may_go_on, true);
	finish(&s);
	ck_assert_str_eq(s.answer, OK_7);
	ck_assert_str_eq(s.told, "mlad");
}
END_TEST

static void answers_and_stays(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, "data: " OK_7 "\n\n");
	conn_wait_closed(c);
}

START_TEST(a_stream_that_stays_open_after_the_answer_is_let_go)
{
	struct sent s;

	mcp_backend(answers_and_stays);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	TURN_UNTIL(atomic_load(&p->closed) == 1);
}
END_TEST

START_TEST(a_connection_is_used_again_after_a_stream)
{
	struct sent s;

	atomic_store(&may_go_on, true);
	mcp_backend(streams_with_progress);
	for (int i = 0; i < 5; i++) {
		go(&s, CALL);
		ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
		for (int n = 0; n < 5; n++) { /* the end of the stream is on its way */
			loop_hurry(l);
			loop_turn(l);
		}
	}
	ck_assert_int_le(atomic_load(&p->connections), 3);
}
END_TEST

START_TEST(a_stream_without_the_answer_is_unknown)
{
	static const char *const without[] = {
		"",
		": only a comment\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{}}\n\n",
		"data: nonsense\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{},\"result\":{}}\n\n",
		"data: " OK_7 "\n",
		"event: other\ndata: " OK_7 "\n\n",
	};
	struct sent s;

	mcp_backend(streams);
	for (size_t i = 0; i < ARRAY_LEN(without); i++) {
		streamed = without[i];
		go(&s, CALL);
		ck_assert_msg(s.end.fate == FATE_UNKNOWN, "%s", without[i]);
		ck_assert_str_ne(s.cause, "");
		ck_assert_str_eq(s.told, "mld");
	}
}
END_TEST

START_TEST(garbage_in_a_stream_does_not_hide_the_answer)
{
	struct sent s;

	streamed = "data: nonsense\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\ndata: " OK_7 "\n\n";
	mcp_backend(streams);
	go(&s, CALL);
	ck_assert_str_eq(s.answer, OK_7);
}
END_TEST

START_TEST(a_second_answer_is_dropped)
{
	struct sent s;

	streamed = "data: " OK_7 "\n\ndata: " OK_7 "\n\n";
	mcp_backend(streams);
	go(&s, CALL);
	ck_assert_str_eq(s.told, "mlad");
}
END_TEST

START_TEST(a_stream_cut_before_the_answer_is_unknown)
{
	struct sent s;

	streamed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\ndata: {\"jsonrpc\"";
	mcp_backend(streams);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
}
END_TEST

static void streams_for_ever(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	while (!atomic_load(&c->peer->is_over)) {
		chunk(c, ": still here\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n");
		usleep(1000);
	}
}

START_TEST(an_endless_stream_ends_with_the_timeout)
{
	struct sent s;

	mcp_backend(streams_for_ever);
	sent_init(&s, CALL);
	s.d.timeout_ms = 50;
	upstream_send(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert(s.end.has_timed_out);
}
END_TEST

static void streams_a_huge_event(struct conn *c)
{
	char filler[4097];

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	conn_say(c, SSE_HEAD);
	chunk(c, "data: \"");
	for (int i = 0; i < 1024 && !atomic_load(&c->peer->is_over); i++)
		chunk(c, filler);
	conn_wait_closed(c);
}

START_TEST(a_huge_event_is_cut_at_max_body)
{
	struct sent s;

	mcp_backend(streams_a_huge_event);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.cause, "the answer is too large");
}
END_TEST

static void streams_much(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	for (int i = 0; i < 20000 && !atomic_load(&c->peer->is_over); i++)
		chunk(c, "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n");
	chunk(c, "data: " OK_7 "\n\n");
	chunk(c, "");
}

START_TEST(a_client_without_room_pauses_the_stream)
{
	struct sent s, other;

	has_room = false;
	mcp_backend(streams_much);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&messages_n) > 0);
	int before = atomic_load(&messages_n);
	answers_call = answers_ok;
	go(&other, LIST); /* a JSON answer needs no room, and shows that the loop goes on */
	ck_assert_int_eq(other.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&messages_n), before);
	ck_assert_int_lt(before, 5000);
	has_room = true;
	upstream_resume(u);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&messages_n), 20000);
}
END_TEST

/* ---- JSON answers ----------------------------------------------------------------------------------------------------- */

static const char *json_head, *json_body;
static void says_json(struct conn *c)
{
	conn_answer(c, json_head, "%s", json_body);
}

START_TEST(an_answer_that_cannot_be_used_is_unknown)
{
	static const struct { const char *head, *body; } bad[] = {
		{ "200 OK\r\nContent-Type: application/json", "" },
		{ "200 OK\r\nContent-Type: application/json", "{" },
		{ "200 OK\r\nContent-Type: application/json", "null" },
		{ "200 OK\r\nContent-Type: application/json", "{}" },
		{ "200 OK\r\nContent-Type: application/json", OK_7 OK_7 },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":1,\"a\":2}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}" },
		{ "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", OK_7 },
		{ "200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: br", "data: " OK_7 "\n\n" },
		{ "200 OK\r\nContent-Type: text/html", OK_7 },
		{ "200 OK", OK_7 },
		{ "202 Accepted", "" },
		{ "302 Found\r\nLocation: /", "" },
	};
	struct sent s;

	mcp_backend(says_json);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_head = bad[i].head;
		json_body = bad[i].body;
		go(&s, CALL);
		ck_assert_msg(s.end.fate == FATE_UNKNOWN, "%s %s", bad[i].head, bad[i].body);
		ck_assert_str_ne(s.cause, "");
		ck_assert_str_eq(s.told, "mld");
	}
	ck_assert_int_eq(atomic_load(&calls), ARRAY_LEN(bad));
}
END_TEST

START_TEST(an_error_without_id_belongs_to_the_request_it_answers)
{
	static const char *const bodies[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"no\"}}",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"no\"}}",
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32000,\"message\":\"no\"}}",
	};
	static const char *const heads_of[] = { "200 OK\r\nContent-Type: application/json",
		"400 Bad\r\nContent-Type: application/json; charset=utf-8", "500 Oops\r\nContent-Type: APPLICATION/JSON" };
	static const int statuses[] = { 200, 400, 500 };
	struct sent s;

	mcp_backend(says_json);
	for (size_t i = 0; i < ARRAY_LEN(bodies) * ARRAY_LEN(heads_of); i++) {
		json_body = bodies[i / ARRAY_LEN(heads_of)];
		json_head = heads_of[i % ARRAY_LEN(heads_of)];
		go(&s, CALL);
		ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
		ck_assert_int_eq(s.end.http_status, statuses[i % ARRAY_LEN(heads_of)]);
		ck_assert_str_eq(s.answer, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32000,\"message\":\"no\"}}");
	}
}
END_TEST

START_TEST(a_status_says_whether_it_ran)
{
	static const struct { const char *head; enum fate fate; int status; } cases[] = {
		{ "400 Bad", FATE_REFUSED, 400 }, { "401 No", FATE_REFUSED, 401 }, { "403 No", FATE_REFUSED, 403 },
		{ "404 No", FATE_REFUSED, 404 }, { "413 Big", FATE_REFUSED, 413 }, { "429 Slow\r\nRetry-After: 3", FATE_REFUSED, 429 },
		{ "408 Late", FATE_UNKNOWN, 408 }, { "500 Oops", FATE_UNKNOWN, 500 }, { "502 Oops", FATE_UNKNOWN, 502 },
		{ "503 Busy\r\nRetry-After: 3", FATE_UNKNOWN, 503 }, { "307 There\r\nLocation: /x", FATE_REFUSED, 307 },
		{ "308 There\r\nLocation: /x", FATE_REFUSED, 308 }, { "301 There\r\nLocation: /x", FATE_UNKNOWN, 301 },
		{ "400 Bad\r\nContent-Type: application/json", FATE_REFUSED, 400 },
		{ "500 Bad\r\nContent-Type: application/json", FATE_UNKNOWN, 500 },
	};
	static const char *const sent_as[] = { CALL, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}" };
	struct sent s;

	json_body = "{\"message\":\"secret stack trace\"}";
	mcp_backend(says_json);
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		json_head = cases[i / 2].head;
		go(&s, sent_as[i % 2]);
		ck_assert_msg(s.end.fate == cases[i / 2].fate, "%s", json_head);
		ck_assert_int_eq(s.end.http_status, cases[i / 2].status);
		ck_assert_int_eq(s.end.retry_after_ms, strstr(json_head, "Retry-After") ? 3000 : -1);
		ck_assert_ptr_null(strstr(s.cause, "secret"));
	}
}
END_TEST

#define NEWS "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}"

START_TEST(a_batch_is_split_in_the_revision_that_has_batches)
{
	static const struct { const char *head, *body; } batches[] = {
		{ "200 OK\r\nContent-Type: application/json", "[" NEWS ", " OK_7 "]" },
		{ "200 OK\r\nContent-Type: text/event-stream", "data: [" NEWS ",\ndata: " OK_7 "]\n\n" },
	};
	bool has_batches = _i < 2;
	struct sent s;

	negotiated = has_batches ? "2025-03-26" : "2025-06-18";
	json_head = batches[_i % 2].head;
	json_body = batches[_i % 2].body;
	mcp_backend(says_json);
	open_session();
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, has_batches ? FATE_ANSWERED : FATE_UNKNOWN);
	ck_assert_str_eq(messages, has_batches ? "notifications/x\n" : "");
	if (has_batches)
		ck_assert_str_eq(s.answer, OK_7);
}
END_TEST

START_TEST(a_cause_says_what_can_be_done)
{
	static const struct { const char *head, *says; } cases[] = {
		{ "401 Unauthorized\r\nContent-Type: application/json", "headers: of this backend, or for an OAuth server use command: [npx, -y, mcp-remote, URL]" },
		{ "403 Forbidden", "credentials do not allow" },
		{ "413 Content Too Large", "larger than it accepts" },
		{ "429 Slow Down\r\nRetry-After: 7", "too many requests; it asks to wait 7 s" },
		{ "503 Busy", "cannot serve requests at present" },
	};
	struct sent s;

	json_body = "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1,\"message\":\"x\"}}";
	json_head = cases[_i].head;
	mcp_backend(says_json);
	go(&s, CALL);
	ck_assert_msg(strstr(s.cause, cases[_i].says), "%s", s.cause);
}
END_TEST

START_TEST(a_result_in_an_error_status_is_no_answer)
{
	struct sent s;

	json_head = "500 Oops\r\nContent-Type: application/json";
	json_body = OK_7;
	mcp_backend(says_json);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
}
END_TEST

static void answers_huge(struct conn *c)
{
	char filler[4096];

	memset(filler, ' ', sizeof(filler));
	conn_say(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
	for (int i = 0; i < 1024 && !atomic_load(&c->peer->is_over); i++)
		conn_send(c, filler, sizeof(filler));
	conn_say(c, OK_7);
	(void)shutdown(c->fd, SHUT_RDWR);
}

START_TEST(a_huge_answer_is_cut_at_max_body)
{
	struct sent s;

	mcp_backend(answers_huge);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.cause, "the answer is too large");
}
END_TEST

static void answers_with_the_others_id(struct conn *c)
{
	wait_to_go_on(c);
	int other = strstr(c->body, "\"id\":7") ? 8 : 7;
	conn_answer(c, "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{}}", other);
}

START_TEST(an_answer_never_reaches_another_call)
{
	struct sent a, b;

	mcp_backend(answers_with_the_others_id);
	begin(&a, CALL);
	begin(&b, LIST);
	TURN_UNTIL(atomic_load(&calls) == 2);
	atomic_store(&may_go_on, true);
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_int_eq(b.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(a.cause, "a response with a foreign id was dropped");
}
END_TEST

START_TEST(ids_are_compared_by_meaning)
{
	struct sent s;

	json_head = "200 OK\r\nContent-Type: application/json";
	json_body = "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041\",\"result\":{}}";
	mcp_backend(says_json);
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":\"A\",\"method\":\"ping\"}");
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_answer");
	TCase *t = tcase_create("upstream_answer");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_streams_before_the_answer_arrives_at_once);
	tcase_add_test(t, a_stream_that_stays_open_after_the_answer_is_let_go);
	tcase_add_test(t, a_connection_is_used_again_after_a_stream);
	tcase_add_test(t, a_stream_without_the_answer_is_unknown);
	tcase_add_test(t, garbage_in_a_stream_does_not_hide_the_answer);
	tcase_add_test(t, a_second_answer_is_dropped);
	tcase_add_test(t, a_stream_cut_before_the_answer_is_unknown);
	tcase_add_test(t, an_endless_stream_ends_with_the_timeout);
	tcase_add_test(t, a_huge_event_is_cut_at_max_body);
	tcase_add_test(t, a_client_without_room_pauses_the_stream);
	tcase_add_test(t, an_answer_that_cannot_be_used_is_unknown);
	tcase_add_test(t, an_error_without_id_belongs_to_the_request_it_answers);
	tcase_add_test(t, a_status_says_whether_it_ran);
	tcase_add_loop_test(t, a_batch_is_split_in_the_revision_that_has_batches, 0, 4);
	tcase_add_loop_test(t, a_cause_says_what_can_be_done, 0, 5);
	tcase_add_test(t, a_result_in_an_error_status_is_no_answer);
	tcase_add_test(t, a_huge_answer_is_cut_at_max_body);
	tcase_add_test(t, an_answer_never_reaches_another_call);
	tcase_add_test(t, ids_are_compared_by_meaning);
	suite_add_tcase(s, t);
	return s;
}
