/* upstream_sse: HTTP+SSE of 2024-11-05, found out or configured. */
#include "unit/upstream_probe.h"

#define OK_8 "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}"

static const char *endpoint;                   /* the first event's data; NULL = none comes */
static const char *mcp_status;                 /* of POSTs to the URL itself */
static struct conn *_Atomic stream;            /* the one that is open */
static atomic_bool breaks_stream, holds_answers, forgets;
static char posted_to[64];

static void to_stream(const char *text)
{
	struct conn *c = atomic_load(&stream);

	if (c)
		chunk(c, text);
}

static void serves_stream(struct conn *c)
{
	char event[256];

	conn_say(c, SSE_HEAD);
	atomic_store(&stream, c); /* whoever knows the endpoint may be answered */
	if (endpoint) {
		(void)snprintf(event, sizeof(event), "event: endpoint\ndata: %s\n\n", endpoint);
		chunk(c, event);
	}
	while (!atomic_load(&breaks_stream) && !atomic_load(&c->peer->is_over))
		usleep(200);
	atomic_store(&stream, NULL);
	atomic_store(&breaks_stream, false);
	(void)shutdown(c->fd, SHUT_RDWR);
}

static void answer_on_stream(struct conn *c)
{
	char event[300];
	const char *id = strstr(c->body, "\"id\":");

	if (strstr(c->body, "\"initialize\"")) {
		atomic_fetch_add(&sessions, 1);
		to_stream("data: {\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2024-11-05\"}}\n\n");
	} else if (strstr(c->body, "notifications/initialized")) {
		atomic_fetch_add(&initialized_n, 1);
	} else if (id && strstr(c->body, "\"method\"")) {
		atomic_fetch_add(&calls, 1);
		(void)snprintf(event, sizeof(event), "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{}}\n\n",
			(int)strtol(id + 5, NULL, 10));
		if (!atomic_load(&holds_answers))
			to_stream(event);
	}
}

static void serves_sse(struct conn *c)
{
	while (conn_request(c)) {
		if (strncmp(c->head, "GET /mcp ", 9) == 0) {
			atomic_fetch_add(&streams_asked, 1);
			serves_stream(c);
			return;
		}
		if (strncmp(c->head, "POST /mcp ", 10) == 0) {
			conn_answer(c, mcp_status, "%s", "no");
			continue;
		}
		(void)sscanf(c->head, "%*s %63s", posted_to);
		if (atomic_exchange(&forgets, false)) {
			conn_answer(c, "404 Not Found", "%s", "");
			continue;
		}
		if (atomic_load(&may_go_on)) /* the answer overtakes the 202 */
			answer_on_stream(c);
		conn_answer(c, "202 Accepted", "%s", "Accepted");
		if (!atomic_load(&may_go_on))
			answer_on_stream(c);
	}
}

static void sse_setup(void)
{
	setup();
	endpoint = "/message?sessionId=abc";
	mcp_status = "404 Not Found";
	atomic_store(&stream, NULL);
	atomic_store(&breaks_stream, false);
	atomic_store(&holds_answers, false);
	atomic_store(&forgets, false);
}

START_TEST(it_is_found_out_by_what_initialize_is_answered)
{
	static const char *const statuses[] = { "400 Bad Request", "404 Not Found", "405 Method Not Allowed" };
	struct sent s;

	mcp_status = statuses[_i];
	backend_is(serves_sse, NULL);
	open_session();
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_str_eq(s.told, "mlad");
	ck_assert_str_eq(posted_to, "/message?sessionId=abc");
	ck_assert_int_eq(atomic_load(&streams_asked), 1);
}
END_TEST

START_TEST(what_is_configured_is_not_found_out)
{
	struct sent s;

	backend.transport = _i == 0 ? TRANSPORT_SSE : TRANSPORT_HTTP;
	backend_is(serves_sse, NULL);
	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, _i == 0 ? FATE_ANSWERED : FATE_REFUSED);
	ck_assert_int_eq(s.end.http_status, _i == 0 ? 202 : 404);
	ck_assert_int_eq(atomic_load(&streams_asked), _i == 0 ? 1 : 0);
	ck_assert_int_eq(atomic_load(&p->arrivals), _i == 0 ? 2 : 1);
}
END_TEST

static void refuses_all(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, strncmp(c->head, "GET", 3) == 0 ? "200 OK\r\nContent-Type: text/html" : "404 Not Found", "%s", "<html>");
}

START_TEST(a_page_that_is_no_mcp_server_keeps_its_own_answer)
{
	struct sent s;

	backend_is(refuses_all, NULL);
	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, FATE_REFUSED);
	ck_assert_int_eq(s.end.http_status, 404);
	ck_assert_str_eq(s.cause, "the backend answered HTTP 404");
}
END_TEST

START_TEST(a_stream_that_names_no_endpoint_is_given_up)
{
	struct sent s;

	endpoint = NULL;
	backend.connect_timeout_ms = 100;
	backend.transport = _i == 0 ? TRANSPORT_SSE : TRANSPORT_AUTO;
	backend_is(serves_sse, NULL);
	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, _i == 0 ? FATE_NOT_SENT : FATE_REFUSED);
	TURN_UNTIL(atomic_load(&streams_asked) == 1);
}
END_TEST

START_TEST(an_endpoint_elsewhere_is_not_used)
{
	static const char *const elsewhere[] = { "http://127.0.0.1:1/message", "http://localhost/message", "https://127.0.0.1/message",
		"//127.0.0.2/message", "file:///etc/passwd", "" };
	struct sent s;

	endpoint = elsewhere[_i];
	backend.transport = TRANSPORT_SSE;
	backend.connect_timeout_ms = 300;
	backend_is(serves_sse, NULL);
	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_ne(s.cause, "");
	ck_assert_int_eq(atomic_load(&p->arrivals), 1);
}
END_TEST

START_TEST(an_absolute_endpoint_of_the_same_origin_is_used)
{
	char url[128];

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/other", p->port);
	endpoint = url;
	open_session();
	ck_assert_str_eq(posted_to, "/other");
}
END_TEST

START_TEST(an_answer_may_overtake_the_acceptance)
{
	struct sent s;

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	atomic_store(&may_go_on, true);
	for (int i = 0; i < 20; i++) {
		go(&s, CALL);
		ck_assert_str_eq(s.told, "mlad");
	}
}
END_TEST

START_TEST(answers_find_their_calls_in_any_order)
{
	struct sent a, b;

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	atomic_store(&holds_answers, true);
	begin(&a, CALL);
	begin(&b, LIST);
	TURN_UNTIL(atomic_load(&calls) == 2);
	to_stream("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\n"
		"data: " OK_8 "\n\n");
	finish(&b);
	ck_assert(!a.is_done);
	to_stream("data: " OK_7 "\n\n");
	finish(&a);
	ck_assert_str_eq(messages, "roots/list\n");
	ck_assert_str_eq(a.answer, OK_7);
	ck_assert_str_eq(b.answer, OK_8);
}
END_TEST

START_TEST(an_answer_that_does_not_come_is_unknown)
{
	struct sent s;

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	atomic_store(&holds_answers, true);
	sent_init(&s, CALL);
	s.d.timeout_ms = 100;
	upstream_send(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert(s.end.has_timed_out);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&calls) == 2);
	upstream_cancel(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
}
END_TEST

START_TEST(a_stream_that_is_lost_is_a_session_that_is_lost)
{
	struct sent a, b;

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	atomic_store(&holds_answers, true);
	begin(&a, CALL);
	TURN_UNTIL(atomic_load(&calls) == 1);
	atomic_store(&holds_answers, false);
	atomic_store(&breaks_stream, true);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert(!a.end.may_repeat);
	go(&b, CALL);
	ck_assert_int_eq(b.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&sessions), 2);
	ck_assert_int_eq(atomic_load(&initialized_n), 2);
	ck_assert_int_eq(atomic_load(&calls), 2);
}
END_TEST

START_TEST(a_lost_stream_is_opened_again_unasked)
{
	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	TURN_UNTIL(atomic_load(&stream));
	atomic_store(&breaks_stream, true);
	TURN_UNTIL(atomic_load(&initialized_n) == 2);
	ck_assert_int_eq(atomic_load(&sessions), 2);
}
END_TEST

START_TEST(a_message_that_finds_its_session_gone_may_be_repeated)
{
	struct sent s;

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	atomic_store(&forgets, true);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_REFUSED);
	ck_assert(s.end.may_repeat);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&streams_asked), 2);
	ck_assert_int_eq(atomic_load(&sessions), 2);
}
END_TEST

static void on_ended(void *arg)
{
	*(bool *)arg = true;
}

START_TEST(the_end_closes_the_stream)
{
	bool has_ended = false;

	backend.transport = TRANSPORT_SSE;
	backend_is(serves_sse, NULL);
	open_session();
	upstream_end(u, 1000, on_ended, &has_ended);
	ck_assert(!has_ended);
	TURN_UNTIL(has_ended);
	ck_assert_int_eq(atomic_load(&deletes), 0);
}
END_TEST

static const struct { const char *begin, *end; bool is_result; } large[] = {
	{ "data: {\"result\":\"", "\",\"jsonrpc\":\"2.0\",\"id\":7}\n\n", true },
	{ "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"", "\"}\n\n", true },
	{ "data: {\"error\":\"", "\",\"jsonrpc\":\"2.0\",\"id\":7}\n\n", false },
};

START_TEST(an_answer_that_is_too_large_ends_its_call_alone)
{
	static char filler[4097];
	struct sent a, b;

	backend.transport = TRANSPORT_SSE;
	backend.max_body_bytes = 100000;
	backend_is(serves_sse, NULL);
	open_session();
	atomic_store(&holds_answers, true);
	begin(&a, CALL);
	begin(&b, LIST);
	TURN_UNTIL(atomic_load(&calls) == 2);
	memset(filler, 'x', sizeof(filler) - 1);
	to_stream(large[_i].begin);
	for (int i = 0; i < 50; i++)
		to_stream(filler);
	to_stream(large[_i].end);
	finish(&a);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(a.cause, "the answer is too large");
	ck_assert_int_eq(a.end.is_large_result, large[_i].is_result);
	ck_assert(!b.is_done);
	to_stream("data: " OK_8 "\n\n");
	finish(&b);
	ck_assert_int_eq(b.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&sessions), 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_sse");
	TCase *t = tcase_create("upstream_sse");

	tcase_add_checked_fixture(t, sse_setup, teardown);
	tcase_add_loop_test(t, it_is_found_out_by_what_initialize_is_answered, 0, 3);
	tcase_add_loop_test(t, what_is_configured_is_not_found_out, 0, 2);
	tcase_add_test(t, a_page_that_is_no_mcp_server_keeps_its_own_answer);
	tcase_add_loop_test(t, a_stream_that_names_no_endpoint_is_given_up, 0, 2);
	tcase_add_loop_test(t, an_endpoint_elsewhere_is_not_used, 0, 6);
	tcase_add_test(t, an_absolute_endpoint_of_the_same_origin_is_used);
	tcase_add_test(t, an_answer_may_overtake_the_acceptance);
	tcase_add_test(t, answers_find_their_calls_in_any_order);
	tcase_add_test(t, an_answer_that_does_not_come_is_unknown);
	tcase_add_test(t, a_stream_that_is_lost_is_a_session_that_is_lost);
	tcase_add_test(t, a_lost_stream_is_opened_again_unasked);
	tcase_add_test(t, a_message_that_finds_its_session_gone_may_be_repeated);
	tcase_add_test(t, the_end_closes_the_stream);
	tcase_add_loop_test(t, an_answer_that_is_too_large_ends_its_call_alone, 0, ARRAY_LEN(large));
	suite_add_tcase(s, t);
	return s;
}
