#include "store/sqlite.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "base/failpoint.h"
#include "base/xalloc.h"

#define SYNC_AFTER_MS  700 /* an unsynced commit is on disk within 1 s, the fdatasync included */
#define QUIET_AFTER_MS 1000
#define MARK_AFTER_MS  30000
#define PAGES_BUSY     4000 /* checkpoint at once: more is felt by others, less costs throughput */
#define PAGES_QUIET    1000 /* checkpoint when quiet */
#define WAL_INDEX_BYTES   32768 /* of its first block, which begins with the header */
#define WAL_INDEX_WRITTEN 16
#define WAL_INDEX_COPIED  96
/* Before this SQLite a checkpoint racing a writer that resets the WAL can corrupt it. */
#define RACE_FREE 3051003

struct wal {
	struct store *store;
	int fd;         /* ours, of the -wal file: SQLite keeps no locks on it */
	int pages_done; /* length of the WAL at the last checkpoint */
	bool is_due;
	int64_t sync_at_ms, quiet_at_ms, mark_at_ms; /* mono; -1 = none */

	/* the helper that waits for the disk; what it shares is under lock */
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int asked_fd; /* to be synced and closed by the helper; -1 = none */
	bool is_ending, has_failed;
};

static bool file_sync(int fd)
{
#ifdef __APPLE__
	return fcntl(fd, F_FULLFSYNC) == 0; /* fsync leaves it in the drive's cache there */
#else
	return fdatasync(fd) == 0;
#endif
}

struct wal *wal_new(struct store *s)
{
	struct wal *w = xcalloc(1, sizeof(*w));

	*w = (struct wal){
		.store = s,
		.fd = -1,
		.asked_fd = -1,
		.sync_at_ms = -1,
		.quiet_at_ms = -1,
		.mark_at_ms = -1,
	};
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	return w;
}

void wal_free(struct wal *w)
{
	if (!w)
		return;
	if (w->has_thread) {
		pthread_mutex_lock(&w->lock);
		w->is_ending = true;
		pthread_cond_signal(&w->changed);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	wal_forget_file(w);
	close_fdp(&w->asked_fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void wal_forget_file(struct wal *w)
{
	close_fdp(&w->fd);
	w->pages_done = 0;
	w->is_due = false;
	w->sync_at_ms = w->quiet_at_ms = w->mark_at_ms = -1;
}

/* ---- syncing ---- */

static bool open_file(struct wal *w)
{
	if (w->fd < 0)
		w->fd = open(w->store->paths.wal, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return w->fd >= 0;
}

static void *wait_for_disk(void *arg)
{
	struct wal *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->is_ending) {
		if (w->asked_fd < 0) {
			pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		int fd = w->asked_fd;
		w->asked_fd = -1;
		pthread_mutex_unlock(&w->lock);
		bool is_synced = !FAILPOINT_FAILS(WAL_SYNC) && file_sync(fd);
		close(fd);
		FAILPOINT(WAL_SYNCED);
		pthread_mutex_lock(&w->lock);
		w->has_failed |= !is_synced;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static bool start_thread(struct wal *w)
{
	sigset_t all, before;

	if (w->has_thread)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the main thread's */
	w->has_thread = pthread_create(&w->thread, NULL, wait_for_disk, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w->has_thread;
}

static void set_failed(struct wal *w, bool has_failed)
{
	pthread_mutex_lock(&w->lock);
	w->has_failed = has_failed;
	pthread_mutex_unlock(&w->lock);
}

void wal_sync_now(struct wal *w)
{
	if (FAILPOINT_FAILS(WAL_SYNC_NOW) || !open_file(w) || !file_sync(w->fd))
		set_failed(w, true);
	else
		w->sync_at_ms = -1;
}

static void sync_later(struct wal *w)
{
	int fd = open_file(w) && start_thread(w) ? dup(w->fd) : -1;

	w->sync_at_ms = -1;
	if (fd < 0) {
		set_failed(w, true);
		return;
	}
	pthread_mutex_lock(&w->lock);
	int unused = w->asked_fd;
	w->asked_fd = fd;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	close_fdp(&unused);
}

bool wal_must_be_full(struct wal *w)
{
	pthread_mutex_lock(&w->lock);
	bool has_failed = w->has_failed;
	pthread_mutex_unlock(&w->lock);
	return has_failed;
}

/* ---- after each commit ---- */

static int pages_since(struct wal *w)
{
	int pages = w->store->db.wal_pages;

	if (pages < w->pages_done)
		w->pages_done = 0; /* the WAL was reset and begins anew */
	return pages - w->pages_done;
}

void wal_committed(struct wal *w, bool is_durable)
{
	int64_t now = mono_ms(w->store);
	int pages = pages_since(w);

	if (is_durable) {
		w->sync_at_ms = -1;
		set_failed(w, false);
	} else if (w->sync_at_ms < 0) {
		w->sync_at_ms = now + SYNC_AFTER_MS;
	}
	w->is_due = pages >= PAGES_BUSY;
	w->quiet_at_ms = pages >= PAGES_QUIET ? now + QUIET_AFTER_MS : -1;
	w->mark_at_ms = w->store->is_marking ? -1 : now + MARK_AFTER_MS;
}

/* ---- checkpoints ---- */

bool wal_checkpoint_is_due(const struct wal *w)
{
	return w->is_due;
}

void wal_checkpoint_early(struct wal *w)
{
	if (sqlite3_libversion_number() >= RACE_FREE)
		sqlite3_wal_checkpoint_v2(
			w->store->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* PASSIVE: nobody else writes, since we are inside the gate, and a reader is not waited for. When
 * all was copied, the next writer begins the WAL anew. What fails here is tried again later;
 * nothing is lost by it. */
void wal_checkpoint(struct wal *w)
{
	int pages = 0;

	FAILPOINT(WAL_CHECKPOINT);
	sqlite3_wal_checkpoint_v2(
		w->store->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, NULL);
	w->pages_done = pages > 0 ? pages : 0;
	w->is_due = false;
	w->quiet_at_ms = -1;
	FAILPOINT(WAL_CHECKPOINTED);
}

/* ---- for all ---- */

/* Frames of the WAL that are not yet in the database, whoever wrote them: mxFrame and nBackfill of the wal-index, in this machine's byte
 * order (sqlite.org/walformat.html, 2.1). Looked at where SQLite has it mapped: opening the file ourselves would, when closed, drop
 * SQLite's locks on it. */
static int64_t frames_waiting(struct wal *w)
{
	sqlite3_file *file = NULL;
	void volatile *at = NULL;
	uint32_t written, copied;

	if (!w->store->db.handle || sqlite3_file_control(w->store->db.handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
		!file || !file->pMethods || file->pMethods->iVersion < 2 ||
		file->pMethods->xShmMap(file, 0, WAL_INDEX_BYTES, 0, &at) != SQLITE_OK || !at)
		return 0;
	written = ((const uint32_t volatile *)at)[WAL_INDEX_WRITTEN / 4];
	copied = ((const uint32_t volatile *)at)[WAL_INDEX_COPIED / 4];
	return written > copied ? (int64_t)written - copied : 0;
}

void store_tidy(struct store *s)
{
	if (s->why == OK && frames_waiting(s->wal) >= PAGES_QUIET)
		s->wal->is_due = true;
}

/* ---- when nothing happens ---- */

static bool take_due(int64_t *at_ms, int64_t now)
{
	if (*at_ms < 0 || *at_ms > now)
		return false;
	*at_ms = -1;
	return true;
}

int64_t wal_next_due_ms(const struct wal *w)
{
	const int64_t at[] = { w->sync_at_ms, w->quiet_at_ms, w->mark_at_ms };
	int64_t next = -1;

	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		if (at[i] >= 0 && (next < 0 || at[i] < next))
			next = at[i];
	return next;
}

bool wal_needs_mark(const struct wal *w)
{
	return w->mark_at_ms >= 0;
}

bool wal_idle(struct wal *w)
{
	int64_t now = mono_ms(w->store);

	if (take_due(&w->sync_at_ms, now))
		sync_later(w);
	if (take_due(&w->quiet_at_ms, now))
		w->is_due = true;
	return take_due(&w->mark_at_ms, now);
}
