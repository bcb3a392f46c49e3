/* cmd_unknown - aegisctl unknown list, settle: calls whose outcome nobody knows, and a person's word on what became of them. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ctl/act.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"

#define SHORT_CHARS 8   /* the end of an id: its beginning is the time, which many share */
#define LEAST_CHARS 4

static const char *short_id(const char *call)
{
	size_t n = strlen(call);

	return n > SHORT_CHARS ? call + n - SHORT_CHARS : call;
}

/* ---- list ---- */

struct listing {
	struct table table;
	struct buf json;
	size_t n;
};

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->json);
}

static void add_row(struct table *t, const struct unknown_row *u, const char *since)
{
	table_add(t, short_id(u->call));
	table_add(t, since);
	table_add(t, u->agent);
	table_add(t, u->backend);
	table_add(t, u->tool);
	if (u->settled_at_ms > 0)
		table_addf(t, "%s, says %s", strcmp(u->settled_as, "done") == 0 ? "done" : "not done", u->settled_by);
	else if (u->held_ms > 0)
		table_addf(t, "not settled, held %llds more", (long long)((u->held_ms + 999) / 1000));
	else
		table_add(t, "not settled");
}

static bool add_text(struct buf *b, const char *key, const char *text)
{
	return buf_printf(b, ",\"%s\":", key) && term_quote(b, text);
}

static bool add_json(struct buf *b, const struct unknown_row *u, const char *since)
{
	const char *as = u->settled_at_ms > 0 ? u->settled_as : "";

	return buf_append_text(b, "{\"id\":") && term_quote(b, u->call) && add_text(b, "short", short_id(u->call)) &&
	       add_text(b, "since", since) && add_text(b, "agent", u->agent) && add_text(b, "backend", u->backend) &&
	       add_text(b, "tool", u->tool) && buf_printf(b, ",\"held_ms\":%lld", (long long)u->held_ms) &&
	       (*as ? add_text(b, "settled_as", as) && add_text(b, "settled_by", u->settled_by)
		    : buf_append_text(b, ",\"settled_as\":null")) &&
	       buf_append_char(b, '}');
}

static bool list_row(void *arg, const struct unknown_row *u)
{
	struct listing *l = arg;
	char since[32];

	clock_format_utc(u->since_at_ms, since, sizeof since);
	add_row(&l->table, u, since);
	return buf_append_text(&l->json, l->n++ ? ",\n" : "\n") && add_json(&l->json, u, since);
}

static enum ctl_exit say_unreadable(enum err e)
{
	ctl_say("the calls of unknown outcome cannot be read: %s", err_text(e));
	return CTL_BROKEN;
}

enum ctl_exit cmd_unknown_list(const struct ctl *c)
{
	static const char *const headings[] = { "id", "since (UTC)", "agent", "backend", "tool", "state" };
	struct place place CLEANUP(place_release) = { 0 };
	struct listing l CLEANUP(listing_release) = { 0 };
	bool is_open_only = !ctl_value(c, "all");

	table_init(&l.table, headings, ARRAY_LEN(headings));
	buf_init(&l.json, 64u * 1024 * 1024);
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code != CTL_OK)
		return code;
	enum err e = place.store ? store_unknown_list(place.store, is_open_only, list_row, &l) : OK;
	if (e != OK)
		return say_unreadable(e);
	if (c->is_json)
		printf("[%s\n]\n", l.json.len ? l.json.data : "");
	else if (l.n == 0)
		puts("no call's outcome is unknown");
	else
		table_print(&l.table, stdout);
	return CTL_OK;
}

/* ---- settle ---- */

struct search {
	const char *wanted;
	size_t matches;
	bool is_settled;
	char id[ID_SIZE], agent[80], backend[80], tool[300];
	uint8_t args_hash[32];
};

/* The whole id, its beginning or its end. */
static bool is_meant(const char *id, const char *wanted)
{
	size_t have = strlen(id), n = strlen(wanted);

	return n >= LEAST_CHARS && n <= have && (memcmp(id, wanted, n) == 0 || memcmp(id + have - n, wanted, n) == 0);
}

static bool match_row(void *arg, const struct unknown_row *u)
{
	struct search *s = arg;
	bool is_settled = u->settled_at_ms > 0;

	if (!is_meant(u->call, s->wanted) || (s->matches > 0 && is_settled && !s->is_settled))
		return true;
	/* One that waits for a word is meant rather than one that had it. */
	s->matches = s->is_settled && !is_settled ? 1 : s->matches + 1;
	s->is_settled = is_settled;
	snprintf(s->id, sizeof s->id, "%s", u->call);
	snprintf(s->agent, sizeof s->agent, "%s", u->agent);
	snprintf(s->backend, sizeof s->backend, "%s", u->backend);
	snprintf(s->tool, sizeof s->tool, "%s", u->tool);
	memcpy(s->args_hash, u->args_hash, sizeof s->args_hash);
	return true;
}

static enum ctl_exit find(struct store *store, struct search *s)
{
	enum err e = store ? store_unknown_list(store, false, match_row, s) : OK;

	if (e != OK)
		return say_unreadable(e);
	if (s->matches == 1)
		return CTL_OK;
	if (s->matches > 1)
		ctl_say("'%s' names %zu calls; give more of the id (aegisctl unknown list --json shows it whole)", s->wanted, s->matches);
	else if (strlen(s->wanted) < LEAST_CHARS)
		ctl_say("'%s' is too short: give at least %d characters of the id", s->wanted, LEAST_CHARS);
	else
		ctl_say("no call of unknown outcome is named '%s'; see aegisctl unknown list", s->wanted);
	return CTL_FAILED;
}

static enum err settle(const struct place *place, const struct search *found, bool was_done, int *answer)
{
	struct act act CLEANUP(act_release);
	const struct act_pair pairs[] = { { "settled_as", was_done ? "done" : "not_done" } };
	struct evidence about = { .call = found->id, .agent = found->agent, .backend = found->backend, .tool = found->tool,
		.verdict = "unknown_settled" };
	struct op op = { 0 };

	memcpy(about.args_hash, found->args_hash, sizeof about.args_hash);
	act_init(&act, place);
	act_describe(&act, &about, pairs, ARRAY_LEN(pairs));
	struct unknown_settle u = { .call = found->id, .by = act.by, .was_done = was_done, .evidence = &act.row };
	store_unknown_settle(place->store, &op, &u);
	enum err e = act_run(place->store, &op);
	*answer = op.answer;
	return e;
}

static enum ctl_exit say_settled(const struct ctl *c, const struct search *s, const char *as, bool was_settled)
{
	if (c->is_json)
		printf("{\"id\":\"%s\",\"settled_as\":\"%s\",\"was_changed\":%s}\n", s->id, as, was_settled ? "false" : "true");
	else if (was_settled)
		ctl_say("call %s was settled before; see aegisctl unknown list --all", short_id(s->id));
	else
		printf("call %s is settled as %s; the same call is free again\n", short_id(s->id), as);
	return was_settled ? CTL_FAILED : CTL_OK;
}

enum ctl_exit cmd_unknown_settle(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct search s = { .wanted = c->words[0] };
	bool was_done = strcmp(c->words[1], "done") == 0;
	int answer = UNKNOWN_NO_SUCH;

	if (!was_done && strcmp(c->words[1], "not_done") != 0) {
		ctl_say("the last word must be done or not_done");
		return CTL_USAGE;
	}
	if (!act_text_is_plain("ID", s.wanted, ID_SIZE))
		return CTL_FAILED;
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code == CTL_OK)
		code = find(place.store, &s);
	if (code != CTL_OK)
		return code;
	enum err e = settle(&place, &s, was_done, &answer);
	if (e == OK)
		return say_settled(c, &s, c->words[1], answer != UNKNOWN_SETTLED);
	ctl_say("nothing was changed: %s", err_text(e));
	return CTL_BROKEN;
}
