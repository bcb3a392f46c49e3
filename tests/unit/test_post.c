#include "broker/post.h"
#include "broker/outbox.h"
#include "unit/http_peer.h"
#include "unit/unit.h"

static struct broker b;
static struct post q;
static int dones;

static void is_done(struct post *x)
{
	ck_assert_ptr_eq(x, &q);
	dones++;
}

static void setup(void)
{
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_int_eq(loop_new(&l), OK);
	b = (struct broker){ .loop = l };
	q = (struct post){ .broker = &b, .method = "POST", .done = is_done };
	dones = 0;
}

static void teardown(void)
{
	post_cancel(&q);
	loop_free(l);
	if (p)
		http_peer_free(p);
	p = NULL;
}

static void start(const char *url)
{
	q.url = url;
	buf_init(&q.body, 100);
	ck_assert(buf_append_text(&q.body, "{\"a\":1}"));
	post_start(&q);
	ck_assert_int_eq(dones, 0);
}

static void run(void (*serve)(struct conn *c))
{
	p = http_peer_new(serve);
	start(p->url);
	TURN_UNTIL(dones == 1);
}

static struct delivered judged(void)
{
	static char said[200];
	struct delivered how;

	post_judge(&q, &how, said, sizeof(said));
	return how;
}

static void echoes(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "200 OK", "%s %.4s", c->body, c->head);
}

START_TEST(the_answer_comes_whole)
{
	run(echoes);
	ck_assert_int_eq(q.status, 200);
	ck_assert_str_eq(q.answer.data, "{\"a\":1} POST");
	ck_assert_str_eq(q.cause, "");
	ck_assert(q.has_left);
	ck_assert_int_eq(judged().result, MESSAGE_OK);
}
END_TEST

START_TEST(it_may_be_started_again)
{
	run(echoes);
	dones = 0;
	start(p->url);
	TURN_UNTIL(dones == 1);
	ck_assert_int_eq(q.status, 200);
}
END_TEST

static void redirects(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "302 Found\r\nLocation: /elsewhere", "x");
}

START_TEST(a_redirect_is_not_followed)
{
	run(redirects);
	ck_assert_int_eq(q.status, 302);
	ck_assert_int_eq(atomic_load(&p->arrivals), 1);
	ck_assert_int_eq(judged().result, MESSAGE_GIVEN_UP);
	ck_assert_str_eq(judged().said, "it answered HTTP 302");
}
END_TEST

static void is_busy(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "429 Too Many Requests\r\nRetry-After: 7", "x");
}

START_TEST(who_is_busy_is_asked_again_when_it_said)
{
	run(is_busy);
	ck_assert_int_eq(judged().result, MESSAGE_RETRY);
	ck_assert_int_eq(judged().retry_after_ms, 7000);
	ck_assert(!judged().is_maybe_out);
}
END_TEST

static void fails(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "503 Service Unavailable", "x");
}

START_TEST(a_gateway_that_fails_may_have_passed_it_on)
{
	run(fails);
	ck_assert_int_eq(judged().result, MESSAGE_RETRY);
	ck_assert(judged().is_maybe_out);
}
END_TEST

static void is_gone(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "410 Gone", "x");
}

START_TEST(who_is_gone_is_given_up)
{
	run(is_gone);
	ck_assert_int_eq(judged().result, MESSAGE_GIVEN_UP);
}
END_TEST

static void hangs_up(struct conn *c)
{
	(void)conn_request(c);
}

START_TEST(silence_after_the_request_may_mean_that_it_arrived)
{
	run(hangs_up);
	ck_assert_int_eq(q.status, 0);
	ck_assert(q.has_left);
	ck_assert_int_eq(judged().result, MESSAGE_RETRY);
	ck_assert(judged().is_maybe_out);
	ck_assert_str_eq(judged().said, "no answer: the connection was closed without an answer");
}
END_TEST

static void pours(struct conn *c)
{
	static char much[65536];

	if (!conn_request(c))
		return;
	memset(much, 'x', sizeof(much));
	conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
	for (int i = 0; i < 16; i++)
		conn_send(c, much, sizeof(much));
	conn_wait_closed(c);
}

START_TEST(an_answer_without_end_is_cut_its_status_counts)
{
	run(pours);
	ck_assert_int_eq(q.status, 200);
	ck_assert_str_eq(q.cause, "the answer is too large");
	ck_assert_uint_le(q.answer.len, 256 * 1024);
	ck_assert_int_eq(judged().result, MESSAGE_OK);
}
END_TEST

START_TEST(nobody_there_is_tried_again_and_nothing_left)
{
	p = http_peer_new(echoes);
	CLEANUP(free_charp) char *url = xstrdup(p->url);
	http_peer_free(p);
	p = NULL;
	start(url);
	TURN_UNTIL(dones == 1);
	ck_assert(!q.has_left);
	ck_assert_int_eq(judged().result, MESSAGE_RETRY);
	ck_assert(!judged().is_maybe_out);
	ck_assert_str_eq(judged().said, "no answer: no connection could be made");
}
END_TEST

START_TEST(an_address_that_is_none_is_told_later)
{
	start("gopher://x");
	TURN_UNTIL(dones == 1);
	ck_assert_int_eq(judged().result, MESSAGE_RETRY);
	ck_assert_str_eq(judged().said, "no answer: its address cannot be read");
}
END_TEST

static void never_answers(struct conn *c)
{
	if (conn_request(c))
		conn_wait_closed(c);
}

START_TEST(cancelled_it_tells_nothing_and_closes)
{
	p = http_peer_new(never_answers);
	start(p->url);
	TURN_UNTIL(atomic_load(&p->arrivals) == 1);
	post_cancel(&q);
	TURN_UNTIL(atomic_load(&p->closed) == 1);
	ck_assert_int_eq(dones, 0);
	post_cancel(&q);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("post");
	TCase *t = tcase_create("post");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_answer_comes_whole);
	tcase_add_test(t, it_may_be_started_again);
	tcase_add_test(t, a_redirect_is_not_followed);
	tcase_add_test(t, who_is_busy_is_asked_again_when_it_said);
	tcase_add_test(t, a_gateway_that_fails_may_have_passed_it_on);
	tcase_add_test(t, who_is_gone_is_given_up);
	tcase_add_test(t, silence_after_the_request_may_mean_that_it_arrived);
	tcase_add_test(t, an_answer_without_end_is_cut_its_status_counts);
	tcase_add_test(t, nobody_there_is_tried_again_and_nothing_left);
	tcase_add_test(t, an_address_that_is_none_is_told_later);
	tcase_add_test(t, cancelled_it_tells_nothing_and_closes);
	suite_add_tcase(s, t);
	return s;
}
