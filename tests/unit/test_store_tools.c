/* store: the lists of tools that a next session starts with. */
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

static struct tools_key key_of(const char *backend, uint8_t credential)
{
	struct tools_key k = { .tenant = "", .backend = backend, .revision = "2025-11-25" };

	memset(k.credential, credential, sizeof(k.credential));
	return k;
}

static void put(struct tools_key key, const char *first, const char *second, uint8_t digest)
{
	char *pages[] = { (char *)(uintptr_t)first, (char *)(uintptr_t)second };
	struct tools_list list = { .pages = pages, .n = second ? 2 : 1 };
	struct tools_put p = { key, &list };
	struct op op = { 0 };

	memset(list.digest, digest, sizeof(list.digest));
	store_tools_put(kit.store, &op, &p);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
}

/* What is there, pages joined by "|"; "" = nothing so young. */
static const char *got(struct tools_key key, int64_t max_age_ms)
{
	static char text[200];
	struct tools_list list;
	enum err e = store_tools_get(kit.store, &key, max_age_ms, &list);

	text[0] = '\0';
	if (e == ERR_NOT_FOUND)
		return text;
	ck_assert_int_eq(e, OK);
	for (size_t i = 0; i < list.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? "|" : "", list.pages[i]);
	tools_list_release(&list);
	return text;
}

START_TEST(a_list_is_found_until_it_is_too_old)
{
	struct tools_key key = key_of("demo", 1);

	ck_assert_str_eq(got(key, MINUTE), "");
	put(key, "{\"a\":1}", "{\"b\":2}", 1);
	ck_assert_str_eq(got(key, MINUTE), "{\"a\":1}|{\"b\":2}");
	hands_move(&kit.hands, MINUTE);
	ck_assert_str_eq(got(key, MINUTE), "{\"a\":1}|{\"b\":2}");
	hands_move(&kit.hands, 1);
	ck_assert_str_eq(got(key, MINUTE), "");
}
END_TEST

START_TEST(a_list_belongs_to_its_whole_key)
{
	struct tools_key key = key_of("demo", 1), tenant = key, revision = key;

	put(key, "{}", NULL, 1);
	tenant.tenant = "acme";
	revision.revision = "2025-06-18";
	ck_assert_str_eq(got(key_of("other", 1), MINUTE), "");
	ck_assert_str_eq(got(key_of("demo", 2), MINUTE), "");
	ck_assert_str_eq(got(tenant, MINUTE), "");
	ck_assert_str_eq(got(revision, MINUTE), "");
	ck_assert_str_eq(got(key, MINUTE), "{}");
}
END_TEST

START_TEST(another_list_replaces_all_pages)
{
	struct tools_key key = key_of("demo", 1);

	put(key, "{\"a\":1}", "{\"b\":2}", 1);
	put(key, "{\"c\":3}", NULL, 2);
	ck_assert_str_eq(got(key, MINUTE), "{\"c\":3}");
}
END_TEST

START_TEST(the_same_tools_are_young_again)
{
	struct tools_key key = key_of("demo", 1);

	put(key, "{\"a\":1}", NULL, 1);
	hands_move(&kit.hands, HOUR);
	put(key, "{\"a\":1}", NULL, 1);
	ck_assert_str_eq(got(key, MINUTE), "{\"a\":1}");
}
END_TEST

START_TEST(what_nobody_lists_any_more_is_forgotten)
{
	put(key_of("old", 1), "{}", NULL, 1);
	hands_move(&kit.hands, 25 * HOUR);
	put(key_of("new", 1), "{}", NULL, 1);
	ck_assert_str_eq(got(key_of("old", 1), 1000 * HOUR), "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_tools");
	TCase *t = tcase_create("lists");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_list_is_found_until_it_is_too_old);
	tcase_add_test(t, a_list_belongs_to_its_whole_key);
	tcase_add_test(t, another_list_replaces_all_pages);
	tcase_add_test(t, the_same_tools_are_young_again);
	tcase_add_test(t, what_nobody_lists_any_more_is_forgotten);
	suite_add_tcase(s, t);
	return s;
}
