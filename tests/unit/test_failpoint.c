/* What AEGIS_FAILPOINT asks for happens at that place, that time; nothing does where failpoints are not built. Each in a process of its own,
 * for the environment is looked at once. */
#include "base/failpoint.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/attr.h"
#include "unit/unit.h"

#ifdef AEGIS_FAILPOINTS
enum end { ENDED = 0, FAILED_ONCE = 1, KILLED = -SIGKILL, STOPPED = -SIGSTOP, ABORTED = -SIGABRT };

static const struct {
	const char *what;
	int times; /* so often "turn/committing" is reached */
	int end;
} cases[] = {
	{ "", 3, ENDED },
	{ "turn/committing=kill", 1, KILLED },
	{ "turn/committing:3=kill", 2, ENDED },
	{ "turn/committing:3=kill", 3, KILLED },
	{ "turn/begun=kill", 3, ENDED },
	{ "turn/committing=stop", 1, STOPPED },
	{ "turn/committing=error", 3, FAILED_ONCE },
	{ "turn/committing:2=error", 3, FAILED_ONCE },
	{ "turn/committing:2+=error", 4, 3 },
	{ "turn/committing=delay/1", 1, ENDED },
	{ "turn/committing=delay/1,turn/committing:2=kill", 2, KILLED },
	{ "turn/comitting=kill", 1, ABORTED },
	{ "turn/committing=kil", 1, ABORTED },
	{ "turn/committing", 1, ABORTED },
	{ "turn/committing:x=kill", 1, ABORTED },
};

static _Noreturn void be_the_child(const char *what, int times)
{
	int failures = 0;

	(void)freopen("/dev/null", "w", stderr);
	setenv("AEGIS_FAILPOINT", what, 1);
	for (int i = 0; i < times; i++)
		failures += FAILPOINT_FAILS(TURN_COMMITTING);
	_exit(failures);
}

static int end_of(const char *what, int times)
{
	int status;
	pid_t child = fork();

	ck_assert(child >= 0);
	if (child == 0)
		be_the_child(what, times);
	ck_assert(waitpid(child, &status, WUNTRACED) == child);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!WIFSTOPPED(status))
		return -WTERMSIG(status);
	int signal = WSTOPSIG(status);
	kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	return -signal;
}

START_TEST(only_what_is_armed_happens)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(end_of(cases[i].what, cases[i].times) == cases[i].end, "%s", cases[i].what);
}
END_TEST

START_TEST(a_peer_is_given_as_much_more_time_as_the_environment_says)
{
	setenv("AEGIS_PATIENCE", "20", 1);
	ck_assert_int_eq(PATIENCE(500), 10000);
}
END_TEST
#else
START_TEST(a_peer_is_given_no_more_time_where_failpoints_are_not_built)
{
	setenv("AEGIS_PATIENCE", "20", 1);
	ck_assert_int_eq(PATIENCE(500), 500);
}
END_TEST

START_TEST(only_what_is_armed_happens)
{
	setenv("AEGIS_FAILPOINT", "turn/committing=kill", 1);
	FAILPOINT(TURN_COMMITTING);
	ck_assert(!FAILPOINT_FAILS(TURN_COMMITTING));
}
END_TEST
#endif

Suite *suite(void)
{
	Suite *s = suite_create("failpoint");
	TCase *t = tcase_create("failpoint");

	tcase_add_test(t, only_what_is_armed_happens);
#ifdef AEGIS_FAILPOINTS
	tcase_add_test(t, a_peer_is_given_as_much_more_time_as_the_environment_says);
#else
	tcase_add_test(t, a_peer_is_given_no_more_time_where_failpoints_are_not_built);
#endif
	suite_add_tcase(s, t);
	return s;
}
