/* locker - the thread that waits in flock so that nobody else must. */
#include "store/locker.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include "base/xalloc.h"
#include "store/bell.h"
#include "store/bytelock.h"
#include "store/line.h"
#include "store/presence.h"

enum locker_state { AT_REST, IN_LINE, HAS_WON };

struct locker {
	pthread_mutex_t lock; /* guards state, place, is_dropped, is_orphan */
	pthread_cond_t changed;
	enum locker_state state;
	int64_t place;   /* stays as it is while in line */
	bool is_dropped; /* in line, but nobody wants it now */
	bool is_orphan;  /* the owner is gone: give back, free, end */
	struct locker_files files;
};

static void release(struct locker *l)
{
	close_fdp(&l->files.gate);
	close_fdp(&l->files.bell);
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

static bool wait_in_line(const struct locker *l)
{
	int failed;

	line_wait(l->files.alive, l->place);
	do
		failed = flock(l->files.gate, LOCK_EX);
	while (failed && errno == EINTR);
	if (!failed)
		(void)bytelock_take(l->files.alive, PRESENCE_BYTE_INSIDE);
	line_leave(l->files.alive, l->place);
	return !failed;
}

static void give_back(const struct locker *l)
{
	bytelock_drop(l->files.alive, PRESENCE_BYTE_INSIDE);
	(void)flock(l->files.gate, LOCK_UN);
}

/* A flock that failed (no memory for locks) ends at rest: the owner asks again at its next look. */
static void note_result(struct locker *l, bool won)
{
	bool is_wanted = !l->is_dropped && !l->is_orphan;

	l->state = won && is_wanted ? HAS_WON : AT_REST;
	if (l->state == HAS_WON)
		bell_set(l->files.bell, BELL_NOW);
	else if (won)
		give_back(l);
}

static void *locker_run(void *arg)
{
	struct locker *l = arg;

	(void)pthread_mutex_lock(&l->lock);
	while (!l->is_orphan) {
		if (l->state != IN_LINE) {
			(void)pthread_cond_wait(&l->changed, &l->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&l->lock);
		bool won = wait_in_line(l);
		(void)pthread_mutex_lock(&l->lock);
		note_result(l, won);
	}
	if (l->state == IN_LINE)
		line_leave(l->files.alive, l->place); /* orphaned before it had begun to wait */
	(void)pthread_mutex_unlock(&l->lock);
	release(l);
	return NULL;
}

/* Signals are the owner's: the thread is born with all of them blocked. Detached, because nobody
 * may have to wait for it. */
static bool start(struct locker *l)
{
	pthread_t thread;
	sigset_t all, before;
	bool started;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&thread, NULL, locker_run, l) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		(void)pthread_detach(thread);
	return started;
}

struct locker *locker_new(const struct locker_files *files)
{
	struct locker *l = xcalloc(1, sizeof *l);

	l->files = *files;
	l->files.bell = fcntl(files->bell, F_DUPFD_CLOEXEC, 0);
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->changed, NULL);
	if (l->files.bell >= 0 && start(l))
		return l;
	release(l);
	return NULL;
}

void locker_free(struct locker *l)
{
	if (l == NULL)
		return;
	(void)pthread_mutex_lock(&l->lock);
	if (l->state == HAS_WON)
		give_back(l);
	l->is_orphan = true;
	(void)pthread_cond_signal(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

void locker_ask(struct locker *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->is_dropped = false;
	if (l->state == AT_REST) {
		l->place = line_join(l->files.alive);
		l->state = IN_LINE;
		(void)pthread_cond_signal(&l->changed);
	}
	(void)pthread_mutex_unlock(&l->lock);
}

bool locker_has_won(struct locker *l)
{
	(void)pthread_mutex_lock(&l->lock);
	bool has_won = l->state == HAS_WON;
	(void)pthread_mutex_unlock(&l->lock);
	return has_won;
}

void locker_drop(struct locker *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->is_dropped = true;
	if (l->state == HAS_WON) {
		give_back(l);
		l->state = AT_REST;
	}
	(void)pthread_mutex_unlock(&l->lock);
}
