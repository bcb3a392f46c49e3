/* config_kit - for tests of the config: parses a text, keeps the rules and what was said about them until the test ends. */
#pragma once
#include "unit/unit.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "domain/config.h"

struct rules {
	struct config *config;
	struct config_report report;
	struct buf said;              /* the report as lines; "" when there is nothing to say */
};

static inline struct rules rules_parse_span(const char *path, struct span text, enum err expected)
{
	struct rules r = { 0 };

	ck_assert_int_eq(secret_setup(), OK);
	buf_init(&r.said, 1000000);
	ck_assert(buf_append_text(&r.said, ""));
	enum err e = config_parse(path, text, &r.config, &r.report);
	ck_assert(config_report_write(&r.report, &r.said));
	ck_assert_msg(e == expected, "%s, said: %s", err_text(e), r.said.data);
	ck_assert_int_eq(r.config != NULL, e == OK);
	return r;
}

static inline struct rules rules_parse(const char *text, enum err expected)
{
	return rules_parse_span("f", span_of(text), expected);
}

static inline void rules_release(struct rules *r)
{
	config_free(r->config);
	config_report_release(&r->report);
	buf_release(&r->said);
}

/* A file of tests/unit/data as text. */
static inline char *rules_data(const char *name)
{
	CLEANUP(free_charp) char *folder = path_folder_of(__FILE__);
	CLEANUP(free_charp) char *path = xasprintf("%s/data/%s", folder, name);
	struct buf b;

	buf_init(&b, CONFIG_MAX_BYTES);
	ck_assert_int_eq(path_read_file(path, CONFIG_MAX_BYTES, &b), OK);
	return buf_take(&b);
}
