#include "broker/listener.h"
#include <sys/stat.h>
#include "base/attr.h"
#include "unit/scratch.h"

START_TEST(a_socket_file_of_ones_own_is_removed_and_that_of_a_successor_stays)
{
	char *folder = scratch_new();
	CLEANUP(free_charp) char *path = path_join(folder, "admin.sock");
	struct listener_file first = { 0 }, second = { 0 };
	CLEANUP(close_fdp) int before = -1;
	CLEANUP(close_fdp) int after = -1;
	struct problem why = { 0 };
	struct stat at;

	ck_assert_int_eq(listener_open_local(path, false, &before, &first, &why), OK);
	ck_assert_int_eq(listener_open_local(path, false, &after, &second, &why), OK);
	listener_remove_local(path, &first);
	ck_assert_msg(stat(path, &at) == 0 && S_ISSOCK(at.st_mode), "the successor's is gone");
	ck_assert_int_eq(at.st_mode & 0777, 0600);
	listener_remove_local(path, &second);
	ck_assert_int_ne(stat(path, &at), 0);
	scratch_remove(folder);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("listener");
	TCase *t = tcase_create("listener");

	tcase_add_test(t, a_socket_file_of_ones_own_is_removed_and_that_of_a_successor_stays);
	suite_add_tcase(s, t);
	return s;
}
