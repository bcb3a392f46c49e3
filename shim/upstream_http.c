/* upstream_http - deliveries over Streamable HTTP: what waits, what runs, how it ends. See upstream_http.h. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "shim/upstream_http.h"

#define MAX_IDLE_EXCHANGES     64
#define MAX_KEPT_BUFFER_BYTES  (64 * 1024)

/* ---- exchanges -------------------------------------------------------------------------------------------------------- */

static void exchange_release(struct exchange *x)
{
	loop_timer_clear(&x->limit);
	stream_release(&x->rest);
	buf_release(&x->own);
	http_headers_drop(x->headers);
	x->headers = NULL;
	if (x->reading == READ_SSE)
		sse_release(&x->sse);
}

static void exchange_free(struct exchange *x)
{
	if (x->is_on_wire)
		http_cancel(&x->request);
	exchange_release(x);
	buf_release(&x->json);
	free(x);
}

static void on_limit(struct loop_timer *t)
{
	struct exchange *x = container_of(t, struct exchange, limit);

	x->has_timed_out = true;
	exchange_conclude(x, FATE_UNKNOWN, "no answer came in time", false);
}

static struct exchange *exchange_take(struct http_upstream *u, struct delivery *d)
{
	struct exchange *x = list_first(&u->idle, struct exchange, node);

	if (x) {
		list_remove(&x->node);
		u->idle_n--;
	} else {
		x = xcalloc(1, sizeof(*x));
		x->u = u;
		buf_init(&x->json, (size_t)u->o.backend->max_body_bytes);
		list_init(&x->node);
	}
	x->d = d;
	d->transfer = x;
	loop_timer_init(&x->limit, on_limit);
	x->is_request = d->message->kind == JSONRPC_REQUEST;
	x->is_modern = d->is_modern;
	x->is_opener = !x->is_modern && (session_is_initialize(d->message) || session_is_initialized(d->message));
	return x;
}

static void exchange_give_back(struct exchange *x)
{
	struct http_upstream *u = x->u;
	struct buf json = x->json;

	list_remove(&x->node);
	if (u->idle_n == MAX_IDLE_EXCHANGES) {
		exchange_free(x);
		return;
	}
	exchange_release(x);
	if (json.room > MAX_KEPT_BUFFER_BYTES)
		buf_release(&json);
	buf_clear(&json);
	*x = (struct exchange){ .u = u, .json = json };
	list_append(&u->idle, &x->node);
	u->idle_n++;
}

static bool may_leave(struct http_request *r)
{
	struct exchange *x = container_of(r, struct exchange, request);

	return !x->is_cancelled && (!x->d->may_leave || x->d->may_leave(x->d));
}

/* Before anything else is said of the delivery; its answer may have come by another stream already. */
static void tell_left(struct exchange *x)
{
	if (x->left_us > 0 || !x->request.has_left || !x->d)
		return;
	x->left_us = clock_mono_us();
	if (x->d->left)
		x->d->left(x->d);
}

static void left(struct http_request *r)
{
	tell_left(container_of(r, struct exchange, request));
}

static void resume_running(struct http_upstream *u)
{
	list_for_each(x, &u->running, struct exchange, node) {
		if (x->is_on_wire)
			http_resume(&x->request);
		stream_resume(&x->rest);
	}
}

static void request_done(struct http_request *r, const struct http_end *end)
{
	struct exchange *x = container_of(r, struct exchange, request);
	struct http_upstream *u = x->u;
	bool was_long = x->json.room > MAX_KEPT_BUFFER_BYTES;

	x->is_on_wire = false;
	answer_end(x, end);
	if (!x->d)
		exchange_give_back(x);
	else if (x->must_restart)
		exchange_restart(x);
	if (was_long && u->o.events.has_room(u->o.events.arg)) /* others may have waited for it */
		resume_running(u);
}

static struct http_headers *headers_of(struct exchange *x)
{
	if (!x->is_modern)
		return session_headers(x->u, x);
	http_headers_drop(x->headers);
	return x->headers = modern_headers(x->u, x->d->message);
}

static void exchange_start(struct exchange *x)
{
	struct http_upstream *u = x->u;
	struct delivery *d = x->d;

	list_append(&u->running, &x->node);
	x->is_orphan = !lives_translate(x);
	if (x->is_orphan) {
		loop_timer_set(u->o.loop, &u->settle, 0);
		return;
	}
	if (x->is_opener)
		u->opener = x;
	x->session = x->is_modern ? 0 : u->session;
	x->is_on_wire = true;
	x->status = 0;
	x->retry_after_ms = -1;
	x->request.method = "POST";
	x->request.headers = headers_of(x);
	x->request.content = x->own.len > 0 ? buf_span(&x->own) : d->body;
	x->request.is_once = d->is_once;
	x->request.is_apart = d->stays_open;
	x->request.timeout_ms = d->timeout_ms;
	x->request.may_leave = may_leave;
	x->request.left = left;
	x->request.head = answer_head;
	x->request.may_collect = answer_may_grow;
	x->request.body = answer_body;
	x->request.done = request_done;
	http_start(u->sse == SSE_OFF ? u->http : u->posts, &x->request);
}

void http_upstream_go_on(struct http_upstream *u)
{
	while (!u->opener && !session_listens_first(u) && !list_is_empty(&u->waiting) && sse_upstream_is_ready(u)) {
		struct exchange *x = list_first(&u->waiting, struct exchange, node);
		if (u->has_expired && !x->is_modern && !session_is_initialize(x->d->message)) {
			renew_begin(u);
			return;
		}
		list_remove(&x->node);
		exchange_start(x);
	}
}

static void wait_first(struct exchange *x)
{
	list_append(x->u->waiting.next, &x->node);
	if (x->u->opener == x)
		x->u->opener = NULL;
}

void exchange_restart(struct exchange *x)
{
	x->must_restart = false;
	x->reading = READ_NOTHING;
	list_remove(&x->node);
	wait_first(x);
	http_upstream_go_on(x->u);
}

void exchange_watch_limit(struct exchange *x)
{
	int64_t left_ms = x->d->timeout_ms - (clock_mono_us() - x->left_us) / 1000;

	if (x->d->timeout_ms > 0)
		loop_timer_set(x->u->o.loop, &x->limit, left_ms > 0 ? left_ms : 0);
}

void exchange_finish(struct exchange *x, enum fate fate, const char *cause, bool may_repeat)
{
	struct delivery *d = x->d;
	struct http_upstream *u = x->u;

	if (!d)
		return;
	tell_left(x);
	if (x->is_cancelled && fate != FATE_NOT_SENT) /* whatever came meanwhile: upstream.h promises one of the two */
		fate = FATE_UNKNOWN;
	struct delivery_end end = {
		.fate = fate,
		.http_status = x->status,
		.retry_after_ms = x->retry_after_ms,
		.has_timed_out = x->has_timed_out,
		.is_large_result = x->is_large_result && fate == FATE_UNKNOWN,
		.may_repeat = may_repeat,
		.cause = cause,
	};
	bool is_confirmed = fate == FATE_ACCEPTED && !x->is_modern && session_is_initialized(d->message);
	x->d = NULL;
	x->rest.is_over = true;
	d->transfer = NULL;
	loop_timer_clear(&x->limit);
	d->done(d, &end);
	if (u->opener == x)
		u->opener = NULL;
	if (is_confirmed)
		session_confirmed(u);
	http_upstream_go_on(u);
}

void exchange_settled(struct exchange *x)
{
	if (!x->d && !x->is_on_wire)
		exchange_give_back(x);
}

void exchange_conclude(struct exchange *x, enum fate fate, const char *cause, bool may_repeat)
{
	if (!x->is_on_wire)
		list_remove(&x->node); /* before its end sets others going */
	exchange_finish(x, fate, cause, may_repeat);
	exchange_settled(x);
}

void exchange_abort(struct exchange *x, const char *cause)
{
	exchange_finish(x, x->request.has_left ? FATE_UNKNOWN : FATE_NOT_SENT, cause, false);
	if (x->is_on_wire)
		http_cancel(&x->request);
	x->is_on_wire = false;
	exchange_give_back(x);
}

/* ---- what upstream.c calls -------------------------------------------------------------------------------------------- */

static struct http_upstream *of(struct upstream *base)
{
	return container_of(base, struct http_upstream, base);
}

static void send_in_turn(struct upstream *base, struct delivery *d)
{
	struct http_upstream *u = of(base);
	struct exchange *x = exchange_take(u, d), *cancelled = modern_cancelled_by(u, d->message);

	x->is_taken = cancelled != NULL;
	list_append(cancelled ? &u->running : &u->waiting, &x->node);
	if (cancelled) {
		cancelled->is_cancelled = true;
		loop_timer_set(u->o.loop, &u->settle, 0);
	}
	http_upstream_go_on(u);
}

void http_upstream_send_first(struct http_upstream *u, struct delivery *d)
{
	struct exchange *x = exchange_take(u, d);

	x->is_opener = true;
	u->opener = NULL;
	wait_first(x);
	http_upstream_go_on(u);
}

void http_upstream_refuse_waiting(struct http_upstream *u, const char *cause)
{
	struct list refused = u->waiting;

	if (list_is_empty(&u->waiting))
		return;
	refused.next->prev = refused.prev->next = &refused;
	list_init(&u->waiting);
	while (!list_is_empty(&refused))
		exchange_conclude(list_first(&refused, struct exchange, node), FATE_NOT_SENT, cause, false);
}

static struct exchange *first_doomed(struct list *among)
{
	list_for_each(x, among, struct exchange, node)
		if ((x->is_cancelled || x->is_orphan || x->is_taken) && x->d)
			return x;
	return NULL;
}

void http_upstream_orphan(struct http_upstream *u)
{
	list_for_each(x, &u->running, struct exchange, node)
		x->is_orphan |= u->sse != SSE_OFF || stream_is_active(&x->rest);
	loop_timer_set(u->o.loop, &u->settle, 0);
}

/* Looked for anew after each one: done may send, and what is sent may move others from waiting to running. */
static void settle(struct loop_timer *t)
{
	struct http_upstream *u = container_of(t, struct http_upstream, settle);
	struct exchange *x;

	while ((x = first_doomed(&u->waiting)))
		exchange_conclude(x, FATE_NOT_SENT, "it was cancelled", false);
	while ((x = first_doomed(&u->running)))
		if (x->is_taken)
			exchange_conclude(x, FATE_ACCEPTED, "", false);
		else
			exchange_abort(x, x->is_cancelled ? "it was cancelled" : "the session ended before the answer came");
}

static void cancel(struct upstream *base, struct delivery *d)
{
	struct exchange *x = d->transfer;

	x->is_cancelled = true;
	loop_timer_set(of(base)->o.loop, &of(base)->settle, 0);
}

static void resume(struct upstream *base)
{
	struct http_upstream *u = of(base);

	stream_resume(&u->listener);
	resume_running(u);
}

static void end(struct upstream *base, int64_t budget_ms, void (*ended)(void *arg), void *arg)
{
	session_end(of(base), budget_ms, ended, arg);
}

static void free_all(struct list *exchanges)
{
	list_for_each(x, exchanges, struct exchange, node)
		exchange_free(x);
}

static void release(struct upstream *base)
{
	struct http_upstream *u = of(base);

	loop_timer_clear(&u->settle);
	free_all(&u->waiting);
	free_all(&u->running);
	free_all(&u->idle);
	sse_upstream_release(u);
	modern_release(u);
	session_release(u);
	http_free(u->http);
	free(u);
}

static enum err new(const struct upstream_options *o, struct upstream **out, struct problem *why)
{
	struct http_upstream *u = xcalloc(1, sizeof(*u));
	struct http_options options = { .loop = o->loop, .url = o->backend->url, .ca_file = o->backend->ca_file,
		.proxy = o->backend->proxy, .connect_timeout_ms = o->backend->connect_timeout_ms };

	u->base.kind = &upstream_http;
	u->o = *o;
	list_init(&u->waiting);
	list_init(&u->running);
	list_init(&u->idle);
	loop_timer_init(&u->settle, settle);
	modern_init(u);
	enum err e = session_init(u, why);
	if (e == OK)
		e = http_new(&options, &u->http, why);
	if (e == OK)
		e = http_new(&options, &u->posts, why);
	stream_init(&u->listener, u, u->http);
	sse_upstream_init(u);
	if (e != OK) {
		release(&u->base);
		return e;
	}
	*out = &u->base;
	return OK;
}

const struct upstream_kind upstream_http = { new, release, send_in_turn, cancel, resume, end, NULL };
