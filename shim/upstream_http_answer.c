/* upstream_http_answer - what an answer means: JSON body, event stream, HTTP status. See upstream_http.h. */
#include <strings.h>
#include "base/log.h"
#include "shim/upstream_http.h"

static struct exchange *of(struct http_request *r)
{
	return container_of(r, struct exchange, request);
}

/* One line for each exchange: what a backend sends must not fill our log. */
static void complain(struct exchange *x, const char *why)
{
	if (!x->has_complained)
		log_warn("upstream.answer", "backend=%s why=\"%s\"", x->u->o.backend->name, why);
	x->has_complained = true;
}

/* ---- messages --------------------------------------------------------------------------------------------------------- */

static bool id_is_ours(const struct exchange *x, struct json_value id)
{
	struct json_value ours = x->d->message->id;

	if (span_equal(id.text, ours.text))
		return true;
	struct buf a, b; /* "1" may be spelled "\u0031" */
	buf_init(&a, 8 * JSONRPC_MAX_ID_BYTES);
	buf_init(&b, 8 * JSONRPC_MAX_ID_BYTES);
	bool is_same = jsonrpc_id_key(id, &a) && jsonrpc_id_key(ours, &b) && span_equal(buf_span(&a), buf_span(&b));
	buf_release(&a);
	buf_release(&b);
	return is_same;
}

static bool is_nobodys(struct json_value id)
{
	return id.kind == JSON_NONE || id.kind == JSON_NULL;
}

static void answer(struct exchange *x, const struct jsonrpc *response)
{
	if (x->is_cancelled) /* its end is on the way */
		return;
	if (session_is_initialize(x->d->message))
		session_open(x, response);
	if (x->d->answered)
		x->d->answered(x->d, response);
	exchange_finish(x, FATE_ANSWERED, "", false);
}

/* An error that names no request, in answer to our POST, is about that request (JSON-RPC: id null when it could not be read). */
static void answer_renamed(struct exchange *x, const struct jsonrpc *error)
{
	struct span id = x->d->message->id.text;
	struct jsonrpc response;
	struct buf b;

	buf_init(&b, error->error.text.len + id.len + 64);
	if (buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":", SPAN_ARGS(id)) && buf_append_span(&b, error->error.text) &&
		buf_append_char(&b, '}')) {
		jsonrpc_read(buf_span(&b), &response);
		if (response.kind == JSONRPC_ERROR)
			answer(x, &response);
	}
	buf_release(&b);
}

static void on_response(struct exchange *x, const struct jsonrpc *m)
{
	if (!x->d || !x->is_request)
		complain(x, "a response that nobody waits for was dropped");
	else if (id_is_ours(x, m->id))
		answer(x, m);
	else if (m->kind == JSONRPC_ERROR && is_nobodys(m->id))
		answer_renamed(x, m);
	else
		complain(x, x->trouble = "a response with a foreign id was dropped");
}

static void on_unreadable(struct exchange *x, const struct jsonrpc *m)
{
	complain(x, m->why);
	x->trouble = "the answer cannot be read";
	if (x->d && x->is_request && m->id.kind != JSON_NONE && id_is_ours(x, m->id))
		exchange_finish(x, FATE_UNKNOWN, x->trouble, false);
}

static void on_message(struct exchange *x, const struct jsonrpc *m)
{
	switch (m->kind) {
	case JSONRPC_REQUEST:
	case JSONRPC_NOTIFICATION: x->u->o.events.message(x->u->o.events.arg, m); break;
	case JSONRPC_RESULT:
	case JSONRPC_ERROR: on_response(x, m); break;
	case JSONRPC_INVALID:
	case JSONRPC_BATCH: on_unreadable(x, m); break;
	}
}

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

static bool on_event(void *arg, const struct sse_event *event)
{
	struct exchange *x = arg;
	struct jsonrpc m;

	if (event->data.len == 0 || !span_is(event->type, "message"))
		return true;
	jsonrpc_read(event->data, &m);
	on_message(x, &m);
	return true;
}

static enum http_flow drain(struct exchange *x, struct span bytes)
{
	x->drained_bytes += bytes.len;
	return x->drained_bytes > UPSTREAM_DRAIN_BYTES ? HTTP_STOP : HTTP_GO_ON;
}

enum http_flow answer_body(struct http_request *r, struct span bytes)
{
	struct exchange *x = of(r);
	const struct upstream_events *events = &x->u->o.events;
	bool was_over = x->d == NULL;

	if (x->reading != READ_SSE)
		return drain(x, bytes);
	if (sse_feed(&x->sse, bytes, on_event, x) == SSE_TOO_LARGE) {
		exchange_finish(x, FATE_UNKNOWN, "the answer is too large", false);
		return HTTP_STOP;
	}
	if (!x->d && !was_over)
		http_limit(r, UPSTREAM_DRAIN_MS);
	if (was_over && drain(x, bytes) == HTTP_STOP)
		return HTTP_STOP;
	return events->has_room(events->arg) ? HTTP_GO_ON : HTTP_HOLD;
}

/* The first bytes of an answer always come in; a client that does not read and a crowd of long answers hold the rest back. */
bool answer_may_grow(struct http_request *r)
{
	struct exchange *x = of(r);
	const struct upstream_events *events = &x->u->o.events;
	const struct exchange *oldest = NULL;
	size_t collected = 0;

	if (x->json.len == 0)
		return true;
	if (!events->has_room(events->arg))
		return false;
	list_for_each(other, &x->u->running, struct exchange, node) {
		collected += other->json.len;
		oldest = oldest || other->json.len == 0 ? oldest : other;
	}
	return x == oldest || collected < UPSTREAM_COLLECTED_BYTES;
}

/* ---- the head --------------------------------------------------------------------------------------------------------- */

static bool is_good(int status)
{
	return status >= 200 && status < 300;
}

static bool is_compressed(const struct http_request *r)
{
	struct span value = http_header(r, "Content-Encoding");

	return value.len > 0 && strcasecmp(value.at, "identity") != 0;
}

static void finish_by_status(struct exchange *x, int status)
{
	bool is_refused = (status >= 400 && status < 500 && status != 408) || status == 307 || status == 308;

	(void)snprintf(x->cause, sizeof(x->cause), "the backend answered HTTP %d", status);
	exchange_finish(x, is_refused ? FATE_REFUSED : FATE_UNKNOWN, x->cause, false);
}

static void finish_lost_session(struct exchange *x)
{
	session_lost(x->u, x->session);
	exchange_finish(x, FATE_REFUSED, "the backend has ended the session", true);
}

static bool bore_session_id(const struct exchange *x)
{
	return x->session > 0 && x->u->has_session_id && !session_is_initialize(x->d->message);
}

/* What is to be read of the body; READ_NOTHING when the delivery is finished by the head alone. */
static enum exchange_reading judge_head(struct exchange *x)
{
	struct http_request *r = &x->request;
	int status = http_status(r);

	if (status == 404 && bore_session_id(x)) {
		finish_lost_session(x);
		return READ_NOTHING;
	}
	bool is_json = http_media_type_is(r, "application/json") && !is_compressed(r);
	if (!is_good(status)) {
		if (status >= 400 && is_json)
			return READ_JSON;
		finish_by_status(x, status);
	} else if (!x->is_request) {
		exchange_finish(x, FATE_ACCEPTED, "", false);
	} else if (is_json) {
		return READ_JSON;
	} else if (http_media_type_is(r, "text/event-stream") && !is_compressed(r)) {
		return READ_SSE;
	} else if (is_compressed(r)) {
		exchange_finish(x, FATE_UNKNOWN, "the answer is compressed, which nobody asked for", false);
	} else {
		exchange_finish(x, FATE_UNKNOWN, "the answer is neither JSON nor an event stream", false);
	}
	return READ_NOTHING;
}

struct buf *answer_head(struct http_request *r)
{
	struct exchange *x = of(r);

	if (session_is_initialize(x->d->message) && is_good(http_status(r)))
		session_note_id(x);
	x->reading = judge_head(x);
	if (x->reading == READ_SSE)
		sse_init(&x->sse, (size_t)x->u->o.backend->max_body_bytes);
	if (x->reading == READ_NOTHING)
		http_limit(r, UPSTREAM_DRAIN_MS);
	return x->reading == READ_JSON ? &x->json : NULL;
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

/* 400 instead of 404: "No valid session ID provided", "Server not initialized" (official SDK, MCP servers built on it). */
static bool says_session_is_unknown(const struct exchange *x, const struct jsonrpc *m)
{
	int64_t code = 0;
	bool is_said = false;

	if (http_status(&x->request) != 400 || !bore_session_id(x) || m->kind != JSONRPC_ERROR)
		return false;
	char *text = json_text(json_get(m->error, "message"), 512);
	if (text && json_to_i64(json_get(m->error, "code"), &code) && code == -32000)
		is_said = strcasestr(text, "session id") || strcasestr(text, "not initialized");
	free(text);
	return is_said;
}

static void read_json(struct exchange *x)
{
	int status = http_status(&x->request);
	struct jsonrpc m;

	jsonrpc_read(buf_span(&x->json), &m);
	if (is_good(status) || (x->is_request && m.kind == JSONRPC_ERROR && !says_session_is_unknown(x, &m)))
		on_message(x, &m);
	else if (says_session_is_unknown(x, &m))
		finish_lost_session(x);
	if (!x->d)
		return;
	if (is_good(status))
		exchange_finish(x, FATE_UNKNOWN, x->trouble ? x->trouble : "the answer holds no response", false);
	else
		finish_by_status(x, status);
}

void answer_end(struct exchange *x, const struct http_end *end)
{
	int status = http_status(&x->request);

	if (!x->d)
		return;
	x->has_timed_out = end->has_timed_out;
	if (end->outcome == HTTP_NOT_SENT)
		exchange_finish(x, FATE_NOT_SENT, end->cause, false);
	else if (end->outcome == HTTP_COMPLETE && x->reading == READ_JSON)
		read_json(x);
	else if (status > 0 && !is_good(status))
		finish_by_status(x, status);
	else if (end->outcome == HTTP_COMPLETE)
		exchange_finish(x, FATE_UNKNOWN, x->trouble ? x->trouble : "the stream ended before the response", false);
	else
		exchange_finish(x, FATE_UNKNOWN, end->cause, false);
}
