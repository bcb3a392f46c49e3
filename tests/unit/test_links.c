#include <sys/stat.h>
#include "base/clock.h"
#include "broker/doors.h"
#include "broker/links.h"
#include "net/http.h"
#include "unit/config_kit.h"
#include "unit/scratch.h"

#define BACKENDS "backends: { b: { url: \"http://127.0.0.1:9100/mcp\" } }\n"

static struct broker b;
static struct rules rules;
static struct problem why;
static struct approval a;

static bool is_listening = true;

bool doors_has_listener(const struct broker *of)
{
	return of == &b && is_listening;
}

static void open_with(const char *text)
{
	rules = rules_parse(text, OK);
	b = (struct broker){ .state_dir = scratch_new(), .config = rules.config };
	ck_assert_int_eq(loop_new(&b.loop), OK);
	ck_assert_msg(links_open(&b, &why) == OK, "%s", why.text);
}

static void setup(void)
{
	ck_assert_int_eq(http_setup(), OK);
	open_with(BACKENDS "server: {listen: '127.0.0.1:18070'}\napproval: {callback_base_url: 'https://aegis.example.com/x/'}\n");
	a = (struct approval){ .id = "0190a5c0ffee7000800000000000beef", .created_at_ms = 1763740000123 };
	memset(a.args_hash, 0x5a, sizeof(a.args_hash));
}

static void teardown(void)
{
	links_close(&b);
	loop_free(b.loop);
	scratch_remove(b.state_dir);
	rules_release(&rules);
}

static void reopen(void)
{
	links_close(&b);
	ck_assert_msg(links_open(&b, &why) == OK, "%s", why.text);
}

static char *token(enum link_kind kind)
{
	struct buf out;

	buf_init(&out, 4096);
	ck_assert(links_token(b.links, kind, &a, &out));
	return buf_take(&out);
}

static char *key_path(void)
{
	return xasprintf("%s/keys/links", b.state_dir);
}

START_TEST(urls_are_the_page_and_the_callback_of_the_predecessor)
{
	CLEANUP(free_charp) char *page = token(LINK_PAGE);
	CLEANUP(free_charp) char *reject = token(LINK_REJECT);
	CLEANUP(free_charp) char *want_page = xasprintf("https://aegis.example.com/x/a/%s", page);
	CLEANUP(free_charp) char *want_reject = xasprintf(
		"https://aegis.example.com/x/callback/approval?id=0190a5c0ffee7000800000000000beef&action=reject&token=%s", reject);
	struct buf out;

	buf_init(&out, 4096);
	ck_assert(links_write(b.links, LINK_PAGE, &a, &out));
	ck_assert_str_eq(out.data, want_page);
	buf_clear(&out);
	ck_assert(links_write(b.links, LINK_REJECT, &a, &out));
	ck_assert_str_eq(out.data, want_reject);
	buf_release(&out);
}
END_TEST

START_TEST(without_a_base_or_a_listener_there_are_no_links)
{
	struct rules other = rules_parse(BACKENDS, OK);
	struct buf out;

	buf_init(&out, 4096);
	b.config = other.config;
	ck_assert(!links_write(b.links, LINK_PAGE, &a, &out));
	b.config = rules.config;
	is_listening = false;
	ck_assert(!links_write(b.links, LINK_PAGE, &a, &out));
	is_listening = true;
	ck_assert_uint_eq(out.len, 0);
	rules_release(&other);
	buf_release(&out);
}
END_TEST

START_TEST(a_token_proves_itself_across_restarts)
{
	CLEANUP(free_charp) char *t = token(LINK_PAGE);
	char id[ID_SIZE];

	ck_assert_uint_eq(strlen(t), 73);
	reopen();
	ck_assert(links_id(t, id));
	ck_assert_str_eq(id, a.id);
	ck_assert(links_check(b.links, LINK_PAGE, t, &a));
}
END_TEST

START_TEST(a_token_is_good_for_one_kind_only)
{
	CLEANUP(free_charp) char *page = token(LINK_PAGE);
	CLEANUP(free_charp) char *approve = token(LINK_APPROVE);
	struct buf form;

	buf_init(&form, 4096);
	ck_assert(links_form_token(b.links, &a, &form));
	ck_assert(links_form_check(b.links, &a, form.data));
	ck_assert(!links_form_check(b.links, &a, page));
	ck_assert(!links_check(b.links, LINK_PAGE, form.data, &a));
	ck_assert(!links_check(b.links, LINK_APPROVE, page, &a));
	ck_assert(!links_check(b.links, LINK_REJECT, approve, &a));
	ck_assert(links_check(b.links, LINK_APPROVE, approve, &a));
	buf_release(&form);
}
END_TEST

START_TEST(a_token_is_about_one_approval_its_arguments_and_its_time)
{
	CLEANUP(free_charp) char *t = token(LINK_PAGE);
	struct approval other = a, none = { 0 };

	other.id[31] = 'e';
	ck_assert(!links_check(b.links, LINK_PAGE, t, &other));
	other = a;
	other.args_hash[31] ^= 1;
	ck_assert(!links_check(b.links, LINK_PAGE, t, &other));
	other = a;
	other.created_at_ms++;
	ck_assert(!links_check(b.links, LINK_PAGE, t, &other));
	ck_assert(!links_check(b.links, LINK_PAGE, t, &none));
	ck_assert(links_check(b.links, LINK_PAGE, t, &a));
}
END_TEST

/* Also the last character of each part, whose spare bits could be spelled otherwise. */
START_TEST(a_token_with_any_other_character_is_refused)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n";
	CLEANUP(free_charp) char *t = token(LINK_PAGE);

	for (size_t at = 0; t[at]; at++) {
		char was = t[at];
		for (size_t i = 0; i < sizeof(letters); i++) {
			t[at] = letters[i];
			ck_assert_int_eq(links_check(b.links, LINK_PAGE, t, &a), letters[i] == was);
		}
		t[at] = was;
	}
	ck_assert(links_check(b.links, LINK_PAGE, t, &a));
}
END_TEST

START_TEST(a_token_that_is_cut_or_longer_is_refused)
{
	CLEANUP(free_charp) char *t = token(LINK_PAGE);
	CLEANUP(free_charp) char *longer = xasprintf("%sA", t);
	CLEANUP(free_charp) char *padded = xasprintf("%s=", t);
	char id[ID_SIZE];

	ck_assert(!links_check(b.links, LINK_PAGE, longer, &a));
	ck_assert(!links_check(b.links, LINK_PAGE, padded, &a));
	ck_assert(!links_id(longer, id));
	while (t[0]) {
		t[strlen(t) - 1] = '\0';
		ck_assert(!links_check(b.links, LINK_PAGE, t, &a));
		ck_assert(!links_id(t, id));
	}
}
END_TEST

START_TEST(macs_do_not_pass_from_one_approval_to_another)
{
	CLEANUP(free_charp) char *mine = token(LINK_PAGE);

	a.id[0] = '1';
	CLEANUP(free_charp) char *theirs = token(LINK_PAGE);
	CLEANUP(free_charp) char *mixed = xasprintf("%.30s%s", theirs, mine + 30);
	ck_assert(!links_check(b.links, LINK_PAGE, mixed, &a));
}
END_TEST

START_TEST(random_tokens_of_the_right_shape_are_refused)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	CLEANUP(free_charp) char *t = token(LINK_APPROVE);
	uint8_t random[42];

	for (int round = 0; round < 20000; round++) {
		random_bytes(random, sizeof(random));
		for (size_t i = 0; i < sizeof(random); i++)
			t[30 + i] = letters[random[i] % 64];
		ck_assert(!links_check(b.links, LINK_APPROVE, t, &a));
	}
}
END_TEST

START_TEST(after_a_rotation_the_old_key_still_verifies_after_two_it_does_not)
{
	CLEANUP(free_charp) char *old = token(LINK_PAGE);

	ck_assert_int_eq(links_rotate(b.links, &why), OK);
	CLEANUP(free_charp) char *young = token(LINK_PAGE);
	ck_assert_str_ne(old, young);
	reopen();
	ck_assert(links_check(b.links, LINK_PAGE, old, &a));
	ck_assert(links_check(b.links, LINK_PAGE, young, &a));
	ck_assert_int_eq(links_rotate(b.links, &why), OK);
	ck_assert(!links_check(b.links, LINK_PAGE, old, &a));
	ck_assert(links_check(b.links, LINK_PAGE, young, &a));
}
END_TEST

START_TEST(another_key_refuses)
{
	CLEANUP(free_charp) char *t = token(LINK_PAGE);
	CLEANUP(free_charp) char *path = key_path();

	ck_assert_int_eq(unlink(path), 0);
	reopen();
	ck_assert(!links_check(b.links, LINK_PAGE, t, &a));
}
END_TEST

/* The one line of the file, with another time of birth. */
static void make_key_older(int64_t by_ms)
{
	CLEANUP(free_charp) char *path = key_path();
	struct buf text;

	buf_init(&text, 4096);
	ck_assert_int_eq(path_read_file(path, 4096, &text), OK);
	buf_truncate(&text, (size_t)(strrchr(text.data, ' ') - text.data) + 1);
	ck_assert(buf_append_int(&text, clock_wall_ms() - by_ms));
	ck_assert(buf_append_char(&text, '\n'));
	ck_assert_int_eq(path_write_private_file(path, buf_span(&text)), OK);
	buf_release(&text);
}

START_TEST(a_key_signs_for_a_month)
{
	CLEANUP(free_charp) char *first = token(LINK_PAGE);

	make_key_older((int64_t)29 * 86400 * 1000);
	reopen();
	CLEANUP(free_charp) char *second = token(LINK_PAGE);
	ck_assert_str_eq(first, second);
	make_key_older((int64_t)31 * 86400 * 1000);
	reopen();
	CLEANUP(free_charp) char *third = token(LINK_PAGE);
	ck_assert_str_ne(first, third);
	ck_assert(links_check(b.links, LINK_PAGE, first, &a));
}
END_TEST

START_TEST(the_file_is_private_and_a_damaged_or_open_one_is_refused_with_a_sentence)
{
	CLEANUP(free_charp) char *path = key_path();
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	links_close(&b);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(links_open(&b, &why), ERR_PERMISSION);
	ck_assert_ptr_nonnull(strstr(why.text, "chmod 600"));
	links_close(&b);
	ck_assert_int_eq(path_write_private_file(path, SPAN("aegis links 1\n0011 zz 5\n")), OK);
	ck_assert_int_eq(links_open(&b, &why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why.text, "is damaged"));
	links_close(&b);
	ck_assert_int_eq(path_write_private_file(path, SPAN("")), OK);
	ck_assert_int_eq(links_open(&b, &why), ERR_INVALID);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("links");
	TCase *t = tcase_create("links");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, urls_are_the_page_and_the_callback_of_the_predecessor);
	tcase_add_test(t, without_a_base_or_a_listener_there_are_no_links);
	tcase_add_test(t, a_token_proves_itself_across_restarts);
	tcase_add_test(t, a_token_is_good_for_one_kind_only);
	tcase_add_test(t, a_token_is_about_one_approval_its_arguments_and_its_time);
	tcase_add_test(t, a_token_with_any_other_character_is_refused);
	tcase_add_test(t, a_token_that_is_cut_or_longer_is_refused);
	tcase_add_test(t, macs_do_not_pass_from_one_approval_to_another);
	tcase_add_test(t, random_tokens_of_the_right_shape_are_refused);
	tcase_add_test(t, after_a_rotation_the_old_key_still_verifies_after_two_it_does_not);
	tcase_add_test(t, another_key_refuses);
	tcase_add_test(t, a_key_signs_for_a_month);
	tcase_add_test(t, the_file_is_private_and_a_damaged_or_open_one_is_refused_with_a_sentence);
	suite_add_tcase(s, t);
	return s;
}
