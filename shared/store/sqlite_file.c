#include "store/sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/failpoint.h"
#include "base/path.h"
#include "base/xalloc.h"

#define BUSY_AT_OPEN_MS 1000 /* another program may hold it, or a crash is being recovered */
#define HEADER_BYTES    72   /* "SQLite format 3\0" ... application_id at 68, big-endian */

enum err paths_init(struct paths *p, const char *state_dir, struct problem *why)
{
	*p = (struct paths){ 0 };
	enum err e = path_make_private_folder(state_dir);
	if (e == OK && path_is_on_network(state_dir))
		e = ERR_STORE_NETWORK_FS;
	if (e == OK && !(p->state_dir = path_real(state_dir)))
		e = ERR_IO;
	if (e != OK) {
		problem_set(why, "state folder %s: %s", state_dir, err_text(e));
		return e;
	}
	p->database = path_join(p->state_dir, "aegis.db");
	p->wal = path_join(p->state_dir, "aegis.db-wal");
	p->keys = path_join(p->state_dir, "keys");
	p->marker = path_join(p->keys, "instance");
	return OK;
}

void paths_release(struct paths *p)
{
	free(p->state_dir);
	free(p->database);
	free(p->wal);
	free(p->keys);
	free(p->marker);
	*p = (struct paths){ 0 };
}

bool file_id(const char *path, struct file_id *out)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return false;
	*out = (struct file_id){ (uint64_t)st.st_dev, (uint64_t)st.st_ino };
	return true;
}

static bool is_same(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->inode == b->inode;
}

bool file_is(const char *path, const struct file_id *id)
{
	struct file_id there;

	return file_id(path, &there) && is_same(&there, id);
}

enum err marker_read(const struct paths *p, char instance[ID_SIZE])
{
	struct buf b;

	buf_init(&b, ID_SIZE);
	enum err e = path_read_file(p->marker, ID_SIZE - 1, &b);
	snprintf(instance, ID_SIZE, "%.*s", (int)b.len, b.data ? b.data : "");
	buf_release(&b);
	return e;
}

enum err marker_write(const struct paths *p, const char *instance)
{
	enum err e = path_make_private_folder(p->keys);

	if (e == OK)
		e = path_write_private_file(p->marker, span_of(instance));
	FAILPOINT(FILE_MARKED);
	return e;
}

/* -wal and -shm take their mode from it. Nobody has it open, so closing it is harmless. */
enum err file_make_empty(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		return OK;
	}
	switch (errno) {
	case ENOSPC:
	case EDQUOT: return ERR_STORE_FULL;
	case EROFS:
	case EACCES: return ERR_STORE_READONLY;
	default: return ERR_STORE_IO;
	}
}

/* What stands on disk before anything is opened. is_first: there was never a database here. */
static enum err look_for_file(struct store *s, bool *is_first)
{
	char instance[ID_SIZE];
	struct stat st;
	enum err marker = marker_read(&s->paths, instance);
	bool is_there = lstat(s->paths.database, &st) == 0;

	if (marker != OK && marker != ERR_NOT_FOUND)
		return marker;
	*is_first = marker == ERR_NOT_FOUND;
	if (is_there && !S_ISREG(st.st_mode))
		return ERR_STORE_MOVED;
	if (is_there)
		return st.st_size == 0 && !*is_first ? ERR_STORE_CORRUPT : OK;
	if (!*is_first)
		return ERR_STORE_MISSING;
	if (s->options.is_reader)
		return ERR_NOT_FOUND;
	enum err e = file_make_empty(s->paths.database);
	FAILPOINT(FILE_MADE);
	return e;
}

static bool header_is_ours(struct store *s)
{
	static const unsigned char id[4] = { 'A', 'E', 'G', 'I' };
	char header[HEADER_BYTES];

	return db_read_header(&s->db, header, sizeof(header)) &&
	       memcmp(header, "SQLite format 3", 16) == 0 &&
	       memcmp(header + 68, id, sizeof(id)) == 0;
}

/* A new database: its row, then everything into the main file, so that its header can be
 * recognised, then the marker. Killed before the marker it is found here again and finished. */
static enum err finish_first(struct store *s)
{
	int64_t wall_ms = s->clock.wall_ms(s->clock.arg);

	if (db_number(&s->db, SQL_META_GET, -1, NO_BIND) < 0)
		meta_create(s, &(struct birth){ .wall_ms = wall_ms, .tick_ms = wall_ms });
	if (!meta_read(s))
		return s->db.fault;
	sqlite3 *handle = s->db.handle;
	int code = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return code == SQLITE_OK ? marker_write(&s->paths, s->meta.instance)
				 : db_error(handle, code);
}

/* Is what we opened the database of this folder, and no older copy of it? */
static enum err check_identity(struct store *s)
{
	char instance[ID_SIZE];
	uint8_t chain[32] = { 0 };

	enum err e = marker_read(&s->paths, instance);
	if (e != OK)
		return e;
	if (strcmp(instance, s->meta.replaces) == 0) /* a repair was killed before its last step */
		return marker_write(&s->paths, s->meta.instance);
	if (strcmp(instance, s->meta.instance) != 0)
		return ERR_STORE_MOVED;
	if (s->seen.seq == 0 || strcmp(s->seen_instance, instance) != 0)
		return OK;
	int64_t seq = (int64_t)s->seen.seq;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_AUDIT_CHAIN, BIND(num(seq)));
	if (!db_row(&s->db, q))
		return s->db.fault != OK ? s->db.fault : ERR_STORE_MOVED;
	column_hash(q, 0, chain);
	return memcmp(chain, s->seen.chain, sizeof(chain)) == 0 ? OK : ERR_STORE_MOVED;
}

static enum err open_and_check(struct store *s, bool is_first, struct problem *why)
{
	enum err e = db_open(&s->db, s->paths.database, BUSY_AT_OPEN_MS);
	if (e != OK)
		return e;
	e = migrate_run(s->db.handle, why);
	FAILPOINT(FILE_MIGRATED);
	if (e != OK)
		return e;
	if (is_first)
		e = finish_first(s);
	else if (!meta_read(s))
		e = s->db.fault;
	if (e == OK)
		e = check_identity(s);
	if (e == OK)
		clock_look(s);
	return e != OK ? e : s->db.fault;
}

static void explain(const struct store *s, enum err e, struct problem *why)
{
	const char *what = err_text(e);

	if (why->text[0])
		return;
	if (e == ERR_STORE_MISSING)
		what = "it is missing, but it was there before: put it back, or run `aegisctl "
		       "repair`";
	else if (e == ERR_STORE_CORRUPT)
		what = "it is damaged or not a database of Aegis: run `aegisctl repair`";
	else if (e == ERR_STORE_MOVED)
		what = "it is not the database this folder had: put it back, or run `aegisctl "
		       "repair`";
	else if (e == ERR_NOT_FOUND)
		what = "there is none yet: no call was made";
	problem_set(why, "%s: %s", s->paths.database, what);
}

enum err file_open(struct store *s, struct problem *why)
{
	struct problem unused = { 0 };
	bool is_first = false;

	why = why ? why : &unused;
	why->text[0] = '\0';
	enum err e = look_for_file(s, &is_first);
	if (e == OK)
		e = open_and_check(s, is_first, why);
	if (e == OK && !file_id(s->paths.database, &s->file))
		e = ERR_STORE_MISSING;
	if (e == OK && !file_id(s->paths.wal, &s->wal_file))
		e = ERR_STORE_MISSING;
	if (e == OK && !header_is_ours(s))
		e = ERR_STORE_CORRUPT;
	if (e != OK) {
		explain(s, e, why);
		file_close(s);
	}
	FAILPOINT(FILE_OPENED);
	return e;
}

void file_close(struct store *s)
{
	if (s->db.handle)
		db_close(&s->db);
	if (s->wal)
		wal_forget_file(s->wal);
	s->is_corrupt = false;
	s->has_offset = false;
	FAILPOINT(FILE_CLOSED);
}

enum err file_check(struct store *s)
{
	struct file_id there;

	if (!file_id(s->paths.database, &there))
		return ERR_STORE_MISSING;
	if (s->db.handle && is_same(&there, &s->file))
		return s->is_corrupt || !header_is_ours(s) ? ERR_STORE_CORRUPT : OK;
	if (s->db.handle && file_is(s->paths.wal, &s->wal_file))
		return ERR_STORE_MOVED; /* another database beside our WAL: they would be mixed */
	file_close(s);
	return file_open(s, NULL);
}
