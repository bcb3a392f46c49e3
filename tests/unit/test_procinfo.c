/* procinfo: what a process costs. */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/procinfo.h"
#include "unit/unit.h"

START_TEST(our_own_memory_is_told)
{
	struct procinfo info;

	ck_assert(procinfo_of(getpid(), "test_procinfo", &info));
	ck_assert_int_gt(info.resident_bytes, 100 * 1024);
#ifdef __linux__
	ck_assert_int_gt(info.share_bytes, 0);
	ck_assert_int_le(info.share_bytes, info.resident_bytes);
#endif
}
END_TEST

START_TEST(another_program_under_that_number_is_not_taken_for_it)
{
	struct procinfo info;

	ck_assert(!procinfo_of(getpid(), "aegis-shim", &info));
	ck_assert_int_eq(info.resident_bytes, -1);
	ck_assert(!procinfo_of(0, "aegis-shim", &info));
	ck_assert(!procinfo_of(-1, "aegis-shim", &info));
}
END_TEST

START_TEST(our_own_costs_are_told)
{
	struct procinfo_self before, after;

	procinfo_self(&before);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	procinfo_self(&after);
	close(fd);
	ck_assert_int_gt(before.resident_bytes, 0);
	ck_assert_int_ge(before.virtual_bytes, before.resident_bytes);
	ck_assert_int_ge(after.cpu_us, before.cpu_us);
	ck_assert_int_eq(after.open_fds, before.open_fds + 1);
	ck_assert_int_gt(after.max_fds, after.open_fds);
	ck_assert_int_le(after.started_at_ms, clock_wall_ms());
	ck_assert_int_gt(after.started_at_ms, clock_wall_ms() - 3600 * 1000);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("procinfo");
	TCase *t = tcase_create("procinfo");

	tcase_add_test(t, our_own_memory_is_told);
	tcase_add_test(t, another_program_under_that_number_is_not_taken_for_it);
	tcase_add_test(t, our_own_costs_are_told);
	suite_add_tcase(s, t);
	return s;
}
