/* "Look again" between two of us; all in one process, because a datagram does not care. */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "store/wake.h"
#include "unit/scratch.h"

static char *dir;
static struct wake *one, *two;

static void setup(void)
{
	dir = scratch_new();
	ck_assert_int_eq(wake_open(dir, 1, &one), OK);
	ck_assert_int_eq(wake_open(dir, 2, &two), OK);
}

static void teardown(void)
{
	wake_close(one);
	wake_close(two);
	scratch_remove(dir);
}

static bool is_woken(const struct wake *w)
{
	return poll(&(struct pollfd){ .fd = wake_fd(w), .events = POLLIN }, 1, 0) == 1;
}

static char *socket_path(uint32_t number)
{
	return xasprintf("%s/run/%u.wake", dir, number);
}

START_TEST(only_who_is_meant_is_woken)
{
	ck_assert(!is_woken(two));
	wake_send(one, 2);
	ck_assert(is_woken(two));
	ck_assert(!is_woken(one));
	wake_send(one, 1); /* also oneself */
	ck_assert(is_woken(one));
}
END_TEST

START_TEST(drained_it_sleeps_until_woken_again)
{
	wake_send(one, 2);
	wake_send(one, 2);
	wake_drain(two);
	ck_assert(!is_woken(two));
	wake_drain(two); /* nothing there: does not wait */
	wake_send(one, 2);
	ck_assert(is_woken(two));
}
END_TEST

START_TEST(a_flood_blocks_nobody)
{
	for (int i = 0; i < 100000; i++)
		wake_send(one, 2);
	ck_assert(is_woken(two));
	for (int i = 0; i < 1000 && is_woken(two); i++)
		wake_drain(two);
	ck_assert(!is_woken(two));
}
END_TEST

START_TEST(those_who_are_not_there_are_not_missed)
{
	CLEANUP(free_charp) char *path = socket_path(3);
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	wake_send(one, 4294967295U);
	int left = socket(AF_UNIX, SOCK_DGRAM, 0); /* as a killed process leaves it */
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	ck_assert_int_eq(bind(left, (struct sockaddr *)&at, sizeof at), 0);
	close(left);
	wake_send(one, 3);
	wake_send(one, 2);
	ck_assert(is_woken(two));
}
END_TEST

START_TEST(its_socket_is_private_and_goes_with_it)
{
	CLEANUP(free_charp) char *path = socket_path(2);
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(fcntl(wake_fd(two), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	wake_close(two);
	ck_assert_int_ne(lstat(path, &st), 0);
	ck_assert_int_eq(wake_open(dir, 2, &two), OK);
}
END_TEST

START_TEST(what_lies_in_its_place_is_taken_away)
{
	CLEANUP(free_charp) char *path = socket_path(3);
	struct wake *three;

	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	ck_assert_int_eq(wake_open(dir, 3, &three), OK);
	wake_send(one, 3);
	ck_assert(is_woken(three));
	wake_close(three);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("wake");
	TCase *t = tcase_create("wake");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, only_who_is_meant_is_woken);
	tcase_add_test(t, drained_it_sleeps_until_woken_again);
	tcase_add_test(t, a_flood_blocks_nobody);
	tcase_add_test(t, those_who_are_not_there_are_not_missed);
	tcase_add_test(t, its_socket_is_private_and_goes_with_it);
	tcase_add_test(t, what_lies_in_its_place_is_taken_away);
	suite_add_tcase(s, t);
	return s;
}
