/* The database is missing, taken away, replaced, damaged, locked or full: refused with the
 * right word, and well again when the cause goes. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "unit/store_kit.h"

static struct kit kit;
static char *database, *wal, *aside;

static void setup(void)
{
	kit_init(&kit);
	database = kit_path(&kit, "aegis.db");
	wal = kit_path(&kit, "aegis.db-wal");
	aside = kit_path(&kit, "aside");
}

static void teardown(void)
{
	if (kit.store)
		kit_close(&kit);
	scratch_remove(kit.folder);
	free(database);
	free(wal);
	free(aside);
}

static int use(void)
{
	return call_once(&kit, LIMITS({ "k", HOUR, 1000 }), DONE);
}

static void run(const char *command)
{
	ck_assert_int_eq(system(command), 0);
}

static void PRINTF_LIKE(1, 2) shell(const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 4096);
	va_start(ap, fmt);
	ck_assert(buf_vprintf(&b, fmt, ap));
	va_end(ap);
	run(b.data);
	buf_release(&b);
}

static uint32_t used(void)
{
	return kit_show(&kit, "k", HOUR).used;
}

static void sql(const char *text)
{
	kit_sql(&kit, text);
}

/* Overwrites one page, found by a query, of the database nobody has open. */
static void damage_page(const char *query)
{
	char page[4096];

	sql("PRAGMA journal_mode=DELETE");
	int64_t number = file_number(&kit, query);
	memset(page, 0xff, sizeof(page));
	CLEANUP(close_fdp) int fd = open(database, O_WRONLY);
	ck_assert_int_eq(
		pwrite(fd, page, sizeof(page), (number - 1) * (off_t)sizeof(page)), sizeof(page));
}

/* ---- first run ---- */

START_TEST(everything_is_made_private)
{
	static const char *const files[] = { "", "aegis.db", "aegis.db-wal", "aegis.db-shm", "keys",
		"keys/instance", "gate" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(free_charp) char *path = kit_path(&kit, files[i]);
		struct stat st;
		ck_assert_msg(stat(path, &st) == 0, "%s", path);
		ck_assert_msg((st.st_mode & 077) == 0, "%s: %o", path, st.st_mode);
	}
}
END_TEST

START_TEST(a_reader_makes_no_database)
{
	CLEANUP(free_charp) char *folder = kit_path(&kit, "other");
	struct store_options o = { .state_dir = folder, .is_reader = true };
	struct store *s = NULL;

	ck_assert_int_eq(store_open(&o, &s, &kit.why), ERR_NOT_FOUND);
	ck_assert_ptr_null(s);
	shell("! test -e %s/aegis.db", folder);
}
END_TEST

START_TEST(killed_before_the_marker_a_first_run_is_finished_by_the_next)
{
	CLEANUP(free_charp) char *keys = kit_path(&kit, "keys");

	kit_close(&kit);
	shell("rm -r %s", keys);
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
	shell("test -s %s/instance", keys);
}
END_TEST

START_TEST(killed_before_the_first_table_a_first_run_is_begun_again)
{
	kit_close(&kit);
	shell("rm -r %s/keys %s* && : > %s && chmod 600 %s", kit.folder, database, database,
		database);
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
}
END_TEST

/* ---- missing ---- */

START_TEST(a_missing_database_beside_existing_keys_is_not_a_first_run)
{
	kit_close(&kit);
	shell("rm %s*", database);
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_MISSING);
	ck_assert_ptr_nonnull(strstr(kit.why.text, "aegisctl repair"));
	shell("! test -e %s", database);
}
END_TEST

START_TEST(an_emptied_database_is_not_a_first_run)
{
	kit_close(&kit);
	shell("rm %s-*; : > %s", database, database);
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_CORRUPT);
}
END_TEST

START_TEST(a_database_taken_away_is_refused_until_it_is_back)
{
	bool is_ours;

	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_int_eq(rename(database, aside), 0);
	ck_assert_int_eq(use(), ERR_STORE_MISSING);
	ck_assert(store_is_refusing(kit.store));
	ck_assert_int_eq(store_flight_is_ours(kit.store, "x", 1, &is_ours), ERR_STORE_MISSING);
	ck_assert_int_eq(rename(aside, database), 0);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert(!store_is_refusing(kit.store));
	ck_assert_uint_eq(used(), 2);
}
END_TEST

/* ---- replaced ---- */

START_TEST(another_folders_database_in_its_place_is_refused)
{
	struct kit other;

	kit_init(&other);
	ck_assert_int_eq(call_once(&other, NULL, 0, DONE), COMMITTED);
	kit_close(&other);
	ck_assert_int_eq(use(), COMMITTED);
	shell("mv %s %s; cp %s/aegis.db %s", database, aside, other.folder, database);
	ck_assert_int_eq(use(), ERR_STORE_MOVED);
	ck_assert_int_eq(use(), ERR_STORE_MOVED);
	ck_assert_int_eq(rename(aside, database), 0);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_uint_eq(used(), 2);
	scratch_remove(other.folder);
}
END_TEST

START_TEST(an_older_copy_in_its_place_is_refused)
{
	ck_assert_int_eq(use(), COMMITTED);
	shell("cp %s %s.old; cp %s %s.old-wal", database, aside, wal, aside);
	ck_assert_int_eq(use(), COMMITTED);
	shell("mv %s %s; cp %s.old %s; cp %s.old-wal %s", database, aside, aside, database, aside,
		wal);
	ck_assert_int_eq(use(), ERR_STORE_MOVED);
	ck_assert_int_eq(use(), ERR_STORE_MOVED);
}
END_TEST

START_TEST(the_same_database_restored_is_taken_up_again)
{
	ck_assert_int_eq(use(), COMMITTED);
	CLEANUP(free_charp) char *vacuum = xasprintf("VACUUM INTO '%s'", aside);
	sql(vacuum); /* SQLite's own backup: the same rows in another file */
	shell("mv %s %s.gone && rm %s-* && mv %s %s", database, aside, database, aside, database);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_uint_eq(used(), 2);
}
END_TEST

START_TEST(a_folder_in_its_place_is_refused)
{
	shell("mv %s %s; mkdir %s", database, aside, database);
	ck_assert_int_lt(use(), 0);
	shell("rmdir %s; mv %s %s", database, aside, database);
	ck_assert_int_eq(use(), COMMITTED);
}
END_TEST

START_TEST(a_link_in_its_place_is_refused)
{
	shell("mv %s %s; ln -s %s %s", database, aside, aside, database);
	ck_assert_int_lt(use(), 0);
	kit_close(&kit);
	ck_assert_int_lt(kit_try_open(&kit, kit.folder), 0);
	shell("rm %s; mv %s %s", database, aside, database);
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
}
END_TEST

/* ---- damaged ---- */

START_TEST(garbage_is_refused_and_left_alone)
{
	kit_close(&kit);
	shell("rm %s-*; head -c 20000 /dev/urandom > %s; cp %s %s", database, database, database,
		aside);
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(kit.why.text, "aegisctl repair"));
	shell("cmp %s %s", database, aside);
}
END_TEST

START_TEST(a_file_overwritten_in_place_is_refused)
{
	ck_assert_int_eq(use(), COMMITTED);
	shell("head -c 4096 /dev/urandom | dd of=%s conv=notrunc status=none", database);
	ck_assert_int_eq(use(), ERR_STORE_CORRUPT);
	ck_assert(store_is_refusing(kit.store));
}
END_TEST

START_TEST(a_damaged_page_is_refused_until_repair)
{
	struct buf lost;

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(use(), COMMITTED);
	kit_close(&kit);
	damage_page("SELECT rootpage FROM sqlite_schema WHERE name = 'limit_window'");
	kit_open(&kit);
	ck_assert_int_eq(use(), ERR_STORE_CORRUPT);
	ck_assert_int_eq(use(), ERR_STORE_CORRUPT);
	buf_init(&lost, 4096);
	ck_assert_int_eq(store_repair(kit.folder, &lost, &kit.why), OK);
	hands_move(&kit.hands, 2 * HOUR);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), 301);
	buf_release(&lost);
}
END_TEST

/* ---- locked, full, read-only ---- */

START_TEST(locked_by_another_program_calls_are_refused_and_outcomes_wait)
{
	struct job j;
	sqlite3 *db = NULL;
	struct op op = { .is_kept = true };

	job_init(&j, &kit, LIMITS({ "k", HOUR, 1000 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(use(), ERR_STORE_LOCKED);
	struct settle e = {
		.call = &j.facts, .limits = j.claims, .left_tick_ms = -1, .evidence = &j.outcome
	};
	store_settle(kit.store, &op, &e);
	store_turn_run(kit.store);
	ck_assert(op.is_submitted);
	ck_assert(store_has_kept(kit.store));
	ck_assert_int_eq(
		use(), ERR_STORE_LOCKED); /* new calls are refused while an outcome is not in */
	ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	int64_t due_ms = store_next_due_ms(kit.store, kit.hands.mono_ms);
	ck_assert_int_ge(due_ms, 0);
	hands_move(&kit.hands, due_ms);
	store_idle(kit.store);
	ck_assert(!op.is_submitted);
	ck_assert_int_eq(op.err, OK);
	ck_assert(!store_is_refusing(kit.store));
	ck_assert_int_eq(use(), COMMITTED);
	job_release(&j);
}
END_TEST

START_TEST(a_refusing_store_finds_out_by_itself_when_the_cause_is_gone)
{
	ck_assert_int_eq(rename(database, aside), 0);
	ck_assert_int_eq(use(), ERR_STORE_MISSING);
	ck_assert_int_eq(rename(aside, database), 0);
	ck_assert(store_is_refusing(kit.store));
	hands_move(&kit.hands, store_next_due_ms(kit.store, kit.hands.mono_ms));
	store_idle(kit.store);
	ck_assert(!store_is_refusing(kit.store));
}
END_TEST

START_TEST(a_full_disk_is_refused_and_forgotten)
{
	struct rlimit before, small;
	struct stat st;

	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_int_eq(stat(wal, &st), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	small = (struct rlimit){ (rlim_t)st.st_size, before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(use(), ERR_STORE_FULL);
	ck_assert_int_eq(use(), ERR_STORE_FULL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_uint_eq(used(), 2);
}
END_TEST

#define NOBODY 65534

/* As an ordinary user: root writes to everything. */
static int read_only_child(void)
{
	if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		return 1;
	return kit_try_open(&kit, kit.folder) == ERR_STORE_READONLY ? 0 : 2;
}

START_TEST(a_read_only_database_is_refused)
{
	int status = 0;

	kit_close(&kit);
	sql("PRAGMA journal_mode=DELETE");
	ck_assert_int_eq(chmod(database, 0400), 0);
	if (geteuid() == 0)
		shell("chown -R %d:%d %s", NOBODY, NOBODY, kit.folder);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(read_only_child());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- the gate ---- */

START_TEST(a_gate_that_was_replaced_is_left_for_the_new_one)
{
	CLEANUP(free_charp) char *gate = kit_path(&kit, "gate");

	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_int_eq(unlink(gate), 0);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_int_eq(access(gate, F_OK), 0);
	ck_assert_uint_eq(used(), 2);
}
END_TEST

/* ---- repair ---- */

static struct buf lost;

static enum err repair(void)
{
	buf_init(&lost, 16384);
	return store_repair(kit.folder, &lost, &kit.why);
}

START_TEST(repair_leaves_a_sound_database_alone)
{
	ck_assert_int_eq(use(), COMMITTED);
	kit_close(&kit);
	ck_assert_int_eq(repair(), OK);
	ck_assert_uint_eq(lost.len, 0);
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert_uint_eq(used(), 2);
	buf_release(&lost);
}
END_TEST

START_TEST(repair_keeps_tokens_and_gives_no_event_number_twice)
{
	uint64_t seq = 0;

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(use(), COMMITTED);
	kit_sql(&kit, "INSERT INTO token (id, hash, kind, name, role, created_at, created_by) VALUES ('t', x'01', 'api', 'ci', 'viewer', 1, 'me');"
		      " INSERT INTO approval_event VALUES (41, 'x', 'asked', 1), (42, 'x', 'expired', 2)");
	kit_close(&kit);
	damage_page("SELECT rootpage FROM sqlite_schema WHERE name = 'limit_window'");
	ck_assert_int_eq(repair(), OK);
	kit_open(&kit);
	ck_assert_int_eq(store_approval_event_last(kit.store, &seq), OK);
	ck_assert_uint_eq(seq, 42);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_event"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM token WHERE name = 'ci'"), 1);
	buf_release(&lost);
}
END_TEST

START_TEST(repair_of_nothing_says_so)
{
	CLEANUP(free_charp) char *folder = kit_path(&kit, "other");
	struct buf none;

	buf_init(&none, 1024);
	ck_assert_int_eq(store_repair(folder, &none, &kit.why), ERR_NOT_FOUND);
	buf_release(&none);
}
END_TEST

START_TEST(repair_of_a_missing_database_fills_every_limit_for_its_window)
{
	ck_assert_int_eq(use(), COMMITTED);
	kit_close(&kit);
	shell("rm %s*", database);
	ck_assert_int_eq(repair(), OK);
	ck_assert_ptr_nonnull(strstr(lost.data, "missing"));
	ck_assert_ptr_nonnull(strstr(lost.data, "full"));
	kit_open(&kit);
	ck_assert_int_eq(use(), COMMIT_LIMITED);
	ck_assert_int_eq(call_once(&kit, LIMITS({ "other", 24 * HOUR, 5 }), DONE), COMMIT_LIMITED);
	hands_move(&kit.hands, HOUR + GUARD + SECOND);
	ck_assert_int_eq(use(), COMMITTED);
	ck_assert(!kit_show(&kit, "other", HOUR).is_closed);
	ck_assert(kit_show(&kit, "other", 24 * HOUR).is_closed);
	ck_assert_int_eq(call_once(&kit, LIMITS({ "other", 24 * HOUR, 5 }), DONE), COMMIT_LIMITED);
	buf_release(&lost);
}
END_TEST

START_TEST(repair_keeps_the_damaged_files_and_carries_over_what_can_be_read)
{
	struct config_put p = { .path = "/etc/a.yaml" };
	struct op op = { 0 };

	store_config_put(kit.store, &op, &p);
	op_finish(kit.store, &op);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(use(), COMMITTED);
	kit_close(&kit);
	damage_page("SELECT pageno FROM dbstat WHERE name = 'audit' AND pagetype = 'leaf' LIMIT 1 "
		    "OFFSET 20");
	ck_assert_int_eq(repair(), OK);
	ck_assert_ptr_nonnull(strstr(lost.data, "audit: "));
	shell("ls %s.broken-* >/dev/null", database);
	ck_assert_int_gt(file_number(&kit, "SELECT count(*) FROM audit"), 900);
	ck_assert_int_lt(file_number(&kit, "SELECT count(*) FROM audit"), 1002);
	ck_assert_int_eq(file_number(&kit, "SELECT max(seq) FROM audit"), 1002);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 500);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM config"), 1);
	buf_release(&lost);
}
END_TEST

START_TEST(repair_carries_nothing_over_from_a_foreign_database)
{
	kit_close(&kit);
	shell("rm %s*", database);
	sql("CREATE TABLE audit (seq, body); INSERT INTO audit VALUES (1, 2)");
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_CORRUPT);
	ck_assert_int_eq(repair(), OK);
	ck_assert_ptr_nonnull(strstr(lost.data, "not the database"));
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit"), 1);
	buf_release(&lost);
}
END_TEST

START_TEST(a_repair_killed_half_way_is_finished_by_the_next)
{
	kit_close(&kit);
	shell("rm %s-*; head -c 20000 /dev/urandom > %s", database, database);
	ck_assert_int_eq(repair(), OK);
	buf_release(&lost);
	/* as if it had been killed between putting aside and putting in place */
	shell("mv %s %s.new; echo 00112233445566778899aabbccddeeff | tr -d '\\n' > "
	      "%s/keys/instance",
		database, database, kit.folder);
	ck_assert_int_eq(kit_try_open(&kit, kit.folder), ERR_STORE_MISSING);
	ck_assert_int_eq(repair(), OK);
	buf_release(&lost);
	kit_open(&kit);
	kit_close(&kit);
}
END_TEST

START_TEST(a_running_store_takes_up_the_repaired_database)
{
	ck_assert_int_eq(use(), COMMITTED);
	shell("head -c 4096 /dev/urandom | dd of=%s conv=notrunc status=none", database);
	ck_assert_int_eq(use(), ERR_STORE_CORRUPT);
	ck_assert_int_eq(repair(), OK);
	ck_assert_int_eq(use(), COMMIT_LIMITED); /* full for one window */
	hands_move(&kit.hands, 2 * HOUR);
	ck_assert_int_eq(use(), COMMITTED);
	buf_release(&lost);
}
END_TEST

static void add_first_and_missing(TCase *t)
{
	tcase_add_test(t, everything_is_made_private);
	tcase_add_test(t, a_reader_makes_no_database);
	tcase_add_test(t, killed_before_the_marker_a_first_run_is_finished_by_the_next);
	tcase_add_test(t, killed_before_the_first_table_a_first_run_is_begun_again);
	tcase_add_test(t, a_missing_database_beside_existing_keys_is_not_a_first_run);
	tcase_add_test(t, an_emptied_database_is_not_a_first_run);
	tcase_add_test(t, a_database_taken_away_is_refused_until_it_is_back);
}

static void add_replaced_and_damaged(TCase *t)
{
	tcase_add_test(t, another_folders_database_in_its_place_is_refused);
	tcase_add_test(t, an_older_copy_in_its_place_is_refused);
	tcase_add_test(t, the_same_database_restored_is_taken_up_again);
	tcase_add_test(t, a_folder_in_its_place_is_refused);
	tcase_add_test(t, a_link_in_its_place_is_refused);
	tcase_add_test(t, garbage_is_refused_and_left_alone);
	tcase_add_test(t, a_file_overwritten_in_place_is_refused);
	tcase_add_test(t, a_damaged_page_is_refused_until_repair);
}

static void add_machine_and_repair(TCase *t)
{
	tcase_add_test(t, locked_by_another_program_calls_are_refused_and_outcomes_wait);
	tcase_add_test(t, a_refusing_store_finds_out_by_itself_when_the_cause_is_gone);
	tcase_add_test(t, a_full_disk_is_refused_and_forgotten);
	tcase_add_test(t, a_read_only_database_is_refused);
	tcase_add_test(t, a_gate_that_was_replaced_is_left_for_the_new_one);
	tcase_add_test(t, repair_leaves_a_sound_database_alone);
	tcase_add_test(t, repair_of_nothing_says_so);
	tcase_add_test(t, repair_keeps_tokens_and_gives_no_event_number_twice);
	tcase_add_test(t, repair_of_a_missing_database_fills_every_limit_for_its_window);
	tcase_add_test(t, repair_keeps_the_damaged_files_and_carries_over_what_can_be_read);
	tcase_add_test(t, repair_carries_nothing_over_from_a_foreign_database);
	tcase_add_test(t, a_repair_killed_half_way_is_finished_by_the_next);
	tcase_add_test(t, a_running_store_takes_up_the_repaired_database);
}

Suite *suite(void)
{
	Suite *s = suite_create("store_file");
	TCase *t = tcase_create("file");

	tcase_add_checked_fixture(t, setup, teardown);
	add_first_and_missing(t);
	add_replaced_and_damaged(t);
	add_machine_and_repair(t);
	suite_add_tcase(s, t);
	return s;
}
