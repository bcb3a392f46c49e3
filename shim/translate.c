/* translate - which way a delivery goes, and one request on its way. See translate.h. */
#include "shim/translate.h"
#include "base/log.h"
#include "base/xalloc.h"

#define CANCELLED "it was cancelled"

static struct translator *of(struct upstream *base)
{
	return container_of(base, struct translator, base);
}

void translate_settle_soon(struct translator *t)
{
	loop_timer_set(t->o.loop, &t->settle, 0);
}

static void pass(struct translator *t, struct delivery *d)
{
	t->inner->kind->send(t->inner, d);
}

bool translate_envelope_make(struct translator *t)
{
	struct json_value client = { t->client ? JSON_OBJECT : JSON_NONE, span_of(t->client) };
	struct json_value can = { t->can ? JSON_OBJECT : JSON_NONE, span_of(t->can) };

	buf_clear(&t->envelope);
	return translate_envelope(client, can, span_of(t->level), &t->envelope);
}

/* ---- one request ------------------------------------------------------------------------------------------------------------------- */
static void passage_free(struct passage *p)
{
	list_remove(&p->node);
	list_remove(&p->era.node);
	loop_timer_clear(&p->timer);
	buf_release(&p->line);
	input_forget(p);
	listen_forget(p);
	free(p->uri);
	free(p->state);
	free(p->refusal);
	free(p);
}

void passage_finish(struct passage *p, const struct delivery_end *end)
{
	struct delivery_end own = *end;
	struct delivery *d = p->d;
	char cause[sizeof(p->cause)];

	(void)snprintf(cause, sizeof(cause), "%s", end->cause ? end->cause : "");
	own.cause = cause;
	d->transfer = NULL;
	d->is_translated = false;
	passage_free(p);
	d->done(d, &own);
}

static void finish_by_us(struct passage *p, enum fate fate, const char *cause)
{
	struct delivery_end end = { .fate = fate, .retry_after_ms = -1, .cause = cause };
	passage_finish(p, &end);
}

void passage_tell(struct passage *p, const struct jsonrpc *answer)
{
	if (p->d->answered)
		p->d->answered(p->d, answer);
}

void passage_answer(struct passage *p, struct span result)
{
	p->phase = PASSAGE_ANSWERED;
	loop_timer_clear(&p->timer);
	buf_clear(&p->line);
	if (result.len > 0 && !jsonrpc_write_result(&p->line, p->d->message->id, result))
		buf_clear(&p->line);
	translate_settle_soon(p->t);
}

void passage_refuse(struct passage *p, int code, const char *why)
{
	p->phase = PASSAGE_ANSWERED;
	loop_timer_clear(&p->timer);
	buf_clear(&p->line);
	if (p->d->message->kind == JSONRPC_REQUEST &&
		!jsonrpc_write_error(&p->line, p->d->message->id, code, span_of(why), (struct span){ 0 }))
		buf_clear(&p->line);
	translate_settle_soon(p->t);
}

static void tell_own_answer(struct passage *p)
{
	struct jsonrpc answer;
	bool is_request = p->d->message->kind == JSONRPC_REQUEST, has_answer = p->line.len > 0;

	if (has_answer) {
		jsonrpc_read(buf_span(&p->line), &answer);
		passage_tell(p, &answer);
	}
	if (is_request)
		finish_by_us(p, has_answer ? FATE_ANSWERED : FATE_UNKNOWN, has_answer ? "" : "its answer is too long");
	else
		finish_by_us(p, FATE_ACCEPTED, "");
}

/* ---- legs -------------------------------------------------------------------------------------------------------------------------- */
static struct passage *of_leg(struct delivery *leg)
{
	return container_of(leg, struct passage, leg);
}

static bool leg_may_leave(struct delivery *leg)
{
	struct passage *p = of_leg(leg);
	return !p->is_cancelled && (!p->d->may_leave || p->d->may_leave(p->d));
}

static void leg_left(struct delivery *leg)
{
	struct passage *p = of_leg(leg);

	if (p->rounds == 0 && p->d->left)
		p->d->left(p->d);
}

static void leg_answered(struct delivery *leg, const struct jsonrpc *answer)
{
	of_leg(leg)->answered(of_leg(leg), answer);
}

static void leg_done(struct delivery *leg, const struct delivery_end *end)
{
	of_leg(leg)->over(of_leg(leg), end);
}

static void send_leg(struct passage *p, struct span body, const struct jsonrpc *message, bool is_modern)
{
	const struct delivery *d = p->d;

	p->phase = p->next = PASSAGE_AWAY;
	p->leg = (struct delivery){ .body = body, .message = message, .name = d->name, .is_once = d->is_once, .is_modern = is_modern,
		.timeout_ms = d->timeout_ms, .may_leave = leg_may_leave, .left = leg_left, .answered = leg_answered, .done = leg_done };
	pass(p->t, &p->leg);
}

void passage_send(struct passage *p)
{
	jsonrpc_read(buf_span(&p->line), &p->message);
	if (p->message.kind == JSONRPC_INVALID)
		passage_refuse(p, -32603, "the message cannot be put into the words of this backend's revision");
	else
		send_leg(p, buf_span(&p->line), &p->message, true);
}

void passage_pass(struct passage *p)
{
	send_leg(p, p->d->body, p->d->message, p->d->is_modern);
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------------- */
static void note_tool(struct translator *t, struct json_value tool)
{
	CLEANUP(free_charp) char *name = json_text(json_get(tool, "name"), TRANSLATE_MAX_URI);

	if (!name || !name[0])
		return;
	if (translate_schema_wraps(json_get(tool, "outputSchema")))
		map_set(t->wrapped, span_of(name), t);
	else
		map_remove(t->wrapped, span_of(name));
}

static void note_tools(struct translator *t, const struct jsonrpc *answer)
{
	struct json_iter it = json_iter(json_get(answer->result, "tools"));
	struct json_value tool;
	struct span key;

	while (json_next(&it, &key, &tool))
		note_tool(t, tool);
}

static void tell_translated(struct passage *p, const struct jsonrpc *answer)
{
	struct translator *t = p->t;
	struct translate_answer to = { p->d->message->method, p->d->message->id,
		p->d->name.len > 0 && map_get(t->wrapped, p->d->name) };
	CLEANUP(buf_release) struct buf text = { 0 };
	struct jsonrpc translated = { .kind = JSONRPC_INVALID };

	if (strcmp(to.method, "tools/list") == 0)
		note_tools(t, answer);
	buf_init(&text, 3 * answer->root.text.len + TRANSLATE_SLACK);
	if (translate_result(answer, &to, &text))
		jsonrpc_read(buf_span(&text), &translated);
	passage_tell(p, translated.kind == answer->kind ? &translated : answer);   /* what nests too deep now goes as it is */
}

/* Such as that of a task, which the client has not asked for. */
static bool is_of_unknown_kind(const struct jsonrpc *answer)
{
	struct json_value kind = json_get(answer->result, "resultType");
	return kind.kind != JSON_NONE && !json_string_is(kind, "complete");
}

static void request_answered(struct passage *p, const struct jsonrpc *answer)
{
	if (input_is_required(answer)) {
		input_note(p, answer);
	} else if (is_of_unknown_kind(answer)) {
		p->unusable = "the backend answered with a kind of result that the client's revision does not have";
	} else {
		tell_translated(p, answer);
	}
}

/* After the first leg it is never certain any more that nothing happened. */
static void request_over(struct passage *p, const struct delivery_end *end)
{
	struct delivery_end own = *end;

	if (p->next == PASSAGE_ASKING && end->fate == FATE_ANSWERED && !p->is_cancelled) {
		input_begin(p);
		return;
	}
	if (p->next == PASSAGE_ANSWERED && end->fate == FATE_ANSWERED && !p->is_cancelled) {
		passage_refuse(p, -32603, p->cause);
		return;
	}
	if (p->unusable)
		own.cause = p->unusable;
	if (p->unusable || p->next != PASSAGE_AWAY || (p->rounds > 0 && end->fate != FATE_ANSWERED && end->fate != FATE_ACCEPTED)) {
		own.fate = FATE_UNKNOWN;
		own.may_repeat = false;
	}
	passage_finish(p, &own);
}

static void frame(struct translator *t, struct delivery *d)
{
	struct passage *p = passage_new(t, d);

	if (translate_request(d->message, buf_span(&t->envelope), &p->line))
		passage_send(p);
	else
		passage_refuse(p, -32602, "params and their _meta must be objects");
}

/* ---- what upstream.c calls ----------------------------------------------------------------------------------------------------------- */
static void send_modern(struct translator *t, struct delivery *d)
{
	d->is_modern = true;
	d->stays_open = strcmp(d->message->method, "subscriptions/listen") == 0;
	if (strcmp(d->message->method, "server/discover") == 0)
		open_discover(t, d);
	else
		pass(t, d);
}

void passage_cancel(struct passage *p)
{
	p->is_cancelled = true;
	if (p->phase == PASSAGE_AWAY)
		p->t->inner->kind->cancel(p->t->inner, &p->leg);
	else
		translate_settle_soon(p->t);
}

static bool is_answer(const struct jsonrpc *m)
{
	return m->kind == JSONRPC_RESULT || m->kind == JSONRPC_ERROR;
}

static void say_answer(struct translator *t, struct delivery *d)
{
	if (input_take(t, d))
		words_taken(t, d);
	else
		pass(t, d);
}

static void translate(struct translator *t, struct delivery *d)
{
	if (!words_say(t, d))
		frame(t, d);
}

static void send_in_turn(struct upstream *base, struct delivery *d)
{
	struct translator *t = of(base);
	const struct jsonrpc *m = d->message;

	d->is_modern = d->stays_open = d->is_translated = false;
	if (m->kind == JSONRPC_REQUEST && strcmp(m->method, "initialize") == 0)
		open_send(t, d);
	else if (is_answer(m))
		say_answer(t, d);
	else if (!t->is_plain && era_claim(m).kind != JSON_NONE)
		send_modern(t, d);
	else if (t->is_translating)
		translate(t, d);
	else
		pass(t, d);
}

static void cancel(struct upstream *base, struct delivery *d)
{
	struct translator *t = of(base);

	if (d->is_translated)
		passage_cancel(d->transfer);
	else
		t->inner->kind->cancel(t->inner, d);
}

static void resume(struct upstream *base)
{
	struct translator *t = of(base);
	t->inner->kind->resume(t->inner);
}

static void end(struct upstream *base, int64_t budget_ms, void (*ended)(void *arg), void *arg)
{
	struct translator *t = of(base);

	t->is_ending = true;
	listen_stop(t);
	t->inner->kind->end(t->inner, budget_ms, ended, arg);
}

/* ---- the next turn ------------------------------------------------------------------------------------------------------------------- */
static bool is_due(const struct passage *p)
{
	if (p->phase == PASSAGE_AWAY)
		return false;
	return p->is_cancelled || p->phase == PASSAGE_ANSWERED || (p->phase == PASSAGE_ASKING && p->open_n == 0);
}

static struct passage *first_due(struct translator *t)
{
	list_for_each(p, &t->passages, struct passage, node)
		if (is_due(p))
			return p;
	return NULL;
}

static void go_on(struct passage *p)
{
	bool has_left = p->phase == PASSAGE_ASKING || p->phase == PASSAGE_PACING || p->rounds > 0;

	if (p->is_cancelled)
		finish_by_us(p, has_left ? FATE_UNKNOWN : FATE_NOT_SENT, CANCELLED);
	else if (p->phase == PASSAGE_ANSWERED)
		tell_own_answer(p);
	else
		input_settle(p);
}

/* Looked for anew after each one: done may send and cancel others. */
static void settle(struct loop_timer *timer)
{
	struct translator *t = container_of(timer, struct translator, settle);
	struct passage *p;

	open_tell(t);
	while ((p = first_due(t)))
		go_on(p);
}

static void too_late(struct loop_timer *timer)
{
	struct passage *p = container_of(timer, struct passage, timer);

	bool is_subscribing = p->phase == PASSAGE_SUBSCRIBING;

	listen_forget(p);
	if (p->phase == PASSAGE_PACING)
		input_go_on(p);
	else
		passage_refuse(p, -32603, is_subscribing ? "the backend did not take the subscription in time" :
		               "nobody answered what the backend wants to know");
}

struct passage *passage_new(struct translator *t, struct delivery *d)
{
	struct passage *p = xcalloc(1, sizeof(*p));

	p->t = t;
	p->d = d;
	p->answered = request_answered;
	p->over = request_over;
	d->transfer = p;
	d->is_translated = true;
	list_init(&p->era.node);
	loop_timer_init(&p->timer, too_late);
	buf_init(&p->line, d->body.len + t->envelope.len + TRANSLATE_MAX_STATE + TRANSLATE_MAX_ANSWERS + TRANSLATE_SLACK);
	list_append(&t->passages, &p->node);
	return p;
}

/* ---- what the backend says of itself -------------------------------------------------------------------------------------------------- */
static void tell_owner(struct translator *t, const struct jsonrpc *m)
{
	t->o.events.message(t->o.events.arg, m);
}

static void tell_as_older(struct translator *t, const struct jsonrpc *m)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct jsonrpc own;

	buf_init(&text, m->root.text.len + TRANSLATE_SLACK);
	if (!steps_write(t, m, &text) && !translate_notification(m, &text))
		return;
	jsonrpc_read(buf_span(&text), &own);
	tell_owner(t, &own);
}

static void on_message(void *arg, const struct jsonrpc *m)
{
	struct translator *t = arg;

	if (!t->is_translating) {
		tell_owner(t, m);
	} else if (m->kind == JSONRPC_REQUEST) {
		if (!t->has_complained)
			log_warn("translate.dropped", "backend=%s method=%.64s why=\"its revision has no requests to the client\"", t->o.backend->name, m->method);
		t->has_complained = true;
	} else if (!listen_takes(t, m)) {
		tell_as_older(t, m);
	}
}

/* What we ask the client for a stateless backend outlives its process: the answers go with the next leg. */
static void on_forgot(void *arg)
{
	struct translator *t = arg;

	if (!t->is_translating)
		t->o.events.forgot(t->o.events.arg);
}

static bool has_room(void *arg)
{
	const struct translator *t = arg;
	return t->o.events.has_room(t->o.events.arg);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------------- */
static void release(struct upstream *base)
{
	struct translator *t = of(base);

	if (t->inner)
		t->inner->kind->free(t->inner);
	t->inner = NULL;
	list_for_each(p, &t->passages, struct passage, node)
		passage_free(p);
	words_release(t);
	loop_timer_clear(&t->settle);
	listen_release(t);
	open_release(t);
	map_free(t->wrapped, NULL);
	map_free(t->asked, NULL);
	buf_release(&t->envelope);
	free(t->client);
	free(t->can);
	free(t->level);
	free(t);
}

void translate_find_era(struct upstream *u, struct era_question *q)
{
	open_find(of(u), q);
}

static bool has_read(const struct upstream *base)
{
	return upstream_has_read(container_of(base, const struct translator, base)->inner);
}

static const struct upstream_kind translated = { NULL, release, send_in_turn, cancel, resume, end, has_read };

enum err translate_new(const struct upstream_options *o, const struct upstream_kind *transport, struct upstream **out, struct problem *why)
{
	struct translator *t = xcalloc(1, sizeof(*t));
	struct upstream_options inner = *o;

	t->base.kind = &translated;
	t->o = *o;
	t->is_stdio = transport == &upstream_stdio;
	t->wrapped = map_new();
	t->asked = map_new();
	list_init(&t->passages);
	words_init(t);
	loop_timer_init(&t->settle, settle);
	buf_init(&t->envelope, TRANSLATE_MAX_ENVELOPE);
	open_init(t);
	listen_init(t);
	inner.events = (struct upstream_events){ .arg = t, .message = on_message, .forgot = on_forgot, .has_room = has_room };
	enum err e = transport->new(&inner, &t->inner, why);
	if (e != OK) {
		release(&t->base);
		return e;
	}
	*out = &t->base;
	return OK;
}
