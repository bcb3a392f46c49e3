/* route_approvals - GET /api/v1/approvals/pending and /api/v1/approvals/{}: the Go predecessor's keys first, then all else that is known. */
#include <string.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"

#define MAX_BODY  (64 * 1024 * 1024)
#define CACHED_US (1000 * 1000)

static bool is_live(const struct approval *a)
{
	return a->state == APPROVAL_PENDING || a->state == APPROVAL_APPROVED;
}

/* arguments: JSON in a string, as the predecessor has it. */
static void put_asked(struct jsonput *p, const struct approval *a, bool is_alone)
{
	struct span args = span_of(a->args ? a->args : "");

	put_text(p, "id", a->id);
	put_text(p, "agent_id", a->agent);
	put_text(p, "tool_name", a->tool);
	if (is_alone)
		put_span(p, "arguments", args);
	else
		put_arguments(p, args);
	put_time(p, "created_at", a->created_at_ms);
	put_text(p, "short_id", a->short_id);
	put_text(p, "backend_id", a->backend);
	put_text(p, "tenant", a->tenant);
	put_text(p, "client", a->client);
	put_number(p, "uid", a->uid);
	put_text(p, "rule", a->rule);
	put_hash(p, "arguments_hash", a->args_hash);
}

static void put_standing(struct jsonput *p, const struct approval *a, int64_t wall_ms)
{
	put_text(p, "state", approval_state_text(a->is_overdue ? APPROVAL_EXPIRED : a->state));
	put_time(p, "expires_at", is_live(a) && !a->is_overdue && !a->is_frozen ? wall_ms + a->expires_in_ms : 0);
	put_bool(p, "is_frozen", a->is_frozen);
	put_number(p, "quorum", a->quorum);
	put_number(p, "votes", a->votes);
	put_bool(p, "needs_person", a->is_auth_required);
	put_number(p, "waiting", a->waiting);
}

static void put_decided(struct jsonput *p, const struct approval *a)
{
	put_text(p, "decided_by", a->decided_by);
	put_text(p, "decided_means", a->decided_means);
	put_time(p, "decided_at", a->decided_at_ms);
	put_text(p, "reason", a->reason);
	put_text(p, "used_by", a->consumed_by);
	put_text(p, "outcome", a->outcome);
	put_time(p, "executed_at", a->executed_at_ms);
}

/* ---- the undecided ---------------------------------------------------------------------------------------------------------------- */

struct listing { struct jsonput p; int64_t wall_ms; };

static bool list_one(void *arg, const struct approval *a)
{
	struct listing *l = arg;

	if (a->state != APPROVAL_PENDING || a->is_overdue)
		return true;
	put_open(&l->p, NULL, '{');
	put_asked(&l->p, a, false);
	put_standing(&l->p, a, l->wall_ms);
	put_close(&l->p, '}');
	return l->p.ok;
}

/* The text of the last answer: many ask again and again, and 2,000 of them are 2 MB. Every edge of an approval has an event with a number;
 * how many wait for one, and whether its clock stands still, has none, and may be as old as CACHED_US. */
struct pending_list { struct buf text; uint64_t newest; int64_t made_us; bool is_whole; };

enum err pending_list_open(struct broker *b, struct problem *why)
{
	(void)why;
	b->pending_list = xcalloc(1, sizeof(*b->pending_list));
	buf_init(&b->pending_list->text, MAX_BODY);
	return OK;
}

void pending_list_close(struct broker *b)
{
	if (b->pending_list)
		buf_release(&b->pending_list->text);
	free(b->pending_list);
	b->pending_list = NULL;
}

static enum err write_pending(struct pending_list *c, struct store *s)
{
	const struct approval_filter f = { .is_live_only = true };
	struct listing l = { jsonput_begin(&c->text), clock_wall_ms() };

	buf_release(&c->text);                   /* a list that was long once needs not stay so large */
	c->made_us = clock_mono_us();
	put_open(&l.p, NULL, '[');
	enum err e = store_approval_list(s, &f, list_one, &l);
	put_close(&l.p, ']');
	c->is_whole = e == OK && jsonput_end(&l.p) && buf_append_char(&c->text, '\n');
	return e == OK && !c->is_whole ? ERR_TOO_LARGE : e;
}

void route_approvals_pending(struct request *r)
{
	struct pending_list *c = r->broker->pending_list;
	struct store *s = request_store(r);
	uint64_t newest = 0;

	if (!s)
		return;
	enum err e = store_approval_event_last(s, &newest);
	bool is_fresh = c->is_whole && newest == c->newest && clock_mono_us() - c->made_us < CACHED_US;
	c->newest = newest;
	if (e == OK && !is_fresh)
		e = write_pending(c, s);
	if (e == OK)
		reply_text(r, 200, "application/json", buf_span(&c->text));
	else if (e == ERR_TOO_LARGE)
		reply_error(r, 500, "the list is longer than an answer may be");
	else
		reply_err(r, e);
}

/* ---- one ---------------------------------------------------------------------------------------------------------------------------- */

#define MAX_CHANNELS 16

/* Reads may not nest: the channels are kept until their attempts are asked for. */
struct told { struct jsonput *p; char *channels[MAX_CHANNELS]; size_t n; };

static void told_release(struct told *t)
{
	while (t->n > 0)
		free(t->channels[--t->n]);
}

static bool put_message(void *arg, const struct message *m)
{
	struct told *t = arg;

	put_open(t->p, NULL, '{');
	put_text(t->p, "channel", m->channel);
	put_text(t->p, "state", message_state_text(m->state));
	put_text(t->p, "last_error", m->last_error);
	put_time(t->p, "sent_at", m->sent_at_ms);
	put_close(t->p, '}');
	if (t->n < MAX_CHANNELS)
		t->channels[t->n++] = xstrdup(m->channel);
	return t->p->ok;
}

static bool put_attempt(void *arg, const struct message_attempt *a)
{
	struct jsonput *p = arg;

	put_open(p, NULL, '{');
	put_text(p, "channel", a->channel);
	put_number(p, "n", a->n);
	put_time(p, "at", a->at_ms);
	put_text(p, "result", a->result);
	put_text(p, "said", a->said);
	if (a->took_ms >= 0)
		put_number(p, "took_ms", a->took_ms);
	else
		put_null(p, "took_ms");
	put_close(p, '}');
	return p->ok;
}

static enum err put_messages(struct jsonput *p, struct store *s, const char *id)
{
	const struct message_filter f = { .approval = id };
	CLEANUP(told_release) struct told t = { .p = p };

	put_open(p, "messages", '[');
	enum err e = store_messages(s, &f, put_message, &t);
	put_close(p, ']');
	put_open(p, "attempts", '[');
	for (size_t i = 0; e == OK && i < t.n; i++)
		e = store_message_attempts(s, id, t.channels[i], put_attempt, p);
	put_close(p, ']');
	return e;
}

static bool put_event(void *arg, const struct approval_event *e)
{
	struct jsonput *p = arg;

	put_open(p, NULL, '{');
	put_number(p, "seq", (int64_t)e->seq);
	put_text(p, "what", approval_what_text(e->what));
	put_time(p, "at", e->at_ms);
	put_close(p, '}');
	return p->ok;
}

static bool put_vote(void *arg, const struct vote_row *v)
{
	struct jsonput *p = arg;

	put_open(p, NULL, '{');
	put_text(p, "voter", v->voter);
	put_text(p, "verdict", v->is_approving ? "approve" : "reject");
	put_text(p, "means", v->means);
	put_text(p, "origin", v->origin);
	put_text(p, "reason", v->reason);
	put_bool(p, "is_late", v->is_late);
	put_time(p, "at", v->at_ms);
	put_close(p, '}');
	return p->ok;
}

/* What became of it: votes, events, messages. */
static enum err put_history(struct jsonput *p, struct store *s, const char *id)
{
	const struct approval_event_filter events = { .approval = id };

	put_open(p, "cast_votes", '[');
	enum err e = store_approval_votes(s, id, put_vote, p);
	put_close(p, ']');
	put_open(p, "events", '[');
	if (e == OK)
		e = store_approval_events(s, &events, put_event, p);
	put_close(p, ']');
	return e == OK ? put_messages(p, s, id) : e;
}

static void answer_one(struct request *r, struct store *s, const struct approval *a)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '{');
	put_asked(&p, a, true);
	put_hash(&p, "tool_hash", a->tool_hash);
	put_standing(&p, a, clock_wall_ms());
	put_decided(&p, a);
	enum err e = put_history(&p, s, a->id);
	put_close(&p, '}');
	if (e == OK)
		reply_put(r, 200, &p);
	else
		reply_err(r, e);
}

void route_approval(struct request *r)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	struct store *s = request_store(r);

	if (!s)
		return;
	enum err e = store_approval_get(s, r->args[0], &a);
	if (e == ERR_NOT_FOUND)
		reply_error(r, 404, "there is no such approval");
	else if (e != OK)
		reply_err(r, e);
	else
		answer_one(r, s, &a);
}
