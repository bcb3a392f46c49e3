#include "unit/store_kit.h"

static struct kit kit;

static void setup(void)
{
	kit_init(&kit);
}

static void teardown(void)
{
	kit_release(&kit);
}

static void op_wait(struct op *op)
{
	op_finish(kit.store, op);
}

/* ---- the commit point and its end ---- */

START_TEST(a_commit_writes_flight_and_intent_and_an_outcome_ends_them)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", HOUR, 1 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), 1);
	job_settle(&j, DONE);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'outcome'"), 1);
	job_release(&j);
}
END_TEST

START_TEST(a_refused_commit_writes_nothing)
{
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", HOUR, 1 }), DONE), COMMITTED);
	int64_t rows = file_number(&kit, "SELECT count(*) FROM audit");
	ck_assert_int_eq(
		call_once(&kit, LIMITS({ "a", HOUR, 5 }, { "k", HOUR, 1 }), DONE), COMMIT_LIMITED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit"), rows);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry WHERE key = 'a'"), 0);
}
END_TEST

START_TEST(a_flight_is_ours_under_its_own_epoch_until_it_ends)
{
	struct job j;
	bool is_ours = false;

	job_init(&j, &kit, NULL, 0);
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	uint32_t first = j.epoch;
	ck_assert_int_eq(store_flight_is_ours(kit.store, j.facts.id, first, &is_ours), OK);
	ck_assert(is_ours);
	ck_assert_int_eq(store_flight_is_ours(kit.store, j.facts.id, first + 1, &is_ours), OK);
	ck_assert(!is_ours);
	job_settle(&j, REFUND);
	ck_assert_int_eq(store_flight_is_ours(kit.store, j.facts.id, first, &is_ours), OK);
	ck_assert(!is_ours);
	ck_assert_int_eq(job_commit(&j),
		COMMITTED); /* the same call once more, through a commit point of its own */
	ck_assert_uint_ne(j.epoch, first);
	job_settle(&j, DONE);
	job_release(&j);
}
END_TEST

START_TEST(a_call_under_way_cannot_be_committed_again)
{
	struct job j;

	job_init(&j, &kit, LIMITS({ "k", HOUR, 9 }));
	ck_assert_int_eq(job_commit(&j), COMMITTED);
	ck_assert_int_eq(job_commit(&j), ERR_INVALID);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'intent'"), 1);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).used, 1);
	job_settle(&j, DONE);
	job_release(&j);
}
END_TEST

START_TEST(an_unknown_outcome_is_on_record)
{
	ck_assert_int_eq(call_once(&kit, NULL, 0, UNKNOWN), COMMITTED);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM unknown WHERE settled_at IS NULL"), 1);
}
END_TEST

/* ---- configuration in force ---- */

static void put(struct config_put *p, uint64_t seen, uint8_t hash)
{
	struct op op = { 0 };

	*p = (struct config_put){ .path = "/etc/a.yaml", .seen_generation = seen };
	memset(p->hash, hash, sizeof(p->hash));
	store_config_put(kit.store, &op, p);
	op_wait(&op);
	ck_assert_int_eq(op.err, OK);
}

START_TEST(the_first_to_validate_a_file_makes_its_generation)
{
	struct config_put p;
	uint64_t generation = 0;
	uint8_t hash[32];

	ck_assert_int_eq(
		store_config_get(kit.store, "/etc/a.yaml", &generation, hash), ERR_NOT_FOUND);
	put(&p, 0, 1);
	ck_assert(p.is_in_force);
	ck_assert_uint_eq(p.generation, 1);
	put(&p, 0, 1); /* the same content by another process */
	ck_assert(p.is_in_force);
	ck_assert_uint_eq(p.generation, 1);
	put(&p, 0, 2); /* another content, by one that has not seen the first */
	ck_assert(!p.is_in_force);
	ck_assert_uint_eq(p.generation, 1);
	put(&p, 1, 2);
	ck_assert(p.is_in_force);
	ck_assert_uint_eq(p.generation, 2);
	ck_assert_int_eq(store_config_get(kit.store, "/etc/a.yaml", &generation, hash), OK);
	ck_assert_uint_eq(generation, 2);
	ck_assert_uint_eq(hash[31], 2);
}
END_TEST

static int commit_under(uint64_t generation)
{
	struct job j;
	struct op op = { 0 };

	job_init(&j, &kit, LIMITS({ "k", HOUR, 9 }));
	struct terms terms = { .config_path = "/etc/a.yaml", .config_generation = generation };
	struct commit c = { .call = &j.facts,
		.limits = j.claims,
		.terms = &terms,
		.deadline_ms = MINUTE,
		.intent = &j.intent };
	store_commit(kit.store, &op, &c);
	op_wait(&op);
	ck_assert_int_eq(op.err, OK);
	job_release(&j);
	return op.answer;
}

START_TEST(a_commit_under_other_rules_than_those_in_force_is_not_made)
{
	struct config_put p;

	ck_assert_int_eq(commit_under(1), COMMIT_CONFIG_CHANGED);
	put(&p, 0, 1);
	ck_assert_int_eq(commit_under(1), COMMITTED);
	put(&p, 1, 2);
	ck_assert_int_eq(commit_under(1), COMMIT_CONFIG_CHANGED);
	ck_assert_int_eq(commit_under(2), COMMITTED);
	ck_assert_uint_eq(kit_show(&kit, "k", HOUR).used, 2);
}
END_TEST

/* ---- turns ---- */

struct log {
	int order[8];
	int n;
};
static struct log told;

struct numbered {
	struct op op;
	int number;
	struct numbered *next; /* submitted from inside told */
	struct evidence evidence;
};

static void note_told(struct op *op)
{
	struct numbered *n = op->arg;

	told.order[told.n++] = n->number;
	if (n->next)
		store_audit_append(kit.store, &n->next->op, &n->next->evidence);
}

static void numbered_init(struct numbered *n, int number)
{
	*n = (struct numbered){ .number = number,
		.op = { .told = note_told, .arg = n },
		.evidence = { .call = "",
			.agent = "",
			.backend = "",
			.tool = "",
			.verdict = "x",
			.kind = EVIDENCE_OPERATOR,
			.body = SPAN("{}") } };
	evidence_seal(&n->evidence);
}

START_TEST(operations_of_a_turn_are_told_in_order_after_one_transaction)
{
	struct numbered v[4];

	told = (struct log){ 0 };
	for (int i = 0; i < 4; i++)
		numbered_init(&v[i], i);
	v[0].next = &v[3];
	for (int i = 0; i < 3; i++)
		store_audit_append(kit.store, &v[i].op, &v[i].evidence);
	ck_assert_int_eq(told.n, 0);
	store_turn_run(kit.store);
	ck_assert_int_eq(told.n, 4);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(told.order[i], i);
		ck_assert_int_eq(v[i].op.err, OK);
		ck_assert_int_eq(v[i].op.at.wall_ms, kit.hands.wall_ms);
	}
}
END_TEST

START_TEST(a_refused_operation_of_a_turn_leaves_the_others_alone)
{
	struct job j[3];
	struct commit c[3];
	struct op op[3] = { 0 };

	for (int i = 0; i < 3; i++) {
		job_init(&j[i], &kit, LIMITS({ i < 2 ? "one" : "two", HOUR, 1 }));
		c[i] = (struct commit){ .call = &j[i].facts,
			.limits = j[i].claims,
			.deadline_ms = MINUTE,
			.intent = &j[i].intent };
		store_commit(kit.store, &op[i], &c[i]);
	}
	store_turn_run(kit.store);
	ck_assert_int_eq(op[0].answer, COMMITTED);
	ck_assert_int_eq(op[1].answer, COMMIT_LIMITED);
	ck_assert_int_eq(op[2].answer, COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 2);
	for (int i = 0; i < 3; i++)
		job_release(&j[i]);
}
END_TEST

START_TEST(a_broken_operation_of_a_turn_leaves_nothing_and_the_others_go_on)
{
	struct job j;
	struct op op[3] = { 0 };

	job_init(&j, &kit, LIMITS({ "k", HOUR, 9 }));
	struct commit c[2];
	for (int i = 0; i < 2; i++) {
		c[i] = (struct commit){ .call = &j.facts,
			.limits = j.claims,
			.deadline_ms = MINUTE,
			.intent = &j.intent };
		store_commit(kit.store, &op[i], &c[i]);
	}
	store_audit_append(kit.store, &op[2], &j.outcome);
	store_turn_run(kit.store);
	ck_assert_int_eq(op[0].err, OK);
	ck_assert_int_eq(op[1].err, ERR_INVALID);
	ck_assert_int_eq(op[2].err, OK);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry"), 1);
	ck_assert_int_eq(
		file_number(&kit, "SELECT count(*) FROM audit WHERE kind IN ('intent', 'outcome')"),
		2);
	ck_assert_int_eq(file_number(&kit, "SELECT max(seq) - count(*) FROM audit"), 0);
	job_release(&j);
}
END_TEST

START_TEST(a_session_is_on_record_from_join_to_leave)
{
	const char *id = "0123456789abcdef0123456789abcdef";
	struct op op = { 0 };

	ck_assert_int_eq(store_wake_fd(kit.store), -1);
	ck_assert_int_eq(session_join(&kit, id), OK);
	ck_assert_int_ge(store_wake_fd(kit.store), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT number FROM session"), store_number(kit.store));
	store_session_leave(kit.store, &op);
	op_wait(&op);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM session"), 0);
	ck_assert_int_eq(store_watch_owner(kit.store, id), -1);
}
END_TEST

/* ---- audit ---- */

struct walk {
	uint8_t chain[32];
	uint64_t last, seen;
	uint64_t stop_at;
};

static bool verify_row(void *arg, const struct audit_row *row)
{
	struct walk *w = arg;
	uint8_t chain[32];
	struct evidence e = { .call = row->call,
		.agent = row->agent,
		.backend = row->backend,
		.tool = row->tool,
		.verdict = row->verdict,
		.at_ms = row->at_ms,
		.body = span_of(row->body) };

	for (int kind = EVIDENCE_INTENT; kind <= EVIDENCE_BOOT; kind++)
		if (strcmp(evidence_kind_text((enum evidence_kind)kind), row->kind) == 0)
			e.kind = (enum evidence_kind)kind;
	memcpy(e.args_hash, row->args_hash, sizeof(e.args_hash));
	evidence_seal(&e);
	ck_assert_mem_eq(e.digest, row->digest, 32);
	ck_assert_uint_eq(row->seq, w->last + 1);
	evidence_chain(w->chain, row->seq, row->digest, chain);
	ck_assert_mem_eq(chain, row->chain, 32);
	memcpy(w->chain, chain, sizeof(chain));
	w->last = row->seq;
	w->seen++;
	return row->seq != w->stop_at;
}

START_TEST(every_audit_row_continues_the_chain)
{
	struct walk w = { 0 };

	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(call_once(&kit, NULL, 0, i % 3 ? DONE : UNKNOWN), COMMITTED);
	ck_assert_int_eq(
		store_audit_read(kit.store, &(struct audit_filter){ 0 }, verify_row, &w), OK);
	ck_assert_uint_eq(w.seen, 401); /* and the first row of this boot */
}
END_TEST

static bool count_row(void *arg, const struct audit_row *row)
{
	struct walk *w = arg;

	w->last = row->seq;
	w->seen++;
	return row->seq != w->stop_at;
}

START_TEST(audit_can_be_read_from_either_end_in_part)
{
	struct walk w = { 0 };

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(call_once(&kit, NULL, 0, DONE), COMMITTED);
	struct audit_filter newest = { .limit = 3, .is_newest_first = true };
	ck_assert_int_eq(store_audit_read(kit.store, &newest, count_row, &w), OK);
	ck_assert_uint_eq(w.seen, 3);
	ck_assert_uint_eq(w.last, 19);
	w = (struct walk){ 0 };
	ck_assert_int_eq(store_audit_read(kit.store, &(struct audit_filter){ .after_seq = 15 },
				 count_row, &w),
		OK);
	ck_assert_uint_eq(w.seen, 6);
	w = (struct walk){ .stop_at = 4 };
	ck_assert_int_eq(
		store_audit_read(kit.store, &(struct audit_filter){ 0 }, count_row, &w), OK);
	ck_assert_uint_eq(w.seen, 4);
}
END_TEST

START_TEST(audit_rows_cannot_be_changed_or_removed)
{
	CLEANUP(free_charp) char *path = kit_path(&kit, "aegis.db");
	sqlite3 *db = NULL;

	ck_assert_int_eq(call_once(&kit, NULL, 0, DONE), COMMITTED);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "UPDATE audit SET body = '{}'", NULL, NULL, NULL),
		SQLITE_CONSTRAINT);
	ck_assert_int_eq(
		sqlite3_exec(db, "DELETE FROM audit", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(db);
}
END_TEST

/* ---- what is due without a call ---- */

static int64_t due(void)
{
	return store_next_due_ms(kit.store, kit.hands.mono_ms);
}

START_TEST(a_commit_is_synced_within_a_second_and_marked_when_quiet_then_nothing_is_due)
{
	ck_assert_int_eq(due(), -1);
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", MINUTE, 9 }), DONE), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT is_synced FROM meta"), 0);
	ck_assert_int_gt(due(), 0);
	ck_assert_int_lt(due(), 1000);
	for (int i = 0; due() >= 0; i++) {
		ck_assert_int_lt(i, 10);
		hands_move(&kit.hands, due());
		store_idle(kit.store);
	}
	ck_assert_int_eq(file_number(&kit, "SELECT is_synced FROM meta"), 1);
	ck_assert_int_eq(call_once(&kit, LIMITS({ "k", MINUTE, 9 }), DONE), COMMITTED);
	ck_assert_int_eq(file_number(&kit, "SELECT is_synced FROM meta"), 0);
}
END_TEST

START_TEST(a_long_wal_is_copied_back_when_quiet)
{
	struct stat before, after;
	CLEANUP(free_charp) char *path = kit_path(&kit, "aegis.db");

	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(call_once(&kit, LIMITS({ "k", MINUTE, 9999 }), DONE), COMMITTED);
	ck_assert_int_eq(stat(path, &before), 0);
	hands_move(&kit.hands, 1000);
	store_idle(kit.store);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_gt(after.st_size, before.st_size);
	ck_assert_int_gt(due(), 1000);
}
END_TEST

START_TEST(a_very_long_wal_is_copied_back_at_once)
{
	CLEANUP(free_charp) char *wal = kit_path(&kit, "aegis.db-wal");
	struct stat st;

	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(call_once(&kit, LIMITS({ "k", MINUTE, 9999 }), DONE), COMMITTED);
	ck_assert_int_eq(stat(wal, &st), 0);
	ck_assert_int_lt(st.st_size, 4300 * 4120);
}
END_TEST

static void add_commit(TCase *t)
{
	tcase_add_test(t, a_commit_writes_flight_and_intent_and_an_outcome_ends_them);
	tcase_add_test(t, a_refused_commit_writes_nothing);
	tcase_add_test(t, a_flight_is_ours_under_its_own_epoch_until_it_ends);
	tcase_add_test(t, a_call_under_way_cannot_be_committed_again);
	tcase_add_test(t, an_unknown_outcome_is_on_record);
	tcase_add_test(t, the_first_to_validate_a_file_makes_its_generation);
	tcase_add_test(t, a_commit_under_other_rules_than_those_in_force_is_not_made);
}

static void add_turns(TCase *t)
{
	tcase_add_test(t, operations_of_a_turn_are_told_in_order_after_one_transaction);
	tcase_add_test(t, a_refused_operation_of_a_turn_leaves_the_others_alone);
	tcase_add_test(t, a_broken_operation_of_a_turn_leaves_nothing_and_the_others_go_on);
	tcase_add_test(t, a_session_is_on_record_from_join_to_leave);
	tcase_add_test(t, every_audit_row_continues_the_chain);
	tcase_add_test(t, audit_can_be_read_from_either_end_in_part);
	tcase_add_test(t, audit_rows_cannot_be_changed_or_removed);
	tcase_add_test(
		t, a_commit_is_synced_within_a_second_and_marked_when_quiet_then_nothing_is_due);
	tcase_add_test(t, a_long_wal_is_copied_back_when_quiet);
	tcase_add_test(t, a_very_long_wal_is_copied_back_at_once);
}

Suite *suite(void)
{
	Suite *s = suite_create("store_turn");
	TCase *t = tcase_create("turn");

	tcase_add_checked_fixture(t, setup, teardown);
	add_commit(t);
	add_turns(t);
	suite_add_tcase(s, t);
	return s;
}
