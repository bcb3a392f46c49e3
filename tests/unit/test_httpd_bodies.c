#include "unit/httpd_kit.h"

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

static bool has_been_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* Bodies that never end: as much of each as the server takes. How many connections it closed. */
static unsigned pour(const int *fds, size_t *left, unsigned n)
{
	static const char bytes[64 * 1024];
	unsigned closed_n = 0;
	bool is_moving = false;

	for (unsigned i = 0; i < n; i++) {
		bool is_closed = has_been_closed(fds[i]);
		ssize_t sent = is_closed || left[i] == 0 ? 0 : write(fds[i], bytes, left[i] < sizeof(bytes) ? left[i] : sizeof(bytes));
		closed_n += is_closed;
		is_moving |= sent > 0;
		left[i] -= sent > 0 ? (size_t)sent : 0;
	}
	if (!is_moving)
		turn();
	return closed_n;
}

static bool is_large_one_taken(const char *head)
{
	int fd = dial();
	size_t left = HTTPD_MAX_BODY;

	tell(fd, head, strlen(head));
	while (left > 0 && !has_been_closed(fd))
		(void)pour(&fd, &left, 1);
	char *answer = left == 0 ? hear(fd, "body=") : NULL;
	bool is_taken = answer && strstr(answer, "200");
	free(answer);
	close(fd);
	return is_taken;
}

START_TEST(large_bodies_have_a_bound_together_and_small_ones_go_on)
{
	enum { MANY = 48, ROOM = HTTPD_BIG_BODIES / (HTTPD_MAX_BODY - HTTPD_SMALL_BODY) };
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
	int fds[MANY];
	size_t left[MANY];
	int64_t end = clock_mono_us() + HANG_MS * 1000;

	for (int i = 0; i < MANY; i++) {
		fds[i] = dial();
		left[i] = HTTPD_MAX_BODY - 1;
		tell(fds[i], head, sizeof(head) - 1);
	}
	while (pour(fds, left, MANY) < MANY - ROOM - 1)
		ck_assert_msg(clock_mono_us() < end, "too many were taken");
	expect("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200", "body=hello");
	ck_assert_uint_eq(handled, 1);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	while (!is_large_one_taken(head))       /* the room is there again once they are seen to be gone */
		ck_assert_msg(clock_mono_us() < end, "the room is not given back");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("httpd_bodies");
	TCase *t = tcase_create("httpd_bodies");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_chunked_body_without_end_is_cut_off);
	tcase_add_test(t, large_bodies_have_a_bound_together_and_small_ones_go_on);
	suite_add_tcase(s, t);
	return s;
}
