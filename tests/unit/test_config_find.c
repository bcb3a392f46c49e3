/* config: which file counts, who may have written it, where the state goes. Works in a folder of its own with an own environment. */
#include "unit/config_kit.h"
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include "domain/config_find.h"

#define MINIMAL "backends: { b: { url: \"http://127.0.0.1/\" } }\n"

static char folder[] = "/tmp/aegis-config-XXXXXX";
static char *system_path, *user_path, *other_path, *found;
static struct problem why;

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

static void set_up(void)
{
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	CLEANUP(free_charp) char *sub = xasprintf("%s/aegis", folder);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	system_path = xasprintf("%s/system.yaml", folder);
	user_path = xasprintf("%s/aegis/aegis.yaml", folder);
	other_path = xasprintf("%s/other.yaml", folder);
	setenv("HOME", folder, 1);
	setenv("XDG_CONFIG_HOME", folder, 1);
	unsetenv("AEGIS_CONFIG");
	ck_assert_int_eq(secret_setup(), OK);
	found = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void tear_down(void)
{
	nftw(folder, remove_entry, 10, FTW_DEPTH | FTW_PHYS);
	free(system_path);
	free(user_path);
	free(other_path);
	free(found);
}

static enum err find(const char *given)
{
	free(found);
	return config_find_beside(system_path, given, &found, &why);
}

/* ---- which file ----------------------------------------------------------------------------------------------------- */
START_TEST(given_wins_over_variable_over_user_over_system)
{
	write_file(system_path, "mode: cooperative\n");
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, system_path);
	write_file(user_path, "");
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, user_path);
	setenv("AEGIS_CONFIG", other_path, 1);
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, other_path);
	ck_assert_int_eq(find("given.yaml"), OK);
	ck_assert_str_eq(found, "given.yaml");
	setenv("AEGIS_CONFIG", "", 1);
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, user_path);
	ck_assert_str_eq(why.text, "");
}
END_TEST

START_TEST(no_file_at_all_names_the_places_and_setup)
{
	CLEANUP(free_charp) char *expected = xasprintf("there is no configuration: neither %s nor %s exists; `aegisctl config init` writes a first one",
		user_path, system_path);

	ck_assert_int_eq(find(NULL), ERR_NOT_FOUND);
	ck_assert_str_eq(why.text, expected);
	ck_assert_ptr_null(found);
}
END_TEST

/* A system file that is, or may be, an enforced one. */
static const char *const enforced[] = {
	("mode: enforced\n" MINIMAL),
	"mode: enforced\nmode: cooperative\n",
	"mode: \"enforced\"\n",
	"{\"mode\": \"enforced\"}",
	"mode: [cooperative]\n",
	"mode: cooperative\n\tx",
};

START_TEST(beside_an_enforced_file_no_other_counts)
{
	write_file(system_path, enforced[_i]);
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, system_path);
	ck_assert_int_eq(find(other_path), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why.text, "--config is refused"));
	setenv("AEGIS_CONFIG", other_path, 1);
	ck_assert_int_eq(find(NULL), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why.text, "$AEGIS_CONFIG is refused"));
	setenv("AEGIS_CONFIG", system_path, 1);
	ck_assert_int_eq(find(system_path), OK);
	unsetenv("AEGIS_CONFIG");
	write_file(user_path, "");
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, system_path);
	ck_assert_ptr_nonnull(strstr(why.text, "aegis/aegis.yaml is not used"));
}
END_TEST

START_TEST(a_system_file_that_cannot_be_read_counts_as_enforced)
{
	ck_assert_int_eq(mkdir(system_path, 0700), 0); /* for root, the one thing that cannot be read */
	ck_assert_int_eq(find(other_path), ERR_INVALID);
	ck_assert_int_eq(find(NULL), OK);
	ck_assert_str_eq(found, system_path);
}
END_TEST

/* ---- the state folder ----------------------------------------------------------------------------------------------- */
START_TEST(the_state_folder_is_given_or_configured_or_the_default)
{
	struct rules plain = rules_parse(MINIMAL, OK), set = rules_parse(MINIMAL "state_dir: /x\n", OK);
	struct rules enforced_rules = rules_parse_span("/etc/aegis/aegis.yaml", SPAN(MINIMAL "mode: enforced\n"), OK);
	CLEANUP(free_charp) char *given = config_state_dir(set.config, "/g");
	CLEANUP(free_charp) char *configured = config_state_dir(set.config, NULL);
	setenv("XDG_STATE_HOME", "/s", 1);
	CLEANUP(free_charp) char *usual = config_state_dir(plain.config, NULL);
	CLEANUP(free_charp) char *systems = config_state_dir(enforced_rules.config, "/g");

	ck_assert_str_eq(given, "/g");
	ck_assert_str_eq(configured, "/x");
	ck_assert_str_eq(usual, "/s/aegis");
	ck_assert_str_eq(systems, "/var/lib/aegis");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	ck_assert_ptr_null(config_state_dir(plain.config, NULL));
	rules_release(&plain);
	rules_release(&set);
	rules_release(&enforced_rules);
}
END_TEST

/* ---- who may have written or can read it ---------------------------------------------------------------------------- */
static enum err load(const char *path, struct buf *said)
{
	struct config *c = NULL;
	struct config_report report;
	enum err e = config_load(path, &c, &report);

	buf_init(said, 100000);
	ck_assert(buf_append_text(said, ""));
	ck_assert(config_report_write(&report, said));
	config_report_release(&report);
	config_free(c);
	return e;
}

static const struct {
	mode_t mode;
	enum err e;
	const char *says;
} accesses[] = {
	{ 0600, OK, NULL },
	{ 0400, OK, NULL },
	{ 0640, OK, "warning: others can read it, with the secrets that stand in it: chmod go-r" },
	{ 0604, OK, "warning: others can read it, with the secrets that stand in it: chmod go-r" },
	{ 0620, ERR_INVALID, "error: others can write it and so change the rules: chmod go-w" },
	{ 0602, ERR_INVALID, "error: others can write it and so change the rules: chmod go-w" },
};

START_TEST(access_of_others_is_a_warning_or_an_error)
{
	struct buf said;

	write_file(other_path, MINIMAL);
	if (geteuid() == 0) /* what root owns and lends to our group is meant so */
		ck_assert_int_eq(chown(other_path, 0, 12345), 0);
	ck_assert_int_eq(chmod(other_path, accesses[_i].mode), 0);
	enum err e = load(other_path, &said);
	CLEANUP(free_charp) char *expected =
		accesses[_i].says ? xasprintf("%s: %s\n", other_path, accesses[_i].says) : xstrdup("");
	ck_assert_str_eq(said.data, expected);
	ck_assert_int_eq(e, accesses[_i].e);
	buf_release(&said);
}
END_TEST

START_TEST(a_file_of_another_user_is_refused)
{
	struct buf said;

	if (geteuid() != 0)
		return;
	write_file(other_path, MINIMAL);
	ck_assert_int_eq(chown(other_path, 12345, 0), 0);
	ck_assert_int_eq(load(other_path, &said), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(said.data, "belongs to another user"));
	buf_release(&said);
}
END_TEST

START_TEST(what_root_lends_to_our_group_draws_no_warning)
{
	struct buf said;

	if (geteuid() != 0)
		return;
	write_file(other_path, MINIMAL);
	ck_assert_int_eq(chown(other_path, 0, getegid()), 0);
	ck_assert_int_eq(chmod(other_path, 0640), 0);
	ck_assert_int_eq(load(other_path, &said), OK);
	ck_assert_str_eq(said.data, "");
	buf_release(&said);
}
END_TEST

START_TEST(what_is_no_file_or_too_large_is_told)
{
	struct buf said;

	ck_assert_int_eq(load(other_path, &said), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(said.data, "other.yaml: error: cannot be read: No such file or directory\n"));
	buf_release(&said);
	ck_assert_int_eq(load(folder, &said), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(said.data, "error: is not a regular file\n"));
	buf_release(&said);
	ck_assert_int_eq(mkfifo(system_path, 0600), 0);
	ck_assert_int_eq(load(system_path, &said), ERR_INVALID);
	buf_release(&said);
	write_file(other_path, "");
	ck_assert_int_eq(truncate(other_path, CONFIG_MAX_BYTES + 1), 0);
	ck_assert_int_eq(load(other_path, &said), ERR_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(said.data, "error: is larger than 1048576 bytes\n"));
	buf_release(&said);
}
END_TEST

START_TEST(rules_know_the_real_path_of_their_file)
{
	CLEANUP(free_charp) char *link = xasprintf("%s/link.yaml", folder);
	CLEANUP(free_charp) char *real = path_real(folder);
	CLEANUP(free_charp) char *expected = xasprintf("%s/aegis/aegis.yaml", real);
	CLEANUP(free_charp) char *state = xasprintf("%s/aegis/state", real);
	struct config_report report;
	struct config *c = NULL;

	write_file(user_path, MINIMAL "state_dir: state\n");
	ck_assert_int_eq(symlink(user_path, link), 0);
	ck_assert_int_eq(config_load(link, &c, &report), OK);
	ck_assert_str_eq(c->path, expected);
	ck_assert_str_eq(c->state_dir, state);
	config_free(c);
	config_report_release(&report);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config_find");
	TCase *t = tcase_create("config_find");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, given_wins_over_variable_over_user_over_system);
	tcase_add_test(t, no_file_at_all_names_the_places_and_setup);
	tcase_add_loop_test(t, beside_an_enforced_file_no_other_counts, 0, ARRAY_LEN(enforced));
	tcase_add_test(t, a_system_file_that_cannot_be_read_counts_as_enforced);
	tcase_add_test(t, the_state_folder_is_given_or_configured_or_the_default);
	tcase_add_loop_test(t, access_of_others_is_a_warning_or_an_error, 0, ARRAY_LEN(accesses));
	tcase_add_test(t, a_file_of_another_user_is_refused);
	tcase_add_test(t, what_root_lends_to_our_group_draws_no_warning);
	tcase_add_test(t, what_is_no_file_or_too_large_is_told);
	tcase_add_test(t, rules_know_the_real_path_of_their_file);
	suite_add_tcase(s, t);
	return s;
}
