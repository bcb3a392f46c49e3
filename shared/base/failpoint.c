/* failpoint - see failpoint.h. State of the process, because the places know nobody: in test builds only. */
#include "base/failpoint.h"
#ifdef AEGIS_FAILPOINTS
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include "base/attr.h"

enum action { ACTION_NONE, ACTION_KILL, ACTION_STOP, ACTION_ERROR, ACTION_DELAY };

#define FAILPOINT_NAME(id, name) name,
static const char *const names[] = { FAILPOINTS(FAILPOINT_NAME) };
#undef FAILPOINT_NAME

struct armed {
	enum failpoint at;
	enum action action;
	long nth, delay_ms;
	bool is_lasting;
	atomic_long reached;
};
static struct armed all[4];
static size_t all_n;
static int log_fd = -1;
static long patience = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Noreturn void not_understood(const char *what)
{
	fprintf(stderr, "failpoint: %s is not understood\n", what);
	abort();
}

static bool take_word(const char **at, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

static long take_number(const char **at)
{
	char *end;
	long n = strtol(*at, &end, 10);

	if (end == *at || n < 0)
		not_understood(*at);
	*at = end;
	return n;
}

static void take_name(const char **at, struct armed *a)
{
	size_t n = strcspn(*at, ":=");
	size_t i = 0;

	while (i < ARRAY_LEN(names) && (strlen(names[i]) != n || strncmp(names[i], *at, n) != 0))
		i++;
	if (i == ARRAY_LEN(names))
		not_understood(*at);
	a->at = (enum failpoint)i;
	*at += n;
}

static void take_action(const char **at, struct armed *a)
{
	if (take_word(at, "kill")) {
		a->action = ACTION_KILL;
	} else if (take_word(at, "stop")) {
		a->action = ACTION_STOP;
	} else if (take_word(at, "error")) {
		a->action = ACTION_ERROR;
	} else if (take_word(at, "delay/")) {
		a->action = ACTION_DELAY;
		a->delay_ms = take_number(at);
	} else {
		not_understood(*at);
	}
}

static void take_one(const char **at, struct armed *a)
{
	take_name(at, a);
	a->nth = take_word(at, ":") ? take_number(at) : 1;
	a->is_lasting = take_word(at, "+");
	if (!take_word(at, "="))
		not_understood(*at);
	take_action(at, a);
}

static void arm(const char *at)
{
	do {
		if (all_n == ARRAY_LEN(all))
			not_understood(at);
		take_one(&at, &all[all_n++]);
	} while (take_word(&at, ","));
	if (*at)
		not_understood(at);
}

static void look_once(void)
{
	const char *what = getenv("AEGIS_FAILPOINT"), *log = getenv("AEGIS_FAILPOINT_LOG"), *times = getenv("AEGIS_PATIENCE");

	if (what && *what)
		arm(what);
	if (log && *log)
		log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (log && *log && log_fd < 0)
		not_understood(log);
	if (times && *times)
		patience = take_number(&times);
	if (patience < 1 || patience > 1000)
		not_understood("AEGIS_PATIENCE");
}

static void note(const char *name)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s\n", name);

	if (write(log_fd, line, (size_t)n) != n)
		not_understood("a log that cannot be written");
}

static void nap(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}

static bool act(const struct armed *a)
{
	switch (a->action) {
	case ACTION_KILL:
		(void)kill(getpid(), SIGKILL);
		for (;;)
			pause();
	case ACTION_STOP:
		(void)kill(getpid(), SIGSTOP);
		return false;
	case ACTION_DELAY: nap(a->delay_ms); return false;
	case ACTION_ERROR: return true;
	case ACTION_NONE: break;
	}
	return false;
}

static bool is_due(struct armed *a)
{
	long n = atomic_fetch_add(&a->reached, 1) + 1;

	return n == a->nth || (a->is_lasting && n > a->nth);
}

bool failpoint_reached(enum failpoint at)
{
	bool fails = false;

	(void)pthread_once(&once, look_once);
	if (log_fd >= 0)
		note(names[at]);
	for (size_t i = 0; i < all_n; i++)
		if (all[i].at == at && is_due(&all[i]))
			fails |= act(&all[i]);
	return fails;
}

int failpoint_patience(int ms)
{
	(void)pthread_once(&once, look_once);
	return ms * (int)patience;
}
#endif
