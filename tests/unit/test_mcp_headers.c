/* What of a message stands in its headers. The expected values are those of the specification's table and of the official SDK. */
#include "shim/mcp_headers.h"
#include "unit/unit.h"

static const char *encoded(const char *text)
{
	static char out[256];
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, sizeof(out) - 1);
	ck_assert(mcp_header_encode(span_of(text), &b));
	(void)snprintf(out, sizeof(out), "%s", b.data);
	return out;
}

START_TEST(plain_values_go_as_they_are)
{
	ck_assert_str_eq(encoded("us-west1"), "us-west1");
	ck_assert_str_eq(encoded("a b\tc"), "a b\tc");
	ck_assert_str_eq(encoded("file:///x?=y"), "file:///x?=y");
	ck_assert_str_eq(encoded("=?base64?abc"), "=?base64?abc");
}
END_TEST

START_TEST(what_a_header_cannot_hold_goes_as_base64)
{
	ck_assert_str_eq(encoded("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
	ck_assert_str_eq(encoded(" padded "), "=?base64?IHBhZGRlZCA=?=");
	ck_assert_str_eq(encoded("line1\nline2"), "=?base64?bGluZTEKbGluZTI=?=");
	ck_assert_str_eq(encoded("=?base64?SGVsbG8=?="), "=?base64?PT9iYXNlNjQ/U0dWc2JHOD0/PQ==?=");
	ck_assert_str_eq(encoded("\x7f"), "=?base64?fw==?=");
	ck_assert_str_eq(encoded(""), "=?base64?" "?=");
}
END_TEST

START_TEST(the_name_of_a_message_is_what_its_method_says)
{
	static const struct { const char *line, *name; } cases[] = {
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\",\"uri\":\"b\"}}", "\"a\"" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"prompts/get\",\"params\":{\"name\":\"a\"}}", "\"a\"" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"name\":\"a\",\"uri\":\"b\"}}", "\"b\"" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tasks/get\",\"params\":{\"taskId\":\"t\"}}", "\"t\"" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"name\":\"a\"}}", "" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jsonrpc m;
		jsonrpc_read(span_of(cases[i].line), &m);
		ck_assert_msg(span_is(mcp_header_name(&m).text, cases[i].name), "%s", cases[i].line);
	}
}
END_TEST

static struct json_value value_of(const char *text)
{
	struct json_value v;

	ck_assert_int_eq(jsonscan_check(span_of(text), &v, NULL), JSONSCAN_OK);
	return v;
}

static void note(void *arg, const char *header, const char *value)
{
	char *out = arg;
	size_t n = strlen(out);

	(void)snprintf(out + n, 512 - n, "%s: %s\n", header, value);
}

static const char *headers(const char *schema, const char *arguments)
{
	static char out[512];
	struct mcp_params *p = mcp_params_read(value_of(schema));

	out[0] = '\0';
	if (p)
		mcp_params_each(p, value_of(arguments), note, out);
	mcp_params_free(p);
	return p ? out : "none";
}

#define OF(properties) "{\"type\":\"object\",\"properties\":{" properties "}}"
#define REGION "\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"}"

START_TEST(arguments_that_are_declared_become_headers)
{
	ck_assert_str_eq(headers(OF(REGION), "{\"region\":\"eu w\\u00e9st\"}"), "Mcp-Param-Region: =?base64?ZXUgd8Opc3Q=?=\n");
	ck_assert_str_eq(headers(OF(REGION ",\"n\":{\"type\":\"integer\",\"x-mcp-header\":\"N\"},\"b\":{\"type\":\"boolean\",\"x-mcp-header\":\"B\"}"),
	                         "{\"b\":false,\"n\":42,\"region\":\"x\"}"),
	                 "Mcp-Param-Region: x\nMcp-Param-N: 42\nMcp-Param-B: false\n");
	ck_assert_str_eq(headers(OF("\"a\":{\"type\":\"object\",\"properties\":{" REGION "}}"), "{\"a\":{\"region\":\"deep\"}}"),
	                 "Mcp-Param-Region: deep\n");
}
END_TEST

START_TEST(what_is_absent_null_or_no_single_value_has_no_header)
{
	ck_assert_str_eq(headers(OF(REGION), "{}"), "");
	ck_assert_str_eq(headers(OF(REGION), "{\"region\":null}"), "");
	ck_assert_str_eq(headers(OF(REGION), "{\"region\":[1]}"), "");
	ck_assert_str_eq(headers(OF(REGION), "[]"), "");
}
END_TEST

START_TEST(numbers_are_written_as_servers_compare_them)
{
	static const char schema[] = OF("\"n\":{\"type\":\"integer\",\"x-mcp-header\":\"N\"}");

	ck_assert_str_eq(headers(schema, "{\"n\":1e3}"), "Mcp-Param-N: 1000\n");
	ck_assert_str_eq(headers(schema, "{\"n\":42.0}"), "Mcp-Param-N: 42\n");
	ck_assert_str_eq(headers(schema, "{\"n\":-7}"), "Mcp-Param-N: -7\n");
	ck_assert_str_eq(headers(schema, "{\"n\":9007199254740991}"), "Mcp-Param-N: 9007199254740991\n");
	ck_assert_str_eq(headers(schema, "{\"n\":9007199254740993}"), "");
	ck_assert_str_eq(headers(schema, "{\"n\":1e400}"), "");
}
END_TEST

START_TEST(a_definition_that_breaks_the_rules_declares_nothing)
{
	static const char *const schemas[] = {
		"{}", "true", OF("\"region\":{\"type\":\"string\"}"),
		OF("\"a\":{\"type\":\"number\",\"x-mcp-header\":\"A\"}"),
		OF("\"a\":{\"x-mcp-header\":\"A\"}"),
		OF("\"a\":{\"type\":\"string\",\"x-mcp-header\":\"\"}"),
		OF("\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A b\"}"),
		OF("\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\\r\\nX: y\"}"),
		OF("\"a\":{\"type\":\"string\",\"x-mcp-header\":7}"),
		OF(REGION ",\"b\":{\"type\":\"string\",\"x-mcp-header\":\"rEGION\"}"),
		OF(REGION ",\"b\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"x-mcp-header\":\"B\"}}"),
		"{\"x-mcp-header\":\"Root\",\"type\":\"string\"}",
		"{\"anyOf\":[" OF(REGION) "]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(schemas); i++)
		ck_assert_msg(strcmp(headers(schemas[i], "{\"a\":\"x\",\"region\":\"y\"}"), "none") == 0, "%s", schemas[i]);
}
END_TEST

START_TEST(a_property_may_have_the_name_of_the_keyword)
{
	ck_assert_str_eq(headers(OF("\"x-mcp-header\":{\"type\":\"string\"}"), "{\"x-mcp-header\":\"v\"}"), "none");
	ck_assert_str_eq(headers(OF("\"x-mcp-header\":{\"type\":\"string\",\"x-mcp-header\":\"X\"}"), "{\"x-mcp-header\":\"v\"}"), "Mcp-Param-X: v\n");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("mcp_headers");
	TCase *t = tcase_create("mcp_headers");

	tcase_add_test(t, plain_values_go_as_they_are);
	tcase_add_test(t, what_a_header_cannot_hold_goes_as_base64);
	tcase_add_test(t, the_name_of_a_message_is_what_its_method_says);
	tcase_add_test(t, arguments_that_are_declared_become_headers);
	tcase_add_test(t, what_is_absent_null_or_no_single_value_has_no_header);
	tcase_add_test(t, numbers_are_written_as_servers_compare_them);
	tcase_add_test(t, a_definition_that_breaks_the_rules_declares_nothing);
	tcase_add_test(t, a_property_may_have_the_name_of_the_keyword);
	suite_add_tcase(s, t);
	return s;
}
