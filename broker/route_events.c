#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/auth.h"
#include "broker/doors.h"
#include "broker/event_text.h"
#include "broker/handlers.h"
#include "broker/streams.h"

#define BATCH_EVENTS 100                 /* read and looked up in one step */
#define BATCH_ROWS   250
#define BATCH_BYTES  (192 * 1024)        /* of a step, as text: below HTTPD_STREAM_BYTES, so that it never cuts off who reads */
#define WAITING_MOST (48 * 1024)         /* who has so much to read yet is given no more, and catches up later */
#define PACE_MIN_MS  5                   /* when they are looked at again; doubled while nobody has read */
#define PACE_MAX_MS  1000
#define PING_MS      15000
#define CHECK_US     (5 * 1000 * 1000)   /* between two looks whether those who listen still may */
#define HELLO        "retry: 2000\n\n"
#define PING         ": ping\n\n"

struct stream {
	struct streams *home;
	struct httpd_stream *http;
	struct event_cursor at;
	struct credential credential;
	bool is_live;                    /* at the shared cursor, told with all others */
	struct list node;
};

struct streams {
	struct broker *broker;
	struct list open;
	size_t n;
	struct event_cursor at;          /* how far the live ones have come */
	struct buf text;                 /* of a step */
	struct loop_timer work, ping;
	int64_t pace_ms, checked_us;
};

/* ---- one step: what comes next after a cursor, as text ------------------------------------------------------------------------ */

struct step {
	struct event_cursor at;          /* in and out */
	struct event_cursor up_to;       /* inclusive; 0: to the end */
	struct buf *text;
	size_t n;
	struct { uint64_t seq; char approval[ID_SIZE]; enum approval_what what; int64_t at_ms; } events[BATCH_EVENTS];
};

static bool keep_event(void *arg, const struct approval_event *e)
{
	struct step *s = arg;

	if (s->up_to.events > 0 && e->seq > s->up_to.events)
		return false;
	s->events[s->n].seq = e->seq;
	s->events[s->n].what = e->what;
	s->events[s->n].at_ms = e->at_ms;
	snprintf(s->events[s->n].approval, sizeof(s->events[s->n].approval), "%s", e->approval);
	return ++s->n < BATCH_EVENTS;
}

/* False: it does not fit any more. */
static bool write_event(struct step *s, struct store *store, size_t i)
{
	const struct approval_event e = { s->events[i].seq, s->events[i].approval, s->events[i].what, s->events[i].at_ms };
	CLEANUP(approval_release) struct approval a = { 0 };
	struct event_cursor after = { e.seq, s->at.audit };

	bool is_known = store_approval_look(store, e.approval, &a) == OK;
	if (!event_text_approval(s->text, &after, &e, is_known ? &a : NULL))
		return false;
	s->at = after;
	return true;
}

static enum err step_events(struct step *s, struct store *store)
{
	const struct approval_event_filter f = { .after_seq = s->at.events, .limit = BATCH_EVENTS };

	s->n = 0;
	enum err e = store_approval_events(store, &f, keep_event, s);
	for (size_t i = 0; e == OK && i < s->n && write_event(s, store, i); i++)
		;
	return e;
}

static bool write_row(void *arg, const struct audit_row *row)
{
	struct step *s = arg;
	struct event_cursor after = { s->at.events, row->seq };

	if (!event_text_audit(s->text, &after, row))
		return false;
	s->at = after;
	return true;
}

static enum err step_audit(struct step *s, struct store *store)
{
	uint64_t next = 0;               /* one stretch: 50 ms at the most */
	const struct audit_filter f = { .after_seq = s->at.audit, .before_seq = s->up_to.audit > 0 ? s->up_to.audit + 1 : 0,
	                                .limit = BATCH_ROWS, .next = &next };

	return store_audit_read(store, &f, write_row, s);
}

static bool is_same(const struct event_cursor *a, const struct event_cursor *b)
{
	return a->events == b->events && a->audit == b->audit;
}

/* ---- those who listen ----------------------------------------------------------------------------------------------------------- */

static bool is_full(const struct stream *one)
{
	return httpd_stream_waiting(one->http) > WAITING_MOST;
}

/* Who reads slowly is left behind, and comes after at its own pace; httpd cuts off who does not read at all. */
static void send_live(struct streams *s)
{
	list_for_each(one, &s->open, struct stream, node) {
		if (!one->is_live)
			continue;
		one->is_live = !is_full(one);
		one->at = s->at;
		if (one->is_live)
			(void)httpd_stream_send(one->http, buf_span(&s->text));
	}
}

/* True: there may be more. */
static bool go_on_live(struct streams *s, struct store *store)
{
	struct step step = { .at = s->at, .text = &s->text };

	buf_clear(&s->text);
	if (step_events(&step, store) != OK || (s->text.len == 0 && step_audit(&step, store) != OK) || s->text.len == 0)
		return false;
	send_live(s);
	s->at = step.at;
	return true;
}

/* One that has still to be told what the others know. */
static enum err catch_up(struct streams *s, struct stream *one, struct store *store)
{
	struct step step = { .at = one->at, .up_to = s->at, .text = &s->text };
	bool has_events = one->at.events < s->at.events;

	buf_clear(&s->text);
	enum err e = has_events ? step_events(&step, store) : step_audit(&step, store);
	if (e != OK)
		return e;
	if (s->text.len == 0 && has_events)
		step.at.events = s->at.events;   /* what was there is forgotten */
	else if (s->text.len == 0)
		step.at.audit = s->at.audit;
	one->at = step.at;
	one->is_live = is_same(&one->at, &s->at);        /* before more of it is told to all */
	if (s->text.len > 0)
		(void)httpd_stream_send(one->http, buf_span(&s->text));
	return OK;
}

/* The first that is behind and can take more goes to the end of the line, so that each has its turn. */
static void catch_up_one(struct streams *s, struct store *store)
{
	bool is_waiting = false;

	list_for_each(one, &s->open, struct stream, node) {
		bool is_behind = !one->is_live;
		if (!is_behind || is_full(one)) {
			is_waiting |= is_behind;
			continue;
		}
		list_remove(&one->node);
		list_append(&s->open, &one->node);
		s->pace_ms = PACE_MIN_MS;
		if (catch_up(s, one, store) == OK)       /* else look comes once a second */
			loop_timer_set(s->broker->loop, &s->work, 0);
		return;
	}
	if (!is_waiting)
		return;
	loop_timer_set(s->broker->loop, &s->work, s->pace_ms);
	s->pace_ms = s->pace_ms * 2 < PACE_MAX_MS ? s->pace_ms * 2 : PACE_MAX_MS;
}

static void work(struct loop_timer *t)
{
	struct streams *s = container_of(t, struct streams, work);
	struct store *store = broker_store(s->broker);

	if (!store || s->n == 0 || s->broker->is_ending)
		return;
	catch_up_one(s, store);
	if (go_on_live(s, store))
		loop_timer_set(s->broker->loop, &s->work, 0);
}

static void ping(struct loop_timer *t)
{
	struct streams *s = container_of(t, struct streams, ping);

	list_for_each(one, &s->open, struct stream, node)
		if (httpd_stream_waiting(one->http) == 0)
			(void)httpd_stream_send(one->http, SPAN(PING));
	if (s->n > 0)
		loop_timer_set(s->broker->loop, &s->ping, PING_MS);
}

/* ---- beginning and end of one ----------------------------------------------------------------------------------------------------- */

static void closed(void *arg)
{
	struct stream *one = arg;

	list_remove(&one->node);
	one->home->n--;
	free(one);
}

static bool note_last(void *arg, const struct audit_row *row)
{
	*(uint64_t *)arg = row->seq;
	return false;
}

/* A token that was revoked ends what it began, too. */
static void end_those_who_may_not(struct streams *s)
{
	int64_t now = clock_mono_us();

	if (now - s->checked_us < CHECK_US)
		return;
	s->checked_us = now;
	list_for_each(one, &s->open, struct stream, node) {
		if (auth_still_holds(doors_auth(s->broker), &one->credential, ROLE_VIEWER))
			continue;
		httpd_stream_close(one->http);
		closed(one);
	}
}

/* The first who listens begins at the end of what there is. */
static enum err find_end(struct streams *s, struct store *store)
{
	const struct audit_filter newest = { .is_newest_first = true, .limit = 1 };
	struct event_cursor end = { 0 };

	enum err e = store_approval_event_last(store, &end.events);
	if (e == OK)
		e = store_audit_read(store, &newest, note_last, &end.audit);
	if (e == OK)
		s->at = end;
	return e;
}

/* False: answered. An id beyond what there is comes from a database that was replaced: it begins anew. */
static bool find_place(struct request *r, struct event_cursor *out)
{
	const char *header = httpd_header(r->http, "Last-Event-ID"), *query = httpd_query(r->http, "last_event_id");
	const char *last = header && *header ? header : query;
	const struct event_cursor *end = &r->broker->streams->at;

	*out = *end;
	if (!last || !*last)
		return true;
	if (!event_cursor_parse(last, out)) {
		reply_error(r, 400, "Last-Event-ID is no id of an event of ours, such as 12.345");
		return false;
	}
	out->events = out->events < end->events ? out->events : end->events;
	out->audit = out->audit < end->audit ? out->audit : end->audit;
	return true;
}

void route_events(struct request *r)
{
	struct streams *s = r->broker->streams;
	struct store *store = request_store(r);
	struct event_cursor at;

	if (!store)
		return;
	enum err e = s->n == 0 ? find_end(s, store) : OK;
	if (e != OK) {
		reply_err(r, e);
		return;
	}
	if (!find_place(r, &at))
		return;
	struct stream *one = xcalloc(1, sizeof(*one));
	*one = (struct stream){ .home = s, .at = at, .is_live = is_same(&at, &s->at) };
	auth_credential(r, &one->credential);
	one->http = reply_stream(r, "text/event-stream", closed, one);
	if (!one->http) {
		free(one);
		return;
	}
	list_append(&s->open, &one->node);
	if (s->n++ == 0)
		loop_timer_set(s->broker->loop, &s->ping, PING_MS);
	(void)httpd_stream_send(one->http, SPAN(HELLO));
	loop_timer_set(s->broker->loop, &s->work, 0);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */

enum err streams_open(struct broker *b, struct problem *why)
{
	struct streams *s = b->streams = xcalloc(1, sizeof(*s));

	(void)why;
	s->broker = b;
	s->pace_ms = PACE_MIN_MS;
	list_init(&s->open);
	buf_init(&s->text, BATCH_BYTES);
	loop_timer_init(&s->work, work);
	loop_timer_init(&s->ping, ping);
	return OK;
}

void streams_look(struct broker *b)
{
	if (b->streams->n == 0)
		return;
	end_those_who_may_not(b->streams);
	work(&b->streams->work);
}

void streams_stop(struct broker *b)
{
	loop_timer_clear(&b->streams->work);
	loop_timer_clear(&b->streams->ping);
}

void streams_close(struct broker *b)
{
	if (!b->streams)
		return;
	streams_stop(b);
	buf_release(&b->streams->text);
	free(b->streams);
	b->streams = NULL;
}

size_t streams_count(const struct broker *b)
{
	return b->streams->n;
}
