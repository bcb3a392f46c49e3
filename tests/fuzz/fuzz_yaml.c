/* No file crashes the reader or says too much; what loads is shown as YAML and JSON that load again and show the same. */
#include <assert.h>
#include "base/xalloc.h"
#include "data/jsonscan.h"
#include "data/secret.h"
#include "domain/config.h"
#include "domain/config_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct config *parse(struct span text)
{
	struct config_report report;
	struct config *c = NULL;
	struct buf said;

	buf_init(&said, 1u << 20);
	enum err e = config_parse("/nowhere/aegis.yaml", text, &c, &report);
	assert((e == OK) == (c != NULL) && (e == OK) == (config_report_errors(&report) == 0));
	bool fits = config_report_write(&report, &said);
	assert(fits);
	for (size_t i = 0; i < said.len; i++)
		assert((unsigned char)said.data[i] < 0x7f && (said.data[i] >= ' ' || said.data[i] == '\n'));
	config_report_release(&report);
	buf_release(&said);
	return c;
}

static char *show(const struct config *c, bool as_json)
{
	struct buf b;

	buf_init(&b, 64u << 20);
	bool fits = config_show(c, as_json, &b);
	assert(fits);
	return buf_take(&b);
}

static void check_shows_the_same(const char *text, const char *yaml)
{
	if (strstr(text, CONFIG_HIDDEN) || strlen(text) > CONFIG_MAX_BYTES)
		return;
	struct config *c = parse(span_of(text));
	assert(c);
	CLEANUP(free_charp) char *again = show(c, false);
	assert(strcmp(again, yaml) == 0);
	config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct config *c = secret_setup() == OK ? parse((struct span){ (const char *)bytes, n }) : NULL;
	struct json_value root;

	if (!c)
		return 0;
	CLEANUP(free_charp) char *yaml = show(c, false);
	CLEANUP(free_charp) char *json = show(c, true);
	assert(jsonscan_check(span_of(json), &root, NULL) == JSONSCAN_OK);
	check_shows_the_same(yaml, yaml);
	check_shows_the_same(json, yaml);
	config_free(c);
	return 0;
}
