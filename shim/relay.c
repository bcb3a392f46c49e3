#include "shim/relay.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/cooldown.h"
#include "shim/reply.h"
#include "shim/requests.h"
#include "shim/server_requests.h"
#include "shim/shim.h"

#define CANCELLED_WAIT_MS 10000       /* a cancelled request's answer is waited for this long, and thrown away */
#define INITIALIZE_MS     30000       /* a child may have to be installed first (npx); clients wait about as long */
#define SMALL_CAP         (16 * 1024)
#define OPENING_MS        5000        /* a backend at a URL: clients begin their turn without a server that is slower */

struct errand {
	struct relay *relay;
	struct list node;
	struct inbound in;
	struct request request;
	struct delivery delivery;
	struct loop_timer timer;      /* cancelled, or initialize, and no answer comes */
	bool is_late;
	relay_after_fn *after;
	struct listen listen;
	bool is_answered, was_repeated;
};

/* ---- client to backend ----------------------------------------------------------------------------------------------------- */
static void answered(struct delivery *d, const struct jsonrpc *response)
{
	struct errand *e = container_of(d, struct errand, delivery);
	CLEANUP(buf_release) struct buf line = { 0 };

	e->is_answered = true;
	loop_timer_clear(&e->timer);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (request_write_answer(e->relay->part, &e->request, response, e->in.rpc.id, &line) && !e->in.is_cancelled)
		reply_buf(e->relay->part, &line);
	if (e->after)
		e->after(e->relay->part, response);
	e->after = NULL;
}

static void reply_refusal(struct errand *e, const struct refusal *r)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (refusal_write(r, e->in.rpc.id, NULL, DENY_AS_ERROR, &line))
		reply_buf(e->relay->part, &line);
}

static bool is_opening(const struct errand *e)
{
	return strcmp(e->in.rpc.method, "initialize") == 0;
}

/* Its stream is no operation of which it could be unknown whether it ran. */
static bool is_listen(const struct errand *e)
{
	return !list_is_empty(&e->listen.node);
}

static void reply_thrown_away(struct errand *e)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (reply_write_thrown_away(e->in.rpc.id, e->relay->part->place.max_body_bytes, false, &line))
		reply_buf(e->relay->part, &line);
}

static void reply_failure(struct errand *e, const struct delivery_end *end)
{
	struct refusal r;
	bool is_unknown = end->fate == FATE_UNKNOWN && !is_opening(e) && !is_listen(e);

	refusal_set(&r, is_unknown ? REFUSED_UNKNOWN_OUTCOME : REFUSED_UNREACHABLE, "backend %s did not answer %.64s: %.200s",
	            e->relay->part->name, e->in.rpc.method, end->cause ? end->cause : "no connection");
	r.executed = is_unknown ? EXECUTED_UNKNOWN : EXECUTED_NO;
	r.retry_after_ms = end->retry_after_ms;
	reply_refusal(e, &r);
}

static void errand_free(struct errand *e)
{
	loop_timer_clear(&e->timer);
	list_remove(&e->node);
	listen_close(&e->listen);
	request_release(&e->request);
	inbound_release(&e->in);
	free(e);
}

/* The backend had ended the session, so it did not run: once more, in the new one. */
static bool repeats(struct errand *e, const struct delivery_end *end)
{
	if (!end->may_repeat || e->was_repeated || e->in.is_cancelled)
		return false;
	e->was_repeated = true;
	upstream_send(e->relay->part->upstream, &e->delivery);
	return true;
}

static void done(struct delivery *d, const struct delivery_end *how)
{
	struct errand *e = container_of(d, struct errand, delivery);
	struct part *p = e->relay->part;
	bool is_request = e->in.rpc.kind == JSONRPC_REQUEST;
	relay_after_fn *after = e->after;
	struct delivery_end end = *how;
	bool is_over = e->is_answered || end.fate == FATE_ACCEPTED;

	if (repeats(e, &end))
		return;
	cooldown_note(p, &end);
	if (e->is_late)
		end.cause = "nothing came within 5 s";
	if (is_request && !e->is_answered && !e->in.is_cancelled && end.is_large_result)
		reply_thrown_away(e);
	else if (is_request && !e->is_answered && !e->in.is_cancelled)
		reply_failure(e, &end);
	if (is_request && end.has_timed_out && end.fate == FATE_UNKNOWN && !e->in.is_cancelled && !is_opening(e)) /* MCP: never initialize */
		relay_tell_cancelled(e->relay, e->in.rpc.id);
	if (!is_over)
		log_info("relay.failed", "backend=%s method=%s http=%d: %s", p->name, e->in.rpc.method, end.http_status,
		         end.cause ? end.cause : "");
	if (is_request)
		request_ended(p, &e->request, &e->in, (struct request_end){ .delivery = &end });
	errand_free(e);
	if (after)
		after(p, NULL);
}

static void waited_long_enough(struct loop_timer *t)
{
	struct errand *e = container_of(t, struct errand, timer);

	e->is_late = !e->in.is_cancelled;
	upstream_cancel(e->relay->part->upstream, &e->delivery);
}

/* Some requests are open as long as they like. Behind merge no client waits for a handshake. */
static int64_t timeout_of(const struct part *p, const struct jsonrpc *rpc, const struct config_backend *b)
{
	if (strcmp(rpc->method, "initialize") == 0 && !p->shim->merge)
		return b->timeout_ms < INITIALIZE_MS ? b->timeout_ms : INITIALIZE_MS;
	if (strcmp(rpc->method, "tasks/result") == 0 || strcmp(rpc->method, "subscriptions/listen") == 0)
		return 0;
	return b->timeout_ms;
}

static void send_errand(struct relay *r, struct errand *e)
{
	const struct config_backend *b = part_backend(r->part);

	e->delivery = (struct delivery){
		.body = inbound_span(&e->in),
		.message = &e->in.rpc,
		.timeout_ms = b ? timeout_of(r->part, &e->in.rpc, b) : INITIALIZE_MS,
		.answered = answered,
		.done = done,
	};
	list_append(&r->errands, &e->node);
	listen_open(&r->listens, &e->listen, &e->in.rpc);
	upstream_send(r->part->upstream, &e->delivery);
	if (e->in.rpc.kind == JSONRPC_REQUEST)
		request_sent(r->part, &e->request);
}

/* Ends one that was never sent. why: NULL when the client cancelled it. */
static void drop_errand(struct errand *e, const struct refusal *why)
{
	struct part *p = e->relay->part;
	relay_after_fn *after = e->after;

	if (why)
		reply_refusal(e, why);
	request_ended(p, &e->request, &e->in, (struct request_end){ .refusal = why });
	errand_free(e);
	if (after)
		after(p, NULL);
}

static void judge_errand(struct relay *r, struct errand *e)
{
	struct refusal why;

	list_remove(&e->node);
	switch (request_judge(r->part, &e->request, &e->in.rpc, &why)) {
	case REQUEST_PASSES:
		send_errand(r, e);
		break;
	case REQUEST_WAITS:
		list_append(&r->waiting, &e->node);
		break;
	case REQUEST_REFUSED:
		drop_errand(e, &why);
		break;
	}
}

void relay_go_on(struct relay *r)
{
	struct list now = { &now, &now };
	struct errand *e;

	while ((e = list_first(&r->waiting, struct errand, node)) != NULL) {
		list_remove(&e->node);
		list_append(&now, &e->node);
	}
	while ((e = list_first(&now, struct errand, node)) != NULL)
		judge_errand(r, e);
}

static struct errand *errand_new(struct relay *r, const struct jsonrpc *rpc, relay_after_fn *after)
{
	struct errand *e = xcalloc(1, sizeof(*e));

	list_init(&e->node);
	list_init(&e->listen.node);
	loop_timer_init(&e->timer, waited_long_enough);
	e->relay = r;
	e->after = after;
	if (inbound_take(&r->part->inbounds, rpc, INBOUND_RELAYED, &e->in) == INBOUND_TAKEN)
		return e;
	errand_free(e);
	session_id_in_use(r->part, rpc);
	if (after)
		after(r->part, NULL);
	return NULL;
}

void relay_from_client(struct relay *r, const struct jsonrpc *rpc, relay_after_fn *after)
{
	struct errand *e = errand_new(r, rpc, after);

	if (!e)
		return;
	if (rpc->kind != JSONRPC_REQUEST) {
		send_errand(r, e);
		return;
	}
	request_begin(&e->request, &e->in.rpc);
	judge_errand(r, e);
}

void relay_open(struct relay *r, const struct jsonrpc *rpc, struct span withheld, relay_after_fn *after)
{
	struct errand *e = errand_new(r, rpc, after);

	if (!e)
		return;
	request_begin(&e->request, &e->in.rpc);
	if (withheld.len > 0)
		e->request.withheld = span_dup(withheld);
	if (r->part->place.url[0] && !r->part->shim->merge)
		loop_timer_set(r->part->shim->loop, &e->timer, OPENING_MS);
	send_errand(r, e);
}

bool relay_cancel(struct inbound *in)
{
	struct errand *e = container_of(in, struct errand, in);

	if (in->is_cancelled)
		return false;
	in->is_cancelled = true;
	if (!e->delivery.done) {
		drop_errand(e, NULL);           /* it waits for the rules: the backend never saw it */
		return false;
	}
	loop_timer_set(e->relay->part->shim->loop, &e->timer, CANCELLED_WAIT_MS);
	return true;
}

void relay_tell_cancelled(struct relay *r, struct json_value request)
{
	CLEANUP(buf_release) struct buf params = { 0 }, line = { 0 };
	struct jsonrpc note;

	buf_init(&params, SMALL_CAP);
	buf_init(&line, SMALL_CAP);
	if (r->part->shim->ending.phase != ENDING_NOT ||
	    !buf_printf(&params, "{\"requestId\":%.*s,\"reason\":\"no answer came in time\"}", SPAN_ARGS(request.text)) ||
	    !jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/cancelled", buf_span(&params)))
		return;
	jsonrpc_read(buf_span(&line), &note);
	relay_from_client(r, &note, NULL);
}

void relay_stop_listening(struct relay *r)
{
	list_for_each(e, &r->errands, struct errand, node)
		if (is_listen(e))
			upstream_cancel(r->part->upstream, &e->delivery);
}

void relay_give_up(struct relay *r)
{
	list_for_each(e, &r->errands, struct errand, node)
		upstream_cancel(r->part->upstream, &e->delivery);
	list_for_each(w, &r->waiting, struct errand, node) {
		w->in.is_cancelled = true;
		drop_errand(w, NULL);
	}
}

bool relay_is_idle(const struct relay *r)
{
	return list_is_empty(&r->errands) && list_is_empty(&r->waiting);
}

/* ---- backend to client --------------------------------------------------------------------------------------------------------- */
static bool is_blocked(const struct shim *s, const char *method)
{
	return server_requests_block(config_agent(s->rules.current->config, s->agent), method);
}

struct owed {
	struct list node;
	struct buf line;
};

static void owed_free(struct relay *r, struct owed *o)
{
	list_remove(&o->node);
	r->owed_n--;
	buf_release(&o->line);
	free(o);
}

static void refused(struct part *p, const struct jsonrpc *answer);

static void pay(struct relay *r)
{
	struct owed *o;

	while (r->refusing_n < RELAY_MAX_REFUSING && (o = list_first(&r->owed, struct owed, node)) != NULL) {
		struct jsonrpc answer;
		r->refusing_n++;
		jsonrpc_read(buf_span(&o->line), &answer);
		relay_from_client(r, &answer, refused);
		owed_free(r, o);
	}
}

static void refused(struct part *p, const struct jsonrpc *answer)
{
	(void)answer;
	p->relay.refusing_n--;
	if (p->shim->ending.phase == ENDING_NOT)
		pay(&p->relay);
}

static void note_dropped(struct relay *r)
{
	if (!r->has_dropped)
		log_warn("relay.dropped", "the backend asks faster than it can be refused");
	r->has_dropped = true;
}

/* Says no to the backend in the client's place, a few at a time. */
static void refuse_backend(struct relay *r, const struct jsonrpc *rpc, int code, const char *why)
{
	struct owed *o;

	if (r->owed_n >= RELAY_MAX_OWED) {
		note_dropped(r);
		return;
	}
	o = xcalloc(1, sizeof(*o));
	list_append(&r->owed, &o->node);
	r->owed_n++;
	buf_init(&o->line, 4096);
	if (jsonrpc_write_error(&o->line, rpc->id, code, span_of(why), (struct span){ 0 }))
		pay(r);
	else
		owed_free(r, o);
}

static void ask_client(struct relay *r, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	buf_init(&key, 8 * JSONRPC_MAX_ID_BYTES);
	if (is_blocked(r->part->shim, rpc->method)) {
		journal_blocked(&r->part->journal, rpc->method, "", SERVER_REQUESTS_BLOCKED);
		refuse_backend(r, rpc, -32601, "the rules of this agent do not allow this request");
	} else if (!server_requests_can(r->part->session.can_answer, rpc->method)) {
		refuse_backend(r, rpc, -32601, "the client has not declared that it can answer this request");
	} else if (map_size(r->asked) >= RELAY_MAX_ASKED || !jsonrpc_id_key(rpc->id, &key)) {
		refuse_backend(r, rpc, -32603, "too many requests are waiting for the client");
	} else if (!reply_message(r->part, rpc->root)) {
		refuse_backend(r, rpc, -32603, "the request is longer than the client can read");
	} else {
		map_set(r->asked, buf_span(&key), r);
	}
}

/* The backend wants no answer any more: a late one is dropped. Or it ends a listening, which has no other answer then. */
static void note_cancelled(struct relay *r, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	struct json_value id = json_get(rpc->params, "requestId");
	struct inbound *in;

	buf_init(&key, 8 * JSONRPC_MAX_ID_BYTES);
	if (strcmp(rpc->method, "notifications/cancelled") != 0 || !jsonrpc_id_key(id, &key))
		return;
	map_remove(r->asked, buf_span(&key));
	in = inbound_find(&r->part->inbounds, id);
	if (!in || in->kind != INBOUND_RELAYED || !is_listen(container_of(in, struct errand, in)))
		return;
	in->is_cancelled = true;
	upstream_cancel(r->part->upstream, &container_of(in, struct errand, in)->delivery);
}

void relay_from_backend(struct relay *r, const struct jsonrpc *rpc)
{
	switch (rpc->kind) {
	case JSONRPC_REQUEST:
		ask_client(r, rpc);
		break;
	case JSONRPC_NOTIFICATION:
		tools_notice(&r->part->tools, rpc);
		note_cancelled(r, rpc);
		if (!requests_may_show(r->part, rpc))
			log_info("relay.hidden", "method=%.64s", rpc->method);
		else if (!(strcmp(rpc->method, "notifications/progress") == 0 ? progress_relay(r->part, rpc) : reply_message(r->part, rpc->root)))
			log_warn("relay.dropped", "method=%.64s: a notification longer than the client can read", rpc->method);
		listen_note(r->part, rpc);
		break;
	case JSONRPC_RESULT:
	case JSONRPC_ERROR:
	case JSONRPC_BATCH:
	case JSONRPC_INVALID:
		log_warn("relay.dropped", "kind=%d %s: the backend sent what nobody asked for", (int)rpc->kind, rpc->why);
		break;
	}
}

static void say_void(struct relay *r, struct span id)
{
	CLEANUP(buf_release) struct buf params = { 0 }, line = { 0 };

	buf_init(&params, SMALL_CAP);
	buf_init(&line, SMALL_CAP);
	if (buf_printf(&params, "{\"requestId\":%.*s,\"reason\":\"the server ended the session\"}", SPAN_ARGS(id)) &&
	    jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/cancelled", buf_span(&params)))
		reply_buf(r->part, &line);
}

void relay_void_asked(struct relay *r)
{
	struct map *asked = r->asked;
	struct span id;
	size_t pos = 0;
	void *unused;

	r->asked = map_new();
	while (map_next(asked, &pos, &id, &unused))
		say_void(r, id);                /* the key of an id is its canonical JSON */
	map_free(asked, NULL);
}

/* ---- the client's answers -------------------------------------------------------------------------------------------------------- */
void relay_answer_from_client(struct relay *r, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	buf_init(&key, 8 * JSONRPC_MAX_ID_BYTES);
	if (jsonrpc_id_key(rpc->id, &key) && map_remove(r->asked, buf_span(&key)))
		relay_from_client(r, rpc, NULL);
	else
		log_info("relay.dropped", "an answer to no open request");
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------- */
void relay_init(struct relay *r, struct part *part)
{
	*r = (struct relay){ .part = part, .asked = map_new() };
	list_init(&r->errands);
	list_init(&r->waiting);
	list_init(&r->listens);
	list_init(&r->owed);
}

void relay_release(struct relay *r)
{
	struct owed *o;

	while ((o = list_first(&r->owed, struct owed, node)) != NULL)
		owed_free(r, o);
	map_free(r->asked, NULL);
	r->asked = NULL;
}
