/* upstream_sse - HTTP+SSE (MCP 2024-11-05): one event stream is the session; its first event says where to POST; every answer comes on it.
 * A stream that is lost is a session that is lost. Found out in the order of the specification: initialize is POSTed, and where that is
 * answered 400, 404 or 405, the stream is tried. See upstream_http.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/upstream_http.h"

#define ENDPOINT_MS 10000                  /* until the stream has said where to POST, if no connect_timeout is set */

static void stream_wanted(struct http_upstream *u, enum sse_state state)
{
	u->sse = state;
	loop_timer_clear(&u->no_endpoint);
	stream_stop(&u->listener);
}

/* It was not HTTP+SSE either: initialize ends as its own answer said. */
static void probe_failed(struct http_upstream *u)
{
	struct exchange *x = list_first(&u->waiting, struct exchange, node);

	stream_wanted(u, SSE_OFF);
	if (x && x->status > 0 && session_is_initialize(x->d->message)) {
		answer_explain(x);
		exchange_conclude(x, FATE_REFUSED, x->cause, false);
	}
	http_upstream_go_on(u);
}

static void connect_failed(struct http_upstream *u, const char *cause)
{
	if (u->sse == SSE_PROBING) {
		probe_failed(u);
		return;
	}
	log_warn("upstream.sse", "backend=%s why=%s", u->o.backend->name, cause);
	stream_wanted(u, SSE_CONNECTING);
	http_upstream_refuse_waiting(u, cause);
	if (u->has_expired)
		renew_later(u);
}

static void no_endpoint_came(struct loop_timer *t)
{
	connect_failed(container_of(t, struct http_upstream, no_endpoint), "its event stream did not say in time where to send messages");
}

static void on_endpoint(struct http_upstream *u, struct span where)
{
	char *reference = span_dup(where);
	bool is_usable = http_move(u->posts, reference) == OK;

	free(reference);
	if (!is_usable) {
		u->listener.is_over = true;             /* its end is told after this event */
		u->has_bad_endpoint = true;
		return;
	}
	log_info("upstream.sse", "backend=%s transport=sse", u->o.backend->name);
	loop_timer_clear(&u->no_endpoint);
	u->sse = SSE_OPEN;
	http_upstream_go_on(u);
}

static void on_event(struct stream *s, const struct sse_event *event)
{
	if (s->u->sse != SSE_OPEN && span_is(event->type, "endpoint"))
		on_endpoint(s->u, event->data);
	else if (s->u->sse == SSE_OPEN && span_is(event->type, "message"))
		answer_unasked(s->u, event);
}

static void on_ended(struct stream *s, enum stream_verdict how, int status)
{
	struct http_upstream *u = s->u;
	char cause[192];

	if (u->is_ending)
		return;
	if (u->sse == SSE_OPEN) {
		log_info("upstream.sse", "backend=%s why=\"its event stream ended\"", u->o.backend->name);
		stream_wanted(u, SSE_CONNECTING);
		http_upstream_orphan(u);
		session_lost(u, u->session);
		return;
	}
	if (u->has_bad_endpoint)
		(void)snprintf(cause, sizeof(cause), "it wants messages sent to another origin, which is not done");
	else if (how == STREAM_REFUSED)
		answer_explain_status(status, -1, cause, sizeof(cause));
	else
		(void)snprintf(cause, sizeof(cause), "%s", status == 0 && s->cause[0] ? s->cause : "its event stream ended at once");
	connect_failed(u, cause);
}

static void begin_connecting(struct http_upstream *u)
{
	int64_t ms = u->o.backend->connect_timeout_ms;

	u->has_bad_endpoint = false;
	u->listener.event = on_event;
	u->listener.ended = on_ended;
	loop_timer_set(u->o.loop, &u->no_endpoint, ms > 0 ? ms : ENDPOINT_MS);
	stream_open(&u->listener);
}

bool sse_upstream_is_ready(struct http_upstream *u)
{
	if (u->sse == SSE_OFF || u->sse == SSE_OPEN)
		return true;
	if (!stream_is_active(&u->listener))
		begin_connecting(u);
	return false;
}

bool sse_upstream_probes(struct exchange *x)
{
	struct http_upstream *u = x->u;
	bool may_be = x->status == 400 || x->status == 404 || x->status == 405;

	if (!may_be || u->sse != SSE_OFF || u->o.backend->transport != TRANSPORT_AUTO || u->session > 0 || x->is_cancelled ||
		!session_is_initialize(x->d->message))
		return false;
	u->sse = SSE_PROBING;
	x->must_restart = true;
	return true;
}

void sse_upstream_lost(struct http_upstream *u)
{
	stream_wanted(u, SSE_CONNECTING);
}

void sse_upstream_init(struct http_upstream *u)
{
	loop_timer_init(&u->no_endpoint, no_endpoint_came);
	if (u->o.backend->transport == TRANSPORT_SSE)
		u->sse = SSE_CONNECTING;
}

void sse_upstream_release(struct http_upstream *u)
{
	loop_timer_clear(&u->no_endpoint);
	http_free(u->posts);
}
