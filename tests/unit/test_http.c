/* http: what is said, what is understood, what left. Real connections to a peer that answers, lies and breaks off. */
#include "unit/http_probe.h"

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

START_TEST(an_answer_comes_whole_and_in_order)
{
	struct probe q;

	peer_serves(echoes);
	probe_init(&q, SPAN("{\"a\":1}"));
	run(&q);
	ck_assert_str_eq(q.told, "lhbd");
	ck_assert_int_eq(q.end.outcome, HTTP_COMPLETE);
	ck_assert_int_eq(q.status, 200);
	ck_assert_str_eq(q.body.data, "{\"a\":1}");
	buf_release(&q.body);
}
END_TEST

START_TEST(a_body_can_be_collected)
{
	struct probe q;

	peer_serves(echoes);
	probe_init(&q, SPAN("abc"));
	q.collects = true;
	run(&q);
	ck_assert_str_eq(q.body.data, "abc");
	ck_assert_uint_eq(q.body_calls, 0);
	buf_release(&q.body);
}
END_TEST

START_TEST(a_connection_is_used_again)
{
	struct probe q;

	peer_serves(echoes);
	for (int i = 0; i < 5; i++) {
		post(&q);
		buf_release(&q.body);
	}
	ck_assert_int_eq(atomic_load(&p->arrivals), 5);
	ck_assert_int_eq(atomic_load(&p->connections), 1);
}
END_TEST

static void shows_head(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "200 OK", "%s", c->head);
}

START_TEST(the_request_carries_our_headers_and_no_surprises)
{
	struct probe q;

	ck_assert_int_eq(http_headers_add(headers, "X-Key", "s3cret"), OK);
	ck_assert_int_eq(http_headers_add(headers, "X-Empty", ""), OK);
	peer_serves(shows_head);
	post(&q);
	ck_assert_ptr_nonnull(strstr(q.body.data, "POST /mcp HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(q.body.data, "\r\nX-Key: s3cret\r\n"));
	ck_assert_ptr_nonnull(strstr(q.body.data, "\r\nX-Empty:"));
	ck_assert_ptr_null(strcasestr(q.body.data, "\r\nExpect"));
	ck_assert_ptr_null(strcasestr(q.body.data, "\r\nAccept-Encoding"));
	ck_assert_ptr_null(strcasestr(q.body.data, "\r\nOrigin"));
	buf_release(&q.body);
}
END_TEST

START_TEST(a_header_that_would_break_the_line_is_refused)
{
	ck_assert_int_eq(http_headers_add(headers, "X", "a\r\nEvil: 1"), ERR_INVALID);
	ck_assert_int_eq(http_headers_add(headers, "X", "a\nb"), ERR_INVALID);
	ck_assert_int_eq(http_headers_add(headers, "X: y", "a"), ERR_INVALID);
	ck_assert_int_eq(http_headers_add(headers, "", "a"), ERR_INVALID);
	ck_assert_int_eq(http_headers_add(headers, "X", "a\tb"), OK);
}
END_TEST

static void says_headers(struct conn *c)
{
	static const char *const after[] = { "7", "Fri, 31 Dec 2199 23:59:59 GMT", "soon", "0", "99999999999" };

	while (conn_request(c)) {
		char head[256];
		(void)snprintf(head, sizeof(head), "503 Busy\r\nRetry-After: %s\r\nContent-Type: Application/JSON; charset=utf-8",
			after[c->request]);
		conn_answer(c, head, "{}");
	}
}

static int64_t retry_after;
static bool is_json;
static void keeps_headers(struct http_request *r, const struct http_end *end)
{
	retry_after = http_retry_after_ms(r);
	is_json = http_media_type_is(r, "application/json");
	probe_done(r, end);
}

static int64_t next_retry_after(void)
{
	struct probe q;

	probe_init(&q, SPAN("{}"));
	q.r.done = keeps_headers;
	run(&q);
	buf_release(&q.body);
	return retry_after;
}

START_TEST(retry_after_is_read_as_seconds_or_date_and_capped)
{
	peer_serves(says_headers);
	ck_assert_int_eq(next_retry_after(), 7000);
	ck_assert(is_json);
	ck_assert_int_eq(next_retry_after(), 366 * 86400LL * 1000);
	ck_assert_int_eq(next_retry_after(), -1);
	ck_assert_int_eq(next_retry_after(), 0);
	ck_assert_int_eq(next_retry_after(), 366 * 86400LL * 1000);
}
END_TEST

static void redirects(struct conn *c)
{
	while (conn_request(c)) {
		char head[256];
		(void)snprintf(head, sizeof(head), "307 Go\r\nLocation: %s", c->peer->url);
		conn_answer(c, head, "x");
	}
}

START_TEST(a_redirect_is_not_followed)
{
	struct probe q;

	peer_serves(redirects);
	post(&q);
	ck_assert_int_eq(q.status, 307);
	ck_assert_int_eq(atomic_load(&p->arrivals), 1);
	buf_release(&q.body);
}
END_TEST

static char asked_for[64];
static void notes_path(struct conn *c)
{
	while (conn_request(c)) {
		(void)sscanf(c->head, "%*s %63s", asked_for);
		conn_answer(c, "200 OK", "%s", conn_header_is(c, "Authorization: Basic dTpw") ? "known" : "unknown");
	}
}

START_TEST(a_destination_moves_within_its_origin_only)
{
	static const char *const elsewhere[] = { "https://127.0.0.1/x", "http://localhost/x", "http://127.0.0.1:1/x", "//127.0.0.2/x",
		"ftp://127.0.0.1/x", "http://" };
	struct probe q;
	char url[128];

	peer_serves(notes_path);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/mcp", p->port);
	ck_assert_int_eq(http_move(h, url), ERR_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
		ck_assert_int_eq(http_move(h, elsewhere[i]), ERR_INVALID);
	post(&q);
	ck_assert_str_eq(asked_for, "/mcp");
	buf_release(&q.body);
	ck_assert_int_eq(http_move(h, "other?a=1"), OK);
	post(&q);
	ck_assert_str_eq(asked_for, "/other?a=1");
	buf_release(&q.body);
	(void)snprintf(url, sizeof(url), "HTTP://u:p@127.0.0.1:%d/abs", p->port);
	ck_assert_int_eq(http_move(h, url), OK);
	post(&q);
	ck_assert_str_eq(asked_for, "/abs");
	ck_assert_str_eq(q.body.data, "unknown");              /* credentials of others are not ours */
	buf_release(&q.body);
}
END_TEST

START_TEST(a_proxy_of_the_environment_does_not_count)
{
	struct probe q;

	ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	ck_assert_int_eq(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
	peer_serves(echoes);
	post(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_COMPLETE);
	buf_release(&q.body);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}
END_TEST

START_TEST(a_key_log_of_the_environment_is_taken_out)
{
	ck_assert_int_eq(setenv("SSLKEYLOGFILE", "/nowhere", 1), 0);
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_ptr_null(getenv("SSLKEYLOGFILE"));
}
END_TEST

START_TEST(only_http_urls_are_taken)
{
	static const char *const bad[] = { "ftp://h/", "file:///etc/passwd", "", "http://", "gopher://h", "http://h:99999/" };
	struct problem why;
	struct http *made = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct http_options o = { .loop = l, .url = bad[i], .ca_file = "", .proxy = "" };
		ck_assert_msg(http_new(&o, &made, &why) == ERR_INVALID, "%s", bad[i]);
	}
}
END_TEST

/* ---- what left, and what did not -------------------------------------------------------------------------------------- */

START_TEST(nothing_is_sent_without_leave)
{
	struct probe q, next;

	peer_serves(echoes);
	probe_init(&q, SPAN("{}"));
	q.refuses = true;
	run(&q);
	ck_assert_str_eq(q.told, "d");
	ck_assert_int_eq(q.end.outcome, HTTP_NOT_SENT);
	post(&next);
	ck_assert_int_eq(next.end.outcome, HTTP_COMPLETE);
	ck_assert_int_eq(atomic_load(&p->arrivals), 1);
	buf_release(&next.body);
}
END_TEST

START_TEST(no_connection_is_not_sent)
{
	struct probe q;

	peer_serves(echoes);
	char url[64];
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", p->port);
	http_peer_free(p);
	p = NULL;
	post(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_NOT_SENT);
	ck_assert_str_eq(q.end.cause, "no connection could be made");
	ck_assert_int_eq(q.asked, 0);
}
END_TEST

/* Answers the first request of a connection, takes the second whole and breaks off without a word. */
static void dies_on_the_second(struct conn *c)
{
	if (c->number > 0) {
		echoes(c);
		return;
	}
	ck_assert(conn_request(c));
	conn_answer(c, "200 OK", "ok");
	(void)conn_request(c);
}

START_TEST(a_dead_pooled_connection_is_never_a_second_sending_of_once)
{
	struct probe q, once;

	peer_serves(dies_on_the_second);
	post(&q);
	buf_release(&q.body);
	probe_init(&once, SPAN("{}"));
	once.r.is_once = true;
	run(&once);
	ck_assert_int_eq(once.end.outcome, HTTP_CUT);
	ck_assert_int_eq(once.asked, 1);
	ck_assert_int_eq(atomic_load(&p->arrivals), 2);
	ck_assert_str_eq(once.end.cause, "the kept-alive connection was closed, and nothing is sent twice");
}
END_TEST

START_TEST(a_dead_pooled_connection_is_replaced_for_others)
{
	struct probe q, again;

	peer_serves(dies_on_the_second);
	post(&q);
	buf_release(&q.body);
	post(&again);
	ck_assert_int_eq(again.end.outcome, HTTP_COMPLETE);
	ck_assert_int_eq(again.asked, 1);
	ck_assert_str_eq(again.told, "lhbd");
	ck_assert_int_eq(atomic_load(&p->arrivals), 3);
	buf_release(&again.body);
}
END_TEST

static void closes_after_each(struct conn *c)
{
	ck_assert(conn_request(c));
	conn_answer(c, "200 OK", "ok");
}

START_TEST(a_pooled_connection_known_to_be_closed_is_not_tried)
{
	struct probe q;

	peer_serves(closes_after_each);
	for (int i = 0; i < 5; i++) {
		probe_init(&q, SPAN("{}"));
		q.r.is_once = true;
		run(&q);
		ck_assert_int_eq(q.end.outcome, HTTP_COMPLETE);
		buf_release(&q.body);
		TURN_UNTIL(atomic_load(&p->closed) == i + 1);
	}
	ck_assert_int_eq(atomic_load(&p->arrivals), 5);
}
END_TEST

static atomic_int may_go_on, went_on;

static void wait_to_go_on(struct conn *c)
{
	while (atomic_load(&may_go_on) <= c->number && !atomic_load(&c->peer->is_over))
		usleep(200);
}

static void resets_after_each(struct conn *c)
{
	struct linger at_once = { .l_onoff = 1 };

	ck_assert(conn_request(c));
	conn_answer(c, "200 OK", "ok");
	wait_to_go_on(c); /* the answer has been read: a reset would take it back */
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close_fdp(&c->fd);
	atomic_fetch_add(&went_on, 1);
}

static void speaks_unasked(struct conn *c)
{
	ck_assert(conn_request(c));
	conn_answer(c, "200 OK", "ok");
	wait_to_go_on(c);
	conn_answer(c, "200 OK", "the answer to whatever comes next");
	atomic_fetch_add(&went_on, 1);
	conn_wait_closed(c);
}

/* Each call is one that goes out once; between them the peer does to the idle connection what it likes. */
START_TEST(a_pooled_connection_that_is_not_quiet_is_not_tried)
{
	static void (*const peers[])(struct conn * c) = { resets_after_each, speaks_unasked };
	struct probe q;

	atomic_store(&went_on, 0);
	peer_serves(peers[_i]);
	for (int i = 0; i < 5; i++) {
		atomic_store(&may_go_on, i);
		probe_init(&q, SPAN("{}"));
		q.r.is_once = true;
		run(&q);
		ck_assert_msg(q.end.outcome == HTTP_COMPLETE, "%s", q.end.cause);
		ck_assert_str_eq(q.body.data, "ok");
		ck_assert_int_eq(q.asked, 1);
		buf_release(&q.body);
		atomic_store(&may_go_on, i + 1);
		TURN_UNTIL(atomic_load(&went_on) == i + 1);
	}
	ck_assert_int_eq(atomic_load(&p->arrivals), 5);
}
END_TEST

START_TEST(an_answer_that_does_not_come_times_out)
{
	struct probe q;

	peer_serves(never_answers);
	probe_init(&q, SPAN("{}"));
	q.r.timeout_ms = 30;
	run(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_CUT);
	ck_assert(q.end.has_timed_out);
	ck_assert_str_eq(q.told, "ld");
}
END_TEST

static void answers_half(struct conn *c)
{
	if (conn_request(c))
		conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
}

START_TEST(half_an_answer_is_cut)
{
	struct probe q;

	peer_serves(answers_half);
	post(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_CUT);
	ck_assert_int_eq(q.status, 200);
	ck_assert_str_eq(q.told, "lhbd");
	buf_release(&q.body);
}
END_TEST

static void answers_garbage(struct conn *c)
{
	if (conn_request(c))
		conn_say(c, "SSH-2.0-OpenSSH_9\r\n\r\n\r\n");
}

START_TEST(what_is_not_http_is_cut)
{
	struct probe q;

	peer_serves(answers_garbage);
	post(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_CUT);
	ck_assert_int_eq(q.status, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http");
	TCase *t = tcase_create("http");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_answer_comes_whole_and_in_order);
	tcase_add_test(t, a_body_can_be_collected);
	tcase_add_test(t, a_connection_is_used_again);
	tcase_add_test(t, the_request_carries_our_headers_and_no_surprises);
	tcase_add_test(t, a_header_that_would_break_the_line_is_refused);
	tcase_add_test(t, retry_after_is_read_as_seconds_or_date_and_capped);
	tcase_add_test(t, a_redirect_is_not_followed);
	tcase_add_test(t, a_destination_moves_within_its_origin_only);
	tcase_add_test(t, a_proxy_of_the_environment_does_not_count);
	tcase_add_test(t, a_key_log_of_the_environment_is_taken_out);
	tcase_add_test(t, only_http_urls_are_taken);
	tcase_add_test(t, nothing_is_sent_without_leave);
	tcase_add_test(t, no_connection_is_not_sent);
	tcase_add_test(t, a_dead_pooled_connection_is_never_a_second_sending_of_once);
	tcase_add_test(t, a_dead_pooled_connection_is_replaced_for_others);
	tcase_add_test(t, a_pooled_connection_known_to_be_closed_is_not_tried);
	tcase_add_loop_test(t, a_pooled_connection_that_is_not_quiet_is_not_tried, 0, 2);
	tcase_add_test(t, an_answer_that_does_not_come_times_out);
	tcase_add_test(t, half_an_answer_is_cut);
	tcase_add_test(t, what_is_not_http_is_cut);
	suite_add_tcase(s, t);
	return s;
}
