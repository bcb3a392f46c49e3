/* upstream_http: what is said, what left, what is cancelled. */
#include <fcntl.h>
#include "unit/upstream_probe.h"

/* ---- what is said and how it is answered ------------------------------------------------------------------------------ */

START_TEST(a_request_is_answered_with_the_backends_bytes)
{
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(s.end.http_status, 200);
	ck_assert_str_eq(s.answer, OK_7);
	ck_assert_str_eq(s.told, "mlad");
	ck_assert_ptr_nonnull(strstr(heads[0], "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(heads[0], "\r\nAccept: application/json, text/event-stream\r\n"));
}
END_TEST

START_TEST(session_and_version_are_sent_after_initialize_only)
{
	struct sent s;

	session_head = "mcp-session-id: abc-123";
	mcp_backend(answers_ok);
	open_session();
	go(&s, CALL);
	go(&s, INITIALIZE); /* a client may begin again */
	ck_assert_ptr_null(strcasestr(heads[0], "Mcp-Session-Id"));
	ck_assert_ptr_null(strcasestr(heads[0], "MCP-Protocol-Version"));
	for (int i = 1; i < 3; i++) {
		ck_assert_ptr_nonnull(strstr(heads[i], "\r\nMcp-Session-Id: abc-123\r\n"));
		ck_assert_ptr_nonnull(strstr(heads[i], "\r\nMCP-Protocol-Version: 2025-06-18\r\n"));
	}
	ck_assert_ptr_null(strcasestr(heads[3], "Mcp-Session-Id"));
}
END_TEST

START_TEST(a_session_id_that_is_not_visible_ascii_is_not_used_and_not_logged)
{
	struct sent s;
	char path[] = "/tmp/test_upstream.XXXXXX", said[4096] = "";
	int fd = mkstemp(path);

	log_setup(&(struct log_options){ .program = "test", .level = LOG_DEBUG, .fd = fd });
	session_head = "Mcp-Session-Id: caf\xc3\xa9-secret";
	mcp_backend(answers_ok);
	open_session();
	go(&s, CALL);
	ck_assert_ptr_null(strcasestr(heads[2], "Mcp-Session-Id"));
	ck_assert_ptr_nonnull(strstr(heads[2], "\r\nMCP-Protocol-Version: 2025-06-18\r\n"));
	ck_assert_int_gt(pread(fd, said, sizeof(said) - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(said, "session id"));
	ck_assert_ptr_null(strstr(said, "secret"));
	log_setup(&(struct log_options){ .program = "test", .level = LOG_INFO, .fd = STDERR_FILENO });
	unlink(path);
	close(fd);
}
END_TEST

START_TEST(configured_headers_are_sent)
{
	struct sent s;
	struct config_named_secret header = { .name = (char *)"Authorization",
		.value = { .source = SECRET_PLAIN, .text = (char *)"Bearer t0ken" } };

	backend.headers = (struct config_secrets){ .v = &header, .n = 1 };
	mcp_backend(answers_ok);
	go(&s, CALL);
	ck_assert_ptr_nonnull(strstr(heads[0], "\r\nAuthorization: Bearer t0ken\r\n"));
}
END_TEST

START_TEST(a_header_that_breaks_lines_is_an_error_of_the_configuration)
{
	struct problem why;
	struct config_named_secret header = { .name = (char *)"X-Key",
		.value = { .source = SECRET_PLAIN, .text = (char *)"a\r\nEvil: 1" } };

	backend.headers = (struct config_secrets){ .v = &header, .n = 1 };
	backend.url = (char *)"http://127.0.0.1:1/";
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend };
	ck_assert_int_eq(upstream_new(&o, &u, &why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why.text, "X-Key"));
	ck_assert_ptr_null(strstr(why.text, "Evil"));
}
END_TEST

START_TEST(a_backend_without_a_place_is_refused)
{
	struct problem why;
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend };

	ck_assert_int_eq(upstream_new(&o, &u, &why), ERR_UNSUPPORTED);
}
END_TEST

static const char *accepted_as;
static void accepts(struct conn *c)
{
	conn_answer(c, accepted_as, "%s", "");
}

START_TEST(any_2xx_accepts_a_notification_or_response)
{
	static const char *const as[] = { "202 Accepted", "200 OK", "200 OK\r\nContent-Type: text/html" };
	struct sent s;

	mcp_backend(accepts);
	for (size_t i = 0; i < ARRAY_LEN(as); i++) {
		accepted_as = as[i];
		go(&s, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}");
		ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
		ck_assert_str_eq(s.told, "mld");
	}
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"result\":{}}");
	ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
}
END_TEST

/* ---- what left -------------------------------------------------------------------------------------------------------- */

START_TEST(without_leave_nothing_arrives)
{
	struct sent s;

	mcp_backend(answers_ok);
	sent_init(&s, CALL);
	s.refuses = true;
	upstream_send(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(s.told, "md");
	ck_assert_int_eq(atomic_load(&calls), 0);
}
END_TEST

START_TEST(a_backend_that_is_down_is_not_sent)
{
	struct sent s;
	char url[64];

	mcp_backend(answers_ok);
	(void)snprintf(url, sizeof(url), "%s", p->url);
	http_peer_free(p);
	p = NULL;
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(s.told, "d");
	ck_assert_ptr_null(strstr(s.cause, "127"));
}
END_TEST

static void takes_and_dies(struct conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
}

START_TEST(a_call_on_a_connection_that_dies_arrives_once)
{
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, LIST); /* the connection is pooled */
	answers_call = takes_and_dies;
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
	ck_assert_int_eq(atomic_load(&calls), 2);
	answers_call = answers_ok;
	go(&s, CALL); /* the session lives */
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

static atomic_int arrivals_of[1000];
static void dies_at_random(struct conn *c)
{
	unsigned long id = strtoul(strstr(c->body, "\"id\":") + 5, NULL, 10);
	int n = atomic_load(&calls);

	atomic_fetch_add(&arrivals_of[id], 1);
	switch (n % 7) {
	case 2: takes_and_dies(c); break;
	case 4:
		answers_ok(c);
		takes_and_dies(c);
		break;
	case 5: conn_say(c, "HTTP/1.1 200 OK\r\nContent-"); takes_and_dies(c); break;
	default: answers_ok(c);
	}
}

START_TEST(no_call_arrives_twice_however_connections_die)
{
	enum { CALLS = 1000, AT_ONCE = 8 };
	struct sent *s = xcalloc(CALLS, sizeof(*s));
	char body[128];

	mcp_backend(dies_at_random);
	for (int i = 0; i < CALLS; i++) {
		(void)snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\"}", i);
		begin(&s[i], body);
		if (i >= AT_ONCE)
			finish(&s[i - AT_ONCE]);
	}
	int unknown = 0;
	for (int i = 0; i < CALLS; i++) {
		finish(&s[i]);
		int n = atomic_load(&arrivals_of[i]);
		ck_assert_int_le(n, 1);
		ck_assert(s[i].end.fate != FATE_NOT_SENT || n == 0);
		ck_assert(s[i].end.fate != FATE_ANSWERED || n == 1);
		unknown += s[i].end.fate == FATE_UNKNOWN;
	}
	ck_assert_int_gt(unknown, CALLS / 10); /* else connections did not die */
	free(s);
}
END_TEST

/* ---- cancelling ------------------------------------------------------------------------------------------------------- */

static void never_answers(struct conn *c)
{
	conn_wait_closed(c);
}

START_TEST(cancelled_before_it_left_it_never_arrives)
{
	struct sent s, next;

	mcp_backend(answers_ok);
	begin(&s, CALL);
	upstream_cancel(u, &s.d);
	ck_assert(!s.is_done);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	go(&next, LIST);
	ck_assert_int_eq(atomic_load(&calls), 1);
}
END_TEST

START_TEST(cancelled_after_it_left_is_unknown)
{
	struct sent s;

	mcp_backend(never_answers);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&calls) == 1);
	upstream_cancel(u, &s.d);
	ck_assert(!s.is_done);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
	TURN_UNTIL(atomic_load(&p->closed) == 1);
}
END_TEST

START_TEST(cancelled_by_what_its_own_stream_says_it_is_not_answered)
{
	struct sent s;

	streamed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\ndata: " OK_7 "\n\n";
	mcp_backend(streams);
	begin(&s, CALL);
	cancel_on_message = &s.d;
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
}
END_TEST

static void refuses_and_closes(struct conn *c)
{
	wait_to_go_on(c);
	conn_answer(c, "400 Bad", "no");
	(void)shutdown(c->fd, SHUT_RDWR);
}

START_TEST(cancelled_while_its_refusal_arrives_it_is_still_unknown)
{
	struct sent s;

	mcp_backend(refuses_and_closes);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&calls) == 1);
	atomic_store(&may_go_on, true);
	while (atomic_load(&p->closed) == 0) /* not turned: the answer waits in our socket */
		usleep(200);
	upstream_cancel(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
}
END_TEST

START_TEST(done_may_send_the_next)
{
	struct sent s, next;

	mcp_backend(answers_ok);
	sent_init(&next, LIST);
	sent_init(&s, CALL);
	s.then = &next;
	upstream_send(u, &s.d);
	finish(&next);
	ck_assert(s.is_done);
	ck_assert_int_eq(next.end.fate, FATE_ANSWERED);
}
END_TEST

START_TEST(a_slow_call_delays_no_other)
{
	struct sent slow, s;

	mcp_backend(never_answers);
	begin(&slow, CALL);
	TURN_UNTIL(atomic_load(&calls) == 1);
	answers_call = answers_ok;
	for (int i = 0; i < 20; i++)
		go(&s, LIST);
	ck_assert(!slow.is_done);
	upstream_cancel(u, &slow.d);
	finish(&slow);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_http");
	TCase *t = tcase_create("upstream_http");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_request_is_answered_with_the_backends_bytes);
	tcase_add_test(t, session_and_version_are_sent_after_initialize_only);
	tcase_add_test(t, a_session_id_that_is_not_visible_ascii_is_not_used_and_not_logged);
	tcase_add_test(t, configured_headers_are_sent);
	tcase_add_test(t, a_header_that_breaks_lines_is_an_error_of_the_configuration);
	tcase_add_test(t, a_backend_without_a_place_is_refused);
	tcase_add_test(t, any_2xx_accepts_a_notification_or_response);
	tcase_add_test(t, without_leave_nothing_arrives);
	tcase_add_test(t, a_backend_that_is_down_is_not_sent);
	tcase_add_test(t, a_call_on_a_connection_that_dies_arrives_once);
	tcase_add_test(t, no_call_arrives_twice_however_connections_die);
	tcase_add_test(t, cancelled_before_it_left_it_never_arrives);
	tcase_add_test(t, cancelled_after_it_left_is_unknown);
	tcase_add_test(t, cancelled_by_what_its_own_stream_says_it_is_not_answered);
	tcase_add_test(t, cancelled_while_its_refusal_arrives_it_is_still_unknown);
	tcase_add_test(t, done_may_send_the_next);
	tcase_add_test(t, a_slow_call_delays_no_other);
	suite_add_tcase(s, t);
	return s;
}
