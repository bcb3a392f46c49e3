#include "broker/slack_socket.h"
#include <stdio.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/channel_slack.h"
#include "broker/slack_action.h"
#include "broker/slack_call.h"
#include "broker/websocket.h"
#include "data/secret.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define HELLO_MS       20000
#define LASTING_MS     60000             /* a connection that served so long makes up for failures before it */
#define MAX_ENVELOPE   100               /* bytes of its id */

/* One connection. Two while one takes over from the other. */
struct line {
	struct slack_socket *owner;
	struct websocket *ws;            /* NULL: not in use */
	uint64_t number;                 /* of this use: an answer that comes later finds its line, or none */
	bool is_ready;                   /* said hello, */
	int64_t ready_at_us;             /* then */
};

struct slack_socket {
	struct broker *broker;
	struct slack_actions actions;
	char *base_url, *app_token;      /* NULL: not running */
	struct slack_call call;          /* apps.connections.open */
	bool is_calling, is_switched_off, must_move;    /* must_move: the one that is ready will end soon */
	struct line lines[2];
	uint64_t lines_made;
	unsigned failures;               /* since a connection that lasted */
	char why[400];                   /* it is not connected; "" = nothing has failed yet */
	struct loop_timer again, hello;
};

static void connect_soon(struct slack_socket *s, int64_t at_least_ms);

/* ---- lines -------------------------------------------------------------------------------------------------------------------------------- */

static struct line *line_ready(struct slack_socket *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->lines); i++)
		if (s->lines[i].ws && s->lines[i].is_ready)
			return &s->lines[i];
	return NULL;
}

static struct line *line_coming(struct slack_socket *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->lines); i++)
		if (s->lines[i].ws && !s->lines[i].is_ready)
			return &s->lines[i];
	return NULL;
}

static void line_drop(struct line *l)
{
	websocket_free(l->ws);
	l->ws = NULL;
	l->is_ready = false;
	l->number = 0;
}

/* Said once for each cause. */
static void note_failure(struct slack_socket *s, const char *why)
{
	if (strcmp(s->why, why) != 0)
		log_warn("slack.socket", "why=%s", why);
	(void)snprintf(s->why, sizeof s->why, "%s", why);
	s->failures++;
}

/* ---- envelopes ------------------------------------------------------------------------------------------------------------------------------ */

/* Where an answer goes. */
struct envelope {
	struct slack_socket *socket;
	uint64_t line;
	char id[MAX_ENVELOPE];
	bool takes_payload;
};

static bool write_ack(const struct envelope *e, struct span payload, struct buf *out)
{
	return buf_append_text(out, "{\"envelope_id\":") && json_quote(out, span_of(e->id)) &&
	       (payload.len == 0 || !e->takes_payload || (buf_append_text(out, ",\"payload\":") && buf_append_span(out, payload))) &&
	       buf_append_char(out, '}');
}

static void acknowledge(const struct envelope *e, struct span payload)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(e->socket->lines); i++) {
		struct line *l = &e->socket->lines[i];
		if (l->ws && l->number == e->line && write_ack(e, payload, &text) && websocket_send(l->ws, buf_span(&text)))
			return;
	}
	log_debug("slack.ack", "envelope=%s: its connection is gone, Slack will say it again", e->id);
}

/* Not acknowledged, it comes again: what could not be written may work then. */
static void envelope_answered(void *arg, enum slack_taken taken, struct span body)
{
	struct envelope *e = arg;

	if (taken == SLACK_MALFORMED)
		log_warn("slack.envelope", "envelope=%s: it is not what Slack sends", e->id);
	if (taken != SLACK_NOT_NOW)
		acknowledge(e, body);
	free(e);
}

static void take_envelope(struct line *l, struct json_value message, bool is_interactive)
{
	struct envelope *e = xcalloc(1, sizeof *e);

	*e = (struct envelope){ .socket = l->owner, .line = l->number, .takes_payload = json_get(message, "accepts_response_payload").kind == JSON_TRUE };
	if (!slack_member(message, "envelope_id", e->id, sizeof e->id) || !e->id[0])
		free(e);
	else if (is_interactive)
		slack_action_take(&l->owner->actions, json_get(message, "payload"), envelope_answered, e);
	else
		envelope_answered(e, SLACK_TAKEN, SPAN(""));
}

/* ---- what a line says -------------------------------------------------------------------------------------------------------------------- */

/* The new one takes over from the old. */
static void take_hello(struct line *l, struct json_value message)
{
	struct slack_socket *s = l->owner;
	char app[40];

	for (size_t i = 0; i < ARRAY_LEN(s->lines); i++)
		if (&s->lines[i] != l)
			line_drop(&s->lines[i]);
	l->is_ready = true;
	l->ready_at_us = clock_mono_us();
	if (slack_member(json_get(message, "connection_info"), "app_id", app, sizeof app))
		slack_actions_know_app(&s->actions, app);
	s->why[0] = '\0';
	s->is_switched_off = s->must_move = false;
	loop_timer_clear(&s->hello);
	log_info("slack.socket", "connected");
}

/* l served and will end. Only one that lasted lets the next be asked for at once: else who says hello and goodbye is called without end. */
static bool has_lasted(struct line *l)
{
	bool is_long = l->is_ready && clock_mono_us() - l->ready_at_us >= LASTING_MS * INT64_C(1000);

	if (is_long)
		l->owner->failures = 0;
	return is_long;
}

static void take_disconnect(struct line *l, struct json_value message)
{
	struct slack_socket *s = l->owner;

	if (json_string_is(json_get(message, "reason"), "link_disabled")) {
		s->is_switched_off = true;
		note_failure(s, "Socket Mode is switched off in the app's settings");
		connect_soon(s, BACKOFF_MAX_MS);
		return;
	}
	if (s->must_move)
		return;          /* it said so before */
	log_info("slack.socket", "Slack asks for another connection");
	if (!has_lasted(l))
		s->failures++;
	s->must_move = true;
	connect_soon(s, 0);
}

static void on_text(void *arg, struct span text)
{
	struct line *l = arg;
	struct json_value message, type;

	if (jsonscan_check(text, &message, NULL) != JSONSCAN_OK || message.kind != JSON_OBJECT) {
		log_warn("slack.socket", "what came is not JSON");
		return;
	}
	type = json_get(message, "type");
	if (json_string_is(type, "hello"))
		take_hello(l, message);
	else if (json_string_is(type, "disconnect"))
		take_disconnect(l, message);
	else if (json_get(message, "envelope_id").kind == JSON_STRING)
		take_envelope(l, message, json_string_is(type, "interactive"));
}

static void on_opened(void *arg)
{
	(void)arg; /* hello counts */
}

static void on_closed(void *arg, const char *why)
{
	struct line *l = arg;
	struct slack_socket *s = l->owner;
	bool was_ready = l->is_ready;

	(void)has_lasted(l);
	line_drop(l);
	if (was_ready && (s->is_calling || line_coming(s)))
		return;          /* the next is on its way */
	note_failure(s, why);
	connect_soon(s, 0);
}

/* ---- connecting ------------------------------------------------------------------------------------------------------------------------------ */

/* ws:// only where the API itself is http://, as tests have it. */
static void connect_to(struct slack_socket *s, const char *url)
{
	struct line *l = s->lines[0].ws ? &s->lines[1] : &s->lines[0];
	struct websocket_options o = {
		.loop = s->broker->loop, .url = url, .is_plain_fine = strncmp(s->base_url, "http://", 7) == 0,
		.opened = on_opened, .text = on_text, .closed = on_closed, .arg = l,
	};

	line_drop(l);
	l->owner = s;
	l->number = ++s->lines_made;
	l->ws = websocket_new(&o);
	loop_timer_set(s->broker->loop, &s->hello, HELLO_MS);
}

static const char *what_to_do(const char *error)
{
	static const char *const words[][2] = {
		{ "invalid_auth", "put a valid app token (xapp-...) where approval.slack.app_token points" },
		{ "not_authed", "put a valid app token (xapp-...) where approval.slack.app_token points" },
		{ "token_revoked", "put a new app token where approval.slack.app_token points" },
		{ "not_allowed_token_type", "approval.slack.app_token must be an app-level token (xapp-...)" },
		{ "missing_scope", "the app token needs the scope connections:write" },
		{ "forbidden_team", "the app may not be used in this workspace" },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], error) == 0)
			return words[i][1];
	return "it is tried again";
}

static void call_done(struct slack_call *c)
{
	struct slack_socket *s = c->arg;
	char *url = NULL;
	char why[300];

	s->is_calling = false;
	if (c->outcome == SLACK_DONE)
		url = json_text(json_get(c->answer, "url"), 4000);
	if (url) {
		connect_to(s, url);
	} else {
		if (c->outcome == SLACK_REFUSED)
			(void)snprintf(why, sizeof why, "Slack: %s: %s", c->error, what_to_do(c->error));
		else
			(void)snprintf(why, sizeof why, "%s", c->post.cause[0] ? c->post.cause : "what answered is not Slack");
		note_failure(s, why);
		connect_soon(s, c->post.retry_after_ms > 0 ? c->post.retry_after_ms : 0);
	}
	secret_free(url);
	slack_call_cancel(c);
}

static void connect_now(struct loop_timer *t)
{
	struct slack_socket *s = container_of(t, struct slack_socket, again);
	struct buf body;

	if (s->is_calling || line_coming(s) || (line_ready(s) && !s->must_move))
		return;
	buf_init(&body, 16);
	if (!buf_append_text(&body, "{}"))
		return;
	s->is_calling = true;
	slack_call_start(&s->call, s->broker, s->base_url, s->app_token, "apps.connections.open", &body);
}

/* Half of the delay is chance, so that brokers cut off together do not come back together. */
static int64_t backoff_ms(unsigned failures)
{
	int64_t most = BACKOFF_MIN_MS;
	uint32_t chance;

	for (unsigned i = 1; i < failures && most < BACKOFF_MAX_MS; i++)
		most *= 2;
	most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
	random_bytes(&chance, sizeof chance);
	return most / 2 + (int64_t)(chance % (uint32_t)(most / 2 + 1));
}

static void connect_soon(struct slack_socket *s, int64_t at_least_ms)
{
	int64_t in_ms = s->failures ? backoff_ms(s->failures) : 0;

	if (s->is_switched_off)
		at_least_ms = BACKOFF_MAX_MS;
	loop_timer_set(s->broker->loop, &s->again, in_ms > at_least_ms ? in_ms : at_least_ms);
}

static void hello_missing(struct loop_timer *t)
{
	struct slack_socket *s = container_of(t, struct slack_socket, hello);
	struct line *l = line_coming(s);

	if (l)
		on_closed(l, "Slack did not say hello");
}

/* ---- running ----------------------------------------------------------------------------------------------------------------------------------- */

static void stop(struct slack_socket *s)
{
	loop_timer_clear(&s->again);
	loop_timer_clear(&s->hello);
	slack_call_cancel(&s->call);
	s->is_calling = s->is_switched_off = s->must_move = false;
	for (size_t i = 0; i < ARRAY_LEN(s->lines); i++)
		line_drop(&s->lines[i]);
	free(s->base_url);
	secret_free(s->app_token);
	s->base_url = s->app_token = NULL;
	s->failures = 0;
	s->why[0] = '\0';
}

static bool is_same(const struct slack_socket *s, const struct slack_settings *settings)
{
	return s->app_token && strcmp(s->app_token, settings->app_token) == 0 && strcmp(s->base_url, settings->base_url) == 0;
}

/* The channel may have been opened, closed, or opened with other rules. */
void slack_socket_look(struct broker *b)
{
	struct slack_socket *s = b->slack_socket;
	struct channel *c = outbox_channel(b->outbox, "slack");
	const struct slack_settings *settings = c ? channel_slack_settings(c) : NULL;
	bool is_wanted = settings && settings->bot_token[0] && settings->app_token[0];

	if (is_wanted ? is_same(s, settings) : !s->app_token)
		return;
	stop(s);
	if (!is_wanted)
		return;
	s->base_url = xstrdup(settings->base_url);
	s->app_token = xstrdup(settings->app_token);
	connect_soon(s, 0);
}

enum err slack_socket_open(struct broker *b, struct problem *why)
{
	struct slack_socket *s = xcalloc(1, sizeof *s);

	(void)why;
	b->slack_socket = s;
	s->broker = b;
	s->call.done = call_done;
	s->call.arg = s;
	slack_actions_init(&s->actions, b);
	loop_timer_init(&s->again, connect_now);
	loop_timer_init(&s->hello, hello_missing);
	slack_socket_look(b);
	return OK;
}

bool slack_socket_is_busy(const struct broker *b)
{
	return !list_is_empty(&b->slack_socket->actions.all);
}

void slack_socket_stop(struct broker *b)
{
	if (b->slack_socket)
		stop(b->slack_socket);
}

void slack_socket_close(struct broker *b)
{
	if (!b->slack_socket)
		return;
	stop(b->slack_socket);
	slack_actions_release(&b->slack_socket->actions);
	free(b->slack_socket);
	b->slack_socket = NULL;
}

struct slack_actions *slack_socket_actions(struct slack_socket *s)
{
	return &s->actions;
}

bool slack_socket_describe(const struct slack_socket *s, struct buf *out)
{
	if (!s || !s->app_token)
		return buf_append_text(out, "not running");
	if (line_ready((struct slack_socket *)(uintptr_t)s))
		return buf_append_text(out, "connected");
	return buf_printf(out, "not connected%s%s", s->why[0] ? ": " : "", s->why);
}
