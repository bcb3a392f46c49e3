/* cmd_queue - aegisctl queue: who waits for which backend, at which position, for how long, and when it may start. */
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "broker/ctl/watch.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"

#define JSON_CAP (64u * 1024 * 1024)

struct listing {
	struct table table;
	struct buf json, gist;
	size_t n;
	bool is_compact;        /* --watch: one line a look */
};

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->json);
	buf_release(&l->gist);
}

static void listing_init(struct listing *l, bool is_compact)
{
	static const char *const headings[] = { "backend", "position", "state", "agent", "tool", "waited", "starts", "call" };

	*l = (struct listing){ .is_compact = is_compact };
	table_init(&l->table, headings, ARRAY_LEN(headings));
	buf_init(&l->json, JSON_CAP);
	buf_init(&l->gist, JSON_CAP);
}

/* ---- rows ---- */

static void add_start(struct table *t, const struct queue_row *row)
{
	char span[TERM_SPAN];

	if (row->keep_ms >= 0) {
		term_span(span, row->keep_ms);
		table_addf(t, "its turn: kept %s", span);
	} else if (strcmp(row->state, "FORWARDING") == 0) {
		table_add(t, "runs");
	} else if (row->ready_ms < 0) {
		table_add(t, strcmp(row->state, "ASIDE") == 0 ? "paused" : "unknown");
	} else if (row->ready_ms == 0) {
		table_add(t, "now");
	} else {
		term_span(span, row->ready_ms);
		table_addf(t, "in about %s", span);
	}
}

static void add_row(struct table *t, const struct queue_row *row)
{
	char waited[TERM_SPAN];

	term_span(waited, row->waited_ms);
	table_add(t, row->backend);
	if (row->position > 0)
		table_addf(t, "%u", row->position);
	else
		table_add(t, "-");
	table_add(t, row->state);
	table_add(t, row->agent);
	table_add(t, row->tool);
	table_add(t, waited);
	add_start(t, row);
	table_add(t, row->call);
}

static bool add_text(struct buf *b, const char *key, const char *text)
{
	return buf_printf(b, "\"%s\":", key) && term_quote(b, text) && buf_append_char(b, ',');
}

static bool add_ms(struct buf *b, const char *key, int64_t ms)
{
	return ms < 0 ? buf_printf(b, ",\"%s\":null", key) : buf_printf(b, ",\"%s\":%lld", key, (long long)ms);
}

static bool add_json(struct buf *b, const struct queue_row *row)
{
	return buf_append_char(b, '{') && add_text(b, "backend", row->backend) && add_text(b, "state", row->state) &&
	       add_text(b, "agent", row->agent) && add_text(b, "tool", row->tool) && add_text(b, "call", row->call) &&
	       buf_printf(b, "\"number\":%llu,\"process\":%u", (unsigned long long)row->number, row->owner) &&
	       add_ms(b, "position", row->position > 0 ? (int64_t)row->position : -1) && add_ms(b, "waited_ms", row->waited_ms) &&
	       add_ms(b, "ready_ms", row->ready_ms) && add_ms(b, "keep_ms", row->keep_ms) && buf_append_char(b, '}');
}

static bool list_row(void *arg, const struct queue_row *row)
{
	struct listing *l = arg;
	const char *lead = l->is_compact ? "" : "\n";

	add_row(&l->table, row);
	return buf_printf(&l->gist, "%s %s %u\n", row->call, row->state, row->position) &&
	       buf_printf(&l->json, "%s%s", l->n++ ? "," : "", lead) && add_json(&l->json, row);
}

/* ---- saying ---- */

struct view {
	const struct ctl *ctl;
	struct place *place;
	const char *backend;
};

static void print(const struct view *v, const struct listing *l, FILE *to)
{
	if (v->ctl->is_json)
		fprintf(to, "[%s%s]\n", l->n ? l->json.data : "", l->is_compact ? "" : "\n");
	else if (l->n > 0)
		table_print(&l->table, to);
	else
		fprintf(to, "no call waits%s%s\n", v->backend ? " for backend " : "", v->backend ? v->backend : "");
}

static enum ctl_exit draw(void *arg, FILE *text, FILE *gist)
{
	const struct view *v = arg;
	struct listing l CLEANUP(listing_release) = { 0 };

	listing_init(&l, ctl_value(v->ctl, "watch"));
	place_look_again(v->place);
	enum err e = v->place->store ? store_queue_list(v->place->store, v->backend, list_row, &l) : OK;
	if (e != OK) {
		ctl_say("the queue cannot be read: %s", err_text(e));
		return CTL_BROKEN;
	}
	print(v, &l, text);
	fputs(l.gist.len ? l.gist.data : "", gist);
	return CTL_OK;
}

static bool is_known(const struct place *place, const char *backend)
{
	if (!backend || !place->config || config_backend(place->config, backend))
		return true;
	ctl_say("the rules know no backend '%s'", backend);
	return false;
}

enum ctl_exit cmd_queue(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	const char *backend = ctl_value(c, "backend");

	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK && !is_known(&place, backend))
		return CTL_FAILED;
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code != CTL_OK)
		return code;
	struct view v = { c, &place, backend };
	return ctl_value(c, "watch") ? watch_run(draw, &v) : watch_once(draw, &v);
}
