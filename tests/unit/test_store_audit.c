/* Looking back: which rows a filter finds, and in stretches. */
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

/* ---- writing ---- */

struct line { const char *call, *agent, *backend, *tool, *verdict; enum evidence_kind kind; };

static void put(struct line l)
{
	struct evidence e = { .call = l.call, .agent = l.agent, .backend = l.backend, .tool = l.tool, .verdict = l.verdict, .kind = l.kind,
		.at_ms = kit.hands.wall_ms, .body = SPAN("{}") };
	struct op op = { 0 };

	evidence_seal(&e);
	store_audit_append(kit.store, &op, &e);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
}

static void begins(const char *call, const char *agent, const char *tool)
{
	put((struct line){ call, agent, "b1", tool, "allowed", EVIDENCE_INTENT });
}

static void ends(const char *call, const char *verdict)
{
	put((struct line){ call, "", "", "", verdict, EVIDENCE_OUTCOME });
}

static void is_refused(const char *call, const char *agent, const char *tool)
{
	put((struct line){ call, agent, "b2", tool, "denied", EVIDENCE_REFUSED });
}

/* ---- what is found: calls or kinds, one after the other ---- */

struct found { char text[4096]; int n, stop_after; };

static void add(struct found *f, const char *text)
{
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s%s", n ? " " : "", text);
	f->n++;
}

static bool take_row(void *arg, const struct audit_row *row)
{
	struct found *f = arg;

	ck_assert_str_eq(row->body[0] == '{' ? "{" : row->body, "{");
	add(f, row->call);
	return f->n != f->stop_after;
}

static struct found rows(struct audit_filter f)
{
	struct found found = { 0 };

	ck_assert_int_eq(store_audit_read(kit.store, &f, take_row, &found), OK);
	return found;
}

START_TEST(each_filter_finds_its_rows)
{
	begins("c1", "a1", "read_x");
	hands_move(&kit.hands, MINUTE);
	begins("c2", "a2", "write_x");
	ends("c2", "done");
	is_refused("c3", "a1", "read_y");
	ck_assert_str_eq(rows((struct audit_filter){ .agent = "a1" }).text, "c1 c3");
	ck_assert_str_eq(rows((struct audit_filter){ .agent = "a1", .is_newest_first = true }).text, "c3 c1");
	ck_assert_str_eq(rows((struct audit_filter){ .backend = "b2" }).text, "c3");
	ck_assert_str_eq(rows((struct audit_filter){ .tool = "read_*" }).text, "c1 c3");
	ck_assert_str_eq(rows((struct audit_filter){ .tool = "read_x" }).text, "c1");
	ck_assert_str_eq(rows((struct audit_filter){ .tool = "read_" }).text, "");
	ck_assert_str_eq(rows((struct audit_filter){ .tool = "[" }).text, "");
	ck_assert_str_eq(rows((struct audit_filter){ .verdict = "done" }).text, "c2");
	ck_assert_str_eq(rows((struct audit_filter){ .kind = "intent" }).text, "c1 c2");
	ck_assert_str_eq(rows((struct audit_filter){ .call = "c2" }).text, "c2 c2");
	ck_assert_str_eq(rows((struct audit_filter){ .since_ms = kit.hands.wall_ms }).text, "c2 c2 c3");
	ck_assert_str_eq(rows((struct audit_filter){ .until_ms = kit.hands.wall_ms, .kind = "intent" }).text, "c1");
	ck_assert_str_eq(rows((struct audit_filter){ .agent = "a1", .tool = "read_*", .limit = 1, .is_newest_first = true }).text, "c3");
	ck_assert_str_eq(rows((struct audit_filter){ .agent = "nobody" }).text, "");
}
END_TEST

START_TEST(rows_between_two_numbers_are_found_from_either_end)
{
	for (int i = 0; i < 8; i++)
		is_refused((const char *const[]){ "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9" }[i], "a", "t"); /* the first row is the boot's */
	ck_assert_str_eq(rows((struct audit_filter){ .after_seq = 3, .before_seq = 6 }).text, "c4 c5");
	ck_assert_str_eq(rows((struct audit_filter){ .after_seq = 3, .before_seq = 6, .is_newest_first = true }).text, "c5 c4");
	ck_assert_str_eq(rows((struct audit_filter){ .before_seq = UINT64_MAX, .is_newest_first = true, .limit = 2 }).text, "c9 c8");
	ck_assert_str_eq(rows((struct audit_filter){ .after_seq = UINT64_MAX }).text, "");
}
END_TEST

static void fill(const struct kit *k, int n)
{
	CLEANUP(free_charp) char *sql = xasprintf("WITH RECURSIVE i(x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM i WHERE x < %d)"
		" INSERT INTO audit SELECT x, 'c' || x, 'refused', %lld, 'a' || (x %% 10), 'b', 't', 'denied', '{}', x'', x'', x'' FROM i",
		n, (long long)k->hands.wall_ms);

	kit_sql(k, sql);
}

/* Whoever reads all of a large audit holds up nobody: between two stretches the WAL is free. */
START_TEST(a_long_look_goes_in_stretches_and_misses_nothing)
{
	uint64_t next = 0;
	int stretches = 0, n = 0;

	fill(&kit, 200000);
	do {
		struct found found = { 0 };
		struct audit_filter f = { .is_newest_first = true, .before_seq = next, .agent = "a3", .next = &next };
		ck_assert_int_eq(store_audit_read(kit.store, &f, take_row, &found), OK);
		n += found.n;
		stretches++;
	} while (next > 0);
	ck_assert_int_eq(n, 20000);
	ck_assert_int_ge(stretches, 1);
	ck_assert_int_eq(rows((struct audit_filter){ .agent = "a3" }).n, 20000);
}
END_TEST

START_TEST(looking_ends_where_nothing_younger_can_follow)
{
	is_refused("old", "a", "t");
	hands_move(&kit.hands, 2 * 24 * HOUR);
	is_refused("new", "a", "t");
	kit.hands.wall_ms -= 2 * HOUR; /* put back */
	is_refused("newest", "a", "t");
	ck_assert_str_eq(rows((struct audit_filter){ .since_ms = kit.hands.wall_ms + HOUR, .is_newest_first = true }).text, "new");
	ck_assert_str_eq(rows((struct audit_filter){ .since_ms = kit.hands.wall_ms, .is_newest_first = true }).text, "newest new");
	ck_assert_str_eq(rows((struct audit_filter){ .until_ms = kit.hands.wall_ms - 24 * HOUR, .kind = "refused" }).text, "old");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_audit");
	TCase *t = tcase_create("audit");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_filter_finds_its_rows);
	tcase_add_test(t, rows_between_two_numbers_are_found_from_either_end);
	tcase_add_test(t, a_long_look_goes_in_stretches_and_misses_nothing);
	tcase_add_test(t, looking_ends_where_nothing_younger_can_follow);
	suite_add_tcase(s, t);
	return s;
}
