/* cmd_queue - aegisctl queue: who waits for which backend, at which position, for how long, and when it may start. */
#include <unistd.h>
#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "data/jsonscan.h"

#define EVERY_S  1
#define JSON_CAP (64u * 1024 * 1024)

struct listing {
	struct table table;
	struct buf json;
	size_t n;
	bool is_compact;        /* --watch: one line a time */
};

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->json);
}

static void listing_init(struct listing *l, bool is_compact)
{
	static const char *const headings[] = { "backend", "position", "state", "agent", "tool", "waited", "starts", "call" };

	*l = (struct listing){ .is_compact = is_compact };
	table_init(&l->table, headings, ARRAY_LEN(headings));
	buf_init(&l->json, JSON_CAP);
}

/* ---- rows ---- */

static void write_span(char *out, size_t size, int64_t ms)
{
	long long s = (long long)((ms + 999) / 1000);

	if (s >= 3600)
		snprintf(out, size, "%lldh %lldm", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, size, "%lldm %llds", s / 60, s % 60);
	else
		snprintf(out, size, "%llds", s);
}

static void add_start(struct table *t, const struct queue_row *row)
{
	char span[48];

	if (row->keep_ms >= 0) {
		write_span(span, sizeof span, row->keep_ms);
		table_addf(t, "its turn: kept %s", span);
	} else if (strcmp(row->state, "FORWARDING") == 0) {
		table_add(t, "runs");
	} else if (row->ready_ms < 0) {
		table_add(t, strcmp(row->state, "ASIDE") == 0 ? "paused" : "unknown");
	} else if (row->ready_ms == 0) {
		table_add(t, "now");
	} else {
		write_span(span, sizeof span, row->ready_ms);
		table_addf(t, "in about %s", span);
	}
}

static void add_row(struct table *t, const struct queue_row *row)
{
	char waited[48];

	write_span(waited, sizeof waited, row->waited_ms);
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
	return buf_printf(b, "\"%s\":", key) && json_quote(b, span_of(text)) && buf_append_char(b, ',');
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
	return buf_printf(&l->json, "%s%s", l->n++ ? "," : "", lead) && add_json(&l->json, row);
}

/* ---- saying ---- */

static void print(const struct ctl *c, const struct listing *l, const char *backend)
{
	if (c->is_json)
		printf("[%s%s]\n", l->n ? l->json.data : "", l->is_compact ? "" : "\n");
	else if (l->n > 0)
		table_print(&l->table, stdout);
	else
		printf("no call waits%s%s\n", backend ? " for backend " : "", backend ? backend : "");
}

static enum ctl_exit look(struct place *place, const char *backend, struct listing *l)
{
	enum ctl_exit code = place->store ? CTL_OK : place_open_store(place);

	if (code != CTL_OK || !place->store)
		return code;
	enum err e = store_queue_list(place->store, backend, list_row, l);
	if (e == OK)
		return CTL_OK;
	ctl_say("the queue cannot be read: %s", err_text(e));
	return CTL_BROKEN;
}

static bool has_database(const struct place *place)
{
	CLEANUP(free_charp) char *path = path_join(place->state_dir, "aegis.db");

	return access(path, F_OK) == 0;
}

/* On a terminal the picture is drawn anew; elsewhere, each one below the last, under its time. */
static enum ctl_exit watch(const struct ctl *c, struct place *place, const char *backend)
{
	bool is_screen = isatty(STDOUT_FILENO) && !c->is_json;
	enum ctl_exit code = CTL_OK;

	while (code == CTL_OK && !ferror(stdout)) {
		struct listing l CLEANUP(listing_release);
		char at[32];
		listing_init(&l, c->is_json);
		if (place->store || has_database(place))
			code = look(place, backend, &l);
		if (code != CTL_OK)
			break;
		clock_format_utc(clock_wall_ms(), at, sizeof at);
		if (is_screen)
			fputs("\033[H\033[J", stdout);
		if (!c->is_json)
			printf("%s\n", at);
		print(c, &l, backend);
		if (fflush(stdout) == 0)
			sleep(EVERY_S);
	}
	return code;
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
	struct listing l CLEANUP(listing_release) = { 0 };
	const char *backend = ctl_value(c, "backend");

	enum ctl_exit code = place_find_state(c, &place);
	if (code != CTL_OK)
		return code;
	if (!is_known(&place, backend))
		return CTL_FAILED;
	if (ctl_value(c, "watch"))
		return watch(c, &place, backend);
	listing_init(&l, false);
	code = look(&place, backend, &l);
	if (code == CTL_OK)
		print(c, &l, backend);
	return code;
}
