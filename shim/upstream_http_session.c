/* upstream_http_session - headers and the MCP session of a Streamable HTTP backend. See upstream_http.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "shim/upstream_http.h"

/* ---- headers ---------------------------------------------------------------------------------------------------------- */

static enum err add_configured(struct http_upstream *u, const struct config_named_secret *header, struct problem *why)
{
	char *value = NULL;
	enum err e = config_secret_read(u->o.config, &header->value, &value, why);

	if (e == OK && http_headers_add(u->plain, header->name, value) != OK) {
		problem_set(why, "backend %s: header %s cannot be sent: its name is no HTTP token, or its value holds a control character",
			u->o.backend->name, header->name);
		e = ERR_INVALID;
	}
	secret_free(value);
	return e;
}

enum err session_init(struct http_upstream *u, struct problem *why)
{
	const struct config_secrets *configured = &u->o.backend->headers;
	enum err e = OK;

	buf_init(&u->renewal.opening, UPSTREAM_MAX_OPENING_BYTES);
	u->plain = http_headers_new();
	if (http_headers_add(u->plain, "Content-Type", "application/json") != OK ||
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
	http_headers_drop(u->plain);
	http_headers_drop(u->bound);
	buf_release(&u->renewal.opening);
	loop_timer_clear(&u->farewell_none);
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

bool session_is_opener(const struct jsonrpc *m)
{
	return session_is_initialize(m) ||
	       (m->kind == JSONRPC_NOTIFICATION && strcmp(m->method, "notifications/initialized") == 0);
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

static bool add_version(struct http_headers *h, struct json_value version)
{
	char *text = json_text(version, UPSTREAM_MAX_VERSION_BYTES);
	bool is_usable = text && is_visible_ascii(span_of(text));
	bool is_added = is_usable && http_headers_add(h, "MCP-Protocol-Version", text) == OK;

	free(text);
	return is_added;
}

static void keep_opening(struct http_upstream *u, struct span body)
{
	struct buf *kept = &u->renewal.opening;

	if (body.at == kept->data)
		return;
	buf_clear(kept);
	if (!buf_append_span(kept, body))
		log_warn("upstream.session", "backend=%s why=\"initialize is too long to be kept: no new session if this one ends\"", u->o.backend->name);
}

void session_open(struct exchange *x, const struct jsonrpc *response)
{
	struct http_upstream *u = x->u;

	if (response->kind != JSONRPC_RESULT)
		return;
	struct http_headers *bound = http_headers_copy(u->plain);
	u->has_session_id = u->session_id && http_headers_add(bound, "Mcp-Session-Id", u->session_id) == OK;
	forget_id(u);
	if (!add_version(bound, json_get(response->result, "protocolVersion")))
		log_warn("upstream.session", "backend=%s why=\"its protocolVersion cannot be used as a header\"", u->o.backend->name);
	http_headers_drop(u->bound);
	u->bound = bound;
	u->session++;
	u->has_expired = false;
	keep_opening(u, x->d->body);
}

/* ---- opening anew ----------------------------------------------------------------------------------------------------- */

void session_lost(struct http_upstream *u, unsigned session)
{
	if (session != u->session || u->has_expired || u->renewal.opening.len == 0)
		return;
	log_info("upstream.session", "backend=%s why=\"the backend ended the session\"", u->o.backend->name);
	u->has_expired = true;
}

static const char initialized_text[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";

static void renewal_failed(struct http_upstream *u, const struct delivery_end *end)
{
	log_warn("upstream.session", "backend=%s why=\"no new session: %s\"", u->o.backend->name, end->cause);
	http_upstream_refuse_waiting(u, "the backend ended the session and did not open a new one");
}

static void initialized_done(struct delivery *d, const struct delivery_end *end)
{
	struct http_upstream *u = container_of(d, struct http_upstream, renewal.delivery);

	if (end->fate == FATE_ACCEPTED)
		return;
	u->has_expired = true;
	renewal_failed(u, end);
}

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

static void initialize_answered(struct delivery *d, const struct jsonrpc *response)
{
	container_of(d, struct renewal, delivery)->is_answered = response->kind == JSONRPC_RESULT;
}

static void initialize_done(struct delivery *d, const struct delivery_end *end)
{
	struct http_upstream *u = container_of(d, struct http_upstream, renewal.delivery);

	if (u->renewal.is_answered)
		send_own(u, SPAN(initialized_text), initialized_done);
	else
		renewal_failed(u, end);
}

void session_renew(struct http_upstream *u)
{
	u->renewal.is_answered = false;
	u->renewal.delivery = (struct delivery){ .answered = initialize_answered };
	send_own(u, buf_span(&u->renewal.opening), initialize_done);
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
