/* config: what loads, with which meaning, and what is refused, where, in which words. */
#include "unit/unit.h"
#include <sys/stat.h>
#include <unistd.h>
#include "base/path.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "domain/config.h"
#include "domain/config_table.h"

static struct config *c;
static struct config_report report;
static struct buf said;

static void set_up(void)
{
	ck_assert_int_eq(secret_setup(), OK);
	c = NULL;
	report = (struct config_report){ 0 };
	buf_init(&said, 1000000);
}

static void tear_down(void)
{
	config_free(c);
	config_report_release(&report);
	buf_release(&said);
}

static enum err parse_span(struct span text)
{
	enum err e = config_parse("f", text, &c, &report);

	ck_assert(buf_append_text(&said, ""));
	ck_assert(config_report_write(&report, &said));
	return e;
}

static enum err parse(const char *text)
{
	return parse_span(span_of(text));
}

START_TEST(a_missing_colon_is_told_with_its_line)
{
	ck_assert_int_eq(parse("backends\n  b: 1\n"), ERR_INVALID);
	ck_assert_str_eq(said.data, "f:2:4: error: mapping values are not allowed in this context\n");
}
END_TEST

static char *data_path(const char *name)
{
	CLEANUP(free_charp) char *folder = path_folder_of(__FILE__);
	CLEANUP(free_charp) char *data = path_join(folder, "data");

	return path_join(data, name);
}

static enum err parse_data(const char *name)
{
	CLEANUP(free_charp) char *path = data_path(name);
	struct buf b;

	buf_init(&b, CONFIG_MAX_BYTES);
	ck_assert_int_eq(path_read_file(path, CONFIG_MAX_BYTES, &b), OK);
	enum err e = parse_span(buf_span(&b));
	buf_release(&b);
	return e;
}

START_TEST(every_key_of_the_draft_loads)
{
	ck_assert_int_eq(parse_data("every_key.yaml"), OK);
	ck_assert_uint_eq(config_report_errors(&report), 0);
	ck_assert_uint_eq(c->backends_n, 2);
	ck_assert_int_eq(config_queue(c, "twitter")->global_rate_limits.v[0].v[0].window_ms, 86400000);
	ck_assert_uint_eq(config_grant(config_agent(c, "claude-code"), "twitter")->rate_limits.v[0].n, 2);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_missing_colon_is_told_with_its_line);
	tcase_add_test(t, every_key_of_the_draft_loads);
	suite_add_tcase(s, t);
	return s;
}
