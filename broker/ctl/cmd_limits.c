/* cmd_limits - aegisctl limits: how full every window of the rules is, and when the next place frees. */
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"
#include "broker/ctl/watch.h"
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
	char span[TERM_SPAN];

	term_span(span, row->next_free_ms);
	if (!is_full(claim, row))
		table_add(t, "now");
	else if (row->next_free_ms < 0)
		table_add(t, "when a waiting call ends");
	else
		table_addf(t, "in %s%s", span, row->is_closed ? " (records were lost)" : "");
}

#define BAR_CHARS 20

/* "[#####++.............]": used, held, free. What is not zero is seen, and only what is full looks full. */
static void add_bar(struct table *t, const struct limit_claim *claim, const struct limit_row *row)
{
	char bar[BAR_CHARS + 1];
	uint64_t taken = is_full(claim, row) ? claim->max_count : (uint64_t)row->used + row->held;
	uint64_t used = row->is_closed ? taken : row->used < taken ? row->used : taken;
	size_t most = taken < claim->max_count ? BAR_CHARS - 1 : BAR_CHARS;
	size_t filled = claim->max_count ? (size_t)((taken * BAR_CHARS + claim->max_count - 1) / claim->max_count) : BAR_CHARS;
	size_t solid = taken ? (size_t)(used * filled / taken) : filled;

	filled = filled > most ? most : filled;
	for (size_t i = 0; i < BAR_CHARS; i++)
		bar[i] = i >= filled ? '.' : i < solid ? '#' : '+';
	bar[BAR_CHARS] = '\0';
	table_addf(t, "[%s]", bar);
}

static void print_table(const struct look *l, FILE *to)
{
	static const char *const headings[] = { "scope", "who", "backend", "tool", "window", "used", "held", "max",
		"# used, + held", "next place" };
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
		add_bar(&t, claim, row);
		add_next_free(&t, claim, row);
	}
	table_print(&t, to);
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
		           term_quote(b, texts[i].text);
	is_whole = is_whole &&
	           buf_printf(b, ",\"window_ms\":%lld,\"used\":%u,\"held\":%u,\"max_count\":%u,\"is_full\":%s,\"is_closed\":%s",
			   (long long)claim->window_ms, row->used, row->held, claim->max_count,
			   is_full(claim, row) ? "true" : "false", row->is_closed ? "true" : "false");
	if (row->next_free_ms < 0)
		return is_whole && buf_append_text(b, ",\"next_free_ms\":null}");
	return is_whole && buf_printf(b, ",\"next_free_ms\":%lld}", (long long)row->next_free_ms);
}

/* Watched: one line a look. */
static enum ctl_exit print_json(const struct look *l, bool is_compact, FILE *to)
{
	struct buf row CLEANUP(buf_release);

	buf_init(&row, 1024u * 1024);
	fputs("[", to);
	for (size_t i = 0; i < l->claims.n; i++) {
		buf_clear(&row);
		if (!write_row(&row, &l->claims.v[i], &l->rows[i]))
			return CTL_BROKEN;
		fprintf(to, "%s%s%s", i ? "," : "", is_compact ? "" : "\n", row.data);
	}
	fputs(is_compact ? "]\n" : "\n]\n", to);
	return CTL_OK;
}

/* ---- what stands in the way besides ---- */

struct streams {
	FILE *text, *gist;
};

static bool print_brake(void *arg, const struct brake *b)
{
	const struct streams *to = arg;
	CLEANUP(free_charp) char *subject = term_text(b->subject);
	bool is_all = strcmp(b->scope, "all") == 0;

	fprintf(to->text, "%s%s%s: paused (aegisctl pause --list)\n", is_all ? "all calls" : b->scope, is_all ? "" : " ", subject);
	fprintf(to->gist, "%s %s\n", b->scope, subject);
	return true;
}

static bool print_cooldown(void *arg, const struct cooldown *c)
{
	const struct streams *to = arg;
	CLEANUP(free_charp) char *cause = term_text(c->cause);

	fprintf(to->text, "backend %s cools down for %lld s more: %s\n", c->backend, (long long)((c->left_ms + 999) / 1000), cause);
	fprintf(to->gist, "cools down: %s\n", c->backend);
	return true;
}

static enum err print_stops(struct store *store, struct streams to)
{
	enum err e = store ? store_brake_list(store, print_brake, &to) : OK;

	return e == OK && store ? store_cooldown_list(store, print_cooldown, &to) : e;
}

/* ---- the command ---- */

struct view {
	const struct ctl *ctl;
	struct place *place;
	const char *agent;
};

static void print_gist(const struct look *l, FILE *to)
{
	for (size_t i = 0; i < l->claims.n; i++)
		fprintf(to, "%s %lld %u %u %u %d\n", l->claims.v[i].key, (long long)l->claims.v[i].window_ms, l->claims.v[i].max_count,
			l->rows[i].used, l->rows[i].held, l->rows[i].is_closed);
}

static enum ctl_exit draw(void *arg, FILE *text, FILE *gist)
{
	const struct view *v = arg;
	struct look look CLEANUP(look_release) = { 0 };
	enum ctl_exit code = CTL_OK;

	place_look_again(v->place);
	claims_list(v->place->config, v->agent, &look.claims);
	enum err e = look_up(&look, v->place);
	if (e == OK && !v->ctl->is_json)
		e = print_stops(v->place->store, (struct streams){ text, gist });
	if (e != OK) {
		ctl_say("the limits cannot be read: %s", err_text(e));
		return CTL_BROKEN;
	}
	print_gist(&look, gist);
	if (v->ctl->is_json)
		code = print_json(&look, ctl_value(v->ctl, "watch"), text);
	else if (look.claims.n == 0)
		fputs(v->agent ? "no rate limit counts for this agent\n" : "the rules have no rate limit\n", text);
	else
		print_table(&look, text);
	return code;
}

enum ctl_exit cmd_limits(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
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
	struct view v = { c, &place, agent };
	return ctl_value(c, "watch") ? watch_run(draw, &v) : watch_once(draw, &v);
}
