/* Every call the store makes to the disk fails in turn, once: the operation is refused or done,
 * never half; nothing crashes, and afterwards all is well. A VFS of our own stands between SQLite
 * and the real one. */
#include "unit/store_kit.h"

enum call {
	CALL_WRITE,
	CALL_SYNC,
	CALL_TRUNCATE,
	CALL_READ,
	CALL_LOCK,
	CALL_SHM_LOCK,
	CALL_OPEN,
	CALL_KINDS
};

struct fault {
	enum call kind;
	int code;
	int countdown; /* this many more calls of that kind succeed; -1 = none fails */
	bool happened;
};
static struct fault fault;

static int fails(enum call kind)
{
	if (fault.countdown < 0 || fault.kind != kind || fault.countdown-- > 0)
		return SQLITE_OK;
	fault.happened = true;
	return fault.code;
}

/* ---- the VFS ---- */

struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real; /* in the memory behind this */
};

static sqlite3_vfs *real_vfs;

static sqlite3_file *real(sqlite3_file *f)
{
	return ((struct faulty_file *)f)->real;
}

#define FORWARD(kind, call)                                                                        \
	int code = fails(kind);                                                                    \
	return code != SQLITE_OK ? code : (call)

static int faulty_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}
static int faulty_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
	FORWARD(CALL_READ, real(f)->pMethods->xRead(real(f), out, n, at));
}
static int faulty_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
	FORWARD(CALL_WRITE, real(f)->pMethods->xWrite(real(f), bytes, n, at));
}
static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	FORWARD(CALL_TRUNCATE, real(f)->pMethods->xTruncate(real(f), size));
}
static int faulty_sync(sqlite3_file *f, int flags)
{
	FORWARD(CALL_SYNC, real(f)->pMethods->xSync(real(f), flags));
}
static int faulty_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real(f)->pMethods->xFileSize(real(f), size);
}
static int faulty_lock(sqlite3_file *f, int level)
{
	FORWARD(CALL_LOCK, real(f)->pMethods->xLock(real(f), level));
}
static int faulty_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}
static int faulty_check(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
static int faulty_control(sqlite3_file *f, int what, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), what, arg);
}
static int faulty_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}
static int faulty_character(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
static int faulty_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
static int faulty_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	if (!(flags & SQLITE_SHM_LOCK))
		return real(f)->pMethods->xShmLock(real(f), at, n, flags);
	FORWARD(CALL_SHM_LOCK, real(f)->pMethods->xShmLock(real(f), at, n, flags));
}
static void faulty_shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}
static int faulty_shm_unmap(sqlite3_file *f, int is_last)
{
	return real(f)->pMethods->xShmUnmap(real(f), is_last);
}

static const sqlite3_io_methods faulty_methods = {
	2,
	faulty_close,
	faulty_read,
	faulty_write,
	faulty_truncate,
	faulty_sync,
	faulty_size,
	faulty_lock,
	faulty_unlock,
	faulty_check,
	faulty_control,
	faulty_sector,
	faulty_character,
	faulty_shm_map,
	faulty_shm_lock,
	faulty_shm_barrier,
	faulty_shm_unmap,
	NULL,
	NULL,
};

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct faulty_file *ours = (struct faulty_file *)f;
	int code = fails(CALL_OPEN);

	(void)vfs;
	ours->base.pMethods = NULL;
	ours->real = (sqlite3_file *)(ours + 1);
	if (code == SQLITE_OK)
		code = real_vfs->xOpen(real_vfs, name, ours->real, flags, out);
	if (code == SQLITE_OK)
		ours->base.pMethods = &faulty_methods;
	return code;
}

static sqlite3_vfs faulty_vfs;

static void install(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	faulty_vfs = *real_vfs;
	faulty_vfs.zName = "faulty";
	faulty_vfs.szOsFile += (int)sizeof(struct faulty_file);
	faulty_vfs.xOpen = faulty_open;
	ck_assert_int_eq(sqlite3_vfs_register(&faulty_vfs, 1), SQLITE_OK);
	fault.countdown = -1;
}

/* ---- the tests ---- */

static struct kit kit;

static void setup(void)
{
	install();
	kit_init(&kit);
}

static void teardown(void)
{
	fault.countdown = -1;
	kit_release(&kit);
	ck_assert_int_eq(sqlite3_vfs_unregister(&faulty_vfs), SQLITE_OK);
}

static const struct {
	enum call kind;
	int code;
} faults[] = {
	{ CALL_WRITE, SQLITE_FULL },
	{ CALL_WRITE, SQLITE_IOERR_WRITE },
	{ CALL_SYNC, SQLITE_IOERR_FSYNC },
	{ CALL_TRUNCATE, SQLITE_IOERR_TRUNCATE },
	{ CALL_READ, SQLITE_IOERR_READ },
	{ CALL_LOCK, SQLITE_IOERR_LOCK },
	{ CALL_SHM_LOCK, SQLITE_IOERR_SHMLOCK },
	{ CALL_OPEN, SQLITE_CANTOPEN },
};

static void arm(int which, int after)
{
	fault = (struct fault){ faults[which].kind, faults[which].code, after, false };
}

static void disarm(void)
{
	fault.countdown = -1;
}

static void store_is_whole(int64_t committed)
{
	ck_assert_int_eq(
		file_number(&kit,
			"SELECT count(*) FROM limit_window AS w WHERE live <> (SELECT count(*)"
			" FROM limit_entry AS e WHERE e.key = w.key AND e.tick > w.from_tick)"),
		0);
	ck_assert_int_eq(file_number(&kit, "SELECT max(seq) - count(*) FROM audit"), 0);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), committed);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'outcome'"), committed);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), committed);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM pragma_integrity_check WHERE "
					   "integrity_check <> 'ok'"),
		0);
}

/* One call while the fault is armed; the outcome is written when it is over. True: it was
 * committed. */
static bool call_under_fault(int64_t window_ms)
{
	struct job j;
	struct op op = { .is_kept = true };

	job_init(&j, &kit, LIMITS({ "k", window_ms, 100000 }));
	int answer = job_commit(&j);
	ck_assert_int_le(answer, COMMITTED);
	if (answer == COMMITTED) {
		struct settle e = { .call = &j.facts,
			.limits = j.claims,
			.left_tick_ms = -1,
			.evidence = &j.outcome };
		store_settle(kit.store, &op, &e);
		store_turn_run(kit.store);
		disarm();
		for (int i = 0; op.is_submitted; i++) {
			ck_assert_int_lt(i, 10);
			hands_move(&kit.hands, store_next_due_ms(kit.store, kit.hands.mono_ms));
			store_idle(kit.store);
		}
		ck_assert_int_eq(op.err, OK);
	}
	disarm();
	job_release(&j);
	return answer == COMMITTED;
}

START_TEST(a_failing_disk_refuses_calls_and_loses_no_outcome)
{
	int64_t committed = 0;
	bool happened = true;

	for (int after = 0; happened; after++) {
		ck_assert_int_lt(after, 200);
		arm(_i, after);
		committed += call_under_fault(after % 2 ? HOUR : MINUTE);
		happened = fault.happened;
		ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 100000 }), DONE), COMMITTED);
		committed++;
		store_is_whole(committed);
	}
}
END_TEST

START_TEST(a_failing_disk_at_a_checkpoint_harms_nothing)
{
	int64_t committed = 0;

	for (int after = 0; after < 6; after++) {
		for (int i = 0; i < 250; i++)
			ck_assert_int_eq(
				call_once(&kit, LIMITS({ "k", MINUTE, 100000 }), DONE), COMMITTED);
		committed += 250;
		arm(_i, after * 6);
		hands_move(&kit.hands, 1000);
		store_idle(kit.store);
		disarm();
	}
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", MINUTE, 100000 }), DONE), COMMITTED);
	store_is_whole(committed + 1);
}
END_TEST

START_TEST(a_failing_disk_at_opening_is_an_error_and_the_next_opening_is_whole)
{
	bool happened = true;

	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 100000 }), DONE), COMMITTED);
	for (int after = 0; happened; after++) {
		ck_assert_int_lt(after, 200);
		kit_close(&kit);
		arm(_i, after);
		enum err e = kit_try_open(&kit, kit.folder);
		happened = fault.happened;
		disarm();
		if (e != OK) {
			ck_assert_int_ne(e, ERR_NOT_FOUND);
			ck_assert_str_ne(kit.why.text, "");
			kit_open(&kit);
		}
		ck_assert_uint_eq(kit_show(&kit, "k", HOUR).used, 1);
	}
	store_is_whole(1);
}
END_TEST

START_TEST(a_failing_disk_at_the_first_run_is_an_error_and_the_next_run_is_the_first)
{
	bool happened = true;

	for (int after = 0; happened; after++) {
		CLEANUP(free_charp) char *clean = xasprintf("rm -rf %s/*", kit.folder);
		ck_assert_int_lt(after, 400);
		kit_close(&kit);
		ck_assert_int_eq(system(clean), 0);
		arm(_i, after);
		enum err e = kit_try_open(&kit, kit.folder);
		happened = fault.happened;
		disarm();
		if (e != OK)
			kit_open(&kit);
		ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 1 }), DONE), COMMITTED);
		store_is_whole(1);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_faults");
	TCase *t = tcase_create("faults");
	int n = (int)ARRAY_LEN(faults);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_failing_disk_refuses_calls_and_loses_no_outcome, 0, n);
	tcase_add_loop_test(t, a_failing_disk_at_a_checkpoint_harms_nothing, 0, n);
	tcase_add_loop_test(
		t, a_failing_disk_at_opening_is_an_error_and_the_next_opening_is_whole, 0, n);
	tcase_add_loop_test(
		t, a_failing_disk_at_the_first_run_is_an_error_and_the_next_run_is_the_first, 0, n);
	suite_add_tcase(s, t);
	return s;
}
