/* gate - the write gate: an exclusive flock on state_dir/gate. */
#include "store/gate.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "store/bell.h"
#include "store/bytelock.h"
#include "store/line.h"
#include "store/locker.h"
#include "store/presence.h"
#include "store/private_file.h"

#define LOOK_MS       100 /* who waits looks that often at who is inside */
#define STUCK_LOOK_MS 10  /* the same while the line does not move */
#define KILL_AFTER_MS 800 /* between the first SIGCONT to a stopped holder and SIGKILL */
#define OPEN_TRIES    3   /* the file may be replaced while we wait for it */

#define RECORD        "aegis gate 1 %010" PRIu32 "\n"
#define RECORD_PREFIX "aegis gate 1 "
#define RECORD_SIZE   24

struct gate {
	char *path;
	struct presence *presence;
	struct locker *locker;    /* from the first contention on */
	int fd, bell;
	struct file_identity identity;
	uint32_t number;
	bool is_inside, is_by_locker, is_waiting;
	bool is_line_stuck;       /* who is first in it was stopped when last looked at */
	int64_t waiting_since_ms, looked_at_ms;
	pid_t stopped;            /* holder found stopped in this wait, 0 = none */
	int64_t stopped_since_ms;
	sigset_t blocked, before; /* inside; what was blocked outside */
};

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* ---- inside and out ---- */
/* All but those a thread raises by its own fault. */
static void fill_blocked(sigset_t *set)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

	(void)sigfillset(set);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		(void)sigdelset(set, faults[i]);
}

static void block_signals(struct gate *g)
{
	(void)pthread_sigmask(SIG_BLOCK, &g->blocked, &g->before);
}

static void restore_signals(struct gate *g)
{
	(void)pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

static bool lock_at_once(struct gate *g)
{
	block_signals(g);
	if (flock(g->fd, LOCK_EX | LOCK_NB) != 0) {
		restore_signals(g);
		return false;
	}
	(void)bytelock_take(presence_fd(g->presence), PRESENCE_BYTE_INSIDE);
	FAILPOINT(GATE_TAKEN);
	return g->is_inside = true;
}

/* Nobody pushes in before those in line, unless who is first was seen stopped and still is. */
static bool enter_at_once(struct gate *g)
{
	int alive = presence_fd(g->presence);
	bool has_line = !line_is_empty(alive);
	pid_t first;

	if (has_line && g->is_line_stuck)
		g->is_line_stuck = line_first(alive, &first) && presence_is_stopped(first);
	return (!has_line || g->is_line_stuck) && lock_at_once(g);
}

void gate_leave(struct gate *g)
{
	assert(g->is_inside);
	g->is_inside = false;
	if (g->is_by_locker) {
		locker_drop(g->locker);
	} else {
		bytelock_drop(presence_fd(g->presence), PRESENCE_BYTE_INSIDE);
		(void)flock(g->fd, LOCK_UN);
	}
	g->is_by_locker = false;
	FAILPOINT(GATE_LEFT);
	restore_signals(g);
}

bool gate_is_inside(const struct gate *g)
{
	return g->is_inside;
}

enum err gate_check(struct gate *g)
{
	bool is_ours = private_file_is(g->path, &g->identity) && presence_is_current(g->presence);

	return is_ours ? OK : ERR_STORE_MOVED;
}

/* ---- waiting ---- */
/* Without one (no thread to be had; or the file was replaced, as gate_check will say) the looks go
 * past the line. */
static void make_locker(struct gate *g)
{
	struct locker_files files = { .alive = presence_fd(g->presence), .bell = g->bell };
	struct file_identity identity;

	if (private_file_open(g->path, &files.gate, &identity) != OK)
		return;
	if (identity.device == g->identity.device && identity.inode == g->identity.inode)
		g->locker = locker_new(&files);
	else
		close_fdp(&files.gate);
}

static void ask_locker(struct gate *g)
{
	if (g->locker == NULL)
		make_locker(g);
	if (g->locker)
		locker_ask(g->locker);
}

static void start_waiting(struct gate *g)
{
	g->is_waiting = true;
	g->waiting_since_ms = g->looked_at_ms = now_ms();
	g->stopped = 0;
	bell_set(g->bell, LOOK_MS); /* before the locker may ring it */
	ask_locker(g);
	FAILPOINT(GATE_LINED);
}

static void stop_waiting(struct gate *g)
{
	g->is_waiting = false;
	if (g->locker && !g->is_by_locker)
		locker_drop(g->locker);
	bell_set(g->bell, BELL_NEVER); /* after the locker may have rung it */
}

/* A stopped process would keep everybody out for ever. That it is inside is asked again after it
 * was seen stopped: only then the two facts hold together and the signal meets nobody else. */
static void look_at_holder(struct gate *g, int64_t now)
{
	int alive = presence_fd(g->presence);
	pid_t pid, still;

	if (!bytelock_owner(alive, PRESENCE_BYTE_INSIDE, &pid) || pid <= 1 ||
		!presence_is_stopped(pid))
		return;
	if (pid != g->stopped) {
		g->stopped = pid;
		g->stopped_since_ms = now;
	}
	int signal = now - g->stopped_since_ms >= KILL_AFTER_MS ? SIGKILL : SIGCONT;
	if (!bytelock_owner(alive, PRESENCE_BYTE_INSIDE, &still) || still != pid ||
		kill(pid, signal) != 0)
		return;
	if (signal == SIGKILL || g->stopped_since_ms == now)
		log_warn("gate.holder", "pid=%d state=stopped signal=%s", (int)pid,
			signal == SIGKILL ? "SIGKILL" : "SIGCONT");
}

static int64_t look_pause_ms(const struct gate *g)
{
	return g->is_line_stuck ? STUCK_LOOK_MS : LOOK_MS;
}

/* Who is first in line may be stopped, or of another pid namespace so that nobody can say, or there
 * is no thread to stand in line for us: then somebody has to go past. */
static bool go_past(struct gate *g)
{
	pid_t first = 0;
	bool has_first = line_first(presence_fd(g->presence), &first);

	g->is_line_stuck = has_first && presence_is_stopped(first);
	return (g->locker == NULL || g->is_line_stuck || (has_first && first == 0)) &&
	       lock_at_once(g);
}

static bool look(struct gate *g)
{
	int64_t now = now_ms();

	if (now - g->looked_at_ms < look_pause_ms(g))
		return false;
	g->looked_at_ms = now;
	if (go_past(g))
		return true;
	look_at_holder(g, now);
	ask_locker(g); /* its flock may have failed */
	return false;
}

static bool enter_after_wait(struct gate *g)
{
	bell_set(g->bell, look_pause_ms(g)); /* silent again; what was won before is seen next */
	if (g->locker == NULL || !locker_has_won(g->locker))
		return look(g);
	block_signals(g);
	FAILPOINT(GATE_WAITED);
	return g->is_inside = g->is_by_locker = true;
}

enum gate_answer gate_try(struct gate *g)
{
	assert(!g->is_inside);
	if (!g->is_waiting) {
		if (enter_at_once(g))
			return GATE_WON;
		start_waiting(g);
		return GATE_WAITING;
	}
	if (enter_after_wait(g)) {
		stop_waiting(g);
		return GATE_WON;
	}
	return gate_is_late(g) ? GATE_LATE : GATE_WAITING;
}

int gate_fd(const struct gate *g)
{
	return g->bell;
}

bool gate_is_late(const struct gate *g)
{
	return g->is_waiting && now_ms() - g->waiting_since_ms >= GATE_DEADLINE_MS;
}

enum err gate_enter(struct gate *g, int deadline_ms)
{
	int64_t end = now_ms() + deadline_ms;
	struct pollfd bell = { .fd = g->bell, .events = POLLIN };

	while (gate_try(g) != GATE_WON) {
		int64_t left = end - now_ms();

		if (left <= 0) {
			stop_waiting(g);
			return ERR_STORE_BUSY;
		}
		(void)poll(&bell, 1, (int)left);
	}
	return OK;
}

/* ---- opening ---- */
/* 0 for an empty or garbled file: the length of run/alive then knows the highest number. */
static uint32_t read_counter(const struct gate *g)
{
	char text[RECORD_SIZE + 1] = "";
	uint64_t n = 0;

	if (pread(g->fd, text, RECORD_SIZE, 0) != RECORD_SIZE ||
		strncmp(text, RECORD_PREFIX, strlen(RECORD_PREFIX)) != 0)
		return 0;
	for (const char *c = text + strlen(RECORD_PREFIX); *c >= '0' && *c <= '9'; c++)
		n = n * 10 + (uint64_t)(*c - '0');
	return n > UINT32_MAX ? 0 : (uint32_t)n;
}

static enum err write_counter(const struct gate *g, uint32_t counter)
{
	char text[RECORD_SIZE + 1];

	snprintf(text, sizeof text, RECORD, counter);
	ssize_t n = pwrite(g->fd, text, RECORD_SIZE, 0);
	if (n == RECORD_SIZE)
		return OK;
	return n < 0 ? private_file_err(errno) : ERR_STORE_FULL;
}

/* Inside. A number is new if it is above both marks; after a reopen ours may stay. Numbers of the
 * living are passed over even if somebody has cut both files. */
static enum err take_number(struct gate *g)
{
	uint32_t counter = read_counter(g), highest = presence_highest(g->presence);
	uint32_t number = g->number;
	enum err e;

	if (counter < highest)
		counter = highest;
	e = number ? presence_take(g->presence, number) : ERR_STORE_BUSY;
	while (e == ERR_STORE_BUSY) {
		if (counter == UINT32_MAX)
			return ERR_STORE_CORRUPT;
		number = ++counter;
		e = presence_take(g->presence, number);
	}
	FAILPOINT(GATE_NUMBERED);
	if (!e)
		e = write_counter(g, counter);
	if (!e)
		g->number = number;
	return e;
}

static enum err open_file(struct gate *g)
{
	CLEANUP(close_fdp) int fd = -1;
	struct file_identity identity;
	enum err e = private_file_open(g->path, &fd, &identity);

	if (e)
		return e;
	close_fdp(&g->fd);
	g->fd = fd;
	fd = -1;
	g->identity = identity;
	return OK;
}

static void forget_locker(struct gate *g)
{
	locker_free(g->locker);
	g->locker = NULL;
	g->is_waiting = false;
}

/* Opens the file that is there and takes a number in it. */
static enum err settle_in(struct gate *g)
{
	forget_locker(g); /* it stands at the old one */
	enum err e = open_file(g);
	if (!e && !presence_is_current(g->presence))
		e = presence_reopen(g->presence);
	if (!e)
		e = gate_enter(g, GATE_DEADLINE_MS);
	if (e)
		return e;
	e = gate_check(g); /* it may have been replaced while we waited */
	if (!e)
		e = take_number(g);
	gate_leave(g);
	return e;
}

static enum err settle_in_patiently(struct gate *g)
{
	enum err e = ERR_STORE_MOVED;

	for (int i = 0; i < OPEN_TRIES && e == ERR_STORE_MOVED; i++)
		e = settle_in(g);
	if (e)
		log_error("gate.open", "path=%s error=%s", g->path, err_text(e));
	return e;
}

/* run/alive is opened first: at death descriptors are closed in ascending order, so that who wins
 * the gate from a dead holder also sees that it is dead. */
static enum err open_parts(struct gate *g, const char *state_dir)
{
	enum err e = path_make_private_folder(state_dir);

	if (!e && path_is_on_network(state_dir))
		e = ERR_STORE_NETWORK_FS;
	if (!e)
		e = presence_open(state_dir, &g->presence);
	if (e)
		return e;
	g->bell = bell_open();
	return g->bell < 0 ? private_file_failed("gate.open", g->path) : settle_in_patiently(g);
}

enum err gate_open(const char *state_dir, struct gate **out)
{
	struct gate *g = xcalloc(1, sizeof *g);
	enum err e;

	g->path = path_join(state_dir, "gate");
	g->fd = g->bell = -1;
	fill_blocked(&g->blocked);
	e = open_parts(g, state_dir);
	if (e)
		gate_close(g);
	else
		*out = g;
	return e;
}

void gate_close(struct gate *g)
{
	if (g == NULL)
		return;
	if (g->is_inside)
		gate_leave(g);
	forget_locker(g);
	presence_forget(g->presence);
	close_fdp(&g->fd);
	close_fdp(&g->bell);
	free(g->path);
	free(g);
}

enum err gate_reopen(struct gate *g)
{
	bool was_listening = presence_is_listening(g->presence);

	if (g->is_inside)
		gate_leave(g);
	enum err e = settle_in_patiently(g);
	if (e) /* gate_check goes on saying that it was replaced */
		g->identity = (struct file_identity){ 0 };
	return !e && was_listening ? presence_listen(g->presence) : e;
}

uint32_t gate_number(const struct gate *g)
{
	return g->number;
}

struct presence *gate_presence(const struct gate *g)
{
	return g->presence;
}
