/* upstream_http_session - headers and the MCP session of a Streamable HTTP backend. See upstream_http.h. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "shim/upstream_http.h"

#define LISTEN_AGAIN_US (30 * 1000 * 1000)

/* ---- headers ---------------------------------------------------------------------------------------------------------- */

static enum err add_configured(struct http_upstream *u, const struct config_named_secret *header, struct problem *why)
{
	char *value = NULL;
	enum err e = config_secret_read(u->o.config, &header->value, &value, why);

	if (e == OK && (http_headers_add(u->plain, header->name, value) != OK ||
		http_headers_add(u->plain_get, header->name, value) != OK)) {
		problem_set(why, "backend %s: header %s cannot be sent: its name is no HTTP token, or its value holds a control character",
			u->o.backend->name, header->name);
		e = ERR_INVALID;
	}
	secret_free(value);
	return e;
}

static void heard_or_late(struct loop_timer *t)
{
	http_upstream_go_on(container_of(t, struct http_upstream, listen_first));
}

enum err session_init(struct http_upstream *u, struct problem *why)
{
	const struct config_secrets *configured = &u->o.backend->headers;
	enum err e = OK;

	renew_init(u);
	loop_timer_init(&u->listen_first, heard_or_late);
	u->plain = http_headers_new();
	u->plain_get = http_headers_new();
	if (http_headers_add(u->plain_get, "Accept", "text/event-stream") != OK ||
		http_headers_add(u->plain_get, "Cache-Control", "no-store") != OK ||
		http_headers_add(u->plain, "Content-Type", "application/json") != OK ||
		http_headers_add(u->plain, "Accept", "application/json, text/event-stream") != OK)
		return ERR_INVALID;
	for (size_t i = 0; i < configured->n && e == OK; i++)
		e = add_configured(u, &configured->v[i], why);
	return e;
}

static void forget_id(struct http_upstream *u)
{
	secret_free(u->session_id);
	u->session_id = NULL;
}

void session_release(struct http_upstream *u)
{
	forget_id(u);
	stream_release(&u->listener);
	renew_release(u);
	http_headers_drop(u->plain);
	http_headers_drop(u->plain_get);
	http_headers_drop(u->bound);
	http_headers_drop(u->bound_get);
	loop_timer_clear(&u->farewell_none);
	loop_timer_clear(&u->listen_first);
}

struct http_headers *session_headers(const struct http_upstream *u, const struct exchange *x)
{
	return u->bound && !session_is_initialize(x->d->message) ? u->bound : u->plain;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

bool session_is_initialize(const struct jsonrpc *m)
{
	return m->kind == JSONRPC_REQUEST && strcmp(m->method, "initialize") == 0;
}

bool session_is_initialized(const struct jsonrpc *m)
{
	return m->kind == JSONRPC_NOTIFICATION && strcmp(m->method, "notifications/initialized") == 0;
}

/* Visible ASCII (MCP 2025-11-25, "Session Management"); so nothing in it can end a header line. */
static bool is_visible_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < 0x21 || s.at[i] > 0x7e)
			return false;
	return s.len > 0;
}

void session_note_id(struct exchange *x)
{
	struct http_upstream *u = x->u;
	struct span id = http_header(&x->request, "Mcp-Session-Id");

	forget_id(u);
	if (!id.at)
		return;
	if (is_visible_ascii(id) && id.len <= UPSTREAM_MAX_SESSION_ID_BYTES)
		u->session_id = span_dup(id);
	else
		log_warn("upstream.session", "backend=%s why=\"its session id is not visible ASCII and is not used\"", u->o.backend->name);
}

/* The headers of the session: the plain ones, its id and its version. */
static struct http_headers *session_bind(const struct http_upstream *u, const struct http_headers *plain, const char *version)
{
	struct http_headers *h = http_headers_copy(plain);

	if (u->session_id && http_headers_add(h, "Mcp-Session-Id", u->session_id) != OK)
		abort();                            /* it is visible ASCII */
	if (version && http_headers_add(h, "MCP-Protocol-Version", version) != OK)
		abort();
	return h;
}

void session_open(struct exchange *x, const struct jsonrpc *response)
{
	struct http_upstream *u = x->u;

	if (response->kind != JSONRPC_RESULT)
		return;
	char *version = json_text(json_get(response->result, "protocolVersion"), UPSTREAM_MAX_VERSION_BYTES);
	bool is_usable = version && is_visible_ascii(span_of(version));
	if (!is_usable)
		log_warn("upstream.session", "backend=%s why=\"its protocolVersion cannot be used as a header\"", u->o.backend->name);
	http_headers_drop(u->bound);
	http_headers_drop(u->bound_get);
	u->bound = session_bind(u, u->plain, is_usable ? version : NULL);
	u->bound_get = session_bind(u, u->plain_get, is_usable ? version : NULL);
	u->has_session_id = u->session_id != NULL;
	u->has_batches = version && strcmp(version, "2025-03-26") == 0;
	forget_id(u);
	free(version);
	u->session++;
	u->has_expired = u->is_confirmed = false;
	renew_keep_opening(u, x->d->body);
	setup_opened(&u->renewal.setup, response, u->session > 1 ? SETUP_ANEW : SETUP_FIRST, &u->o.events);
}

/* ---- listening --------------------------------------------------------------------------------------------------------- */

static void unasked(struct stream *s, const struct sse_event *event)
{
	if (span_is(event->type, "message"))
		answer_unasked(s->u, event);
}

/* Servers drop what they ask the client, or tell it, while this stream is not there yet: a request that overtook it would wait for
 * an answer to a question that was never heard. */
bool session_listens_first(const struct http_upstream *u)
{
	return !list_is_empty(&u->listen_first.node);
}

static void heard(struct stream *s)
{
	if (session_listens_first(s->u))
		loop_timer_set(s->u->o.loop, &s->u->listen_first, 0);
}

/* 405 says that no such stream is offered; 404 and 501 are met too, from servers whose session is alive. */
static void no_longer_listening(struct stream *s, enum stream_verdict how, int status)
{
	struct http_upstream *u = s->u;
	bool may_be_lost = status == 404 && u->has_session_id && u->has_listened;

	heard(s);
	if (u->is_ending || u->has_expired)
		return;
	if (how == STREAM_ENDED || (how == STREAM_REFUSED && (status >= 500 || status == 429) && status != 501)) {
		u->has_listened |= how == STREAM_ENDED && status > 0;
		stream_open_later(s);
	} else if (may_be_lost) {
		session_lost(u, u->session);
	} else if (how == STREAM_REFUSED) {
		u->is_not_offered = true;
	}
}

static void begin_listening(struct http_upstream *u)
{
	if (!u->is_confirmed || u->has_expired || u->sse != SSE_OFF || u->is_not_offered || u->is_ending || stream_is_active(&u->listener))
		return;
	u->listener.event = unasked;
	u->listener.ended = no_longer_listening;
	u->listener.answered = heard;
	stream_open(&u->listener);
}

void session_confirmed(struct http_upstream *u)
{
	u->is_confirmed = true;
	u->has_listened = false;
	begin_listening(u);
	if (u->listener.is_on_wire)
		loop_timer_set(u->o.loop, &u->listen_first, PATIENCE(UPSTREAM_LISTEN_FIRST_MS));
}

/* A stream that was given up for the time being is tried again. */
void session_was_used(struct http_upstream *u)
{
	renew_was_worth_it(u);
	if (!stream_is_active(&u->listener) && clock_mono_us() - u->listener.opened_us > LISTEN_AGAIN_US)
		begin_listening(u);
}

void session_lost(struct http_upstream *u, unsigned session)
{
	if (session != u->session || u->has_expired || u->renewal.opening.len == 0)
		return;
	log_info("upstream.session", "backend=%s why=\"the backend ended the session\"", u->o.backend->name);
	u->has_expired = true;
	http_upstream_orphan(u);
	u->o.events.forgot(u->o.events.arg);
	if (u->sse == SSE_OFF)
		stream_stop(&u->listener);
	else
		sse_upstream_lost(u);
	renew_later(u);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

static struct buf *farewell_head(struct http_request *r)
{
	(void)r;
	return NULL;
}

static enum http_flow farewell_body(struct http_request *r, struct span bytes)
{
	(void)r, (void)bytes;
	return HTTP_STOP; /* whatever it says, we are gone */
}

static void farewell_done(struct http_request *r, const struct http_end *end)
{
	struct http_upstream *u = container_of(r, struct http_upstream, farewell);

	(void)end;
	u->ended(u->ended_arg);
}

static void nothing_to_end(struct loop_timer *t)
{
	struct http_upstream *u = container_of(t, struct http_upstream, farewell_none);

	u->ended(u->ended_arg);
}

void session_end(struct http_upstream *u, int64_t budget_ms, void (*ended)(void *arg), void *arg)
{
	u->ended = ended;
	u->ended_arg = arg;
	u->is_ending = true;
	stream_stop(&u->listener);
	loop_timer_clear(&u->renewal.timer);
	if (!u->has_session_id || u->has_expired) {
		loop_timer_init(&u->farewell_none, nothing_to_end);
		loop_timer_set(u->o.loop, &u->farewell_none, 0);
		return;
	}
	u->farewell = (struct http_request){ .method = "DELETE", .headers = u->bound, .head = farewell_head,
		.body = farewell_body, .done = farewell_done };
	http_start(u->http, &u->farewell);
	http_limit(&u->farewell, budget_ms < UPSTREAM_FAREWELL_MS ? budget_ms : UPSTREAM_FAREWELL_MS);
}
