/* cmd_pause - aegisctl pause, resume: the brake, and the early end of a backend's cool-down. */
#include "base/clock.h"
#include "base/nearest.h"
#include "base/xalloc.h"
#include "broker/ctl/act.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"
#include "domain/pattern.h"

#define MAX_SUBJECT 128

struct target {
	const char *scope, *subject;
};

/* ---- what is meant ---- */

static const char *const scopes[] = { "agent", "backend", "tool", "room" };

/* One scope at most; none: everything. */
static bool read_target(const struct ctl *c, struct target *out)
{
	size_t given = 0;

	*out = (struct target){ "all", "" };
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		const char *subject = ctl_value(c, scopes[i]);
		if (!subject)
			continue;
		*out = (struct target){ scopes[i], subject };
		given++;
	}
	if (given > 1) {
		ctl_say("name one of --agent, --backend, --tool and --room");
		return false;
	}
	return given == 0 || act_text_is_plain(out->scope, out->subject, MAX_SUBJECT);
}

static bool is_good_glob(const char *glob)
{
	size_t column = 0;

	if (pattern_is_valid(glob, &column))
		return true;
	ctl_say("--tool %s: not a glob, from character %zu on", glob, column + 1);
	return false;
}

/* A room's, backend's or agent's name at i, NULL behind the last. */
static const char *name_at(const struct config *f, const char *scope, size_t i)
{
	if (strcmp(scope, "agent") == 0)
		return i < f->agents_n ? f->agents[i].name : NULL;
	if (strcmp(scope, "backend") == 0)
		return i < f->backends_n ? f->backends[i].name : NULL;
	return i < f->rooms_n ? f->rooms[i].name : NULL;
}

static bool is_known(const struct config *f, const struct target *t)
{
	const char *names[256], *name;
	size_t n = 0;

	for (size_t i = 0; (name = name_at(f, t->scope, i)) != NULL; i++) {
		if (strcmp(name, t->subject) == 0)
			return true;
		if (n < ARRAY_LEN(names))
			names[n++] = name;
	}
	const char *near = nearest_word(span_of(t->subject), names, n);
	if (near)
		ctl_say("the rules know no %s '%s'; did you mean '%s'?", t->scope, t->subject, near);
	else
		ctl_say("the rules know no %s '%s'", t->scope, t->subject);
	return false;
}

/* A brake that is mistyped would stop nobody and look as if it did. */
static bool can_be_paused(const struct place *place, const struct target *t)
{
	if (strcmp(t->scope, "all") == 0)
		return true;
	if (strcmp(t->scope, "tool") == 0)
		return is_good_glob(t->subject);
	return !place->config || is_known(place->config, t);
}

static const char *option_text(const struct target *t, char *out, size_t size)
{
	bool is_all = strcmp(t->scope, "all") == 0;

	snprintf(out, size, "%s%s%s%s", is_all ? "" : " --", is_all ? "" : t->scope, is_all ? "" : " ", t->subject);
	return out;
}

static const char *target_text(const struct target *t, char *out, size_t size)
{
	bool is_all = strcmp(t->scope, "all") == 0;

	snprintf(out, size, "%s%s%s", is_all ? "everything" : t->scope, is_all ? "" : " ", t->subject);
	return out;
}

/* ---- what stands in the way now ---- */

struct stops {
	struct table table;
	struct buf json;
	size_t n;
};

static void stops_init(struct stops *l)
{
	static const char *const headings[] = { "stopped", "since (UTC)", "until", "by", "reason" };

	*l = (struct stops){ 0 };
	table_init(&l->table, headings, ARRAY_LEN(headings));
	buf_init(&l->json, 16u * 1024 * 1024);
}

static void stops_release(struct stops *l)
{
	table_release(&l->table);
	buf_release(&l->json);
}

static bool add_json(struct buf *b, const char *key, const char *text)
{
	return buf_printf(b, ",\"%s\":", key) && term_quote(b, text);
}

static bool list_brake(void *arg, const struct brake *brake)
{
	struct stops *l = arg;
	struct target t = { brake->scope, brake->subject };
	char at[32], what[200];

	clock_format_utc(brake->since_at_ms, at, sizeof at);
	table_add(&l->table, target_text(&t, what, sizeof what));
	table_add(&l->table, at);
	table_add(&l->table, "resumed");
	table_add(&l->table, brake->by);
	table_add(&l->table, brake->reason);
	l->n++;
	return buf_printf(&l->json, "%s\n{\"kind\":\"pause\"", l->n > 1 ? "," : "") && add_json(&l->json, "scope", brake->scope) &&
	       add_json(&l->json, "subject", brake->subject) && add_json(&l->json, "since", at) && add_json(&l->json, "by", brake->by) &&
	       add_json(&l->json, "reason", brake->reason) && buf_append_char(&l->json, '}');
}

static bool list_cooldown(void *arg, const struct cooldown *c)
{
	struct stops *l = arg;

	table_addf(&l->table, "backend %s", c->backend);
	table_add(&l->table, "-");
	table_addf(&l->table, "in %llds", (long long)((c->left_ms + 999) / 1000));
	table_add(&l->table, "the backend");
	table_add(&l->table, c->cause);
	l->n++;
	return buf_printf(&l->json, "%s\n{\"kind\":\"cooldown\"", l->n > 1 ? "," : "") && add_json(&l->json, "backend", c->backend) &&
	       add_json(&l->json, "cause", c->cause) && buf_printf(&l->json, ",\"left_ms\":%lld}", (long long)c->left_ms);
}

static enum ctl_exit say_unreadable(enum err e)
{
	ctl_say("what is paused cannot be read: %s", err_text(e));
	return CTL_BROKEN;
}

static enum ctl_exit list_all(const struct ctl *c, const struct place *place)
{
	struct stops l CLEANUP(stops_release);
	enum err e = OK;

	stops_init(&l);
	if (place->store)
		e = store_brake_list(place->store, list_brake, &l);
	if (e == OK && place->store)
		e = store_cooldown_list(place->store, list_cooldown, &l);
	if (e != OK)
		return say_unreadable(e);
	if (c->is_json)
		printf("[%s\n]\n", l.json.len ? l.json.data : "");
	else if (l.n == 0)
		puts("nothing is paused");
	else
		table_print(&l.table, stdout);
	return CTL_OK;
}

/* ---- doing it ---- */

static enum ctl_exit say_failed(enum err e)
{
	ctl_say("nothing was changed: %s", err_text(e));
	return CTL_BROKEN;
}

static struct evidence row_about(const struct target *t, const char *verdict)
{
	struct evidence e = { .verdict = verdict };

	if (strcmp(t->scope, "agent") == 0)
		e.agent = t->subject;
	else if (strcmp(t->scope, "backend") == 0)
		e.backend = t->subject;
	else if (strcmp(t->scope, "tool") == 0)
		e.tool = t->subject;
	return e;
}

static enum err set_brake(const struct place *place, const struct target *t, const char *reason, bool is_on, bool *was_changed)
{
	struct act act CLEANUP(act_release);
	const struct act_pair pairs[] = { { "reason", reason }, { "scope", t->scope }, { "subject", t->subject } };
	struct evidence about = row_about(t, is_on ? "pause" : "resume");
	struct op op = { 0 };

	act_init(&act, place);
	act_describe(&act, &about, pairs, ARRAY_LEN(pairs));
	struct brake_set b = {
		.brake = { .scope = t->scope, .subject = t->subject, .by = act.by, .reason = reason },
		.is_on = is_on,
		.evidence = &act.row,
	};
	store_brake_set(place->store, &op, &b);
	enum err e = act_run(place->store, &op);
	*was_changed = b.was_changed;
	return e;
}

static enum err end_cooldown(const struct place *place, const struct target *t, bool *was_changed)
{
	struct act act CLEANUP(act_release);
	struct evidence about = row_about(t, "cooldown_ended");
	struct op op = { 0 };

	act_init(&act, place);
	act_describe(&act, &about, NULL, 0);
	struct cooldown_set c = { .backend = t->subject, .cause = "", .evidence = &act.row };
	store_cooldown_set(place->store, &op, &c);
	enum err e = act_run(place->store, &op);
	*was_changed = c.was_changed;
	return e;
}

static bool print_change(const struct ctl *c, const struct target *t, bool is_paused, bool was_changed)
{
	struct buf b CLEANUP(buf_release);

	buf_init(&b, 8192);
	if (!c->is_json)
		return false;
	if (buf_append_text(&b, "{\"scope\":") && term_quote(&b, t->scope) && add_json(&b, "subject", t->subject))
		printf("%s,\"is_paused\":%s,\"was_changed\":%s}\n", b.data, is_paused ? "true" : "false", was_changed ? "true" : "false");
	return true;
}

enum ctl_exit cmd_pause(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	const char *reason = ctl_value(c, "reason");
	bool is_list = ctl_value(c, "list"), was_changed = false;
	char what[200], option[200];
	struct target t;

	if (!read_target(c, &t) || (reason && !act_text_is_plain("--reason", reason, ACT_MAX_TEXT)))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK && !is_list && !can_be_paused(&place, &t))
		return CTL_FAILED;
	if (code == CTL_OK)
		code = is_list ? place_open_store(&place) : place_open_to_write(&place);
	if (code != CTL_OK || is_list)
		return code == CTL_OK ? list_all(c, &place) : code;
	enum err e = set_brake(&place, &t, reason ? reason : "", true, &was_changed);
	if (e != OK)
		return say_failed(e);
	if (!print_change(c, &t, true, was_changed))
		printf("%s %s paused; calls wait until: aegisctl resume%s\n", target_text(&t, what, sizeof what),
			was_changed ? "is" : "was already", option_text(&t, option, sizeof option));
	return CTL_OK;
}

static bool say_brake(void *arg, const struct brake *b)
{
	struct target t = { b->scope, b->subject };
	char what[200];

	(void)arg;
	ctl_say("still paused: %s", target_text(&t, what, sizeof what));
	return true;
}

enum ctl_exit cmd_resume(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	bool is_cooldown = ctl_value(c, "cooldown"), was_changed = false;
	char what[200];
	struct target t;

	if (!read_target(c, &t))
		return CTL_USAGE;
	if (is_cooldown && strcmp(t.scope, "backend") != 0) {
		ctl_say("--cooldown needs --backend");
		return CTL_USAGE;
	}
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK)
		code = place_open_to_write(&place);
	if (code != CTL_OK)
		return code;
	enum err e = is_cooldown ? end_cooldown(&place, &t, &was_changed) : set_brake(&place, &t, "", false, &was_changed);
	if (e != OK)
		return say_failed(e);
	if (!print_change(c, &t, false, was_changed))
		printf("%s %s\n", target_text(&t, what, sizeof what),
			is_cooldown ? (was_changed ? "need not cool down any more" : "was not cooling down")
				    : (was_changed ? "is resumed" : "was not paused"));
	if (!c->is_json)
		e = store_brake_list(place.store, say_brake, NULL);
	if (e != OK)
		return say_unreadable(e);
	return was_changed ? CTL_OK : CTL_FAILED;
}
