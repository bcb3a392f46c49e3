/* upstream_http_answer - what an answer means: JSON body, event stream, HTTP status. See upstream_http.h. */
#include <strings.h>
#include "base/xalloc.h"
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
		log_warn("upstream.answer", "backend=%s why=%s", x->u->o.backend->name, why);
	x->has_complained = true;
}

/* ---- messages --------------------------------------------------------------------------------------------------------- */

static bool answer_concerns(const struct exchange *x, struct json_value id)
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

static bool is_good(int status)
{
	return status >= 200 && status < 300;
}

static bool is_nobodys(struct json_value id)
{
	return id.kind == JSON_NONE || id.kind == JSON_NULL;
}

static void answer(struct exchange *x, const struct jsonrpc *response)
{
	if (x->is_cancelled) /* its end is on the way */
		return;
	if (!x->is_modern && session_is_initialize(x->d->message))
		session_open(x, response);
	if (x->is_modern)
		modern_note_answer(x, response);
	else
		renew_note_answer(x, response);
	if (x->d != &x->u->renewal.delivery)
		session_was_used(x->u);
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
	else if (answer_concerns(x, m->id))
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
	if (x->d && x->is_request && m->id.kind != JSON_NONE && answer_concerns(x, m->id))
		exchange_finish(x, FATE_UNKNOWN, x->trouble, false);
}

static void on_message(struct exchange *x, const struct jsonrpc *m)
{
	switch (m->kind) {
	case JSONRPC_REQUEST:
	case JSONRPC_NOTIFICATION: lives_tell(x->u, m); break;
	case JSONRPC_RESULT:
	case JSONRPC_ERROR: on_response(x, m); break;
	case JSONRPC_INVALID:
	case JSONRPC_BATCH: on_unreadable(x, m); break;
	}
}

/* ---- texts ------------------------------------------------------------------------------------------------------------ */

typedef void message_fn(void *arg, const struct jsonrpc *m);

/* Revision 2025-03-26 alone has batches. */
static void read_text(struct http_upstream *u, struct span text, message_fn *fn, void *arg)
{
	struct json_value member;
	struct jsonrpc m;
	struct span key;

	jsonrpc_read(text, &m);
	if (m.kind != JSONRPC_BATCH || !u->has_batches) {
		fn(arg, &m);
		return;
	}
	struct json_iter it = json_iter(m.root);
	while (json_next(&it, &key, &member)) {
		struct jsonrpc one;
		jsonrpc_classify(member, &one);
		fn(arg, &one);
	}
}

static void to_exchange(void *arg, const struct jsonrpc *m)
{
	on_message(arg, m);
}

/* Who waits for this answer, whose own stream has ended or never was? */
static struct exchange *answer_owner(struct http_upstream *u, struct json_value id)
{
	list_for_each(x, &u->running, struct exchange, node) {
		bool is_open_to_it = u->sse != SSE_OFF || (!x->is_on_wire && stream_is_active(&x->rest));
		if (x->d && x->is_request && is_open_to_it && answer_concerns(x, id))
			return x;
	}
	return NULL;
}

static void to_session(void *arg, const struct jsonrpc *m)
{
	struct http_upstream *u = arg;
	bool is_response = m->kind == JSONRPC_RESULT || m->kind == JSONRPC_ERROR;
	struct exchange *x = is_response ? answer_owner(u, m->id) : NULL;

	if (m->kind == JSONRPC_REQUEST || m->kind == JSONRPC_NOTIFICATION)
		lives_tell(u, m);
	else if (x)
		answer(x, m);
	else
		log_warn("upstream.answer", "backend=%s why=%s", u->o.backend->name,
			is_response ? "a response that nobody waits for was dropped" : m->why);
	if (x && !x->d)
		exchange_settled(x);
}

/* JSON of which only the end is there: {"result":...,"jsonrpc":"2.0","id":7} is how the official SDKs write an answer. */
static struct json_value id_at_end(struct span tail)
{
	static const char key[] = "\"id\":";
	struct json_value id = { 0 };

	for (size_t n = sizeof(key); n < tail.len; n++) {
		struct span rest = { tail.at + tail.len - n, n };
		if (memcmp(rest.at, key, sizeof(key) - 1) == 0 && rest.at[rest.len - 1] == '}') {
			struct span value = { rest.at + sizeof(key) - 1, rest.len - sizeof(key) };
			return jsonscan_check(value, &id, NULL) == JSONSCAN_OK ? id : (struct json_value){ 0 };
		}
	}
	return id;
}

static const char too_large[] = "the answer is too large";

/* What is there of an answer that is too large: was it a result? */
static void note_too_large(struct exchange *x, struct span beginning)
{
	struct json_value id;

	x->is_large_result = is_good(x->status) && jsonrpc_guess(beginning, &id) == JSONRPC_RESULT;
}

static struct json_value id_of_oversize(const struct sse_event *event)
{
	struct json_value id;
	enum jsonrpc_kind kind = jsonrpc_guess(event->head, &id);

	if (kind == JSONRPC_REQUEST)
		return (struct json_value){ 0 };
	return id.kind != JSON_NONE ? id : id_at_end(event->data);
}

static void oversize_unasked(struct http_upstream *u, const struct sse_event *event)
{
	struct json_value id = id_of_oversize(event);
	struct exchange *x = id.kind == JSON_STRING || id.kind == JSON_NUMBER ? answer_owner(u, id) : NULL;

	log_warn("upstream.answer", "backend=%s why=\"an event was larger than max_body\"", u->o.backend->name);
	if (!x)
		return;
	note_too_large(x, event->head);
	exchange_conclude(x, FATE_UNKNOWN, too_large, false);
}

void answer_unasked(struct http_upstream *u, const struct sse_event *event)
{
	if (event->is_oversize)
		oversize_unasked(u, event);
	else
		read_text(u, event->data, to_session, u);
}

/* ---- an event stream that ended before the answer ------------------------------------------------------------------------ */

static void rest_event(struct stream *s, const struct sse_event *event)
{
	struct exchange *x = container_of(s, struct exchange, rest);

	if (event->is_oversize) {
		note_too_large(x, event->head);
		exchange_finish(x, FATE_UNKNOWN, too_large, false);
	} else if (span_is(event->type, "message")) {
		read_text(x->u, event->data, to_exchange, x);
	}
}

static void rest_ended(struct stream *s, enum stream_verdict how, int status)
{
	struct exchange *x = container_of(s, struct exchange, rest);

	if (!x->d) {
		exchange_settled(x);
	} else if (how == STREAM_ENDED || (how == STREAM_REFUSED && (status >= 500 || status == 429))) {
		stream_open_later(s);
	} else {
		if (status == 404)
			session_lost(x->u, x->session);
		exchange_conclude(x, FATE_UNKNOWN, x->trouble ? x->trouble : "the stream ended before the response", false);
	}
}

static struct stream *rest_of(struct exchange *x)
{
	if (x->rest.u)
		return &x->rest;
	stream_init(&x->rest, x->u, x->u->http);
	x->rest.event = rest_event;
	x->rest.ended = rest_ended;
	return &x->rest;
}

/* The server may close the stream at any time; with the id of an event it can be gone on with. */
static bool goes_on(struct exchange *x, const struct http_end *end)
{
	if (x->reading != READ_SSE || !x->is_request || x->is_modern || x->is_cancelled || end->has_timed_out || !x->rest.u || !stream_has_id(&x->rest))
		return false;
	exchange_watch_limit(x);
	stream_open_later(&x->rest);
	return true;
}

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

static bool on_event(void *arg, const struct sse_event *event)
{
	struct exchange *x = arg;
	bool has_id = !x->is_modern && (event->last_id.len > 0 || event->retry_ms >= 0);

	if (has_id && !stream_note(rest_of(x), event))
		return true;
	if (event->data.len > 0 && span_is(event->type, "message"))
		read_text(x->u, event->data, to_exchange, x);
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
		note_too_large(x, buf_span(&x->sse.data));
		exchange_finish(x, FATE_UNKNOWN, too_large, false);
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

static bool is_compressed(const struct http_request *r)
{
	struct span value = http_header(r, "Content-Encoding");

	return value.len > 0 && strcasecmp(value.at, "identity") != 0;
}

static const struct { int status; const char *what; } explained[] = {
	{ 401, ": it wants credentials. An operator can set headers: of this backend, or for an OAuth server use "
	       "command: [npx, -y, mcp-remote, URL] instead of its url" },
	{ 403, ": the configured credentials do not allow this" },
	{ 413, ": the request is larger than it accepts" },
	{ 429, ": it gets too many requests" },
	{ 503, ": it cannot serve requests at present" },
};

void answer_explain_status(int status, int64_t retry_after_ms, char *out, size_t size)
{
	const char *what = "";
	char wait[64] = "";

	for (size_t i = 0; i < ARRAY_LEN(explained); i++)
		if (explained[i].status == status)
			what = explained[i].what;
	if (retry_after_ms >= 0)
		(void)snprintf(wait, sizeof(wait), "; it asks to wait %lld s", (long long)(retry_after_ms / 1000));
	(void)snprintf(out, size, "the backend answered HTTP %d%s%s", status, what, wait);
}

void answer_explain(struct exchange *x)
{
	answer_explain_status(x->status, x->retry_after_ms, x->cause, sizeof(x->cause));
}

static void finish_by_status(struct exchange *x)
{
	int status = x->status;
	bool is_refused = (status >= 400 && status < 500 && status != 408) || status == 307 || status == 308;

	answer_explain(x);
	exchange_finish(x, is_refused ? FATE_REFUSED : FATE_UNKNOWN, x->cause, false);
}

/* What is said to a session that is over is lost with it, but for answers to its own requests. */
static bool is_worth_repeating(const struct exchange *x)
{
	return x->d && (x->is_request || x->d->message->kind == JSONRPC_NOTIFICATION);
}

static void finish_lost_session(struct exchange *x)
{
	session_lost(x->u, x->session);
	exchange_finish(x, FATE_REFUSED, "the backend has ended the session", is_worth_repeating(x));
}

/* Within its own origin a backend may move. What may run once only is sent there by its owner, who knows. */
static void follow(struct exchange *x)
{
	char *to = span_dup(http_header(&x->request, "Location"));
	bool has_moved = to[0] && http_move(x->u->sse == SSE_OFF ? x->u->http : x->u->posts, to) == OK;

	free(to);
	if (!has_moved)
		exchange_finish(x, FATE_REFUSED, "the backend redirects to another origin, or nowhere, which is not followed", false);
	else if (x->d->is_once || x->hops == UPSTREAM_MAX_HOPS)
		exchange_finish(x, FATE_REFUSED, "the backend has moved", x->hops < UPSTREAM_MAX_HOPS);
	else
		x->must_restart = true;
	x->hops++;
}

/* So that its status may speak of the session. */
static bool stood_in_session(const struct exchange *x)
{
	bool has_name = x->u->has_session_id || x->u->sse == SSE_OPEN;

	return x->session > 0 && has_name && !session_is_initialize(x->d->message);
}

/* An HTTP status that is no success; what is to be read of its body. */
static enum exchange_reading judge_failure(struct exchange *x, bool is_json)
{
	if (x->status == 404 && stood_in_session(x))
		finish_lost_session(x);
	else if (x->status == 307 || x->status == 308)
		follow(x);
	else if (is_json && x->status >= 400 && x->status != 401)
		return READ_JSON;
	else if (!sse_upstream_probes(x))
		finish_by_status(x);
	return READ_NOTHING;
}

/* What is to be read of the body; READ_NOTHING when the head alone decides. */
static enum exchange_reading judge_head(struct exchange *x)
{
	struct http_request *r = &x->request;
	bool is_json = http_media_type_is(r, "application/json") && !is_compressed(r);

	if (!is_good(x->status))
		return judge_failure(x, is_json);
	if (!x->is_request)
		exchange_finish(x, FATE_ACCEPTED, "", false);
	else if (x->u->sse == SSE_OPEN)
		x->waits_on_stream = true;
	else if (is_json)
		return READ_JSON;
	else if (http_media_type_is(r, "text/event-stream") && !is_compressed(r))
		return READ_SSE;
	else if (is_compressed(r))
		exchange_finish(x, FATE_UNKNOWN, "the answer is compressed, which nobody asked for", false);
	else
		exchange_finish(x, FATE_UNKNOWN, "the answer is neither JSON nor an event stream", false);
	return READ_NOTHING;
}

struct buf *answer_head(struct http_request *r)
{
	struct exchange *x = of(r);

	x->status = http_status(r);
	x->retry_after_ms = http_retry_after_ms(r);
	if (x->d && x->is_opener && session_is_initialize(x->d->message) && is_good(x->status) && x->u->sse == SSE_OFF)
		session_note_id(x);
	x->reading = x->d ? judge_head(x) : READ_NOTHING;
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

	if (x->status != 400 || !stood_in_session(x) || m->kind != JSONRPC_ERROR)
		return false;
	char *text = json_text(json_get(m->error, "message"), 512);
	if (text && json_to_i64(json_get(m->error, "code"), &code) && code == -32000)
		is_said = strcasestr(text, "session id") || strcasestr(text, "not initialized");
	free(text);
	return is_said;
}

static void read_json(struct exchange *x)
{
	struct span text = buf_span(&x->json);
	struct jsonrpc m;

	if (is_good(x->status)) {
		read_text(x->u, text, to_exchange, x);
		exchange_finish(x, FATE_UNKNOWN, x->trouble ? x->trouble : "the answer holds no response", false);
		return;
	}
	jsonrpc_read(text, &m);
	if (says_session_is_unknown(x, &m))
		finish_lost_session(x);
	else if (modern_learns_headers(x, &m))
		exchange_finish(x, FATE_REFUSED, "it wants arguments of the call as headers, by a list of tools that was not known here yet", true);
	else if (x->is_request && m.kind == JSONRPC_ERROR)
		on_message(x, &m);
	if (x->d && !sse_upstream_probes(x))
		finish_by_status(x);
}

static const char *cause_of(const struct exchange *x, const struct http_end *end)
{
	if (end->outcome != HTTP_COMPLETE)
		return end->cause;
	return x->trouble ? x->trouble : "the stream ended before the response";
}

void answer_end(struct exchange *x, const struct http_end *end)
{
	if (!x->d || x->must_restart)
		return;
	x->has_timed_out = end->has_timed_out;
	if (end->is_too_large && x->reading == READ_JSON)
		note_too_large(x, buf_span(&x->json));
	if (end->outcome == HTTP_NOT_SENT)
		exchange_finish(x, FATE_NOT_SENT, end->cause, false);
	else if (x->waits_on_stream)
		exchange_watch_limit(x);
	else if (end->outcome == HTTP_COMPLETE && x->reading == READ_JSON)
		read_json(x);
	else if (x->status > 0 && !is_good(x->status))
		finish_by_status(x);
	else if (!goes_on(x, end))
		exchange_finish(x, FATE_UNKNOWN, cause_of(x, end), false);
}
