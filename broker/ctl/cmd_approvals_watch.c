/* cmd_approvals_watch - aegisctl approvals watch: approvals as they come, and keys that decide them. */
#include <poll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ctl/act.h"
#include "broker/ctl/approval_view.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/decide.h"
#include "broker/ctl/desk.h"
#include "broker/ctl/screen.h"
#include "broker/ctl/term.h"

#define LOOK_MS 1000

struct watch {
	struct place place;
	struct voter who;
	struct session me;
	struct desk desk;
	struct approval *rows;   /* as read last */
	size_t n;
	bool is_json;
};

static void watch_release(struct watch *w)
{
	screen_close();
	desk_release(&w->desk);
	for (size_t i = 0; i < w->n; i++)
		approval_release(&w->rows[i]);
	free(w->rows);
	place_release(&w->place);
}

/* ---- reading ---- */
static char *copy(const char *text)
{
	return xstrdup(text ? text : "");
}

static bool keep(void *arg, const struct approval *a)
{
	struct watch *w = arg;

	if (w->n % 16 == 0)
		w->rows = xreallocarray(w->rows, w->n + 16, sizeof *w->rows);
	struct approval *own = &w->rows[w->n++];
	*own = *a;
	own->tenant = copy(a->tenant);
	own->agent = copy(a->agent);
	own->client = copy(a->client);
	own->backend = copy(a->backend);
	own->tool = copy(a->tool);
	own->args = copy(a->args);
	own->rule = copy(a->rule);
	own->decided_by = copy(a->decided_by);
	own->decided_means = copy(a->decided_means);
	own->reason = copy(a->reason);
	own->consumed_by = copy(a->consumed_by);
	return true;
}

/* Whoever finds one overdue says so. */
static enum err expire(struct watch *w)
{
	struct op op = { 0 };

	store_approval_expire(w->place.store, &op);
	return act_run(w->place.store, &op);
}

static enum err look(struct watch *w)
{
	struct approval_filter live = { .is_live_only = true };

	enum err e = expire(w);
	w->rows = NULL;
	w->n = 0;
	return e == OK ? store_approval_list(w->place.store, &live, keep, w) : e;
}

/* Keys, a byte to our socket, or a second. */
static void wait_for(struct watch *w, bool has_keys)
{
	struct pollfd fds[] = { { .fd = store_wake_fd(w->place.store), .events = POLLIN }, { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN } };

	(void)poll(fds, ARRAY_LEN(fds), LOOK_MS);
	store_wake_drain(w->place.store);
}

static bool has_key(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

/* ---- on a screen ---- */
static bool draw(struct watch *w)
{
	CLEANUP(buf_release) struct buf frame = { 0 };
	int height = 0, width = 0;

	buf_init(&frame, APPROVAL_VIEW_MAX_BYTES);
	screen_size(&height, &width);
	desk_resize(&w->desk, height, width);
	if (!desk_draw(&w->desk, &frame))
		return false;
	screen_write(buf_span(&frame));
	return true;
}

static void act_on(struct watch *w, bool is_approving)
{
	const struct approval *a = desk_meant(&w->desk);

	if (!a)
		return;
	struct decision d = { .approval = a->id, .reason = w->desk.reason, .is_approving = is_approving, .args_hash = a->args_hash };
	(void)decide(&w->place, &w->who, &d);
	desk_say(&w->desk, d.said);
}

/* False: enough. */
static bool take_keys(struct watch *w)
{
	int keys[SCREEN_MAX_KEYS];
	size_t n = screen_keys(keys);

	for (size_t i = 0; i < n; i++) {
		switch (desk_key(&w->desk, keys[i])) {
		case DESK_STAY:
			if (!draw(w))            /* the next key means the picture with this one done */
				return false;
			break;
		case DESK_APPROVE: act_on(w, true); return true;     /* what was typed behind it meant the picture before */
		case DESK_REJECT:  act_on(w, false); return true;
		case DESK_QUIT:    return false;
		}
	}
	return true;
}

/* Another row is meant than the one that was on the screen: what was typed meanwhile decides nothing. False: but it may end. */
static bool drop_keys(bool was_list)
{
	int keys[SCREEN_MAX_KEYS];
	bool goes_on = true;

	while (goes_on && has_key())
		for (size_t i = 0, n = screen_keys(keys); i < n; i++)
			goes_on = goes_on && keys[i] != KEY_END_OF_INPUT && !(was_list && keys[i] == 'q');
	return goes_on;
}

static enum ctl_exit run_screen(struct watch *w)
{
	for (bool goes_on = true; goes_on;) {
		bool was_list = w->desk.mode == DESK_LIST;
		enum err e = look(w);
		struct approval *rows = w->rows;
		size_t n = w->n;
		w->rows = NULL;
		w->n = 0;
		bool is_another = desk_fill(&w->desk, rows, n);
		if (e != OK)
			desk_say(&w->desk, err_text(e));
		if (is_another && !drop_keys(was_list))
			break;
		if (!draw(w))
			return CTL_BROKEN;
		wait_for(w, true);
		if (!screen_was_disturbed() && has_key())
			goes_on = take_keys(w);
	}
	return CTL_OK;
}

/* ---- elsewhere: one line per change ---- */
static bool say_change(struct watch *w, const struct approval *a)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	char at[32];

	buf_init(&b, APPROVAL_VIEW_MAX_BYTES);
	clock_format_utc(clock_wall_ms(), at, sizeof at);
	bool is_whole = w->is_json ? approval_write_json(&b, a, clock_wall_ms())
	              : buf_printf(&b, "%s %s %s ", at, a->short_id, approval_state_text(a->state)) &&
	                        term_append(&b, span_of(a->agent), TERM_ONE_LINE) && buf_append_char(&b, ' ') &&
	                        term_append(&b, span_of(a->backend), TERM_ONE_LINE) && buf_append_char(&b, ' ') &&
	                        term_append(&b, span_of(a->tool), TERM_ONE_LINE) && buf_append_char(&b, ' ') &&
	                        approval_write_arguments(&b, a) && approval_write_decision(&b, a);
	return is_whole && printf("%s\n", b.data) > 0 && fflush(stdout) == 0;
}

static const struct approval *find(const struct approval *rows, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].id, id) == 0)
			return &rows[i];
	return NULL;
}

/* How one ended that is not among the live any more. */
static bool say_end(struct watch *w, const char *id)
{
	CLEANUP(approval_release) struct approval a = { 0 };

	return store_approval_get(w->place.store, id, &a) != OK || say_change(w, &a);
}

static bool say_changes(struct watch *w, const struct approval *before, size_t before_n)
{
	bool goes_on = true;

	for (size_t i = 0; goes_on && i < before_n; i++)
		if (!find(w->rows, w->n, before[i].id))
			goes_on = say_end(w, before[i].id);
	for (size_t i = 0; goes_on && i < w->n; i++) {
		const struct approval *was = find(before, before_n, w->rows[i].id);
		if (!was || was->state != w->rows[i].state)
			goes_on = say_change(w, &w->rows[i]);
	}
	return goes_on;
}

static enum ctl_exit run_lines(struct watch *w)
{
	for (;;) {
		struct approval *before = w->rows;
		size_t before_n = w->n;
		enum err e = look(w);
		bool goes_on = e == OK && say_changes(w, before, before_n);
		for (size_t i = 0; i < before_n; i++)
			approval_release(&before[i]);
		free(before);
		if (e != OK) {
			ctl_say("the approvals cannot be read: %s", err_text(e));
			return CTL_BROKEN;
		}
		if (!goes_on)
			return CTL_OK;
		wait_for(w, false);
	}
}

/* ---- both ---- */
/* A session of its own, so that whatever changes wakes us. */
static enum err join(struct watch *w)
{
	struct op op = { 0 };

	w->me = (struct session){ .kind = "ctl", .agent = "", .client = "aegisctl", .client_version = AEGIS_VERSION, .backend = "", .tenant = "",
		.uid = w->who.uid };
	id_new(w->me.id, clock_wall_ms());
	store_session_join(w->place.store, &op, &w->me);
	return act_run(w->place.store, &op);
}

static void leave(struct watch *w)
{
	struct op op = { 0 };

	store_session_leave(w->place.store, &op);
	enum err e = act_run(w->place.store, &op);
	if (e != OK)
		ctl_say("%s: %s", w->place.state_dir, err_text(e));
}

enum ctl_exit cmd_approvals_watch(const struct ctl *c)
{
	struct watch w CLEANUP(watch_release) = { .is_json = c->is_json };

	enum ctl_exit code = place_find_state(c, &w.place);
	if (code == CTL_OK)
		code = place_open_to_write(&w.place);
	if (code != CTL_OK)
		return code;
	(void)operator_find(&w.place, &w.who);
	enum err e = join(&w);
	if (e != OK) {
		ctl_say("%s: %s", w.place.state_dir, err_text(e));
		return CTL_BROKEN;
	}
	code = !c->is_json && isatty(STDOUT_FILENO) && screen_open() ? run_screen(&w) : run_lines(&w);
	screen_close();
	leave(&w);
	return code;
}
