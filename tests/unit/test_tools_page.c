/* tools_page: what an agent sees of a list of tools. */
#include "shim/tools_page.h"
#include "base/xalloc.h"
#include "rules.h"

static struct config *config;

static void setup(void)
{
	config = rules_of(RULES_BACKENDS
		"agents:\n"
		"  a:\n"
		"    backends:\n"
		"      x: { allowed: true, tool_denylist: [\"bad*\"],\n"
		"           rate_limits: { lim: {window: 1h, max_count: 3} } }\n"
		"  plain:\n"
		"    annotate: false\n"
		"    backends:\n"
		"      x: { allowed: true, rate_limits: { lim: {window: 1h, max_count: 3} } }\n");
}

static void teardown(void)
{
	config_free(config);
}

/* The line an agent gets for an answer whose list of tools is this text. */
static char *seen_by(const char *agent, const char *tools)
{
	CLEANUP(free_charp) char *text =
		xasprintf("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0031\",\"result\":{\"tools\":%s,\"nextCursor\":\"c\"}}", tools);
	struct tools_view view = { config, { agent, "x", 7 } };
	struct jsonrpc answer;
	struct buf out;

	jsonrpc_read(span_of(text), &answer);
	ck_assert_int_eq(answer.kind, JSONRPC_RESULT);
	buf_init(&out, 100000);
	ck_assert(tools_page_rewrite(&answer, (struct json_value){ JSON_STRING, SPAN("\"1\"") }, &view, &out, NULL));
	return buf_take(&out);
}

static void sees(const char *agent, const char *tools, const char *expected)
{
	CLEANUP(free_charp) char *got = seen_by(agent, tools);
	CLEANUP(free_charp) char *want =
		xasprintf("{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"tools\":%s,\"nextCursor\":\"c\"}}", expected);

	ck_assert_str_eq(got, want);
}

#define OK1 "{\"name\":\"ok1\",\"n\":1.0}"
#define OK2 "{ \"name\" : \"ok2\" }"
#define BAD "{\"name\":\"bad1\",\"description\":\"x\"}"

START_TEST(a_hidden_tool_goes_with_its_comma)
{
	sees("a", "[" BAD "," OK1 "]", "[" OK1 "]");
	sees("a", "[" OK1 "," BAD "]", "[" OK1 "]");
	sees("a", "[" OK1 "," BAD "," OK2 "]", "[" OK1 "," OK2 "]");
	sees("a", "[" BAD "," BAD "," OK1 "," BAD "," OK2 "," BAD "]", "[" OK1 "," OK2 "]");
	sees("a", "[" BAD "]", "[]");
	sees("a", "[]", "[]");
}
END_TEST

START_TEST(blanks_between_tools_never_break_the_list)
{
	sees("a", "[ " BAD " , " OK1 " , " OK2 " ]", "[ " OK1 " , " OK2 " ]");
	sees("a", "[ " OK1 " , " BAD " ]", "[ " OK1 " ]");
}
END_TEST

START_TEST(a_restriction_stands_in_front_of_the_description)
{
	sees("a", "[{\"description\":\"a\\u0062\",\"name\":\"lim\"}]",
		"[{\"description\":\"[Rate:3/1h] a\\u0062\",\"name\":\"lim\"}]");
	sees("a", "[{\"name\":\"lim\"}]", "[{\"name\":\"lim\",\"description\":\"[Rate:3/1h] \"}]");
	sees("a", "[{\"name\":\"lim\",\"description\":null}]", "[{\"name\":\"lim\",\"description\":null}]");
}
END_TEST

START_TEST(annotate_false_changes_nothing)
{
	sees("plain", "[{\"name\":\"lim\",\"description\":\"d\"}]", "[{\"name\":\"lim\",\"description\":\"d\"}]");
}
END_TEST

START_TEST(a_name_is_matched_as_it_is_unescaped)
{
	sees("a", "[{\"name\":\"b\\u0061d\"}," OK1 "]", "[" OK1 "]");
}
END_TEST

START_TEST(a_name_nobody_could_call_is_hidden)
{
	sees("a", "[{\"name\":\"ok\\u0000\"}," OK1 "]", "[" OK1 "]");
	sees("a", "[{\"name\":\"ok\\ud800\"}," OK1 "]", "[" OK1 "]");
	sees("a", "[{\"name\":\"\"}," OK1 "]", "[" OK1 "]");
}
END_TEST

START_TEST(an_agent_the_rules_do_not_know_sees_no_tool)
{
	sees("stranger", "[" OK1 "," OK2 "]", "[]");
}
END_TEST

START_TEST(line_breaks_between_values_are_dropped)
{
	sees("a", "[\r\n" OK1 ",\n" OK2 "\n]", "[" OK1 "," OK2 "]");
}
END_TEST

START_TEST(a_list_that_is_none_passes)
{
	sees("a", "{\"x\":1}", "{\"x\":1}");
	sees("a", "[7,null]", "[7,null]");
}
END_TEST

static void count(void *arg, struct span name, struct json_value tool)
{
	size_t *bytes = arg;

	ck_assert_int_eq(tool.kind, JSON_OBJECT);
	*bytes += name.len;
}

START_TEST(only_usable_names_are_visited)
{
	struct json_value root;
	size_t bytes = 0;

	ck_assert_int_eq(jsonscan_check(SPAN("{\"tools\":[{\"name\":\"abc\"},{\"name\":7},{},{\"name\":\"de\"},8]}"), &root, NULL), JSONSCAN_OK);
	tools_page_each(root, count, &bytes);
	ck_assert_uint_eq(bytes, 5);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("tools_page");
	TCase *t = tcase_create("page");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_hidden_tool_goes_with_its_comma);
	tcase_add_test(t, blanks_between_tools_never_break_the_list);
	tcase_add_test(t, a_restriction_stands_in_front_of_the_description);
	tcase_add_test(t, annotate_false_changes_nothing);
	tcase_add_test(t, a_name_is_matched_as_it_is_unescaped);
	tcase_add_test(t, a_name_nobody_could_call_is_hidden);
	tcase_add_test(t, an_agent_the_rules_do_not_know_sees_no_tool);
	tcase_add_test(t, line_breaks_between_values_are_dropped);
	tcase_add_test(t, a_list_that_is_none_passes);
	tcase_add_test(t, only_usable_names_are_visited);
	suite_add_tcase(s, t);
	return s;
}
