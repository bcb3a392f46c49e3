#include "unit/httpd_kit.h"

START_TEST(a_request_comes_whole_and_is_answered)
{
	expect("POST /a%20b?q=%C3%A4 HTTP/1.1\r\nHost: x\r\nX-Mine: 7\r\nContent-Length: 5\r\n\r\nhello", "200",
		"POST /a b q=ä h=7 local=0 uid=0 from=127.0.0.1 body=hello");
	expect("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "200", "body=abcde");
	expect("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200", "Cache-Control: no-store");
}
END_TEST

static const char *const probes[] = {
	"GET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
	"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
};

START_TEST(a_request_that_two_readers_could_read_differently_is_refused_and_never_handled)
{
	char *answer = ask(probes[_i]);

	ck_assert_msg(strncmp(answer, "HTTP/1.1 400", 12) == 0, "%s -> %s", probes[_i], answer);
	ck_assert_uint_eq(handled, 0);
	free(answer);
}
END_TEST

START_TEST(long_headers_and_bodies_are_refused)
{
	char *request = xmalloc(70000);

	int n = snprintf(request, 70000, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	memset(request + n, 'x', 60000);
	memcpy(request + n + 60000, "\r\n\r\n", 5);
	expect(request, "431", "");
	free(request);
	expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", "413", "1 MiB");
	expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", "4", "");
	ck_assert_uint_eq(handled, 0);
}
END_TEST

START_TEST(requests_follow_each_other_on_one_connection)
{
	int fd = dial();

	for (int i = 0; i < 3; i++) {
		tell(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 28);
		char *answer = hear(fd, "body=");
		ck_assert_ptr_nonnull(strstr(answer, "GET /x"));
		free(answer);
	}
	close(fd);
}
END_TEST

START_TEST(an_answer_may_come_later_and_delays_nobody)
{
	int slow = dial();

	is_keeping = true;
	tell(slow, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", 31);
	while (!kept)
		turn();
	is_keeping = false;
	expect("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n", "200", "/quick");
	say(kept, 202);
	char *answer = hear(slow, "body=");
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 202"));
	ck_assert_ptr_nonnull(strstr(answer, "/slow"));
	free(answer);
	close(slow);
}
END_TEST

START_TEST(one_who_has_gone_meanwhile_is_answered_all_the_same)
{
	int fd = dial();

	is_keeping = true;
	tell(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
	while (!kept)
		turn();
	close(fd);
	is_keeping = false;
	say(kept, 200);
	expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200", "GET /");
}
END_TEST

START_TEST(at_the_end_who_still_waits_is_told)
{
	int fd = dial();

	is_keeping = true;
	tell(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
	while (!kept)
		turn();
	httpd_free(server);
	server = NULL;
	char *answer = hear(fd, NULL);
	ck_assert_msg(*answer == '\0' || strstr(answer, "503"), "%s", answer);
	free(answer);
	say(kept, 200);                         /* its handler's all the same */
	close(fd);
}
END_TEST

START_TEST(an_answer_after_the_end_of_the_server_goes_nowhere)
{
	int fd = dial();

	is_keeping = true;
	tell(fd, "GET /x?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", 33);
	while (!kept)
		turn();
	ck_assert(httpd_is_busy(server));
	httpd_free(server);
	server = NULL;
	ck_assert_str_eq(kept->path, "/x");
	ck_assert_ptr_null(httpd_query(kept, "q"));
	say(kept, 200);
	close(fd);
}
END_TEST

/* ---- streams ---- */

static int open_stream(void)
{
	int fd = dial();
	unsigned before = streams;

	is_streaming = true;
	tell(fd, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n", 34);
	while (streams == before)
		turn();
	return fd;
}

static void hear_and_drop(int fd, const char *until)
{
	free(hear(fd, until));
}

START_TEST(a_stream_brings_its_head_at_once_and_what_is_sent_as_it_comes)
{
	int fd = open_stream();

	hear_and_drop(fd, "\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		char text[24];
		snprintf(text, sizeof(text), "event %d", i);
		ck_assert(httpd_stream_send(stream, span_of(text)));
		hear_and_drop(fd, text);
	}
	ck_assert(httpd_is_busy(server));
	httpd_stream_close(stream);
	hear_and_drop(fd, "0\r\n\r\n");
	while (httpd_is_busy(server))
		turn();
	ck_assert_uint_eq(closed, 0);
	close(fd);
}
END_TEST

START_TEST(a_stream_whose_listener_went_away_is_told)
{
	close(open_stream());
	while (closed == 0)
		turn();
	ck_assert(!httpd_is_busy(server));
}
END_TEST

START_TEST(a_stream_that_is_not_read_is_cut_off_and_others_go_on)
{
	static char part[8192];
	int slow = open_stream();
	struct httpd_stream *slow_one = stream;
	int quick = open_stream();

	hear_and_drop(quick, "\r\n\r\n");
	memset(part, 'x', sizeof(part));
	while (httpd_stream_send(slow_one, (struct span){ part, sizeof(part) }))
		turn();
	struct httpd_stream *quick_one = stream;
	while (closed == 0)
		turn();
	ck_assert_uint_eq(closed, 1);
	ck_assert(httpd_stream_send(quick_one, span_of("still here")));
	hear_and_drop(quick, "still here");
	httpd_stream_close(quick_one);
	close(slow);
	close(quick);
}
END_TEST

START_TEST(streams_keep_nobody_else_out)
{
	enum { MANY = HTTPD_MAX_PER_ADDRESS + 20 };
	int fds[MANY];

	for (int i = 0; i < MANY; i++)
		fds[i] = open_stream();
	is_streaming = false;
	expect("GET /other HTTP/1.1\r\nHost: a\r\n\r\n", "200", "/other");
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	while (closed < MANY)
		turn();
}
END_TEST

static bool is_closed(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

/* Which of them the server takes last is the kernel's affair. */
START_TEST(an_address_has_so_many_connections_and_no_more)
{
	int fds[HTTPD_MAX_PER_ADDRESS + 1], n = 0, open_one = -1;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial();
	for (int64_t end = clock_mono_us() + HANG_MS * 1000; n == 0; turn()) {
		ck_assert(clock_mono_us() < end);
		for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
			n += is_closed(fds[i]);
			open_one = is_closed(fds[i]) ? open_one : fds[i];
		}
	}
	ck_assert_int_eq(n, 1);
	tell(open_one, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n", 33);
	hear_and_drop(open_one, "/first");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		close(fds[i]);
		if (i % 32 == 0)
			turn();                         /* not all in the instant of the end: see httpd_free */
	}
}
END_TEST

START_TEST(streams_end_with_the_server)
{
	int fd = open_stream();

	httpd_free(server);
	server = NULL;
	ck_assert_uint_eq(closed, 1);
	hear_and_drop(fd, NULL);
	close(fd);
}
END_TEST

/* ---- time ---- */

static const char *const drips[] = {
	"G", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "",
};

START_TEST(a_request_that_drips_is_cut_off)
{
	httpd_free(server);
	limit_ms = 300;
	start(AF_INET);
	int fd = dial();
	tell(fd, drips[_i], strlen(drips[_i]));
	int64_t end = clock_mono_us() + HANG_MS * 1000;
	char byte;
	ssize_t n;
	while ((n = read(fd, &byte, 1)) < 0 && errno == EAGAIN) {
		ck_assert(clock_mono_us() < end);
		if (*drips[_i])
			(void)!write(fd, _i == 3 ? "1\r\nx\r\n" : "x", _i == 3 ? 6 : 1);
		turn();
	}
	ck_assert_uint_eq(handled, 0);
	close(fd);
}
END_TEST

START_TEST(a_kept_connection_that_stays_quiet_is_closed)
{
	httpd_free(server);
	limit_ms = 300;
	start(AF_INET);
	int fd = dial();
	tell(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 28);
	hear_and_drop(fd, NULL);
	ck_assert_uint_eq(handled, 1);
	close(fd);
}
END_TEST

START_TEST(an_answer_that_takes_long_to_make_is_not_cut_off)
{
	int64_t until;

	httpd_free(server);
	limit_ms = 100;
	start(AF_INET);
	int fd = dial();
	is_keeping = true;
	tell(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 28);
	while (!kept)
		turn();
	until = clock_mono_us() + 5 * limit_ms * 1000;
	while (clock_mono_us() < until)
		turn();
	say(kept, 200);
	char *answer = hear(fd, "body=");
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200"));
	free(answer);
	close(fd);
}
END_TEST

START_TEST(the_kernel_says_who_is_at_the_unix_socket)
{
	httpd_free(server);
	start(AF_UNIX);
	expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200", "local=1 uid=1");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("httpd");
	TCase *t = tcase_create("httpd");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_request_comes_whole_and_is_answered);
	tcase_add_loop_test(t, a_request_that_two_readers_could_read_differently_is_refused_and_never_handled, 0, ARRAY_LEN(probes));
	tcase_add_test(t, long_headers_and_bodies_are_refused);
	tcase_add_test(t, requests_follow_each_other_on_one_connection);
	tcase_add_test(t, an_answer_may_come_later_and_delays_nobody);
	tcase_add_test(t, one_who_has_gone_meanwhile_is_answered_all_the_same);
	tcase_add_test(t, at_the_end_who_still_waits_is_told);
	tcase_add_test(t, an_answer_after_the_end_of_the_server_goes_nowhere);
	tcase_add_test(t, the_kernel_says_who_is_at_the_unix_socket);
	tcase_add_test(t, a_stream_brings_its_head_at_once_and_what_is_sent_as_it_comes);
	tcase_add_test(t, a_stream_whose_listener_went_away_is_told);
	tcase_add_test(t, a_stream_that_is_not_read_is_cut_off_and_others_go_on);
	tcase_add_test(t, streams_keep_nobody_else_out);
	tcase_add_test(t, an_address_has_so_many_connections_and_no_more);
	tcase_add_test(t, streams_end_with_the_server);
	tcase_add_loop_test(t, a_request_that_drips_is_cut_off, 0, ARRAY_LEN(drips));
	tcase_add_test(t, a_kept_connection_that_stays_quiet_is_closed);
	tcase_add_test(t, an_answer_that_takes_long_to_make_is_not_cut_off);
	suite_add_tcase(s, t);
	return s;
}
