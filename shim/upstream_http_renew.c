/* upstream_http_renew - a session the backend forgot is opened anew: the client's initialize and initialized are said again, then what the
 * client had set up in the old one. The client sees nothing of it but list_changed. See upstream_http.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/upstream_http.h"

#define FIRST_PAUSE_MS 1000
#define MAX_PAUSE_MS   30000
#define MAX_ROUNDS     10                  /* sessions in a row in which nothing was answered: then only a delivery opens the next */

/* ---- what must be said again ------------------------------------------------------------------------------------------------- */

void renew_keep_opening(struct http_upstream *u, struct span body)
{
	struct buf *kept = &u->renewal.opening;

	if (body.at == kept->data)
		return;
	buf_clear(kept);
	if (!buf_append_span(kept, body))
		log_warn("upstream.session", "backend=%s why=\"initialize is too long to be kept: no new session if this one ends\"", u->o.backend->name);
}

void renew_note_answer(struct exchange *x, const struct jsonrpc *response)
{
	if (x->d != &x->u->renewal.delivery)
		setup_note(&x->u->renewal.setup, x->d->message, response);
}

/* ---- saying it --------------------------------------------------------------------------------------------------------------- */

static void send_own(struct http_upstream *u, struct span body, void (*done)(struct delivery *, const struct delivery_end *))
{
	struct renewal *r = &u->renewal;

	jsonrpc_read(body, &r->message);
	r->delivery.body = body;
	r->delivery.message = &r->message;
	r->delivery.timeout_ms = u->o.backend->timeout_ms;
	r->delivery.done = done;
	http_upstream_send_first(u, &r->delivery);
}

static void setup_done(struct delivery *d, const struct delivery_end *end)
{
	struct http_upstream *u = container_of(d, struct http_upstream, renewal.delivery);

	if (end->fate != FATE_ANSWERED)
		log_warn("upstream.session", "backend=%s method=%s why=\"not set up again: %s\"", u->o.backend->name,
			u->renewal.message.method, end->cause);
	renew_go_on(u);
}

static void send_setup(struct http_upstream *u, const char *method, const char *params)
{
	struct renewal *r = &u->renewal;
	char id[48];

	(void)snprintf(id, sizeof(id), "\"aegis:session:%u:%u\"", u->session, ++r->sent_n);
	buf_clear(&r->line);
	if (jsonrpc_write_call(&r->line, (struct json_value){ JSON_STRING, span_of(id) }, method, span_of(params)))
		send_own(u, buf_span(&r->line), setup_done);
}

void renew_go_on(struct http_upstream *u)
{
	struct renewal *r = &u->renewal;
	const char *method, *params;

	r->is_setting_up &= !u->has_expired;    /* meanwhile: all of it is said again in the next one */
	if (!r->is_setting_up)
		return;
	if (setup_next(&r->setup, &method, &params))
		send_setup(u, method, params);
	else
		r->is_setting_up = false;
}

static void failed(struct http_upstream *u, const struct delivery_end *end)
{
	log_warn("upstream.session", "backend=%s why=\"no new session: %s\"", u->o.backend->name, end->cause);
	u->has_expired = true;
	renew_later(u);
	http_upstream_refuse_waiting(u, "the backend ended the session and did not open a new one");
}

static void initialized_done(struct delivery *d, const struct delivery_end *end)
{
	struct http_upstream *u = container_of(d, struct http_upstream, renewal.delivery);
	struct renewal *r = &u->renewal;

	if (end->fate != FATE_ACCEPTED) {
		failed(u, end);
		return;
	}
	r->is_setting_up = true;
	setup_begin(&r->setup);
	renew_go_on(u);
}

static const char initialized_text[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";

static void initialize_answered(struct delivery *d, const struct jsonrpc *response)
{
	container_of(d, struct renewal, delivery)->is_answered = response->kind == JSONRPC_RESULT;
}

static void initialize_done(struct delivery *d, const struct delivery_end *end)
{
	struct http_upstream *u = container_of(d, struct http_upstream, renewal.delivery);

	if (u->renewal.is_answered && !u->has_expired)
		send_own(u, SPAN(initialized_text), initialized_done);
	else
		failed(u, end);
}

void renew_begin(struct http_upstream *u)
{
	struct renewal *r = &u->renewal;

	loop_timer_clear(&r->timer);
	if (++r->rounds > MAX_ROUNDS) {
		r->rounds = MAX_ROUNDS - 1;             /* the next delivery has its try */
		http_upstream_refuse_waiting(u, "the backend ends every session before it can be used");
		return;
	}
	r->is_answered = r->is_setting_up = false;
	r->delivery = (struct delivery){ .answered = initialize_answered };
	send_own(u, buf_span(&r->opening), initialize_done);
}

/* ---- without a delivery that wants it ---------------------------------------------------------------------------------------- */

static void is_due(struct loop_timer *t)
{
	struct http_upstream *u = container_of(t, struct http_upstream, renewal.timer);

	if (u->has_expired && !u->opener && !u->is_ending)
		renew_begin(u);
}

void renew_later(struct http_upstream *u)
{
	struct renewal *r = &u->renewal;
	int64_t ms = r->pause_ms;

	if (u->is_ending || r->rounds >= MAX_ROUNDS)
		return;
	r->pause_ms = ms * 3 / 2 < MAX_PAUSE_MS ? ms * 3 / 2 : MAX_PAUSE_MS;
	loop_timer_set(u->o.loop, &r->timer, ms);
}

void renew_was_worth_it(struct http_upstream *u)
{
	u->renewal.rounds = 0;
	u->renewal.pause_ms = FIRST_PAUSE_MS;
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */

void renew_init(struct http_upstream *u)
{
	struct renewal *r = &u->renewal;

	buf_init(&r->opening, UPSTREAM_MAX_OPENING_BYTES);
	buf_init(&r->line, 2 * SETUP_MAX_PARAMS_BYTES);
	setup_init(&r->setup);
	r->pause_ms = FIRST_PAUSE_MS;
	loop_timer_init(&r->timer, is_due);
}

void renew_release(struct http_upstream *u)
{
	struct renewal *r = &u->renewal;

	loop_timer_clear(&r->timer);
	buf_release(&r->opening);
	buf_release(&r->line);
	setup_release(&r->setup);
}
