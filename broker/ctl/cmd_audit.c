/* cmd_audit - aegisctl audit list. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/audit_time.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"
#include "domain/config_text.h"
#include "domain/pattern.h"

#define MAX_ROW_BYTES (64u * 1024 * 1024)

/* The newest rows come first from the store and are shown last, as in a log. */
struct kept {
	struct audit_row *rows;  /* their texts are owned here */
	size_t n;
};

static bool keep_row(void *arg, const struct audit_row *row)
{
	struct kept *k = arg;

	if (k->n % 64 == 0)
		k->rows = xreallocarray(k->rows, k->n + 64, sizeof *k->rows);
	struct audit_row *copy = &k->rows[k->n++];
	*copy = *row;
	copy->call = xstrdup(row->call);
	copy->kind = xstrdup(row->kind);
	copy->agent = xstrdup(row->agent);
	copy->backend = xstrdup(row->backend);
	copy->tool = xstrdup(row->tool);
	copy->verdict = xstrdup(row->verdict);
	copy->body = xstrdup(row->body);
	return true;
}

static void kept_release(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct audit_row *r = &k->rows[i];
		const char *const texts[] = { r->call, r->kind, r->agent, r->backend, r->tool, r->verdict, r->body };
		for (size_t j = 0; j < ARRAY_LEN(texts); j++)
			free((void *)(uintptr_t)texts[j]);
	}
	free(k->rows);
}

#define MAX_METHOD 256

/* What was asked for: a tool, or of what is no call its method. */
static void add_what(struct table *t, const struct audit_row *r)
{
	struct json_value root;
	CLEANUP(free_charp) char *method = NULL;

	if (!*r->tool && jsonscan_check(span_of(r->body), &root, NULL) == JSONSCAN_OK && root.kind == JSON_OBJECT)
		method = json_text(json_get(root, "method"), MAX_METHOD);
	table_add(t, method ? method : r->tool);
}

static void print_table(const struct kept *k)
{
	static const char *const headings[] = { "#", "time (UTC)", "kind", "agent", "backend", "tool or method", "verdict", "call" };
	struct table t CLEANUP(table_release);

	table_init(&t, headings, ARRAY_LEN(headings));
	for (size_t i = k->n; i-- > 0;) {
		const struct audit_row *r = &k->rows[i];
		char at[32];
		clock_format_utc(r->at_ms, at, sizeof at);
		table_addf(&t, "%llu", (unsigned long long)r->seq);
		table_add(&t, at);
		table_add(&t, r->kind);
		table_add(&t, r->agent);
		table_add(&t, r->backend);
		add_what(&t, r);
		table_add(&t, r->verdict);
		table_add(&t, r->call);
	}
	table_print(&t, stdout);
}

static bool write_text(struct buf *b, const char *key, const char *text)
{
	return buf_printf(b, ",\"%s\":", key) && term_quote(b, text);
}

static bool write_hash(struct buf *b, const char *key, const uint8_t hash[32])
{
	char hex[65];

	hex_encode(hex, hash, 32);
	return write_text(b, key, hex);
}

/* A body is JSON as we wrote it; a damaged one is shown as the text it is. */
static bool write_body(struct buf *b, const char *body)
{
	struct json_value root;

	if (jsonscan_check(span_of(body), &root, NULL) == JSONSCAN_OK)
		return buf_append_text(b, ",\"body\":") && term_json(b, root.text);
	return write_text(b, "body", body);
}

static bool write_row(struct buf *b, const struct audit_row *r)
{
	char at[32];

	clock_format_utc(r->at_ms, at, sizeof at);
	return buf_printf(b, "{\"seq\":%llu,\"at\":\"%s\",\"at_ms\":%lld", (unsigned long long)r->seq, at,
		       (long long)r->at_ms) &&
	       write_text(b, "kind", r->kind) && write_text(b, "call", r->call) &&
	       write_text(b, "agent", r->agent) && write_text(b, "backend", r->backend) &&
	       write_text(b, "tool", r->tool) && write_text(b, "verdict", r->verdict) &&
	       write_body(b, r->body) && write_hash(b, "args_hash", r->args_hash) &&
	       write_hash(b, "digest", r->digest) && write_hash(b, "chain", r->chain) &&
	       buf_append_char(b, '}');
}

static enum ctl_exit print_json(const struct kept *k)
{
	struct buf row CLEANUP(buf_release);

	buf_init(&row, MAX_ROW_BYTES);
	fputs("[", stdout);
	for (size_t i = k->n; i-- > 0;) {
		buf_clear(&row);
		if (!write_row(&row, &k->rows[i])) {
			ctl_say("row %llu is too large to show", (unsigned long long)k->rows[i].seq);
			return CTL_BROKEN;
		}
		printf("%s\n%s", i + 1 < k->n ? "," : "", row.data);
	}
	fputs("\n]\n", stdout);
	return CTL_OK;
}

/* How long ago, or when; 0: not given. */
static bool read_time(const struct ctl *c, const char *option, int64_t *at_ms)
{
	const char *text = ctl_value(c, option);
	struct problem why = { 0 };
	int64_t ago_ms = 0;

	*at_ms = 0;
	if (!text || audit_time_parse(text, at_ms))
		return true;
	if (config_text_duration(text, &ago_ms, &why)) {
		*at_ms = clock_wall_ms() - ago_ms;
		return true;
	}
	ctl_say("--%s: '%s' is neither how long ago (2h) nor a time (2026-11-20T10:15:30Z)", option, text);
	return false;
}

static bool read_filter(const struct ctl *c, struct audit_filter *out)
{
	const char *tool = ctl_value(c, "tool");
	long limit = 0;

	if (tool && !pattern_is_valid(tool, NULL)) {
		ctl_say("--tool: '%s' is no pattern: a [ must be closed", tool);
		return false;
	}
	*out = (struct audit_filter){
		.is_newest_first = true,
		.agent = ctl_value(c, "agent"),
		.backend = ctl_value(c, "backend"),
		.tool = tool,
		.verdict = ctl_value(c, "verdict"),
		.kind = ctl_value(c, "kind"),
		.call = ctl_value(c, "call"),
	};
	if (!ctl_number(c, "limit", 1, 1000000, 20, &limit))
		return false;
	out->limit = (uint32_t)limit;
	return read_time(c, "since", &out->since_ms) && read_time(c, "until", &out->until_ms);
}

enum ctl_exit cmd_audit_list(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct kept kept CLEANUP(kept_release) = { 0 };
	struct audit_filter filter;

	if (!read_filter(c, &filter))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code != CTL_OK)
		return code;
	enum err e = place.store ? store_audit_read(place.store, &filter, keep_row, &kept) : OK;
	if (e != OK) {
		ctl_say("the audit cannot be read: %s", err_text(e));
		return CTL_BROKEN;
	}
	if (c->is_json)
		return print_json(&kept);
	print_table(&kept);
	return CTL_OK;
}
