#include "broker/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "unit/scratch.h"
#include "unit/unit.h"

#define HANG_MS 20000

static char *folder;
static struct loop *loop;
static struct httpd *server;
static struct sockaddr_storage address;
static socklen_t address_size;
static struct httpd_request *kept;       /* by the handler, when it was told to */
static bool is_keeping, is_streaming;
static struct httpd_stream *stream;      /* the last one begun */
static unsigned handled, streams, closed;
static int64_t limit_ms;                 /* both of the server's timeouts */

static void say(struct httpd_request *r, unsigned status)
{
	char body[600];
	int n = snprintf(body, sizeof(body), "%s %s q=%s h=%s local=%d uid=%d from=%s body=%.*s", r->method, r->path,
		httpd_query(r, "q") ? httpd_query(r, "q") : "-", httpd_header(r, "X-Mine") ? httpd_header(r, "X-Mine") : "-", r->is_local,
		r->is_local && r->uid == getuid(), r->address, (int)(r->body.len < 200 ? r->body.len : 200), r->body.at ? r->body.at : "");

	httpd_answer(r, &(struct httpd_answer){ .status = status, .type = "text/plain", .body = { body, (size_t)n } });
}

static void on_closed(void *arg)
{
	(void)arg;
	closed++;
	stream = NULL;
}

static void handle(void *arg, struct httpd_request *r)
{
	const struct httpd_stream_options o = { .type = "text/event-stream", .closed = on_closed };

	(void)arg;
	handled++;
	if (is_streaming && (stream = httpd_stream_begin(r, &o)))
		streams++;
	else if (is_keeping)
		kept = r;
	else
		say(r, 200);
}

static void start(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", folder);
	address_size = family == AF_INET ? sizeof(in) : sizeof(un);
	ck_assert_int_eq(bind(fd, family == AF_INET ? (void *)&in : (void *)&un, address_size), 0);
	address_size = sizeof(address);
	ck_assert_int_eq(getsockname(fd, (void *)&address, &address_size), 0);
	ck_assert_int_eq(listen(fd, 1024), 0);
	struct httpd_options o = { .loop = loop, .fd = fd, .is_local = family == AF_UNIX, .handle = handle,
		.read_timeout_ms = limit_ms, .write_timeout_ms = limit_ms };
	ck_assert_int_eq(httpd_new(&o, &server), OK);
}

static void setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	folder = scratch_new();
	ck_assert_int_eq(loop_new(&loop), OK);
	is_keeping = is_streaming = false;
	kept = NULL;
	stream = NULL;
	handled = streams = closed = 0;
	limit_ms = 0;
	start(AF_INET);
}

static void teardown(void)
{
	httpd_free(server);
	server = NULL;
	loop_free(loop);
	scratch_remove(folder);
}

static int dial(void)
{
	int fd = socket(address.ss_family, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (void *)&address, address_size), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void nothing(struct loop_timer *t)
{
	(void)t;
}

static void turn(void)
{
	struct loop_timer tick;

	loop_timer_init(&tick, nothing);
	loop_timer_set(loop, &tick, 5);
	loop_turn(loop);
	loop_timer_clear(&tick);
}

/* Turns the loop until the text stands in what came, or the server closed. Owned. */
static char *hear(int fd, const char *until)
{
	struct buf got;
	int64_t end = clock_mono_us() + HANG_MS * 1000;

	buf_init(&got, 1 << 20);
	for (;;) {
		char part[4096];
		ssize_t n = read(fd, part, sizeof(part));
		if (n > 0)
			ck_assert(buf_append(&got, part, (size_t)n));
		else if (n == 0)
			break;
		if (got.len > 0 && until && strstr(got.data, until))
			break;
		ck_assert_msg(clock_mono_us() < end, "no answer; so far: %s", got.len ? got.data : "");
		turn();
	}
	char *text = xstrndup(got.len ? got.data : "", got.len);
	buf_release(&got);
	return text;
}

static void tell(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(fd, bytes, n);
		if (sent < 0) {
			turn();
			continue;
		}
		bytes += sent;
		n -= (size_t)sent;
	}
}

/* One request on a connection of its own, which the server closes then; owned. */
static char *ask(const char *request)
{
	static const char last[] = "Connection: close\r\n";
	const char *headers = strstr(request, "\r\n") + 2;
	int fd = dial();

	tell(fd, request, (size_t)(headers - request));
	tell(fd, last, sizeof(last) - 1);
	tell(fd, headers, strlen(headers));
	char *answer = hear(fd, NULL);
	close(fd);
	return answer;
}

static void expect(const char *request, const char *status, const char *in_body)
{
	char *answer = ask(request);

	ck_assert_msg(strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, status, strlen(status)) == 0, "%s -> %s", request, answer);
	ck_assert_msg(strstr(answer, in_body) != NULL, "%s", answer);
	free(answer);
}

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

START_TEST(a_chunked_body_without_end_is_cut_off)
{
	int fd = dial();
	char chunk[4096 + 8];
	size_t sent = 0;

	tell(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 56);
	memcpy(chunk, "1000\r\n", 6);
	memset(chunk + 6, 'x', 4096);
	memcpy(chunk + 6 + 4096 - 0, "\r\n", 2);
	while (sent < 64 * 1024 * 1024 && (write(fd, chunk, 6 + 4096 + 2) > 0 || errno == EAGAIN)) {
		sent += sizeof(chunk);
		turn();
	}
	ck_assert_uint_lt(sent, 64 * 1024 * 1024);
	ck_assert_uint_eq(handled, 0);
	close(fd);
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
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
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
	tcase_add_test(t, a_chunked_body_without_end_is_cut_off);
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
