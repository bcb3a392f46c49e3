/* merge_asks: requests of several backends stand apart at the client, and their answers find back. */
#include "shim/merge_asks.h"
#include "shim/part.h"
#include "unit/unit.h"

#define V "\"jsonrpc\":\"2.0\","

static struct part parts[2];

static char *opened(struct merge_asks *a, struct part *p, const char *line)
{
	struct buf out;
	struct jsonrpc rpc;

	buf_init(&out, 4096);
	jsonrpc_read(span_of(line), &rpc);
	ck_assert_int_eq(rpc.kind, JSONRPC_REQUEST);
	ck_assert(merge_asks_open(a, p, &rpc, &out));
	return buf_take(&out);
}

static struct json_value number(const char *text)
{
	return (struct json_value){ JSON_NUMBER, span_of(text) };
}

START_TEST(the_same_id_of_two_backends_becomes_two)
{
	struct merge_asks a;

	merge_asks_init(&a);
	char *first = opened(&a, &parts[0], "{" V "\"id\":1,\"method\":\"ping\"}");
	char *second = opened(&a, &parts[1], "{" V "\"id\":1,\"method\":\"ping\",\"params\":{\"_meta\":{\"progressToken\":\"t\"}}}");
	ck_assert_str_eq(first, "{" V "\"id\":1,\"method\":\"ping\"}");
	ck_assert_str_eq(second, "{" V "\"id\":2,\"method\":\"ping\",\"params\":{\"_meta\":{\"progressToken\":2}}}");
	ck_assert_ptr_eq(merge_asks_find(&a, number("1"))->part, &parts[0]);
	ck_assert_ptr_null(merge_asks_find(&a, number("1"))->token);
	ck_assert_ptr_eq(merge_asks_find(&a, number("2"))->part, &parts[1]);
	ck_assert_str_eq(merge_asks_find(&a, number("2"))->id, "1");
	ck_assert_str_eq(merge_asks_find(&a, number("2"))->token, "\"t\"");
	free(first);
	free(second);
	merge_asks_release(&a);
}
END_TEST

START_TEST(an_answer_finds_its_request_once)
{
	struct merge_asks a;

	merge_asks_init(&a);
	free(opened(&a, &parts[0], "{" V "\"id\":\"x\",\"method\":\"ping\"}"));
	ck_assert_ptr_null(merge_asks_find(&a, (struct json_value){ JSON_STRING, SPAN("\"1\"") }));
	ck_assert_ptr_null(merge_asks_find(&a, number("2")));
	merge_asks_close(&a, merge_asks_find(&a, number("1")));
	ck_assert_ptr_null(merge_asks_find(&a, number("1")));
	free(opened(&a, &parts[0], "{" V "\"id\":\"x\",\"method\":\"ping\"}"));
	ck_assert_ptr_nonnull(merge_asks_find(&a, number("2")));        /* a number is never used again */
	merge_asks_release(&a);
}
END_TEST

START_TEST(a_backend_finds_its_own_by_its_id_however_it_is_spelled)
{
	struct merge_asks a;
	struct json_value text = { JSON_STRING, SPAN("\"\\u0031\"") };

	merge_asks_init(&a);
	free(opened(&a, &parts[0], "{" V "\"id\":\"1\",\"method\":\"ping\"}"));
	free(opened(&a, &parts[0], "{" V "\"id\":1,\"method\":\"ping\"}"));
	ck_assert_uint_eq(merge_asks_find_by_id(&a, &parts[0], text)->number, 1);
	ck_assert_uint_eq(merge_asks_find_by_id(&a, &parts[0], number("1"))->number, 2);
	ck_assert_ptr_null(merge_asks_find_by_id(&a, &parts[1], text));
	ck_assert_ptr_null(merge_asks_find_by_id(&a, &parts[0], number("7")));
	ck_assert_ptr_null(merge_asks_find_by_id(&a, &parts[0], (struct json_value){ 0 }));
	merge_asks_release(&a);
}
END_TEST

START_TEST(a_request_that_passes_the_cap_is_not_open)
{
	struct merge_asks a;
	struct jsonrpc rpc;
	struct buf out;

	merge_asks_init(&a);
	buf_init(&out, 8);
	jsonrpc_read(SPAN("{" V "\"id\":1,\"method\":\"ping\"}"), &rpc);
	ck_assert(!merge_asks_open(&a, &parts[0], &rpc, &out));
	ck_assert_ptr_null(merge_asks_find(&a, number("1")));
	buf_release(&out);
	merge_asks_release(&a);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("merge_asks");
	TCase *t = tcase_create("asks");

	tcase_add_test(t, the_same_id_of_two_backends_becomes_two);
	tcase_add_test(t, an_answer_finds_its_request_once);
	tcase_add_test(t, a_backend_finds_its_own_by_its_id_however_it_is_spelled);
	tcase_add_test(t, a_request_that_passes_the_cap_is_not_open);
	suite_add_tcase(s, t);
	return s;
}
