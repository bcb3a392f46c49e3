#include "unit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"

static char base[] = "/tmp/aegis-path-XXXXXX";

static char *below(const char *name)
{
	return path_join(base, name);
}

static void remove_all(const char *folder)
{
	DIR *dir = opendir(folder);

	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		CLEANUP(free_charp) char *path = path_join(folder, e->d_name);

		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlink(path) != 0)
			remove_all(path);
	}
	if (dir)
		closedir(dir);
	rmdir(folder);
}

static void make_base(void)
{
	log_setup(&(struct log_options){ "test", LOG_ERROR, LOG_TEXT, -1 });
	memcpy(base + sizeof(base) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(base));
}

static void remove_base(void)
{
	remove_all(base);
}

static int mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

static int entries_of(const char *folder)
{
	DIR *dir = opendir(folder);
	int n = -2; /* . and .. */

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- names --------------------------------------------------------------------------------------------------------------- */

START_TEST(paths_are_joined)
{
	static const char *const cases[][3] = { { "/a", "b", "/a/b" }, { "/a/", "b", "/a/b" }, { "/", "b", "/b" },
		{ "a", "b/c", "a/b/c" }, { "/a", "/b", "/b" }, { "", "b", "b" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp) char *path = path_join(cases[i][0], cases[i][1]);

		ck_assert_str_eq(path, cases[i][2]);
	}
}
END_TEST

START_TEST(the_folder_of_a_path)
{
	static const char *const cases[][2] = { { "/a/b", "/a" }, { "/a/b/", "/a" }, { "/a", "/" }, { "/", "/" }, { "a", "." },
		{ "a/b", "a" }, { "a//b", "a" }, { "", "." }, { "//a", "/" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp) char *folder = path_folder_of(cases[i][0]);

		ck_assert_msg(strcmp(folder, cases[i][1]) == 0, "%s: %s", cases[i][0], folder);
	}
}
END_TEST

START_TEST(the_users_folders_follow_xdg)
{
	setenv("HOME", "/home/x", 1);
	setenv("XDG_CONFIG_HOME", "/xdg/config", 1);
	unsetenv("XDG_STATE_HOME");
	CLEANUP(free_charp) char *config = path_config_home(), *state = path_state_home();
	ck_assert_str_eq(config, "/xdg/config");
	ck_assert_str_eq(state, "/home/x/.local/state");

	setenv("XDG_CONFIG_HOME", "relative", 1);
	setenv("XDG_STATE_HOME", "", 1);
	CLEANUP(free_charp) char *config2 = path_config_home(), *state2 = path_state_home();
	ck_assert_str_eq(config2, "/home/x/.config");
	ck_assert_str_eq(state2, "/home/x/.local/state");

	unsetenv("HOME");
	ck_assert_ptr_null(path_config_home());
}
END_TEST

START_TEST(the_real_path_has_no_links)
{
	CLEANUP(free_charp) char *link = below("link"), *none = below("none");

	ck_assert_int_eq(symlink(base, link), 0);
	CLEANUP(free_charp) char *real = path_real(link), *of_base = path_real(base);
	ck_assert_str_eq(real, of_base);
	ck_assert_ptr_null(path_real(none));
}
END_TEST

/* ---- folders ------------------------------------------------------------------------------------------------------------- */

START_TEST(a_private_folder_is_made_with_its_parents)
{
	CLEANUP(free_charp) char *path = below("a/b/c");

	ck_assert_int_eq(path_make_private_folder(path), OK);
	ck_assert_int_eq(mode_of(path), 0700);
	ck_assert_int_eq(path_make_private_folder(path), OK);
	CLEANUP(free_charp) char *slash = below("d//");
	ck_assert_int_eq(path_make_private_folder(slash), OK);
	ck_assert_int_eq(mode_of(slash), 0700);
}
END_TEST

START_TEST(a_folder_open_to_others_is_closed)
{
	CLEANUP(free_charp) char *path = below("open");

	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chmod(path, 0777), 0);
	ck_assert_int_eq(path_make_private_folder(path), OK);
	ck_assert_int_eq(mode_of(path), 0700);
}
END_TEST

START_TEST(a_link_or_file_is_no_private_folder)
{
	CLEANUP(free_charp) char *folder = below("folder"), *link = below("link"), *slash = below("link/"), *file = below("file"),
					 *inside = below("file/x");

	ck_assert_int_eq(mkdir(folder, 0755), 0);
	ck_assert_int_eq(symlink(folder, link), 0);
	ck_assert_int_eq(path_make_private_folder(link), ERR_PERMISSION);
	ck_assert_int_eq(path_make_private_folder(slash), ERR_PERMISSION);
	ck_assert_int_eq(mode_of(folder), 0755);
	ck_assert_int_eq(path_write_private_file(file, SPAN("x")), OK);
	ck_assert_int_eq(path_make_private_folder(file), ERR_PERMISSION);
	ck_assert_int_eq(path_make_private_folder(inside), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_folder_of_another_user_is_refused)
{
	CLEANUP(free_charp) char *path = below("theirs");

	if (geteuid() != 0) { /* the root folder belongs to root */
		ck_assert_int_eq(path_make_private_folder("/"), ERR_PERMISSION);
		return;
	}
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chown(path, 65534, 65534), 0);
	ck_assert_int_eq(path_make_private_folder(path), ERR_PERMISSION);
}
END_TEST

/* ---- files --------------------------------------------------------------------------------------------------------------- */

START_TEST(what_is_written_is_read)
{
	CLEANUP(free_charp) char *path = below("file");
	struct buf b;

	buf_init(&b, 1 << 20);
	ck_assert_int_eq(path_write_private_file(path, SPAN("first\0 text")), OK);
	ck_assert_int_eq(mode_of(path), 0600);
	ck_assert_int_eq(path_read_file(path, 100, &b), OK);
	ck_assert(span_equal(buf_span(&b), SPAN("first\0 text")));
	ck_assert_int_eq(path_write_private_file(path, SPAN("")), OK);
	buf_clear(&b);
	ck_assert_int_eq(path_read_file(path, 100, &b), OK);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(entries_of(base), 1);
	buf_release(&b);
}
END_TEST

START_TEST(writing_replaces_a_link_and_not_what_it_names)
{
	CLEANUP(free_charp) char *target = below("target"), *link = below("link");
	struct buf b;

	buf_init(&b, 100);
	ck_assert_int_eq(path_write_private_file(target, SPAN("old")), OK);
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert_int_eq(path_write_private_file(link, SPAN("new")), OK);
	ck_assert_int_eq(path_read_file(target, 100, &b), OK);
	ck_assert_str_eq(b.data, "old");
	buf_release(&b);
}
END_TEST

START_TEST(a_failed_write_leaves_nothing_behind)
{
	CLEANUP(free_charp) char *folder = below("folder"), *full = below("folder/x"), *missing = below("none/file");

	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(mkdir(full, 0700), 0);
	ck_assert_int_ne(path_write_private_file(full, SPAN("x")), OK);
	ck_assert_int_eq(entries_of(folder), 1);
	ck_assert_int_eq(path_write_private_file(missing, SPAN("x")), ERR_NOT_FOUND);
}
END_TEST

START_TEST(reading_keeps_the_cap)
{
	CLEANUP(free_charp) char *path = below("file");
	enum { SIZE = 200000 };
	char *bytes = xcalloc(1, SIZE);
	static const size_t caps[] = { 0, 1, SIZE - 1, SIZE, SIZE + 1 };

	ck_assert_int_eq(path_write_private_file(path, (struct span){ bytes, SIZE }), OK);
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		struct buf b;

		buf_init(&b, 2 * SIZE);
		ck_assert_int_eq(path_read_file(path, caps[i], &b), caps[i] < SIZE ? ERR_TOO_LARGE : OK);
		buf_release(&b);
		buf_init(&b, caps[i]);
		ck_assert_int_eq(path_read_file(path, 2 * SIZE, &b), caps[i] < SIZE ? ERR_TOO_LARGE : OK);
		buf_release(&b);
	}
	free(bytes);
}
END_TEST

START_TEST(what_cannot_be_read_says_why)
{
	CLEANUP(free_charp) char *none = below("none"), *fifo = below("fifo"), *secret = below("secret"), *loop = below("loop");
	struct buf b;

	buf_init(&b, 100);
	ck_assert_int_eq(path_read_file(none, 100, &b), ERR_NOT_FOUND);
	ck_assert_int_eq(path_read_file(base, 100, &b), ERR_INVALID);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(path_read_file(fifo, 100, &b), ERR_INVALID); /* at once, with no writer */
	ck_assert_int_eq(symlink(loop, loop), 0);
	ck_assert_int_eq(path_read_file(loop, 100, &b), ERR_PERMISSION);
	ck_assert_int_eq(path_write_private_file(secret, SPAN("x")), OK);
	ck_assert_int_eq(chmod(secret, 0), 0);
	ck_assert_int_eq(path_read_file(secret, 100, &b), geteuid() == 0 ? OK : ERR_PERMISSION);
	buf_release(&b);
}
END_TEST

START_TEST(local_folders_are_not_on_the_network)
{
	CLEANUP(free_charp) char *missing = below("not/made/yet");

	ck_assert(!path_is_on_network(base));
	ck_assert(!path_is_on_network(missing));
	ck_assert(!path_is_on_network("/"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("path");
	TCase *t = tcase_create("path");

	tcase_add_checked_fixture(t, make_base, remove_base);
	tcase_add_test(t, paths_are_joined);
	tcase_add_test(t, the_folder_of_a_path);
	tcase_add_test(t, the_users_folders_follow_xdg);
	tcase_add_test(t, the_real_path_has_no_links);
	tcase_add_test(t, a_private_folder_is_made_with_its_parents);
	tcase_add_test(t, a_folder_open_to_others_is_closed);
	tcase_add_test(t, a_link_or_file_is_no_private_folder);
	tcase_add_test(t, a_folder_of_another_user_is_refused);
	tcase_add_test(t, what_is_written_is_read);
	tcase_add_test(t, writing_replaces_a_link_and_not_what_it_names);
	tcase_add_test(t, a_failed_write_leaves_nothing_behind);
	tcase_add_test(t, reading_keeps_the_cap);
	tcase_add_test(t, what_cannot_be_read_says_why);
	tcase_add_test(t, local_folders_are_not_on_the_network);
	suite_add_tcase(s, t);
	return s;
}
