#include "unit/unit.h"
#include "base/xalloc.h"
#include "shim/modern.h"

static struct buf line;

static void setup(void)
{
	buf_init(&line, 1024);
}

static void teardown(void)
{
	buf_release(&line);
}

static void holds(const char *result)
{
	buf_clear(&line);
	ck_assert(jsonrpc_write_result(&line, (struct json_value){ JSON_NUMBER, SPAN("7") }, span_of(result)));
}

static void is_now(const char *result)
{
	struct jsonrpc rpc;

	jsonrpc_read(buf_span(&line), &rpc);
	ck_assert_int_eq(rpc.kind, JSONRPC_RESULT);
	ck_assert_msg(span_is(rpc.result.text, result), "%s", line.data);
}

START_TEST(another_revision_is_refused_with_those_spoken)
{
	struct jsonrpc said;

	ck_assert(modern_write_unsupported((struct json_value){ JSON_NUMBER, SPAN("7") }, SPAN("[\"2026-07-28\"]"),
	                                   (struct json_value){ JSON_STRING, SPAN("\"2027-01-01\"") }, &line));
	jsonrpc_read(buf_span(&line), &said);
	ck_assert(span_is(json_get(said.error, "code").text, "-32022"));
	ck_assert(span_is(json_get(said.error, "data").text, "{\"supported\":[\"2026-07-28\"],\"requested\":\"2027-01-01\"}"));
}
END_TEST

START_TEST(a_result_of_ours_is_complete)
{
	holds("{\"isError\":true}");
	ck_assert(modern_complete(&line));
	is_now("{\"isError\":true,\"resultType\":\"complete\"}");
	ck_assert(modern_complete(&line));
	is_now("{\"isError\":true,\"resultType\":\"complete\"}");
	holds("{ }");
	ck_assert(modern_complete(&line));
	is_now("{ \"resultType\":\"complete\"}");
}
END_TEST

START_TEST(an_error_stays_as_it_is)
{
	CLEANUP(free_charp) char *before = NULL;

	ck_assert(jsonrpc_write_error(&line, (struct json_value){ JSON_NUMBER, SPAN("7") }, -32001, SPAN("no"), (struct span){ 0 }));
	before = span_dup(buf_span(&line));
	ck_assert(modern_complete(&line) && modern_limit_list(&line, true));
	ck_assert_str_eq(line.data, before);
}
END_TEST

static const struct { bool is_private; const char *before, *after; } lists[] = {
	{ false, "{\"tools\":[],\"ttlMs\":300000,\"cacheScope\":\"public\"}", "{\"tools\":[],\"ttlMs\":60000,\"cacheScope\":\"public\"}" },
	{ true,  "{\"cacheScope\":\"public\",\"tools\":[1],\"ttlMs\":1e9}",   "{\"cacheScope\":\"private\",\"tools\":[1],\"ttlMs\":60000}" },
	{ true,  "{\"tools\":[],\"ttlMs\":5}",                                "{\"tools\":[],\"ttlMs\":5,\"cacheScope\":\"private\"}"       },
	{ false, "{\"tools\":[],\"ttlMs\":\"x\"}",                            "{\"tools\":[],\"ttlMs\":\"x\"}"                              },
	{ false, "{\"tools\":[]}",                                            "{\"tools\":[]}"                                              },
	{ true,  "{}",                                                        "{}"                                                          },
};

START_TEST(a_list_is_kept_no_longer_than_rules_may_stay)
{
	holds(lists[_i].before);
	ck_assert(modern_limit_list(&line, lists[_i].is_private));
	is_now(lists[_i].after);
}
END_TEST

START_TEST(a_cap_leaves_the_line_as_it_was)
{
	CLEANUP(free_charp) char *before = NULL;

	holds("{\"tools\":[]}");
	before = span_dup(buf_span(&line));
	line.cap_bytes = line.len + 3;
	ck_assert(!modern_complete(&line));
	ck_assert(!modern_limit_list(&line, true));
	ck_assert_str_eq(line.data, before);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("modern");
	TCase *t = tcase_create("messages");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, another_revision_is_refused_with_those_spoken);
	tcase_add_test(t, a_result_of_ours_is_complete);
	tcase_add_test(t, an_error_stays_as_it_is);
	tcase_add_loop_test(t, a_list_is_kept_no_longer_than_rules_may_stay, 0, ARRAY_LEN(lists));
	tcase_add_test(t, a_cap_leaves_the_line_as_it_was);
	suite_add_tcase(s, t);
	return s;
}
