/* channel_desktop - where the rules name no channel, in cooperative mode: a notification on the desktop of whoever runs the broker, which names
 * the command that decides. It cannot be changed or taken back later: only the question is told. A machine without a desktop is no error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/shown.h"
#include "base/xalloc.h"
#include "broker/channels.h"
#include "broker/runner.h"
#include "domain/channels.h"

#define TEXT_MAX 400

struct job {
	struct channel *channel;
	struct delivery *delivery;               /* or */
	struct channel_test *test;
	struct runner runner;
	char title[TEXT_MAX], body[TEXT_MAX];
	const char *argv[10];
};

/* ---- is there a desktop? ------------------------------------------------------------------------------------------------------------ */

#ifdef __APPLE__
static bool has_desktop(void)
{
	return true;
}

/* Text reaches the script as its arguments, never as part of it. */
static void fill_argv(struct job *j)
{
	const char *argv[] = { "osascript", "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e",
		"end run", j->title, j->body, NULL };

	memcpy(j->argv, argv, sizeof(argv));
}
#else
/* GLib asks the same two places (gdbus: the environment, then $XDG_RUNTIME_DIR/bus). */
static bool has_desktop(void)
{
	const char *bus = getenv("DBUS_SESSION_BUS_ADDRESS"), *runtime = getenv("XDG_RUNTIME_DIR");
	CLEANUP(free_charp) char *path = runtime ? xasprintf("%s/bus", runtime) : NULL;

	return (bus && bus[0]) || (path && access(path, F_OK) == 0);
}

static void fill_argv(struct job *j)
{
	const char *argv[] = { "notify-send", "--app-name=Aegis", "--urgency=critical", "--", j->title, j->body, NULL };

	memcpy(j->argv, argv, sizeof(argv));
}
#endif

static const char no_desktop[] = "this machine has no desktop session to show it on; decide with aegisctl approvals";

/* ---- one notification ------------------------------------------------------------------------------------------------------------------ */

static struct job *job_new(struct channel *c, void (*done)(struct runner *r))
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->channel = c;
	fill_argv(j);
	j->runner = (struct runner){ .broker = c->broker, .argv = (char *const *)j->argv, .done = done, .arg = j };
	return j;
}

static void job_free(struct job *j)
{
	runner_cancel(&j->runner);
	free(j);
}

/* Notification servers read some markup (a, b, i, u, img): what could begin it is shown as "?", like all beyond ASCII. */
static struct shown plain(const char *name)
{
	struct shown s = shown_of(name);

	for (char *at = s.text; *at; at++)
		if (*at == '<' || *at == '>' || *at == '&')
			*at = '?';
	return s;
}

static void delivered(struct runner *r)
{
	struct job *j = r->arg;
	struct delivery *d = j->delivery;
	struct delivered how = { .result = MESSAGE_OK, .said = "" };
	char said[280];

	if (!r->has_started || r->has_timed_out || r->exit_code != 0) {
		how.result = MESSAGE_NOT_WORTH_IT;
		how.said = said;
		(void)snprintf(said, sizeof(said), "%s did not show it%s%s", j->argv[0], r->said[0] ? ": " : "", r->said);
	}
	job_free(j);
	delivery_end(d, &how);
}

static void desktop_deliver(struct channel *c, struct delivery *d)
{
	const struct approval *a = d->notice.approval;

	if (a->state != APPROVAL_PENDING) {
		delivery_end(d, &(struct delivered){ .result = MESSAGE_OK, .said = "" });
		return;
	}
	if (!has_desktop()) {
		delivery_end(d, &(struct delivered){ .result = MESSAGE_NOT_WORTH_IT, .said = no_desktop });
		return;
	}
	struct job *j = job_new(c, delivered);
	j->delivery = d;
	d->own = j;
	(void)snprintf(j->title, sizeof(j->title), "Approval %s is needed", a->short_id);
	(void)snprintf(j->body, sizeof(j->body), "%s wants to run %s at %s.\naegisctl approvals approve %s", plain(a->agent).text, plain(a->tool).text,
		plain(a->backend).text, a->short_id);
	runner_start(&j->runner);
}

static void desktop_cancel(struct channel *c, struct delivery *d)
{
	(void)c;
	job_free(d->own);
}

/* ---- a test ----------------------------------------------------------------------------------------------------------------------------- */

static void tested(struct runner *r)
{
	struct job *j = r->arg;
	struct channel_test *t = j->test;
	bool is_ok = r->has_started && !r->has_timed_out && r->exit_code == 0;
	char said[280];

	(void)snprintf(said, sizeof(said), "%s %s%s%s", j->argv[0], is_ok ? "took the notification" : "did not show it", r->said[0] ? ": " : "", r->said);
	job_free(j);
	t->step(t, is_ok, said);
	t->done(t, is_ok);
}

static void desktop_test(struct channel *c, struct channel_test *t)
{
	if (!has_desktop()) {
		t->step(t, false, no_desktop);
		t->done(t, false);
		return;
	}
	struct job *j = job_new(c, tested);
	j->test = t;
	t->own = j;
	(void)snprintf(j->title, sizeof(j->title), "Aegis: a test");
	(void)snprintf(j->body, sizeof(j->body), "Nothing is asked, nothing needs to be decided.");
	runner_start(&j->runner);
}

static void desktop_test_cancel(struct channel *c, struct channel_test *t)
{
	(void)c;
	job_free(t->own);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------------- */

static void desktop_close(struct channel *c)
{
	free(c);
}

static enum err desktop_open(struct broker *b, struct channel **out, struct problem *why)
{
	const char *names[CHANNELS_MAX];
	size_t n = channels_of(b->config, names);

	(void)why;
	if (n != 1 || strcmp(names[0], "desktop") != 0)
		return ERR_NOT_FOUND;
	*out = xcalloc(1, sizeof(**out));
	**out = (struct channel){ &channel_desktop, b };
	return OK;
}

static bool desktop_describe(const struct channel *c, struct buf *out)
{
	(void)c;
	return buf_append_text(out, has_desktop() ? "a notification on this desktop" : "this machine has no desktop session: nobody is told");
}

const struct channel_kind channel_desktop = {
	.name = "desktop", .open = desktop_open, .deliver = desktop_deliver, .cancel = desktop_cancel, .test = desktop_test,
	.test_cancel = desktop_test_cancel, .close = desktop_close, .describe = desktop_describe,
};
