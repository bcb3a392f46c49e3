/* upstream_http - deliveries over Streamable HTTP: what waits, what runs, how it ends. See upstream_http.h. */
#include "base/xalloc.h"
#include "shim/upstream_http.h"

#define MAX_IDLE_EXCHANGES     64
#define MAX_KEPT_BUFFER_BYTES  (64 * 1024)

/* ---- exchanges -------------------------------------------------------------------------------------------------------- */

static void exchange_free(struct exchange *x)
{
	buf_release(&x->json);
	if (x->reading == READ_SSE)
		sse_release(&x->sse);
	free(x);
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
	x->is_request = d->message->kind == JSONRPC_REQUEST;
	x->is_opener = session_is_opener(d->message);
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
	if (x->reading == READ_SSE)
		sse_release(&x->sse);
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

static void left(struct http_request *r)
{
	struct delivery *d = container_of(r, struct exchange, request)->d;

	if (d->left)
		d->left(d);
}

static void resume_running(struct http_upstream *u)
{
	list_for_each(x, &u->running, struct exchange, node)
		http_resume(&x->request);
}

static void request_done(struct http_request *r, const struct http_end *end)
{
	struct exchange *x = container_of(r, struct exchange, request);
	struct http_upstream *u = x->u;
	bool was_long = x->json.room > MAX_KEPT_BUFFER_BYTES;

	answer_end(x, end);
	exchange_give_back(x);
	if (was_long && u->o.events.has_room(u->o.events.arg)) /* others may have waited for it */
		resume_running(u);
}

static void exchange_start(struct exchange *x)
{
	struct http_upstream *u = x->u;
	struct delivery *d = x->d;

	if (x->is_opener)
		u->opener = x;
	list_append(&u->running, &x->node);
	x->session = u->session;
	x->request.method = "POST";
	x->request.headers = session_headers(u, x);
	x->request.content = d->body;
	x->request.is_once = d->is_once;
	x->request.timeout_ms = d->timeout_ms;
	x->request.may_leave = may_leave;
	x->request.left = left;
	x->request.head = answer_head;
	x->request.may_collect = answer_may_grow;
	x->request.body = answer_body;
	x->request.done = request_done;
	http_start(u->http, &x->request);
}

/* Starts what waits, in order, until one of them must be answered before the others may go. */
static void start_waiting(struct http_upstream *u)
{
	while (!u->opener && !list_is_empty(&u->waiting)) {
		struct exchange *x = list_first(&u->waiting, struct exchange, node);
		if (u->has_expired && !session_is_initialize(x->d->message)) {
			session_renew(u);
			return;
		}
		list_remove(&x->node);
		exchange_start(x);
	}
}

void exchange_finish(struct exchange *x, enum fate fate, const char *cause, bool has_session_ended)
{
	struct delivery *d = x->d;
	struct http_upstream *u = x->u;

	if (!d)
		return;
	if (x->is_cancelled && fate != FATE_NOT_SENT) /* whatever came meanwhile: upstream.h promises one of the two */
		fate = FATE_UNKNOWN;
	struct delivery_end end = {
		.fate = fate,
		.http_status = http_status(&x->request),
		.retry_after_ms = http_retry_after_ms(&x->request),
		.has_timed_out = x->has_timed_out,
		.has_session_ended = has_session_ended,
		.cause = cause,
	};
	x->d = NULL;
	d->transfer = NULL;
	d->done(d, &end);
	if (u->opener == x)
		u->opener = NULL;
	start_waiting(u);
}

/* ---- what upstream.c calls -------------------------------------------------------------------------------------------- */

static struct http_upstream *of(struct upstream *base)
{
	return container_of(base, struct http_upstream, base);
}

static void send_in_turn(struct upstream *base, struct delivery *d)
{
	struct http_upstream *u = of(base);
	struct exchange *x = exchange_take(u, d);

	list_append(&u->waiting, &x->node);
	start_waiting(u);
}

void http_upstream_send_first(struct http_upstream *u, struct delivery *d)
{
	u->opener = NULL;
	exchange_start(exchange_take(u, d));
}

void http_upstream_refuse_waiting(struct http_upstream *u, const char *cause)
{
	struct list refused = u->waiting;

	if (list_is_empty(&u->waiting))
		return;
	refused.next->prev = refused.prev->next = &refused;
	list_init(&u->waiting);
	while (!list_is_empty(&refused)) {
		struct exchange *x = list_first(&refused, struct exchange, node);
		exchange_finish(x, FATE_NOT_SENT, cause, false);
		exchange_give_back(x);
	}
}

static struct exchange *first_cancelled(struct list *among)
{
	list_for_each(x, among, struct exchange, node)
		if (x->is_cancelled && x->d)
			return x;
	return NULL;
}

/* Looked for anew after each one: done may send, and what is sent may move others from waiting to running. */
static void settle(struct loop_timer *t)
{
	struct http_upstream *u = container_of(t, struct http_upstream, settle);
	struct exchange *x;

	while ((x = first_cancelled(&u->waiting))) {
		exchange_finish(x, FATE_NOT_SENT, "it was cancelled", false);
		exchange_give_back(x);
	}
	while ((x = first_cancelled(&u->running))) {
		exchange_finish(x, x->request.has_left ? FATE_UNKNOWN : FATE_NOT_SENT, "it was cancelled", false);
		http_cancel(&x->request);
		exchange_give_back(x);
	}
}

static void cancel(struct upstream *base, struct delivery *d)
{
	struct exchange *x = d->transfer;

	x->is_cancelled = true;
	loop_timer_set(of(base)->o.loop, &of(base)->settle, 0);
}

static void resume(struct upstream *base)
{
	resume_running(of(base));
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

	http_free(u->http);
	loop_timer_clear(&u->settle);
	free_all(&u->waiting);
	free_all(&u->running);
	free_all(&u->idle);
	session_release(u);
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
	enum err e = session_init(u, why);
	if (e == OK)
		e = http_new(&options, &u->http, why);
	if (e != OK) {
		release(&u->base);
		return e;
	}
	*out = &u->base;
	return OK;
}

const struct upstream_kind upstream_http = { new, release, send_in_turn, cancel, resume, end };
