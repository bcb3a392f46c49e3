/* config_secret: what a secret resolves to, and when it is refused. */
#include "unit/config_kit.h"
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/aegis-secret-XXXXXX";
static char *path, *text;
static struct problem why;

static void set_up(void)
{
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	path = xasprintf("%s/secret", folder);
	text = NULL;
}

static int remove_entry(const char *entry, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(entry);
}

static void tear_down(void)
{
	nftw(folder, remove_entry, 10, FTW_DEPTH | FTW_PHYS);
	free(path);
	secret_free(text);
}

static void write_secret(const char *bytes, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* Reads the api_token of a file in the folder that says so. */
static enum err read_token(const char *secret)
{
	CLEANUP(free_charp) char *yaml = xasprintf("backends: { b: { command: [x] } }\nserver: { api_token: %s }\n", secret);
	CLEANUP(free_charp) char *file = xasprintf("%s/aegis.yaml", folder);
	struct rules r = rules_parse_span(file, span_of(yaml), OK);

	secret_free(text);
	enum err e = config_secret_read(r.config, &r.config->server.api_token, &text, &why);
	rules_release(&r);
	ck_assert_int_eq(e == OK, text != NULL);
	ck_assert_int_eq(e == OK, why.text[0] == '\0');
	return e;
}

START_TEST(none_is_empty_and_plain_is_itself)
{
	ck_assert_int_eq(read_token("\"\""), OK);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(read_token("abc"), OK);
	ck_assert_str_eq(text, "abc");
}
END_TEST

static const struct {
	const char *bytes;
	size_t n;
	const char *text; /* NULL: refused */
} contents[] = {
	{ "abc", 3, "abc" },
	{ "abc\n", 4, "abc" },
	{ "abc\r\n", 5, "abc" },
	{ "abc\n\n", 5, "abc\n" },
	{ " abc ", 5, " abc " },
	{ "", 0, NULL },
	{ "\n", 1, NULL },
	{ "a\0b", 3, NULL },
};

START_TEST(a_file_gives_its_bytes_without_the_last_line_end)
{
	write_secret(contents[_i].bytes, contents[_i].n, 0600);
	enum err e = read_token("{ file: secret }");

	ck_assert_int_eq(e, contents[_i].text ? OK : ERR_INVALID);
	if (contents[_i].text)
		ck_assert_str_eq(text, contents[_i].text);
}
END_TEST

START_TEST(a_file_open_to_others_is_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0610, 0601, 0620 };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		write_secret("abc", 3, modes[i]);
		ck_assert_int_eq(read_token("{ file: secret }"), ERR_PERMISSION);
		ck_assert_ptr_nonnull(strstr(why.text, "is open to others: chmod 600 it"));
	}
}
END_TEST

START_TEST(a_file_of_another_user_is_refused)
{
	if (geteuid() != 0)
		return;
	write_secret("abc", 3, 0600);
	ck_assert_int_eq(chown(path, 12345, 0), 0);
	ck_assert_int_eq(read_token("{ file: secret }"), ERR_PERMISSION);
	ck_assert_ptr_nonnull(strstr(why.text, "belongs to another user"));
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	CLEANUP(free_charp) char *link = xasprintf("%s/link", folder);

	write_secret("abc", 3, 0600);
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(read_token("{ file: link }"), ERR_PERMISSION);
	ck_assert_ptr_nonnull(strstr(why.text, "a symbolic link is not followed here"));
}
END_TEST

START_TEST(a_missing_or_oversize_file_is_told)
{
	ck_assert_int_eq(read_token("{ file: secret }"), ERR_NOT_FOUND);
	write_secret("a", 1, 0600);
	ck_assert_int_eq(truncate(path, 65536), 0);
	ck_assert_int_eq(read_token("{ file: secret }"), ERR_INVALID); /* just fits, but is full of NUL */
	ck_assert_int_eq(truncate(path, 65537), 0);
	ck_assert_int_eq(read_token("{ file: secret }"), ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_variable_is_read_when_it_is_set)
{
	setenv("AEGIS_TEST_SECRET", "abc", 1);
	ck_assert_int_eq(read_token("{ env: AEGIS_TEST_SECRET }"), OK);
	ck_assert_str_eq(text, "abc");
	setenv("AEGIS_TEST_SECRET", "", 1);
	ck_assert_int_eq(read_token("{ env: AEGIS_TEST_SECRET }"), ERR_INVALID);
	unsetenv("AEGIS_TEST_SECRET");
	ck_assert_int_eq(read_token("{ env: AEGIS_TEST_SECRET }"), ERR_NOT_FOUND);
	ck_assert_str_eq(why.text, "the environment variable AEGIS_TEST_SECRET is not set");
}
END_TEST

START_TEST(a_credential_comes_from_its_folder_whatever_its_mode)
{
	write_secret("abc\n", 4, 0440);
	unsetenv("CREDENTIALS_DIRECTORY");
	ck_assert_int_eq(read_token("{ credential: secret }"), ERR_NOT_FOUND);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	ck_assert_int_eq(read_token("{ credential: secret }"), OK);
	ck_assert_str_eq(text, "abc");
	unsetenv("CREDENTIALS_DIRECTORY");
}
END_TEST

START_TEST(a_command_gives_its_stdout)
{
	ck_assert_int_eq(read_token("{ command: [echo, \"a b; c\"] }"), OK);
	ck_assert_str_eq(text, "a b; c"); /* no shell has seen it */
	ck_assert_int_eq(read_token("{ command: [cat] }"), ERR_INVALID); /* stdin is empty */
}
END_TEST

START_TEST(a_command_that_fails_is_told_without_what_it_said)
{
	ck_assert_int_eq(read_token("{ command: [sh, -c, \"echo geheim; exit 3\"] }"), ERR_IO);
	ck_assert_str_eq(why.text, "the command sh for a secret ended with code 3");
	ck_assert_int_eq(read_token("{ command: [/no/such/program] }"), ERR_NOT_FOUND);
	ck_assert_int_eq(read_token("{ command: [sh, -c, \"kill -9 $$\"] }"), ERR_IO);
	ck_assert_str_eq(why.text, "the command sh for a secret was ended by a signal");
	ck_assert_int_eq(read_token("{ command: [sh, -c, \"yes | head -c 70000\"] }"), ERR_TOO_LARGE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config_secret");
	TCase *t = tcase_create("config_secret");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, none_is_empty_and_plain_is_itself);
	tcase_add_loop_test(t, a_file_gives_its_bytes_without_the_last_line_end, 0, ARRAY_LEN(contents));
	tcase_add_test(t, a_file_open_to_others_is_refused);
	tcase_add_test(t, a_file_of_another_user_is_refused);
	tcase_add_test(t, a_link_is_not_followed);
	tcase_add_test(t, a_missing_or_oversize_file_is_told);
	tcase_add_test(t, a_variable_is_read_when_it_is_set);
	tcase_add_test(t, a_credential_comes_from_its_folder_whatever_its_mode);
	tcase_add_test(t, a_command_gives_its_stdout);
	tcase_add_test(t, a_command_that_fails_is_told_without_what_it_said);
	suite_add_tcase(s, t);
	return s;
}
