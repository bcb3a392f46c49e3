#include "unit/unit.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/xalloc.h"

START_TEST(nothing_is_still_something)
{
	void *none = xmalloc(0), *zero = xcalloc(0, 8), *shrunk = xreallocarray(xmalloc(8), 0, 1);

	ck_assert_ptr_nonnull(none);
	ck_assert_ptr_nonnull(zero);
	ck_assert_ptr_nonnull(shrunk);
	free(none);
	free(zero);
	free(shrunk);
}
END_TEST

START_TEST(texts_are_copied)
{
	CLEANUP(free_charp) char *a = xstrdup("abc"), *b = xstrndup("abc", 2), *c = xstrndup("abc", 9);
	CLEANUP(free_charp) char *d = span_dup(SPAN("a\0b")), *e = span_dup((struct span){ NULL, 0 });
	CLEANUP(free_charp) char *f = xasprintf("%d%s", 1, "x");

	ck_assert_str_eq(a, "abc");
	ck_assert_str_eq(b, "ab");
	ck_assert_str_eq(c, "abc");
	ck_assert_mem_eq(d, "a\0b", 4);
	ck_assert_str_eq(e, "");
	ck_assert_str_eq(f, "1x");
	ck_assert_ptr_null(xstrdup(NULL));
}
END_TEST

/* The signal that ends a child running fn, its stderr thrown away. */
static int signal_of(void (*fn)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void overflow(void)
{
	free(xreallocarray(NULL, SIZE_MAX / 2, 3));
}

static void harmless(void)
{
	free(xreallocarray(NULL, 2, 3));
}

START_TEST(a_size_that_overflows_aborts)
{
	ck_assert_int_eq(signal_of(overflow), SIGABRT);
	ck_assert_int_eq(signal_of(harmless), 0);
}
END_TEST

START_TEST(descriptors_are_closed_once)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), same = fd;

	close_fdp(&fd);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(fcntl(same, F_GETFD), -1);
	close_fdp(&fd);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("xalloc");
	TCase *t = tcase_create("xalloc");

	tcase_add_test(t, nothing_is_still_something);
	tcase_add_test(t, texts_are_copied);
	tcase_add_test(t, a_size_that_overflows_aborts);
	tcase_add_test(t, descriptors_are_closed_once);
	suite_add_tcase(s, t);
	return s;
}
