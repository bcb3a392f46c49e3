/* http: bounds of memory and time, back-pressure, many requests and their ends. */
#include "unit/http_probe.h"

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

static bool has_fired;
static void fires(struct loop_timer *t)
{
	(void)t;
	has_fired = true;
}

/* Turns until a timer fires; each turn is a wake-up. */
static int turns_in(int64_t ms)
{
	int turns = 0;
	struct loop_timer t;

	has_fired = false;
	loop_timer_init(&t, fires);
	for (loop_timer_set(l, &t, ms); !has_fired; turns++)
		loop_turn(l);
	return turns;
}

static void keeps_alive_for_3_s(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "200 OK\r\nKeep-Alive: timeout=3", "ok");
}

START_TEST(a_connection_is_let_go_before_the_server_does)
{
	struct probe q;

	peer_serves(keeps_alive_for_3_s);
	for (int i = 0; i < 3; i++) {
		post(&q);
		buf_release(&q.body);
		if (i == 1)
			(void)turns_in(2100);
	}
	ck_assert_int_eq(atomic_load(&p->connections), 2);
}
END_TEST

START_TEST(a_turn_that_ended_something_does_not_sleep)
{
	struct probe q;
	struct loop_timer late;

	peer_serves(echoes);
	post(&q);
	buf_release(&q.body);
	probe_init(&q, SPAN("{}"));
	q.refuses = true; /* ends as soon as it is started, on the pooled connection */
	http_start(h, &q.r);
	has_fired = false;
	loop_timer_init(&late, fires);
	loop_timer_set(l, &late, 1000);
	loop_turn(l);
	ck_assert(q.is_done);
	ck_assert(!has_fired);
	loop_timer_clear(&late);
}
END_TEST

START_TEST(nobody_wakes_an_idle_loop)
{
	struct probe q, silent;

	peer_serves(echoes);
	post(&q);
	(void)turns_in(100); /* what ended is looked at */
	ck_assert_int_le(turns_in(200), 5); /* a ticking loop would have turned far more often */
	struct http_peer *other = http_peer_new(never_answers);
	struct http *to_other = http_to(other->url);
	probe_init(&silent, SPAN("{}"));
	http_start(to_other, &silent.r);
	TURN_UNTIL(atomic_load(&other->arrivals) == 1 && silent.told[0]);
	(void)turns_in(100);
	ck_assert_int_le(turns_in(200), 5); /* an answer is awaited */
	http_free(to_other);
	http_peer_free(other);
	buf_release(&q.body);
}
END_TEST

static void refuses_unread(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, c->body[0] == 'x' ? "400 Too Large" : "200 OK", "%s", "said");
}

/* The server may close a moment after its refusal; what was pooled would take the next request with it. */
START_TEST(a_connection_whose_long_body_was_refused_is_not_used_again)
{
	static char body[40000];
	struct probe q;

	memset(body, 'x', sizeof(body));
	peer_serves(refuses_unread);
	probe_init(&q, (struct span){ body, sizeof(body) });
	run(&q);
	ck_assert_int_eq(q.status, 400);
	buf_release(&q.body);
	post(&q);
	ck_assert_int_eq(q.status, 200);
	ck_assert_int_eq(atomic_load(&p->connections), 2);
	buf_release(&q.body);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http_bounds");
	TCase *t = tcase_create("http_bounds");

	tcase_add_checked_fixture(t, setup, teardown);
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
	tcase_add_test(t, a_connection_is_let_go_before_the_server_does);
	tcase_add_test(t, a_turn_that_ended_something_does_not_sleep);
	tcase_add_test(t, nobody_wakes_an_idle_loop);
	tcase_add_test(t, a_connection_whose_long_body_was_refused_is_not_used_again);
	suite_add_tcase(s, t);
	return s;
}
