/* Tokens: found by hash alone, under a name that is one token's at a time. */
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

static struct evidence said(const char *verdict)
{
	struct evidence e = { .call = "", .agent = "", .backend = "", .tool = "", .verdict = verdict, .kind = EVIDENCE_OPERATOR,
		.at_ms = kit.hands.wall_ms, .body = SPAN("{}") };

	evidence_seal(&e);
	return e;
}

static int put(const char *kind, const char *name, uint8_t hash, int64_t expires_at_ms)
{
	struct token t = { .kind = (char *)kind, .name = (char *)name, .role = "viewer", .person = "alice", .agent = "", .room = "",
		.created_by = "uid 0", .expires_at_ms = expires_at_ms };
	struct evidence e = said("token_created");
	struct token_put p = { .token = &t, .hash = { hash }, .evidence = &e };
	struct op op = { 0 };

	id_new(t.id, kit.hands.wall_ms);
	store_token_put(kit.store, &op, &p);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return op.answer;
}

static int renew(const char *kind, const char *name, uint8_t hash)
{
	struct evidence e = said("token_rotated");
	struct token_rotate r = { .kind = kind, .name = name, .hash = { hash }, .evidence = &e };
	struct op op = { 0 };

	store_token_rotate(kit.store, &op, &r);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return op.answer;
}

static int withdraw(const char *kind, const char *name)
{
	struct evidence e = said("token_revoked");
	struct token_revoke r = { .kind = kind, .name = name, .evidence = &e };
	struct op op = { 0 };

	store_token_revoke(kit.store, &op, &r);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
	return op.answer;
}

/* Whose hash it is; "" = nobody's. Of static storage. */
static const char *whose(uint8_t hash)
{
	static char name[64];
	const uint8_t all[32] = { hash };
	struct token t;

	enum err e = store_token_find(kit.store, all, &t);
	ck_assert(e == OK || e == ERR_NOT_FOUND);
	snprintf(name, sizeof(name), "%s", e == OK ? t.name : "");
	token_release(&t);
	return name;
}

static bool count(void *arg, const struct token *t)
{
	ck_assert_str_ne(t->kind, "");
	++*(int *)arg;
	return true;
}

static int listed(bool is_live_only)
{
	int n = 0;

	ck_assert_int_eq(store_token_list(kit.store, is_live_only, count, &n), OK);
	return n;
}

static int64_t said_n(const char *verdict)
{
	CLEANUP(free_charp) char *sql = xasprintf("SELECT count(*) FROM audit WHERE verdict = '%s'", verdict);

	return file_number(&kit, sql);
}

START_TEST(a_token_is_found_by_its_hash_with_all_it_says)
{
	const uint8_t hash[32] = { 7 };
	struct token t;

	ck_assert_int_eq(put("api", "ci", 7, 0), TOKEN_DONE);
	ck_assert_int_eq(store_token_find(kit.store, hash, &t), OK);
	ck_assert_str_eq(t.kind, "api");
	ck_assert_str_eq(t.name, "ci");
	ck_assert_str_eq(t.role, "viewer");
	ck_assert_str_eq(t.person, "alice");
	ck_assert_str_eq(t.created_by, "uid 0");
	ck_assert_int_eq(t.created_at_ms, kit.hands.wall_ms);
	token_release(&t);
	ck_assert_str_eq(whose(8), "");
	ck_assert_int_eq(said_n("token_created"), 1);
}
END_TEST

START_TEST(a_name_is_one_tokens_at_a_time)
{
	ck_assert_int_eq(put("api", "ci", 1, 0), TOKEN_DONE);
	ck_assert_int_eq(put("api", "ci", 2, 0), TOKEN_NAME_TAKEN);
	ck_assert_str_eq(whose(2), "");
	ck_assert_int_eq(put("agent", "ci", 3, 0), TOKEN_DONE);
	ck_assert_int_eq(withdraw("api", "ci"), TOKEN_DONE);
	ck_assert_str_eq(whose(1), "");
	ck_assert_str_eq(whose(3), "ci");
	ck_assert_int_eq(put("api", "ci", 4, 0), TOKEN_DONE);
	ck_assert_str_eq(whose(4), "ci");
	ck_assert_int_eq(said_n("token_created"), 3);
	ck_assert_int_eq(listed(false), 3);
	ck_assert_int_eq(listed(true), 2);
}
END_TEST

START_TEST(an_expired_token_is_nobodys_and_its_name_is_free)
{
	ck_assert_int_eq(put("api", "ci", 1, kit.hands.wall_ms + MINUTE), TOKEN_DONE);
	hands_move(&kit.hands, MINUTE - 1);
	ck_assert_str_eq(whose(1), "ci");
	hands_move(&kit.hands, 1);
	ck_assert_str_eq(whose(1), "");
	ck_assert_int_eq(listed(true), 0);
	ck_assert_int_eq(put("api", "ci", 2, 0), TOKEN_DONE);
	ck_assert_str_eq(whose(2), "ci");
}
END_TEST

START_TEST(rotating_gives_the_same_token_another_secret)
{
	struct token before, after;
	const uint8_t old[32] = { 1 }, new[32] = { 2 };

	ck_assert_int_eq(put("api", "ci", 1, kit.hands.wall_ms + MINUTE), TOKEN_DONE);
	ck_assert_int_eq(store_token_find(kit.store, old, &before), OK);
	ck_assert_int_eq(renew("api", "ci", 2), TOKEN_DONE);
	ck_assert_str_eq(whose(1), "");
	ck_assert_int_eq(store_token_find(kit.store, new, &after), OK);
	ck_assert_str_eq(before.id, after.id);
	ck_assert_int_eq(after.expires_at_ms, 0);
	ck_assert_int_eq(renew("agent", "ci", 3), TOKEN_NO_SUCH);
	ck_assert_int_eq(renew("api", after.id, 4), TOKEN_DONE); /* by its id */
	ck_assert_str_eq(whose(4), "ci");
	ck_assert_int_eq(withdraw("api", after.id), TOKEN_DONE);
	ck_assert_int_eq(withdraw("api", after.id), TOKEN_NO_SUCH);
	ck_assert_int_eq(renew("api", "ci", 5), TOKEN_NO_SUCH);
	ck_assert_int_eq(said_n("token_rotated"), 2);
	ck_assert_int_eq(said_n("token_revoked"), 1);
	token_release(&before);
	token_release(&after);
}
END_TEST

static void use(const char *id)
{
	struct token_used u;
	struct op op = { 0 };

	snprintf(u.id, sizeof(u.id), "%s", id);
	store_token_used(kit.store, &op, &u);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
}

START_TEST(its_use_is_noted_once_a_minute)
{
	const uint8_t hash[32] = { 1 };
	struct token t;

	ck_assert_int_eq(put("api", "ci", 1, 0), TOKEN_DONE);
	ck_assert_int_eq(store_token_find(kit.store, hash, &t), OK);
	int64_t first = kit.hands.wall_ms;
	use(t.id);
	hands_move(&kit.hands, 59 * SECOND);
	use(t.id);
	ck_assert_int_eq(file_number(&kit, "SELECT last_used_at FROM token"), first);
	hands_move(&kit.hands, SECOND);
	use(t.id);
	ck_assert_int_eq(file_number(&kit, "SELECT last_used_at FROM token"), first + MINUTE);
	use("01234567890123456789012345678901");
	token_release(&t);
}
END_TEST

START_TEST(what_was_revoked_long_ago_is_forgotten)
{
	struct op op = { 0 };

	ck_assert_int_eq(put("api", "old", 1, 0), TOKEN_DONE);
	ck_assert_int_eq(put("api", "lives", 2, 0), TOKEN_DONE);
	ck_assert_int_eq(withdraw("api", "old"), TOKEN_DONE);
	hands_move(&kit.hands, 91 * 24 * HOUR);
	store_sweep(kit.store, &op);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, 1);
	ck_assert_int_eq(listed(false), 1);
	ck_assert_str_eq(whose(2), "lives");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_token");
	TCase *t = tcase_create("token");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_token_is_found_by_its_hash_with_all_it_says);
	tcase_add_test(t, a_name_is_one_tokens_at_a_time);
	tcase_add_test(t, an_expired_token_is_nobodys_and_its_name_is_free);
	tcase_add_test(t, rotating_gives_the_same_token_another_secret);
	tcase_add_test(t, its_use_is_noted_once_a_minute);
	tcase_add_test(t, what_was_revoked_long_ago_is_forgotten);
	suite_add_tcase(s, t);
	return s;
}
