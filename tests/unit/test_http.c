/* http: real connections to a peer that answers, stalls, lies and breaks off. */
#include "net/http.h"
#include "unit/http_peer.h"
#include "unit/unit.h"

#define DEADLINE_MS 20000

static struct loop *l;
static struct http_peer *p;
static struct http *h;
static struct http_headers *headers;

static struct http *http_to(const char *url)
{
	struct http_options o = { .loop = l, .url = url, .ca_file = "", .proxy = "", .connect_timeout_ms = 5000 };
	struct problem why;
	struct http *made = NULL;

	ck_assert_int_eq(http_new(&o, &made, &why), OK);
	return made;
}

static void setup(void)
{
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_int_eq(loop_new(&l), OK);
	headers = http_headers_new();
}

static void peer_serves(void (*serve)(struct conn *c))
{
	p = http_peer_new(serve);
	h = http_to(p->url);
}

static void teardown(void)
{
	http_free(h);
	http_headers_drop(headers);
	loop_free(l);
	if (p)
		http_peer_free(p);
	h = NULL;
	p = NULL;
}

/* ---- one request and what it was told --------------------------------------------------------------------------------- */

struct probe {
	struct http_request r;
	struct http_end end;
	struct buf body;
	char told[64];                 /* l(eft) h(ead) b(ody) d(one) */
	int status, asked;
	bool is_done, refuses, collects;
	enum http_flow flow;
	size_t body_calls;
	struct http_request *cancels;  /* in done */
};

static struct probe *of(struct http_request *r)
{
	return container_of(r, struct probe, r);
}

static void note(struct probe *q, const char *what)
{
	size_t n = strlen(q->told);

	if (n + 1 < sizeof(q->told) && !(n && q->told[n - 1] == what[0]))
		memcpy(q->told + n, what, 2);
}

static bool probe_may_leave(struct http_request *r)
{
	of(r)->asked++;
	return !of(r)->refuses;
}

static void probe_left(struct http_request *r)
{
	note(of(r), "l");
}

static struct buf *probe_head(struct http_request *r)
{
	note(of(r), "h");
	of(r)->status = http_status(r);
	return of(r)->collects ? &of(r)->body : NULL;
}

static enum http_flow probe_body(struct http_request *r, struct span bytes)
{
	struct probe *q = of(r);

	note(q, "b");
	q->body_calls++;
	ck_assert(buf_append_span(&q->body, bytes));
	return q->flow;
}

static void probe_done(struct http_request *r, const struct http_end *end)
{
	struct probe *q = of(r);

	note(q, "d");
	ck_assert(!q->is_done);
	q->is_done = true;
	q->end = *end;
	q->status = http_status(r);
	if (q->cancels)
		http_cancel(q->cancels);
}

static void probe_init(struct probe *q, struct span content)
{
	*q = (struct probe){ .r = { .method = content.at ? "POST" : "GET", .headers = headers, .content = content,
		.may_leave = probe_may_leave, .left = probe_left, .head = probe_head, .body = probe_body, .done = probe_done } };
	buf_init(&q->body, 64 << 20);
}

static void out_of_time(struct loop_timer *t)
{
	(void)t;
	ck_abort_msg("nothing happened in time");
}

#define TURN_UNTIL(condition)                                        \
	do {                                                         \
		struct loop_timer deadline;                          \
		loop_timer_init(&deadline, out_of_time);             \
		loop_timer_set(l, &deadline, DEADLINE_MS);           \
		while (!(condition)) {                               \
			loop_hurry(l); /* some look at the peer */   \
			loop_turn(l);                                \
		}                                                    \
		loop_timer_clear(&deadline);                         \
	} while (0)

static void run(struct probe *q)
{
	http_start(h, &q->r);
	ck_assert(!q->is_done);
	TURN_UNTIL(q->is_done);
}

static void post(struct probe *q)
{
	probe_init(q, SPAN("{}"));
	run(q);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static void echoes(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "200 OK", "%s", c->body);
}

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

static void never_answers(struct conn *c)
{
	if (conn_request(c))
		conn_wait_closed(c);
}

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

/* ---- bounds ----------------------------------------------------------------------------------------------------------- */

static void sends_headers_without_end(struct conn *c)
{
	if (!conn_request(c))
		return;
	conn_say(c, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 100000; i++)
		conn_say(c, "X-Filler: 0123456789012345678901234567890123456789\r\n");
}

START_TEST(endless_headers_are_cut)
{
	struct probe q;

	peer_serves(sends_headers_without_end);
	post(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_CUT);
	ck_assert(q.end.is_too_large);
}
END_TEST

static void sends_without_end(struct conn *c)
{
	char chunk[4096];

	if (!conn_request(c))
		return;
	memset(chunk, 'x', sizeof(chunk));
	conn_say(c, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 4096 && !atomic_load(&c->peer->is_over); i++)
		conn_send(c, chunk, sizeof(chunk));
}

START_TEST(a_collected_body_stops_at_its_cap)
{
	struct probe q;

	peer_serves(sends_without_end);
	probe_init(&q, SPAN("{}"));
	q.collects = true;
	q.body.cap_bytes = 100 * 1000;
	run(&q);
	ck_assert_int_eq(q.end.outcome, HTTP_CUT);
	ck_assert(q.end.is_too_large);
	ck_assert_uint_le(q.body.len, 100 * 1000);
	buf_release(&q.body);
}
END_TEST

START_TEST(a_held_body_waits_in_the_network_and_loses_nothing)
{
	struct probe q, other;

	peer_serves(sends_without_end);
	probe_init(&q, SPAN("{}"));
	q.flow = HTTP_HOLD;
	http_start(h, &q.r);
	TURN_UNTIL(q.body_calls == 1);
	size_t before = q.body.len;
	probe_init(&other, SPAN("{}")); /* other requests go on; what they take is not held back by us */
	other.flow = HTTP_STOP;
	run(&other);
	ck_assert_uint_eq(q.body.len, before);
	ck_assert_uint_le(q.r.in.room, 256 * 1024);
	q.flow = HTTP_GO_ON;
	http_resume(&q.r);
	TURN_UNTIL(q.is_done);
	ck_assert_int_eq(q.end.outcome, HTTP_COMPLETE);
	ck_assert_uint_eq(q.body.len, 4096 * 4096);
	buf_release(&q.body);
	buf_release(&other.body);
}
END_TEST

START_TEST(a_hold_outlasts_the_end_of_the_answer)
{
	struct probe q, other;

	peer_serves(echoes);
	probe_init(&q, SPAN("abc"));
	q.flow = HTTP_HOLD;
	http_start(h, &q.r);
	TURN_UNTIL(q.body_calls == 1);
	post(&other);
	buf_release(&other.body);
	ck_assert(!q.is_done);
	http_resume(&q.r);
	TURN_UNTIL(q.is_done);
	ck_assert_int_eq(q.end.outcome, HTTP_COMPLETE);
	buf_release(&q.body);
}
END_TEST

START_TEST(stop_closes_the_connection)
{
	struct probe q;

	peer_serves(sends_without_end);
	probe_init(&q, SPAN("{}"));
	q.flow = HTTP_STOP;
	run(&q);
	ck_assert(q.end.was_stopped);
	ck_assert_uint_eq(q.body_calls, 1);
	buf_release(&q.body);
}
END_TEST

static void echoes_nothing(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "200 OK", "ok");
}

static int64_t due_when_left_us;
static void keeps_due(struct http_request *r)
{
	due_when_left_us = r->timer.due_us;
}

START_TEST(the_timeout_counts_from_the_last_byte_that_left)
{
	struct probe q;
	struct buf big;

	peer_serves(echoes_nothing);
	buf_init(&big, 8 << 20);
	memset(buf_reserve(&big, 4 << 20), 'x', 4 << 20);
	buf_added(&big, 4 << 20);
	probe_init(&q, buf_span(&big));
	q.r.timeout_ms = DEADLINE_MS;
	q.r.left = keeps_due;
	http_start(h, &q.r);
	TURN_UNTIL(q.is_done || q.r.uploaded == 4 << 20);
	ck_assert_int_gt(q.r.timer.due_us, due_when_left_us);
	TURN_UNTIL(q.is_done);
	ck_assert_int_eq(q.end.outcome, HTTP_COMPLETE);
	buf_release(&big);
	buf_release(&q.body);
}
END_TEST

START_TEST(a_limit_ends_a_request_that_has_no_timeout)
{
	struct probe q;

	peer_serves(never_answers);
	probe_init(&q, SPAN("{}"));
	http_start(h, &q.r);
	http_limit(&q.r, 30);
	TURN_UNTIL(q.is_done);
	ck_assert(q.end.has_timed_out);
}
END_TEST

/* ---- many, and their ends --------------------------------------------------------------------------------------------- */

START_TEST(many_run_at_once_and_none_waits_for_another)
{
	enum { MANY = 200 };
	struct probe *q = xcalloc(MANY, sizeof(*q)), stuck;
	int done = 0;

	peer_serves(echoes);
	struct http_peer *silent = http_peer_new(never_answers);
	struct http *to_silent = http_to(silent->url);
	probe_init(&stuck, SPAN("{}"));
	http_start(to_silent, &stuck.r);
	for (int i = 0; i < MANY; i++) {
		probe_init(&q[i], SPAN("{}"));
		http_start(h, &q[i].r);
	}
	for (int i = 0; i < MANY; i++) {
		TURN_UNTIL(q[i].is_done);
		done += q[i].end.outcome == HTTP_COMPLETE;
		buf_release(&q[i].body);
	}
	ck_assert_int_eq(done, MANY);
	ck_assert(!stuck.is_done);
	http_free(to_silent);
	http_peer_free(silent);
	free(q);
}
END_TEST

START_TEST(a_cancelled_request_is_not_told_anything)
{
	struct probe q;

	peer_serves(never_answers);
	probe_init(&q, SPAN("{}"));
	http_start(h, &q.r);
	TURN_UNTIL(atomic_load(&p->arrivals) == 1 && q.told[0]);
	http_cancel(&q.r);
	ck_assert(q.r.has_left);
	ck_assert_str_eq(q.told, "l");
}
END_TEST

START_TEST(done_may_cancel_another)
{
	struct probe a, b;

	peer_serves(echoes);
	probe_init(&a, SPAN("{}"));
	probe_init(&b, SPAN("{}"));
	a.cancels = &b.r;
	b.cancels = &a.r;
	http_start(h, &a.r);
	http_start(h, &b.r);
	TURN_UNTIL(a.is_done || b.is_done);
	ck_assert(a.is_done != b.is_done);
	buf_release(&a.body);
	buf_release(&b.body);
}
END_TEST

static void starts_again(struct http_request *r, const struct http_end *end)
{
	struct probe *q = of(r);

	probe_done(r, end);
	if (++q->asked < 10) {
		q->is_done = false;
		http_start(h, r);
	}
}

START_TEST(done_may_start_the_same_request_anew)
{
	struct probe q;

	peer_serves(echoes);
	probe_init(&q, SPAN("{}"));
	q.r.may_leave = NULL;
	q.r.done = starts_again;
	run(&q);
	ck_assert_int_eq(atomic_load(&p->arrivals), 10);
	buf_release(&q.body);
}
END_TEST

START_TEST(freeing_ends_what_is_under_way)
{
	struct probe q[3];

	peer_serves(never_answers);
	for (size_t i = 0; i < ARRAY_LEN(q); i++) {
		probe_init(&q[i], SPAN("{}"));
		http_start(h, &q[i].r);
	}
	TURN_UNTIL(atomic_load(&p->arrivals) > 0);
	http_free(h);
	h = NULL;
	for (size_t i = 0; i < ARRAY_LEN(q); i++)
		ck_assert(!q[i].is_done);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http");
	TCase *t = tcase_create("http");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_answer_comes_whole_and_in_order);
	tcase_add_test(t, a_body_can_be_collected);
	tcase_add_test(t, a_connection_is_used_again);
	tcase_add_test(t, the_request_carries_our_headers_and_no_surprises);
	tcase_add_test(t, a_header_that_would_break_the_line_is_refused);
	tcase_add_test(t, retry_after_is_read_as_seconds_or_date_and_capped);
	tcase_add_test(t, a_redirect_is_not_followed);
	tcase_add_test(t, a_proxy_of_the_environment_does_not_count);
	tcase_add_test(t, a_key_log_of_the_environment_is_taken_out);
	tcase_add_test(t, only_http_urls_are_taken);
	tcase_add_test(t, nothing_is_sent_without_leave);
	tcase_add_test(t, no_connection_is_not_sent);
	tcase_add_test(t, a_dead_pooled_connection_is_never_a_second_sending_of_once);
	tcase_add_test(t, a_dead_pooled_connection_is_replaced_for_others);
	tcase_add_test(t, a_pooled_connection_known_to_be_closed_is_not_tried);
	tcase_add_test(t, an_answer_that_does_not_come_times_out);
	tcase_add_test(t, half_an_answer_is_cut);
	tcase_add_test(t, what_is_not_http_is_cut);
	tcase_add_test(t, endless_headers_are_cut);
	tcase_add_test(t, a_collected_body_stops_at_its_cap);
	tcase_add_test(t, a_held_body_waits_in_the_network_and_loses_nothing);
	tcase_add_test(t, a_hold_outlasts_the_end_of_the_answer);
	tcase_add_test(t, stop_closes_the_connection);
	tcase_add_test(t, the_timeout_counts_from_the_last_byte_that_left);
	tcase_add_test(t, a_limit_ends_a_request_that_has_no_timeout);
	tcase_add_test(t, many_run_at_once_and_none_waits_for_another);
	tcase_add_test(t, a_cancelled_request_is_not_told_anything);
	tcase_add_test(t, done_may_cancel_another);
	tcase_add_test(t, done_may_start_the_same_request_anew);
	tcase_add_test(t, freeing_ends_what_is_under_way);
	suite_add_tcase(s, t);
	return s;
}
