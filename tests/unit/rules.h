/* rules - a config from YAML text, for tests of what stands on it. */
#pragma once
#include "domain/config.h"
#include "unit.h"

/* Fails the test, showing the report, when the text is no config. */
static inline struct config *rules_of(const char *yaml)
{
	struct config_report report = { 0 };
	struct config *c = NULL;
	struct buf said;

	buf_init(&said, 65536);
	enum err e = config_parse("test.yaml", span_of(yaml), &c, &report);
	ck_assert(config_report_write(&report, &said));
	ck_assert_msg(e == OK, "%s", said.data ? said.data : "no report");
	buf_release(&said);
	config_report_release(&report);
	return c;
}

#define RULES_BACKENDS "backends:\n  x: { url: \"http://127.0.0.1:1/mcp\" }\n  y: { url: \"http://127.0.0.1:2/mcp\" }\n"
