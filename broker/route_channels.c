/* route_channels - GET /api/v1/channels: where people are told, open or why not. POST /api/v1/channels/{}/test: a real round trip; a line of
 * JSON for each step as it happens, {"ok":true,"what":"..."}, and at the end {"ok":true,"done":true}. */
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"
#include "broker/outbox.h"

#define MAX_BODY (1024 * 1024)
#define MAX_LINE 8192

/* ---- list -------------------------------------------------------------------------------------------------------------------------- */

static bool put_channel(void *arg, const struct outbox_channel *c)
{
	CLEANUP(buf_release) struct buf said = { 0 };
	struct jsonput *p = arg;

	buf_init(&said, MAX_LINE);
	bool is_described = c->channel && c->channel->kind->describe && c->channel->kind->describe(c->channel, &said);
	put_open(p, NULL, '{');
	put_text(p, "name", c->name);
	put_text(p, "state", !c->channel ? "broken" : c->is_told ? "open" : "not told");
	if (is_described)
		put_span(p, "description", buf_span(&said));
	else
		put_text(p, "description", c->why_not);
	put_close(p, '}');
	return p->ok;
}

void route_channels(struct request *r)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '[');
	outbox_channels(r->broker->outbox, put_channel, &p);
	put_close(&p, ']');
	reply_put(r, 200, &p);
}

/* ---- test -------------------------------------------------------------------------------------------------------------------------- */

struct trial {
	struct channel_test test;
	struct broker *broker;
	struct httpd_stream *stream;
};

/* Who reads too slowly is cut off; closed follows. */
static void tell(struct trial *t, bool is_ok, const char *what)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct jsonput p = jsonput_begin(&line);

	buf_init(&line, MAX_LINE);
	put_open(&p, NULL, '{');
	put_bool(&p, "ok", is_ok);
	if (what)
		put_text(&p, "what", what);
	else
		put_bool(&p, "done", true);
	put_close(&p, '}');
	if (jsonput_end(&p) && buf_append_char(&line, '\n'))
		(void)httpd_stream_send(t->stream, buf_span(&line));
}

static void step(struct channel_test *c, bool is_ok, const char *what)
{
	tell(container_of(c, struct trial, test), is_ok, what);
}

static void done(struct channel_test *c, bool is_ok)
{
	struct trial *t = container_of(c, struct trial, test);

	tell(t, is_ok, NULL);
	httpd_stream_close(t->stream);
	free(t);
}

static void closed(void *arg)
{
	struct trial *t = arg;

	outbox_test_cancel(t->broker->outbox, &t->test);
	free(t);
}

static void begin(struct request *r, const char *name)
{
	struct trial *t = xcalloc(1, sizeof(*t));
	struct problem why = { 0 };

	t->test = (struct channel_test){ .step = step, .done = done };
	t->broker = r->broker;
	t->stream = reply_stream(r, "application/x-ndjson", closed, t);
	if (!t->stream) {
		free(t);
		return;
	}
	if (outbox_test(t->broker->outbox, name, &t->test, &why))
		return;
	step(&t->test, false, why.text);
	done(&t->test, false);
}

/* Is it configured, and is it open? */
struct wanted { const char *name; bool is_there, is_open; char why[400]; };

static bool match(void *arg, const struct outbox_channel *c)
{
	struct wanted *w = arg;

	if (strcmp(c->name, w->name) != 0)
		return true;
	w->is_there = true;
	w->is_open = c->channel != NULL;
	snprintf(w->why, sizeof(w->why), "%s", c->why_not);
	return false;
}

void route_channel_test(struct request *r)
{
	struct wanted w = { .name = r->args[0] };

	outbox_channels(r->broker->outbox, match, &w);
	if (!w.is_there) {
		reply_error(r, 404, "no channel of this name is configured; aegisctl channel list names them");
	} else if (!w.is_open) {
		reply_error(r, 409, "%s", w.why);
	} else {
		char name[sizeof(r->args[0])];
		snprintf(name, sizeof(name), "%s", r->args[0]);
		begin(r, name);
	}
}
