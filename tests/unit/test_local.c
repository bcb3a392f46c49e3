/* local: asking the broker over its socket. A thread plays the broker: it takes one connection, reads a whole head and says what it was told. */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "broker/ctl/local.h"
#include "store/presence.h"
#include "unit/scratch.h"

struct fake {
	struct place place;
	char *socket;
	int listening;
	const char *answer;      /* NULL: never answers */
	char heard[4096];
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct fake *f = arg;
	size_t n = 0;
	ssize_t got;
	int fd = accept(f->listening, NULL, NULL);

	while (n < sizeof f->heard - 1 && (n < 4 || !strstr(f->heard, "\r\n\r\n")) && (got = read(fd, f->heard + n, sizeof f->heard - 1 - n)) > 0)
		n += (size_t)got;
	if (f->answer)
		(void)!write(fd, f->answer, strlen(f->answer));
	else
		while (read(fd, f->heard, 1) > 0)
			;
	close(fd);
	return NULL;
}

static void fake_start(struct fake *f, const char *answer)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	f->answer = answer;
	ck_assert_int_eq(presence_admin_socket(NULL, f->place.state_dir, &f->socket), OK);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", f->socket);
	f->listening = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(f->listening, (const struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(f->listening, 1), 0);
	ck_assert_int_eq(pthread_create(&f->thread, NULL, serve, f), 0);
}

static void fake_stop(struct fake *f)
{
	pthread_join(f->thread, NULL);
	close(f->listening);
	free(f->socket);
	scratch_remove(f->place.state_dir);
}

START_TEST(an_answer_comes_whole_with_status_and_type)
{
	static const char *const headers[] = { "Last-Event-ID: 7", NULL };
	struct local_request r = { .method = "POST", .path = "/api/v1/x?a=%20b", .headers = headers, .body = SPAN("{\"a\":1}") };
	struct fake f = { .place = { .state_dir = scratch_new() } };
	struct local_answer a;
	struct problem why = { 0 };

	fake_start(&f, "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"error\":\"somebody was \\u001b\"}");
	ck_assert_int_eq(local_ask(&f.place, &r, &a, &why), OK);
	ck_assert_int_eq(a.status, 409);
	ck_assert_str_eq(a.type, "application/json");
	ck_assert_uint_eq(a.body.len, 27);
	ck_assert_ptr_nonnull(strstr(f.heard, "POST /api/v1/x?a=%20b HTTP/1.1\r\nHost: localhost\r\n"));
	ck_assert_ptr_nonnull(strstr(f.heard, "Last-Event-ID: 7\r\n"));
	ck_assert_ptr_nonnull(strstr(f.heard, "Content-Length: 7\r\n"));
	local_answer_release(&a);
	fake_stop(&f);
}
END_TEST

START_TEST(the_brokers_sentence_is_shown_without_obeying_it)
{
	struct local_answer a = { .status = 503 };

	buf_init(&a.body, 1000);
	ck_assert(buf_append_text(&a.body, "{\"error\":\"no \\u001b[2J\"}"));
	CLEANUP(free_charp) char *said = local_error(&a);
	ck_assert_str_eq(said, "no <U+001B>[2J");
	buf_clear(&a.body);
	CLEANUP(free_charp) char *unsaid = local_error(&a);
	ck_assert_str_eq(unsaid, "the broker answered with status 503");
	local_answer_release(&a);
}
END_TEST

START_TEST(where_nobody_listens_is_told_from_where_nobody_answers)
{
	struct local_request r = { .method = "GET", .path = "/health" };
	struct fake f = { .place = { .state_dir = scratch_new() } };
	struct local_answer a;
	struct problem why = { 0 };

	ck_assert_int_eq(local_ask(&f.place, &r, &a, &why), ERR_NOT_FOUND);
	local_answer_release(&a);
	fake_start(&f, NULL);
	r.limit_ms = 50;
	ck_assert_int_eq(local_ask(&f.place, &r, &a, &why), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(why.text, "does not answer"));
	local_answer_release(&a);
	fake_stop(&f);
}
END_TEST

START_TEST(without_a_state_folder_none_is_made)
{
	struct local_request r = { .method = "GET", .path = "/health" };
	CLEANUP(free_charp) char *folder = scratch_new();
	struct place place = { .state_dir = path_join(folder, "state") };
	struct local_answer a;
	struct problem why = { 0 };

	ck_assert_int_eq(local_ask(&place, &r, &a, &why), ERR_NOT_FOUND);
	ck_assert_int_ne(access(place.state_dir, F_OK), 0);
	local_answer_release(&a);
	free(place.state_dir);
	rmdir(folder);
}
END_TEST

static bool keep_three(void *arg, struct span bytes)
{
	struct buf *b = arg;

	ck_assert(buf_append_span(b, bytes));
	return b->len < 3;
}

START_TEST(a_stream_is_taken_as_it_comes_and_left_when_it_is_enough)
{
	struct fake f = { .place = { .state_dir = scratch_new() } };
	struct buf got CLEANUP(buf_release);
	struct local_request r = { .method = "GET", .path = "/s", .limit_ms = -1, .take = keep_three, .arg = &got };
	struct local_answer a;
	struct problem why = { 0 };

	buf_init(&got, 100);
	fake_start(&f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n");
	ck_assert_int_eq(local_ask(&f.place, &r, &a, &why), OK);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(got.data, "abcd");
	local_answer_release(&a);
	fake_stop(&f);
}
END_TEST

START_TEST(half_an_answer_is_none)
{
	struct local_request r = { .method = "GET", .path = "/s" };
	struct fake f = { .place = { .state_dir = scratch_new() } };
	struct local_answer a;
	struct problem why = { 0 };

	fake_start(&f, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd");
	ck_assert_int_eq(local_ask(&f.place, &r, &a, &why), ERR_IO);
	local_answer_release(&a);
	fake_stop(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("local");
	TCase *t = tcase_create("local");

	tcase_add_test(t, an_answer_comes_whole_with_status_and_type);
	tcase_add_test(t, the_brokers_sentence_is_shown_without_obeying_it);
	tcase_add_test(t, where_nobody_listens_is_told_from_where_nobody_answers);
	tcase_add_test(t, without_a_state_folder_none_is_made);
	tcase_add_test(t, a_stream_is_taken_as_it_comes_and_left_when_it_is_enough);
	tcase_add_test(t, half_an_answer_is_none);
	suite_add_tcase(s, t);
	return s;
}
