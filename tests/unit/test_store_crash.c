/* The power goes, at every moment at which something was about to reach the disk (security test 4): the database opens, its chain holds, what
 * was told to be written durably is there, and no limit lets more through. */
#include "unit/crash_vfs.h"
#include "unit/message_kit.h"

#define ROUNDS     4                      /* of the scenario; each leaves about 20 syncs */
#define FACTS_MAX  1024
#define SHORT      { "short", MINUTE, 1 } /* a window that is written without waiting for the disk */
#define LONG       { "long", HOUR, 1000 }

static struct kit kit;
static char *elsewhere;                   /* a folder in which images are looked at */

/* ---- what was told to be so, and when it was ---- */

static struct fact { size_t at; char sql[320]; } facts[FACTS_MAX];
static size_t facts_n;
static struct moment { size_t at; struct hands hands; bool is_short_used; } moments[FACTS_MAX];
static size_t moments_n;

static void PRINTF_LIKE(1, 2) hold_true(const char *fmt, ...)
{
	struct fact *f = &facts[facts_n++];
	va_list ap;

	ck_assert_uint_lt(facts_n, FACTS_MAX);
	f->at = crash_now();
	va_start(ap, fmt);
	ck_assert_int_lt(vsnprintf(f->sql, sizeof(f->sql), fmt, ap), (int)sizeof(f->sql));
	va_end(ap);
}

static void note_moment(bool is_short_used)
{
	moments[moments_n] = (struct moment){ crash_now(), kit.hands, is_short_used };
	ck_assert_uint_lt(++moments_n, FACTS_MAX);
}

/* ---- what happens until the power goes ---- */

/* Of a window of an hour, whose uses are on disk before the first byte leaves. */
static void call_durably(void)
{
	struct job j;

	job_init(&j, &kit, LIMITS(LONG));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	hold_true("SELECT count(*) FROM audit WHERE call = '%s' AND kind = 'intent'", j.facts.id);
	hold_true("SELECT count(*) FROM limit_entry WHERE call = '%s'", j.facts.id);
	hold_true("SELECT (SELECT count(*) FROM flight WHERE call = '%s') + (SELECT count(*) FROM audit WHERE call = '%s' AND kind = 'outcome')",
		j.facts.id, j.facts.id);
	job_settle(&j, DONE);
	job_release(&j);
}

/* Of a window of a minute, full from now on. */
static void call_quickly(void)
{
	hands_move(&kit.hands, 2 * MINUTE);
	note_moment(false);
	ck_assert_int_eq(call_once(&kit, LIMITS(SHORT), DONE), COMMITTED);
	note_moment(true);
}

static void tell(const char *approval, const char *channel, const char *ref)
{
	struct copy before = copy_of(&kit, approval, channel);
	uint32_t n = message_begin(&kit, approval, channel);

	hold_true("SELECT count(*) FROM message WHERE approval = '%s' AND channel = '%s' AND tries >= %u", approval, channel, n);
	hold_true("SELECT count(*) FROM message_attempt WHERE approval = '%s' AND channel = '%s' AND n = %u", approval, channel, n);
	ck_assert_int_eq(message_finish(&kit, (struct message_end){ .approval = approval, .channel = channel, .n = n, .told_seq = before.m.last_seq,
		.result = MESSAGE_OK, .ref = ref, .said = "" }), 1);
	hold_true("SELECT count(*) FROM message WHERE approval = '%s' AND channel = '%s' AND told_seq >= %llu AND ref = '%s'", approval, channel,
		(unsigned long long)before.m.last_seq, ref);
}

static void ask_people(uint8_t args, bool is_approving)
{
	struct asker a;

	asker_init(&a, &kit, args, LIMITS(LONG));
	asker_tells(&a, 2);
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	hold_true("SELECT count(*) FROM approval WHERE id = '%s'", a.approval);
	hold_true("SELECT count(*) = 2 FROM message WHERE approval = '%s'", a.approval);
	hold_true("SELECT count(*) FROM approval_event WHERE approval = '%s' AND what = 'asked'", a.approval);
	tell(a.approval, "slack", "ts");
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "alice", .is_approving = is_approving, .args = args }, NULL), VOTE_DECIDED);
	hold_true("SELECT count(*) FROM approval WHERE id = '%s' AND decided_by = 'alice' AND state IN (%s)", a.approval,
		is_approving ? "'APPROVED','CONSUMED','EXPIRED'" : "'REJECTED'");
	hold_true("SELECT count(*) FROM approval_event WHERE approval = '%s' AND what = 'decided'", a.approval);
	hold_true("SELECT count(*) FROM audit WHERE call = '%s' AND verdict = '%s'", a.approval, is_approving ? "approve" : "reject");
	if (is_approving) {
		ck_assert_int_eq(asker_commit(&a), COMMITTED);
		hold_true("SELECT count(*) FROM approval WHERE id = '%s' AND state = 'CONSUMED'", a.approval);
		job_settle(&a.job, DONE);
	}
	tell(a.approval, "slack", "ts");
	job_release(&a.job);
}

static void checkpoint(void)
{
	kit_sql(&kit, "PRAGMA wal_checkpoint(PASSIVE)");
}

static void live_until_the_power_goes(void)
{
	crash_record(kit.folder);
	for (int round = 0; round < ROUNDS; round++) {
		call_quickly();
		ask_people((uint8_t)(2 * round), true);
		call_durably();
		if (round % 3 == 1)
			checkpoint();
		call_quickly();
		ask_people((uint8_t)(2 * round + 1), false);
		hands_move(&kit.hands, round % 2 ? SECOND : 31 * SECOND);
		store_idle(kit.store);
	}
	crash_stop();
}

/* ---- what is left ---- */

struct chain { uint8_t last[32]; uint64_t seq; };

static bool continues(void *arg, const struct audit_row *row)
{
	struct chain *c = arg;
	uint8_t expected[32];

	ck_assert_uint_eq(row->seq, c->seq + 1);
	evidence_chain(c->last, row->seq, row->digest, expected);
	ck_assert_mem_eq(expected, row->chain, 32);
	memcpy(c->last, row->chain, 32);
	c->seq = row->seq;
	return true;
}

/* One connection for all questions to an image. */
static int64_t number_in(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;

	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_step(q), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static sqlite3 *image_open(const struct kit *k)
{
	CLEANUP(free_charp) char *path = kit_path(k, "aegis.db");
	sqlite3 *db = NULL;

	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	return db;
}

static void is_sound(const struct kit *k, sqlite3 *db)
{
	static const char *const none[] = {
		"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
		"SELECT count(*) FROM limit_window AS w WHERE live <> (SELECT count(*) FROM limit_entry AS e WHERE e.key = w.key AND e.tick > w.from_tick)",
		"SELECT count(*) FROM approval AS a WHERE (SELECT count(*) FROM message AS m WHERE m.approval = a.id) <> 2",
		"SELECT count(*) FROM approval AS a WHERE (SELECT count(*) FROM approval_event AS e WHERE e.approval = a.id AND what = 'asked') <> 1",
		"SELECT count(*) FROM message AS m WHERE tries <> (SELECT count(*) FROM message_attempt AS t WHERE t.approval = m.approval AND t.channel = m.channel)",
		"SELECT count(*) FROM approval WHERE (state = 'CONSUMED') <> (consumed_by <> '')",
	};
	struct chain c = { .seq = 0 };

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		ck_assert_msg(number_in(db, none[i]) == 0, "%s", none[i]);
	ck_assert_int_eq(store_audit_read(k->store, &(struct audit_filter){ 0 }, continues, &c), OK);
}

static const struct moment *moment_at(size_t at)
{
	const struct moment *last = &moments[0];

	for (size_t i = 0; i < moments_n && moments[i].at <= at; i++)
		last = &moments[i];
	return last;
}

/* The machine starts again at once with what the disk has. */
static void look_at(size_t at, enum crash_loss loss, uint64_t seed)
{
	const struct moment *m = moment_at(at);
	struct kit k;

	crash_image(at, loss, seed, elsewhere);
	kit_set(&k, elsewhere);
	k.hands = m->hands;
	k.clock.arg = &k.hands;
	k.is_unsafe = true;              /* this machine stays up */
	hands_reboot(&k.hands, "b2:1", SECOND);
	kit_open(&k);
	sqlite3 *db = image_open(&k);
	for (size_t i = 0; i < facts_n && facts[i].at <= at; i++)
		ck_assert_msg(number_in(db, facts[i].sql) > 0, "after %zu events (loss %d, seed %llu) it is not so: %s", at, loss, (unsigned long long)seed,
			facts[i].sql);
	is_sound(&k, db);
	if (m->is_short_used && crash_sees_every_sync())
		ck_assert_int_eq(call_once(&k, LIMITS(SHORT), DONE), COMMIT_LIMITED);
	ck_assert_int_eq(call_once(&k, LIMITS({ "other", HOUR, 100 }), DONE), COMMITTED);
	is_sound(&k, db);
	sqlite3_close(db);
	kit_close(&k);
}

static void setup(void)
{
	CLEANUP(free_charp) char *copy = NULL;

	facts_n = moments_n = 0;
	crash_install();
	kit_init(&kit);
	elsewhere = scratch_new();
	copy = xasprintf("cp -a '%s/keys' '%s/'", kit.folder, elsewhere);
	ck_assert_int_eq(system(copy), 0);
}

static void teardown(void)
{
	kit_release(&kit);
	scratch_remove(elsewhere);
	crash_remove();
}

START_TEST(a_power_failure_at_any_moment_takes_nothing_that_was_promised)
{
	int images = 0;

	live_until_the_power_goes();
	for (size_t at = 0; crash_next_sync(&at);)
		for (int loss = 0; loss < CRASH_LOSSES; loss++, images++)
			look_at(at, (enum crash_loss)loss, at);
	look_at(crash_now(), CRASH_LOSES_ALL, 0);
	ck_assert_int_gt(images, 100);
}
END_TEST

/* That the test can fail: without a sync what was told is not on disk. */
START_TEST(what_was_not_synced_is_lost_in_these_images)
{
	crash_record(kit.folder);
	kit_sql(&kit, "PRAGMA synchronous = OFF; CREATE TABLE late (x); INSERT INTO late VALUES (1)");
	crash_stop();
	crash_image(crash_now(), CRASH_LOSES_ALL, 0, elsewhere);
	struct kit k;
	kit_set(&k, elsewhere);
	ck_assert_int_eq(file_number(&k, "SELECT count(*) FROM sqlite_schema WHERE name = 'late'"), 0);
	crash_image(crash_now(), CRASH_LOSES_NOTHING, 0, elsewhere);
	ck_assert_int_eq(file_number(&k, "SELECT count(*) FROM late"), 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_crash");
	TCase *t = tcase_create("crash");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_power_failure_at_any_moment_takes_nothing_that_was_promised);
	tcase_add_test(t, what_was_not_synced_is_lost_in_these_images);
	suite_add_tcase(s, t);
	return s;
}
