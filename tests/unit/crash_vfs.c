#include "unit/crash_vfs.h"
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include "base/path.h"
#include "base/xalloc.h"
#include "unit/unit.h"

#define SECTOR        512
#define FILE_MAX      (64u * 1024 * 1024)
#define FILES         2

static const char *const names[FILES] = { "aegis.db", "aegis.db-wal" };

enum kind { WRITE, TRUNCATE, REMOVE, SYNC };
struct event {
	enum kind kind;
	int file;
	int64_t at;                          /* TRUNCATE: the size */
	size_t n;
	char *bytes;                         /* owned */
};

struct bytes { char *v; size_t n; };

static struct {
	pthread_mutex_t lock;                /* the store syncs on a thread of its own */
	bool is_on;
	char *paths[FILES];
	struct bytes before[FILES];
	struct event *events;
	size_t n;
} log_of = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- recording ---- */

static void add(struct event e, const void *bytes)
{
	if (e.n > 0) {
		e.bytes = xmalloc(e.n);
		memcpy(e.bytes, bytes, e.n);
	}
	if ((log_of.n & (log_of.n - 1)) == 0)
		log_of.events = xreallocarray(log_of.events, log_of.n ? 2 * log_of.n : 1, sizeof(*log_of.events));
	log_of.events[log_of.n++] = e;
}

static void note(struct event e, const void *bytes)
{
	pthread_mutex_lock(&log_of.lock);
	if (log_of.is_on)
		add(e, bytes);
	pthread_mutex_unlock(&log_of.lock);
}

/* ---- the VFS: SQLite's own files with three methods exchanged ---- */

struct tail { const sqlite3_io_methods *real; int file; };

static sqlite3_vfs *real_vfs;
static sqlite3_vfs ours;
static sqlite3_io_methods methods[FILES];   /* SQLite has others for a WAL than for a database */

static struct tail *tail_of(sqlite3_file *f)
{
	return (struct tail *)(void *)((char *)f + ours.szOsFile - (int)sizeof(struct tail));
}

static int crash_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
	note((struct event){ .kind = WRITE, .file = tail_of(f)->file, .at = at, .n = (size_t)n }, bytes);
	return tail_of(f)->real->xWrite(f, bytes, n, at);
}

static int crash_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	note((struct event){ .kind = TRUNCATE, .file = tail_of(f)->file, .at = size }, NULL);
	return tail_of(f)->real->xTruncate(f, size);
}

static int crash_sync(sqlite3_file *f, int flags)
{
	note((struct event){ .kind = SYNC, .file = tail_of(f)->file }, NULL);
	return tail_of(f)->real->xSync(f, flags);
}

static int file_named(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	for (int i = 0; slash && i < FILES; i++)
		if (strcmp(slash + 1, names[i]) == 0)
			return i;
	return -1;
}

static int crash_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	int code = real_vfs->xOpen(real_vfs, name, f, flags, out);
	int file = file_named(name);

	(void)vfs;
	if (code == SQLITE_OK && file >= 0) {
		*tail_of(f) = (struct tail){ f->pMethods, file };
		methods[file] = *f->pMethods;
		methods[file].xWrite = crash_write;
		methods[file].xTruncate = crash_truncate;
		methods[file].xSync = crash_sync;
		f->pMethods = &methods[file];
	}
	return code;
}

static int crash_delete(sqlite3_vfs *vfs, const char *name, int is_synced)
{
	int file = file_named(name);

	(void)vfs;
	if (file >= 0)
		note((struct event){ .kind = REMOVE, .file = file }, NULL);
	return real_vfs->xDelete(real_vfs, name, is_synced);
}

#ifdef __linux__
static bool is_wal(int fd)
{
	struct stat is, wal;

	return fstat(fd, &is) == 0 && stat(log_of.paths[1], &wal) == 0 && is.st_ino == wal.st_ino && is.st_dev == wal.st_dev;
}

/* In the place of libc's. What it makes durable was written before it began. */
int fdatasync(int fd)
{
	pthread_mutex_lock(&log_of.lock);
	if (log_of.is_on && is_wal(fd))
		add((struct event){ .kind = SYNC, .file = 1 }, NULL);
	pthread_mutex_unlock(&log_of.lock);
	return (int)syscall(SYS_fdatasync, fd);
}

bool crash_sees_every_sync(void)
{
	return true;
}
#else
bool crash_sees_every_sync(void)
{
	return false;
}
#endif

void crash_install(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	ours = *real_vfs;
	ours.zName = "crash";
	ours.szOsFile = (real_vfs->szOsFile + 7) / 8 * 8 + (int)sizeof(struct tail);
	ours.xOpen = crash_open;
	ours.xDelete = crash_delete;
	ck_assert_int_eq(sqlite3_vfs_register(&ours, 1), SQLITE_OK);
}

static struct bytes file_read(const char *path)
{
	struct buf b;

	buf_init(&b, FILE_MAX);
	if (path_read_file(path, FILE_MAX, &b) != OK)
		buf_clear(&b);
	struct bytes out = { .n = b.len };
	out.v = buf_take(&b);
	return out;
}

static void forget(void)
{
	for (size_t i = 0; i < log_of.n; i++)
		free(log_of.events[i].bytes);
	free(log_of.events);
	for (int i = 0; i < FILES; i++) {
		free(log_of.paths[i]);
		free(log_of.before[i].v);
		log_of.paths[i] = NULL;
		log_of.before[i] = (struct bytes){ 0 };
	}
	log_of.events = NULL;
	log_of.n = 0;
}

void crash_record(const char *folder)
{
	forget();
	for (int i = 0; i < FILES; i++) {
		log_of.paths[i] = path_join(folder, names[i]);
		log_of.before[i] = file_read(log_of.paths[i]);
	}
	pthread_mutex_lock(&log_of.lock);
	log_of.is_on = true;
	pthread_mutex_unlock(&log_of.lock);
}

void crash_stop(void)
{
	pthread_mutex_lock(&log_of.lock);
	log_of.is_on = false;
	pthread_mutex_unlock(&log_of.lock);
}

void crash_remove(void)
{
	crash_stop();
	ck_assert_int_eq(sqlite3_vfs_unregister(&ours), SQLITE_OK);
	forget();
}

size_t crash_now(void)
{
	pthread_mutex_lock(&log_of.lock);
	size_t n = log_of.n;
	pthread_mutex_unlock(&log_of.lock);
	return n;
}

bool crash_next_sync(size_t *at)
{
	for (size_t i = *at + 1; i < log_of.n; i++) {
		if (log_of.events[i].kind == SYNC && log_of.events[i - 1].kind != SYNC) {
			*at = i;
			return true;
		}
	}
	return false;
}

/* ---- the files after the power went ---- */

static void resize(struct bytes *b, size_t n)
{
	b->v = xreallocarray(b->v, n ? n : 1, 1);
	if (n > b->n)
		memset(b->v + b->n, 0, n - b->n);
	b->n = n;
}

static void put(struct bytes *b, const struct event *e, size_t from, size_t to)
{
	if (b->n < (size_t)e->at + to)
		resize(b, (size_t)e->at + to);
	memcpy(b->v + e->at + from, e->bytes + from, to - from);
}

static void apply(struct bytes *b, const struct event *e)
{
	switch (e->kind) {
	case WRITE: put(b, e, 0, e->n); break;
	case TRUNCATE: resize(b, (size_t)e->at); break;
	case REMOVE: resize(b, 0); break;
	case SYNC: break;
	}
}

/* SplitMix64: the same seed, the same failure. */
static uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A write that was not synced: on disk, not, or some of its sectors. */
static void apply_some(struct bytes *b, const struct event *e, uint64_t *seed)
{
	uint64_t chance = draw(seed) % 4;

	if (chance == 0)
		return;
	if (e->kind != WRITE || chance == 1) {
		apply(b, e);
		return;
	}
	for (size_t from = 0; from < e->n;) {
		size_t to = from + SECTOR - ((size_t)e->at + from) % SECTOR;
		to = to < e->n ? to : e->n;
		if (draw(seed) % 2)
			put(b, e, from, to);
		from = to;
	}
}

static void replay(int file, size_t at, enum crash_loss loss, uint64_t seed, struct bytes *out)
{
	size_t synced = 0;

	resize(out, log_of.before[file].n);
	if (out->n > 0)
		memcpy(out->v, log_of.before[file].v, out->n);
	for (size_t i = 0; i < at; i++)
		if (log_of.events[i].file == file && (log_of.events[i].kind == SYNC || log_of.events[i].kind == REMOVE))
			synced = i + 1;
	for (size_t i = 0; i < at; i++) {
		const struct event *e = &log_of.events[i];
		if (e->file != file)
			continue;
		if (i < synced || loss == CRASH_LOSES_NOTHING)
			apply(out, e);
		else if (loss == CRASH_LOSES_SOME)
			apply_some(out, e, &seed);
	}
}

void crash_image(size_t at, enum crash_loss loss, uint64_t seed, const char *folder)
{
	CLEANUP(free_charp) char *shm = path_join(folder, "aegis.db-shm");

	(void)unlink(shm);
	for (int i = 0; i < FILES; i++) {
		CLEANUP(free_charp) char *path = path_join(folder, names[i]);
		struct bytes b = { 0 };
		replay(i, at, loss, seed + (uint64_t)i, &b);
		(void)unlink(path);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(write(fd, b.v, b.n), (ssize_t)b.n);
		close(fd);
		free(b.v);
	}
}
