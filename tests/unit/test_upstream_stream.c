/* upstream_http_stream: the backend's own stream, and the rest of an answer whose stream ended. */
#include "base/clock.h"
#include "unit/upstream_probe.h"

#define NOTE(n) "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/" n "\"}"

/* What the stream says, by its number. */
static const char *const *said;
static size_t said_n;
static char asked[12][4096];           /* heads of GETs */
static bool stays_open;

static void serves_streams(struct conn *c)
{
	size_t n = (size_t)atomic_load(&streams_asked) - 1;

	if (n < ARRAY_LEN(asked))
		memcpy(asked[n], c->head, sizeof(asked[n]));
	if (n >= said_n) {
		conn_answer(c, "405 Method Not Allowed", "%s", "");
		return;
	}
	conn_say(c, SSE_HEAD);
	chunk(c, said[n]);
	if (stays_open && n + 1 == said_n)
		conn_wait_closed(c);
	else
		chunk(c, "");
}

static void offers(const char *const *streams_said, size_t n, bool stays)
{
	said = streams_said;
	said_n = n;
	stays_open = stays;
	answers_get = serves_streams;
	session_head = "Mcp-Session-Id: s1";
}

/* ---- the backend's own ------------------------------------------------------------------------------------------------------- */

START_TEST(a_stream_follows_initialized)
{
	static const char *const stream[] = { "data: " NOTE("one") "\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}\n\n" };

	offers(stream, 1, true);
	backend.headers = (struct config_secrets){ .v = &(struct config_named_secret){ .name = (char *)"X-Key",
		.value = { .source = SECRET_PLAIN, .text = (char *)"geheim" } }, .n = 1 };
	mcp_backend(answers_ok);
	open_session();
	TURN_UNTIL(atomic_load(&messages_n) == 2);
	ck_assert_str_eq(messages, "notifications/one\nroots/list\n");
	ck_assert_ptr_nonnull(strstr(asked[0], "GET /mcp HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[0], "\r\nAccept: text/event-stream\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[0], "\r\nMcp-Session-Id: s1\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[0], "\r\nMCP-Protocol-Version: 2025-06-18\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[0], "\r\nX-Key: geheim\r\n"));
	ck_assert_ptr_null(strstr(asked[0], "Last-Event-ID"));
	ck_assert_ptr_null(strstr(asked[0], "Content-Type"));
}
END_TEST

static atomic_int called_on;
static void answers_and_notes_connection(struct conn *c)
{
	atomic_store(&called_on, c->number);
	answers_ok(c);
}

START_TEST(a_stream_leaves_the_warm_connection_to_the_calls)
{
	static const char *const stream[] = { "data: " NOTE("one") "\n\n" };
	struct sent s;

	offers(stream, 1, true);
	mcp_backend(answers_and_notes_connection);
	open_session();
	TURN_UNTIL(atomic_load(&messages_n) == 1);
	go(&s, CALL);
	ck_assert_int_eq(atomic_load(&called_on), 0);
	ck_assert_int_eq(atomic_load(&p->connections), 2);
}
END_TEST

START_TEST(no_stream_before_initialized)
{
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, INITIALIZE);
	go(&s, LIST);
	ck_assert_int_eq(atomic_load(&streams_asked), 0);
}
END_TEST

static const char *no_stream;
static void refuses_stream(struct conn *c)
{
	conn_answer(c, no_stream, "%s", "no");
}

START_TEST(a_backend_that_offers_no_stream_is_asked_once)
{
	static const char *const answers[] = { "405 Method Not Allowed", "404 Not Found", "501 Not Implemented", "200 OK\r\nContent-Type: text/html",
		"400 Bad Request" };
	struct sent s;

	no_stream = answers[_i];
	answers_get = refuses_stream;
	session_head = "Mcp-Session-Id: s1";
	mcp_backend(answers_ok);
	open_session();
	TURN_UNTIL(atomic_load(&streams_asked) == 1);
	for (int i = 0; i < 5; i++) {
		go(&s, CALL);
		ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	}
	ck_assert_int_eq(atomic_load(&streams_asked), 1);
	ck_assert_int_eq(atomic_load(&sessions), 1);
}
END_TEST

START_TEST(a_stream_that_ends_is_opened_again_from_its_last_event)
{
	static const char *const streams_said[] = {
		"retry: 20\nid: a\ndata: " NOTE("one") "\n\nid: b\ndata:\n\nid: lost\ndata: {\"cut",
		"id: a\ndata: " NOTE("one") "\n\nid: c\ndata: " NOTE("two") "\n\n",    /* with one that was told before */
		"data: " NOTE("three") "\n\n",
	};

	offers(streams_said, 3, true);
	mcp_backend(answers_ok);
	open_session();
	TURN_UNTIL(atomic_load(&messages_n) == 3);
	ck_assert_str_eq(messages, "notifications/one\nnotifications/two\nnotifications/three\n");
	ck_assert_ptr_nonnull(strstr(asked[1], "\r\nLast-Event-ID: b\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[2], "\r\nLast-Event-ID: c\r\n"));
}
END_TEST

START_TEST(a_server_that_counts_anew_loses_nothing)
{
	static const char *const streams_said[] = { "retry: 20\nid: 1\ndata: " NOTE("one") "\n\n", "id: 1\ndata: " NOTE("two") "\n\n" };

	offers(streams_said, 2, true);
	mcp_backend(answers_ok);
	open_session();
	TURN_UNTIL(atomic_load(&messages_n) == 2);
	ck_assert_str_eq(messages, "notifications/one\nnotifications/two\n");
}
END_TEST

static void says_nothing(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, "retry: 0\n\n");
	chunk(c, "");
}

static void is_over(struct loop_timer *t)
{
	loop_timer_clear(t);
	t->fire = NULL;
}

static void turn_for(int64_t ms)
{
	struct loop_timer t;

	loop_timer_init(&t, is_over);
	loop_timer_set(l, &t, ms);
	while (t.fire)
		loop_turn(l);
}

START_TEST(a_stream_that_ends_at_once_is_not_asked_for_without_pause)
{
	answers_get = says_nothing;
	mcp_backend(answers_ok);
	open_session();
	int64_t from_us = clock_mono_us();
	TURN_UNTIL(atomic_load(&streams_asked) >= 2);
	turn_for(400);
	ck_assert_int_le(atomic_load(&streams_asked), 25 + (clock_mono_us() - from_us) / 20000);
}
END_TEST

START_TEST(a_response_on_the_backends_own_stream_is_nobodys)
{
	static const char *const stream[] = { "data: " OK_7 "\n\ndata: " NOTE("one") "\n\n" };
	struct sent s;

	offers(stream, 1, true);
	mcp_backend(answers_ok);
	open_session();
	answers_call = wait_to_go_on;
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&messages_n) == 1);
	ck_assert(!s.is_done);
	upstream_cancel(u, &s.d);
	finish(&s);
	ck_assert_ptr_null(strchr(s.told, 'a'));
}
END_TEST

START_TEST(the_backends_stream_waits_for_room)
{
	static const char *const stream[] = { "data: " NOTE("one") "\n\n" };
	struct sent s;

	has_room = false;
	offers(stream, 1, true);
	mcp_backend(answers_ok);
	open_session();
	TURN_UNTIL(atomic_load(&messages_n) == 1);
	go(&s, CALL);
	has_room = true;
	upstream_resume(u);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

static void on_ended(void *arg)
{
	*(bool *)arg = true;
}

START_TEST(an_open_stream_does_not_hold_up_the_end)
{
	static const char *const stream[] = { "data: " NOTE("one") "\n\n" };
	bool has_ended = false;

	offers(stream, 1, true);
	mcp_backend(answers_ok);
	open_session();
	TURN_UNTIL(atomic_load(&messages_n) == 1);
	upstream_end(u, 5000, on_ended, &has_ended);
	TURN_UNTIL(has_ended && atomic_load(&p->closed) >= 1);
	ck_assert_int_eq(atomic_load(&deletes), 1);
}
END_TEST

/* ---- the rest of an answer --------------------------------------------------------------------------------------------------- */

static void streams_and_stops(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, streamed);
	chunk(c, "");
}

static void streams_and_breaks(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, streamed);
	(void)shutdown(c->fd, SHUT_RDWR);
}

static void without_own_stream(void)
{
	struct sent s;

	answers_get = NULL;
	session_head = "Mcp-Session-Id: s1";
	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}

START_TEST(an_answer_is_gone_on_with_after_its_stream_ended)
{
	static const char *const rest[] = { "id: p2\nretry: 20\ndata:\n\n", "id: p2\ndata: " NOTE("half") "\n\nid: p3\ndata: " OK_7 "\n\n" };
	struct sent s;

	mcp_backend(_i == 0 ? streams_and_stops : streams_and_breaks);
	streamed = "retry: 20\nid: p1\ndata: " NOTE("begun") "\n\n";
	without_own_stream();
	offers(rest, 2, false);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(s.answer, OK_7);
	ck_assert_str_eq(s.told, "mlad");
	ck_assert_str_eq(messages, "notifications/begun\nnotifications/half\n");
	ck_assert_ptr_nonnull(strstr(asked[0], "\r\nLast-Event-ID: p1\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[0], "\r\nMcp-Session-Id: s1\r\n"));
	ck_assert_ptr_nonnull(strstr(asked[1], "\r\nLast-Event-ID: p2\r\n"));
	ck_assert_int_eq(atomic_load(&calls), 1);
}
END_TEST

START_TEST(an_answer_that_cannot_be_gone_on_with_is_unknown)
{
	static const char *const answers[] = { "405 Method Not Allowed", "404 Not Found", "400 Bad Request", "200 OK\r\nContent-Type: text/html" };
	struct sent s;

	mcp_backend(streams_and_stops);
	streamed = "retry: 20\nid: p1\ndata:\n\n";
	without_own_stream();
	no_stream = answers[_i];
	answers_get = refuses_stream;
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
	ck_assert_int_eq(atomic_load(&calls), 1);
}
END_TEST

START_TEST(going_on_with_an_answer_ends_with_its_timeout)
{
	struct sent s;

	mcp_backend(streams_and_stops);
	streamed = "retry: 20\nid: p1\ndata:\n\n";
	without_own_stream();
	answers_get = _i == 0 ? says_nothing : conn_wait_closed;
	sent_init(&s, CALL);
	s.d.timeout_ms = 150;
	upstream_send(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert(s.end.has_timed_out);
}
END_TEST

START_TEST(a_cancelled_call_is_not_gone_on_with)
{
	struct sent s;

	mcp_backend(streams_and_stops);
	streamed = "retry: 50\nid: p1\ndata: " NOTE("begun") "\n\n";
	without_own_stream();
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&messages_n) == 1);
	upstream_cancel(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	turn_for(150);
	ck_assert_int_eq(atomic_load(&streams_asked), 0);
}
END_TEST

START_TEST(two_answers_are_gone_on_with_each_by_its_own_stream)
{
	static const char *const rest[] = { "id: p2\ndata: " OK_7 "\n\n", "id: p2\ndata: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}\n\n" };
	struct sent a, b;

	mcp_backend(streams_and_stops);
	streamed = "retry: 20\nid: p1\ndata:\n\n";
	without_own_stream();
	offers(rest, 2, false);
	begin(&a, CALL);
	TURN_UNTIL(atomic_load(&streams_asked) == 1);
	begin(&b, LIST);
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(b.end.fate, FATE_ANSWERED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_stream");
	TCase *t = tcase_create("upstream_stream");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_stream_follows_initialized);
	tcase_add_test(t, a_stream_leaves_the_warm_connection_to_the_calls);
	tcase_add_test(t, no_stream_before_initialized);
	tcase_add_loop_test(t, a_backend_that_offers_no_stream_is_asked_once, 0, 5);
	tcase_add_test(t, a_stream_that_ends_is_opened_again_from_its_last_event);
	tcase_add_test(t, a_server_that_counts_anew_loses_nothing);
	tcase_add_test(t, a_stream_that_ends_at_once_is_not_asked_for_without_pause);
	tcase_add_test(t, a_response_on_the_backends_own_stream_is_nobodys);
	tcase_add_test(t, the_backends_stream_waits_for_room);
	tcase_add_test(t, an_open_stream_does_not_hold_up_the_end);
	tcase_add_loop_test(t, an_answer_is_gone_on_with_after_its_stream_ended, 0, 2);
	tcase_add_loop_test(t, an_answer_that_cannot_be_gone_on_with_is_unknown, 0, 4);
	tcase_add_loop_test(t, going_on_with_an_answer_ends_with_its_timeout, 0, 2);
	tcase_add_test(t, a_cancelled_call_is_not_gone_on_with);
	tcase_add_test(t, two_answers_are_gone_on_with_each_by_its_own_stream);
	suite_add_tcase(s, t);
	return s;
}
