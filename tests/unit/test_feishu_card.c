#include "broker/feishu_card.h"
#include <json.h>
#include "base/utf8.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"
#include "unit/unit.h"

static struct approval asked(void)
{
	return (struct approval){
		.id = "0123456789abcdef0123456789abcdef", .short_id = "APR-7F3K", .state = APPROVAL_PENDING, .tenant = "", .agent = "claude",
		.client = "claude-code", .backend = "github", .tool = "delete_repo", .args = "{\"name\":\"a/b\"}", .rule = "delete_*",
		.decided_by = "", .decided_means = "", .reason = "", .consumed_by = "", .uid = 1000, .quorum = 1, .args_hash = { 0xab },
	};
}

static struct feishu_card card_of(const struct approval *a)
{
	return (struct feishu_card){ .approval = a, .standing = "APR-7F3K stands so", .host = "box", .page_url = "https://aegis.example/a/T",
		.expires_at_ms = 1700000000000, .has_buttons = true };
}

static char *written_cap(const struct feishu_card *c, size_t cap)
{
	struct json_value root;
	struct buf b;

	buf_init(&b, 100000);
	ck_assert(feishu_card_write(c, cap, &b));
	ck_assert_int_eq(jsonscan_check(buf_span(&b), &root, NULL), JSONSCAN_OK);
	CLEANUP(buf_release) struct buf quoted = { 0 };
	buf_init(&quoted, 200000);
	ck_assert(json_quote(&quoted, buf_span(&b)));
	ck_assert_uint_le(quoted.len, cap);
	for (size_t i = 0, n; i < b.len; i += n) {
		uint32_t code = 0;

		ck_assert_uint_gt(n = utf8_decode(b.data + i, b.len - i, &code), 0);
		ck_assert(!utf8_is_hidden(code));
	}
	return buf_take(&b);
}

static char *written(const struct feishu_card *c)
{
	return written_cap(c, FEISHU_MAX_CARD);
}

static bool has_approve(const char *card)
{
	return strstr(card, "\"action\":\"approve\"") != NULL;
}

static bool has_reject(const char *card)
{
	return strstr(card, "\"action\":\"reject\"") != NULL;
}

START_TEST(it_says_who_asks_for_what)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	CLEANUP(free_charp) char *card = written(&c);
	static const char *const parts[] = {
		"\"update_multi\":true", "\"enable_forward\":false", "\"template\":\"orange\"", "Aegis APR-7F3K: Approval needed: delete_repo",
		"**Agent**\\nclaude", "**Client**\\nclaude&#45;code", "uid 1000 on box", "**Tool**\\ndelete&#95;repo", "**Backend**\\ngithub",
		"**Rule**\\ndelete&#95;&#42;", "2023&#45;11&#45;14T22&#58;13&#58;20", "{\\\"name\\\":\\\"a/b\\\"}", "\"url\":\"https://aegis.example/a/T\"",
		("\"value\":{\"id\":\"0123456789abcdef0123456789abcdef\",\"hash\":\"ab00000000000000000000000000000000000000000000000000000000000000\","
		 "\"action\":\"approve\"}"),
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		ck_assert_msg(strstr(card, parts[i]), "%s is missing in %s", parts[i], card);
	ck_assert(has_reject(card));
	ck_assert(!strstr(card, "stands so"));
}
END_TEST

START_TEST(a_button_carries_what_a_press_reads)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	CLEANUP(free_charp) char *card = written(&c);
	struct json_object *o = json_tokener_parse(card), *elements = json_object_object_get(o, "elements");
	struct json_object *actions = json_object_object_get(json_object_array_get_idx(elements, 2), "actions");
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		struct json_object *value = json_object_object_get(json_object_array_get_idx(actions, i), "value");
		struct json_value v;
		struct feishu_press p;

		ck_assert_int_eq(jsonscan_check(span_of(json_object_to_json_string(value)), &v, NULL), JSONSCAN_OK);
		ck_assert(feishu_press_read(v, &p));
		ck_assert_str_eq(p.approval, a.id);
		ck_assert_mem_eq(p.args_hash, a.args_hash, 32);
		n += p.is_approving;
	}
	ck_assert_uint_eq(n, 1);
	json_object_put(o);
}
END_TEST

START_TEST(a_custom_bot_has_only_the_page)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);

	c.has_buttons = false;
	CLEANUP(free_charp) char *card = written_cap(&c, FEISHU_MAX_BOT_CARD);
	ck_assert(!has_approve(card) && !has_reject(card) && strstr(card, c.page_url));
	c.page_url = "";
	CLEANUP(free_charp) char *bare = written_cap(&c, FEISHU_MAX_BOT_CARD);
	ck_assert(!strstr(bare, "\"tag\":\"action\"") && strstr(bare, "aegisctl approvals approve APR-7F3K"));
}
END_TEST

static const struct { enum approval_state state; const char *outcome, *colour, *title; } over[] = {
	{ APPROVAL_APPROVED, "", "blue", "Approved" },
	{ APPROVAL_CONSUMED, "", "turquoise", "Approved, running" },
	{ APPROVAL_CONSUMED, "ok", "green", "Approved and done" },
	{ APPROVAL_CONSUMED, "failed", "carmine", "Approved, and the call failed" },
	{ APPROVAL_CONSUMED, "unknown", "yellow", "Approved, outcome unknown" },
	{ APPROVAL_CONSUMED, "not_run", "grey", "Approved, and not run" },
	{ APPROVAL_REJECTED, "", "red", "Refused" },
	{ APPROVAL_EXPIRED, "", "grey", "Expired" },
	{ APPROVAL_CANCELLED, "", "grey", "Cancelled" },
};

START_TEST(what_is_over_has_no_buttons_and_says_how_it_stands)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	char colour[40], title[80];

	a.state = over[_i].state;
	snprintf(a.outcome, sizeof(a.outcome), "%s", over[_i].outcome);
	snprintf(colour, sizeof(colour), "\"template\":\"%s\"", over[_i].colour);
	snprintf(title, sizeof(title), "APR-7F3K: %s: delete_repo", over[_i].title);
	CLEANUP(free_charp) char *card = written(&c);
	ck_assert(!strstr(card, "\"tag\":\"action\"") && !strstr(card, "\"tag\":\"button\""));
	ck_assert(strstr(card, "APR-7F3K stands so") && strstr(card, colour) && strstr(card, title));
}
END_TEST

START_TEST(what_is_cut_cannot_be_approved_here)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	CLEANUP(free_charp) char *args = xcalloc(1, 100 * 1024 + 1);

	memset(args, 'a', 100 * 1024);
	a.args = args;
	CLEANUP(free_charp) char *card = written(&c);
	ck_assert(!has_approve(card) && has_reject(card) && strstr(card, c.page_url) && strstr(card, "cannot be approved here"));
	memset(args, '"', 100 * 1024);
	CLEANUP(free_charp) char *quotes = written(&c);
	ck_assert(!has_approve(quotes) && has_reject(quotes));
	args[3000] = '\0';
	CLEANUP(free_charp) char *few = written(&c);
	ck_assert(has_approve(few));
}
END_TEST

START_TEST(a_name_that_was_cut_cannot_be_approved_either)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	char name[2001] = "";

	memset(name, 'n', 2000);
	a.tool = name;
	CLEANUP(free_charp) char *card = written(&c);
	ck_assert(!has_approve(card));
}
END_TEST

START_TEST(hostile_text_is_only_text)
{
	static const char hostile[] = "<at id=all></at> **b** [x](https://evil) \xe2\x80\xae\x1b[31m \xff \n# h";
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	CLEANUP(free_charp) char *args = xasprintf("{\"x\":\"%s\"}", hostile);

	a.agent = a.client = a.backend = a.tool = a.rule = (char *)(uintptr_t)hostile;
	a.args = args;
	CLEANUP(free_charp) char *card = written_cap(&c, FEISHU_MAX_BOT_CARD);
	struct json_object *o = json_tokener_parse(card), *elements = json_object_object_get(o, "elements");
	struct json_object *fields = json_object_object_get(json_object_array_get_idx(elements, 0), "fields");

	for (size_t i = 0; i < json_object_array_length(fields); i++) {
		struct json_object *text = json_object_object_get(json_object_array_get_idx(fields, i), "text");
		const char *md = json_object_get_string(json_object_object_get(text, "content"));

		ck_assert(strchr(md, '<') == NULL && strchr(md, '[') == NULL && strstr(strchr(md, '\n'), "*") == NULL);
	}
	ck_assert(strstr(json_object_to_json_string(json_object_array_get_idx(elements, 1)), "plain_text"));
	json_object_put(o);
}
END_TEST

START_TEST(a_copy_that_cannot_be_changed_is_followed_by_a_sentence)
{
	struct approval a = asked();
	struct feishu_card c = card_of(&a);
	CLEANUP(buf_release) struct buf b = { 0 };

	a.state = APPROVAL_REJECTED;
	buf_init(&b, 10000);
	ck_assert(feishu_card_write_standing(&c, &b));
	ck_assert(strstr(b.data, "APR-7F3K stands so") && strstr(b.data, "\"template\":\"red\"") && !strstr(b.data, "Arguments"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("feishu_card");
	TCase *t = tcase_create("card");

	tcase_add_test(t, it_says_who_asks_for_what);
	tcase_add_test(t, a_button_carries_what_a_press_reads);
	tcase_add_test(t, a_custom_bot_has_only_the_page);
	tcase_add_loop_test(t, what_is_over_has_no_buttons_and_says_how_it_stands, 0, ARRAY_LEN(over));
	tcase_add_test(t, what_is_cut_cannot_be_approved_here);
	tcase_add_test(t, a_name_that_was_cut_cannot_be_approved_either);
	tcase_add_test(t, hostile_text_is_only_text);
	tcase_add_test(t, a_copy_that_cannot_be_changed_is_followed_by_a_sentence);
	suite_add_tcase(s, t);
	return s;
}
