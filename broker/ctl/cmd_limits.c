/* cmd_limits - aegisctl limits: how full every window of the rules is, and when the next place frees. */
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "data/jsonscan.h"
#include "domain/limits.h"

struct look {
	struct claim_set claims;
	struct limit_row *rows;  /* rows[i] belongs to claims.v[i] and borrows its key */
};

static void look_release(struct look *l)
{
	claims_release(&l->claims);
	free(l->rows);
}

static enum err look_up(struct look *l, const struct place *place)
{
	l->rows = xcalloc(l->claims.n ? l->claims.n : 1, sizeof *l->rows);
	for (size_t i = 0; i < l->claims.n; i++)
		l->rows[i] = (struct limit_row){
			.key = l->claims.v[i].key,
			.window_ms = l->claims.v[i].window_ms,
			.next_free_ms = -1,
		};
	return place->store ? store_limits_show(place->store, l->rows, l->claims.n) : OK;
}

static bool is_full(const struct limit_claim *claim, const struct limit_row *row)
{
	return row->is_closed || (uint64_t)row->used + row->held >= claim->max_count;
}

static void add_duration(struct table *t, int64_t ms)
{
	struct buf text CLEANUP(buf_release);

	buf_init(&text, 64);
	table_add(t, limit_write_duration(&text, ms) ? text.data : "");
}

static void add_next_free(struct table *t, const struct limit_claim *claim, const struct limit_row *row)
{
	int64_t s = (row->next_free_ms + 999) / 1000;
	const char *why = row->is_closed ? " (records were lost)" : "";

	if (!is_full(claim, row))
		table_add(t, "now");
	else if (row->next_free_ms < 0)
		table_add(t, "when a waiting call ends");
	else if (s >= 3600)
		table_addf(t, "in %lldh %lldm%s", (long long)(s / 3600), (long long)(s / 60 % 60), why);
	else if (s >= 60)
		table_addf(t, "in %lldm %llds%s", (long long)(s / 60), (long long)(s % 60), why);
	else
		table_addf(t, "in %llds%s", (long long)s, why);
}

static void print_table(const struct look *l)
{
	static const char *const headings[] = { "scope", "who", "backend", "tool", "window", "used", "held", "max",
		"next place" };
	struct table t CLEANUP(table_release);

	table_init(&t, headings, ARRAY_LEN(headings));
	for (size_t i = 0; i < l->claims.n; i++) {
		const struct limit_claim *claim = &l->claims.v[i];
		const struct limit_row *row = &l->rows[i];
		table_add(&t, limit_scope_text(claim->scope));
		table_add(&t, *claim->who ? claim->who : "-");
		table_add(&t, *claim->backend ? claim->backend : "-");
		table_add(&t, claim->tool);
		add_duration(&t, claim->window_ms);
		table_addf(&t, "%u", row->used);
		table_addf(&t, "%u", row->held);
		table_addf(&t, "%u", claim->max_count);
		add_next_free(&t, claim, row);
	}
	table_print(&t, stdout);
}

static bool write_row(struct buf *b, const struct limit_claim *claim, const struct limit_row *row)
{
	const struct {
		const char *key, *text;
	} texts[] = {
		{ "scope", limit_scope_text(claim->scope) },
		{ "who", claim->who },
		{ "backend", claim->backend },
		{ "tool", claim->tool },
	};
	bool is_whole = true;

	for (size_t i = 0; is_whole && i < ARRAY_LEN(texts); i++)
		is_whole = buf_printf(b, "%s\"%s\":", i ? "," : "{", texts[i].key) &&
		           json_quote(b, span_of(texts[i].text));
	is_whole = is_whole &&
	           buf_printf(b, ",\"window_ms\":%lld,\"used\":%u,\"held\":%u,\"max_count\":%u,\"is_full\":%s,\"is_closed\":%s",
			   (long long)claim->window_ms, row->used, row->held, claim->max_count,
			   is_full(claim, row) ? "true" : "false", row->is_closed ? "true" : "false");
	if (row->next_free_ms < 0)
		return is_whole && buf_append_text(b, ",\"next_free_ms\":null}");
	return is_whole && buf_printf(b, ",\"next_free_ms\":%lld}", (long long)row->next_free_ms);
}

static enum ctl_exit print_json(const struct look *l)
{
	struct buf row CLEANUP(buf_release);

	buf_init(&row, 1024u * 1024);
	fputs("[", stdout);
	for (size_t i = 0; i < l->claims.n; i++) {
		buf_clear(&row);
		if (!write_row(&row, &l->claims.v[i], &l->rows[i]))
			return CTL_BROKEN;
		printf("%s\n%s", i ? "," : "", row.data);
	}
	fputs("\n]\n", stdout);
	return CTL_OK;
}

enum ctl_exit cmd_limits(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct look look CLEANUP(look_release) = { 0 };
	const char *agent = ctl_value(c, "agent");

	enum ctl_exit code = place_find_rules(c, &place);
	if (code == CTL_OK && agent && !config_agent(place.config, agent)) {
		ctl_say("the rules know no agent '%s'", agent);
		return CTL_FAILED;
	}
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code != CTL_OK)
		return code;
	claims_list(place.config, agent, &look.claims);
	enum err e = look_up(&look, &place);
	if (e != OK) {
		ctl_say("the limits cannot be read: %s", err_text(e));
		return CTL_BROKEN;
	}
	if (c->is_json)
		return print_json(&look);
	print_table(&look);
	return CTL_OK;
}
