#include "shim/session.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/reply.h"
#include "shim/server_requests.h"
#include "shim/shim.h"
#include "shim/tools_page.h"

#define CANCEL_WAIT_MS 10000                 /* a cancelled call's outcome is waited for this long, and recorded */

static const char DISCOVER_DATA[] = "{\"supported\":" SESSION_OLDER_REVISIONS ",\"hint\":\"send initialize\"}";

static void dispatch(struct part *p, const struct jsonrpc *rpc);

/* ---- holding back: during the handshake, and when too much is open ----------------------------------------------------------------- */
static bool is_shaking_hands(const struct session_state *t)
{
	return t->phase == SESSION_OPENING || t->phase == SESSION_CONFIRMING || t->phase == SESSION_ASKING;
}

static bool holds_back(const struct part *p)
{
	return is_shaking_hands(&p->session) && !p->is_late;
}

bool session_may_take(const struct session_state *t)
{
	return held_has_room(&t->held);
}

bool session_may_go_on(const struct part *p)
{
	return p->session.held.n > 0 && !holds_back(p) && inbounds_have_room(&p->inbounds);
}

void session_go_on(struct part *p)
{
	while (session_may_go_on(p)) {
		struct jsonrpc rpc;
		size_t n;
		CLEANUP(free_charp) char *bytes = held_take(&p->session.held, &n);
		jsonrpc_read((struct span){ bytes, n }, &rpc);
		dispatch(p, &rpc);
	}
}

void session_state_init(struct session_state *t)
{
	*t = (struct session_state){ .phase = SESSION_NEW };
	held_init(&t->held);
}

void session_state_release(struct session_state *t)
{
	held_release(&t->held);
	free(t->envelope);
	free(t->withheld);
	t->envelope = t->withheld = NULL;
}

/* ---- the handshake ---------------------------------------------------------------------------------------------------------------- */
static void opened(struct part *p, const struct jsonrpc *answer)
{
	bool is_good = answer && answer->kind == JSONRPC_RESULT;

	p->session.phase = is_good ? SESSION_OPENED : SESSION_NEW;
	if (is_good)
		session_note_text(json_get(answer->result, "protocolVersion"), p->session.revision, sizeof(p->session.revision));
	p->session.has_batches = is_good && strcmp(p->session.revision, "2025-03-26") == 0;
}

static void confirmed(struct part *p, const struct jsonrpc *answer)
{
	(void)answer;                           /* a backend that does not take it will say so to what follows */
	p->session.phase = SESSION_READY;
}

static void send_opening(struct part *p, const struct jsonrpc *rpc, struct span withheld)
{
	json_canonical_hash(json_get(rpc->params, "capabilities"), p->session.capabilities);
	relay_open(&p->relay, rpc, withheld, opened);
}

/* The backend is not told of what it may not ask for. */
static void open_session(struct part *p, const struct jsonrpc *rpc)
{
	const struct config_agent *a = config_agent(p->shim->rules.current->config, p->shim->agent);
	CLEANUP(buf_release) struct buf line = { 0 }, withheld = { 0 };
	struct jsonrpc told;

	buf_init(&line, rpc->root.text.len + 1);
	buf_init(&withheld, 4096);
	if (!server_requests_withhold(a, rpc, json_get(rpc->params, "capabilities"), &line, &withheld)) {
		send_opening(p, rpc, (struct span){ 0 });
		return;
	}
	jsonrpc_read(buf_span(&line), &told);
	log_info("session.withheld", "capabilities=%s", withheld.data);
	send_opening(p, &told, buf_span(&withheld));
}

static void initialize(struct part *p, const struct jsonrpc *rpc)
{
	struct json_value info = json_get(rpc->params, "clientInfo");

	if (p->session.phase == SESSION_ASKING || p->session.phase == SESSION_MODERN) {
		discover_refuse(p, rpc, json_get(rpc->params, "protocolVersion"));
		return;
	}
	if (p->session.phase != SESSION_NEW) {
		reply_error(p, rpc->id, -32600, "initialize was sent before in this session");
		return;
	}
	session_note_text(json_get(info, "name"), p->session.client, sizeof(p->session.client));
	session_note_text(json_get(info, "version"), p->session.client_version, sizeof(p->session.client_version));
	log_info("session.initialize", "client=%s version=%s", p->session.client, p->session.client_version);
	p->session.can_answer = server_requests_declared(json_get(rpc->params, "capabilities"));
	p->session.phase = SESSION_OPENING;
	open_session(p, rpc);
}

static void initialized(struct part *p, const struct jsonrpc *rpc)
{
	if (p->session.phase == SESSION_OPENED)
		p->session.phase = SESSION_CONFIRMING;
	relay_from_client(&p->relay, rpc, p->session.phase == SESSION_CONFIRMING ? confirmed : NULL);
}

/* ---- cancelling ------------------------------------------------------------------------------------------------------------------- */
/* True: the backend must hear of it too. */
static bool cancel(struct inbound *in)
{
	switch (in->kind) {
	case INBOUND_CALL: {
		struct call *c = call_of(in);
		bool is_there = call_is_in_flight(c);
		call_drop(c, "client", CANCEL_WAIT_MS);
		return is_there;
	}
	case INBOUND_LISTING:
		in->is_cancelled = true;
		return true;
	case INBOUND_DISCOVER:
		in->is_cancelled = true;
		return false;                   /* not all backends bear a notification before the handshake */
	case INBOUND_RELAYED:
		return relay_cancel(in);
	}
	return false;
}

static void cancelled(struct part *p, const struct jsonrpc *rpc)
{
	struct inbound *in = inbound_find(&p->inbounds, json_get(rpc->params, "requestId"));

	if (in && strcmp(in->rpc.method, "initialize") != 0 && cancel(in))
		relay_from_client(&p->relay, rpc, NULL);
}

/* ---- the methods -------------------------------------------------------------------------------------------------------------------- */
bool session_write_discover(struct json_value id, struct buf *out)
{
	return jsonrpc_write_error(out, id, -32601, SPAN("this server speaks the revisions with a handshake; send initialize"),
	                           SPAN(DISCOVER_DATA));
}

static void discover(struct part *p, const struct jsonrpc *rpc)
{
	discover_from_client(&p->discover, rpc);
}

static void list_tools(struct part *p, const struct jsonrpc *rpc)
{
	session_note_capabilities(p, rpc);
	tools_list(&p->tools, rpc);
}

static void pass(struct part *p, const struct jsonrpc *rpc)
{
	relay_from_client(&p->relay, rpc, NULL);
}

/* News of what the backend may not ask for. */
static void roots_changed(struct part *p, const struct jsonrpc *rpc)
{
	if (server_requests_block(config_agent(p->shim->rules.current->config, p->shim->agent), rpc->method))
		journal_blocked(&p->journal, rpc->method, "", "the rules of this agent keep its roots from the backend");
	else
		pass(p, rpc);
}

/* A governed request sent as a notification would run with nobody to answer to. */
static void block(struct part *p, const struct jsonrpc *rpc)
{
	CLEANUP(free_charp) char *tool = tools_name(json_get(rpc->params, "name"));

	journal_blocked(&p->journal, rpc->method, tool ? tool : "", "sent without an id, never forwarded");
}

static const struct method {
	const char *name;
	void (*request)(struct part *p, const struct jsonrpc *rpc);
	void (*notification)(struct part *p, const struct jsonrpc *rpc);
	bool is_prompt;                         /* not held back during the handshake */
} methods[] = {
	{ "initialize",                initialize,  block,       true  },
	{ "server/discover",           discover,    block,       true  },
	{ "notifications/initialized", pass,        initialized, false },
	{ "notifications/cancelled",   pass,        cancelled,   false },
	{ "notifications/roots/list_changed", pass, roots_changed, false },
	{ "tools/list",                list_tools,  block,       false },
	{ "tools/call",                call_new,    block,       false },
	{ NULL,                        pass,        pass,        false },   /* everything else */
};

static const struct method *method_of(const char *name)
{
	const struct method *m = methods;

	while (m->name && strcmp(m->name, name) != 0)
		m++;
	return m;
}

static void dispatch(struct part *p, const struct jsonrpc *rpc)
{
	const struct method *m = method_of(rpc->method);
	CLEANUP(buf_release) struct buf line = { 0 };
	struct jsonrpc told;

	if (rpc->kind != JSONRPC_REQUEST) {
		m->notification(p, rpc);
		return;
	}
	if (!m->is_prompt && !session_admits(p, rpc))
		return;
	if (session_withholds(p, rpc, &line)) {
		jsonrpc_read(buf_span(&line), &told);
		rpc = &told;
	}
	m->request(p, rpc);
}

/* Order is kept: behind one that is held, all are, but for what ends something that is open. */
static bool must_wait(struct part *p, const struct jsonrpc *rpc)
{
	if (method_of(rpc->method)->is_prompt)
		return false;
	if (holds_back(p))
		return true;
	if (strcmp(rpc->method, "notifications/cancelled") == 0)
		return p->session.held.n > 0 && !inbound_find(&p->inbounds, json_get(rpc->params, "requestId"));
	return p->session.held.n > 0 || (rpc->kind == JSONRPC_REQUEST && !inbounds_have_room(&p->inbounds));
}

static void ask_first(struct part *p, const struct jsonrpc *rpc)
{
	p->session.phase = SESSION_ASKING;
	held_add(&p->session.held, rpc->root.text);
	discover_ask(&p->discover);
}

static void message(struct part *p, const struct jsonrpc *rpc);

static void batch(struct part *p, const struct jsonrpc *rpc)
{
	struct json_iter it = json_iter(rpc->root);
	struct json_value member;
	struct span key;

	if (!p->session.has_batches) {
		reply_error(p, (struct json_value){ 0 }, -32600, SESSION_NO_BATCHES);
		return;
	}
	while (json_next(&it, &key, &member)) {
		struct jsonrpc one;
		jsonrpc_classify(member, &one);
		message(p, &one);
	}
}

void session_complain(const struct jsonrpc *rpc, char text[SESSION_COMPLAINT_SIZE])
{
	snprintf(text, SESSION_COMPLAINT_SIZE, "%s: %s",
	         rpc->code == -32700 ? "the line is not JSON" : "the message is not JSON-RPC 2.0", rpc->why);
}

static void message(struct part *p, const struct jsonrpc *rpc)
{
	char text[SESSION_COMPLAINT_SIZE];

	switch (rpc->kind) {
	case JSONRPC_REQUEST:
	case JSONRPC_NOTIFICATION:
		if (must_wait(p, rpc))
			held_add(&p->session.held, rpc->root.text);
		else if (!method_of(rpc->method)->is_prompt && session_must_ask(p, rpc))
			ask_first(p, rpc);
		else
			dispatch(p, rpc);
		break;
	case JSONRPC_RESULT:
	case JSONRPC_ERROR:
		relay_answer_from_client(&p->relay, rpc);
		break;
	case JSONRPC_BATCH:
		batch(p, rpc);
		break;
	case JSONRPC_INVALID:
		session_complain(rpc, text);
		reply_error(p, rpc->id, rpc->code, text);
		break;
	}
}

void session_line(struct part *p, struct span line)
{
	struct jsonrpc rpc;

	jsonrpc_read(line, &rpc);
	message(p, &rpc);
}

void session_oversize(struct part *p, size_t cap)
{
	char text[120];

	snprintf(text, sizeof(text), "the line is longer than %zu bytes and was thrown away", cap);
	reply_error(p, (struct json_value){ 0 }, -32600, text);
}

void session_id_in_use(struct part *p, const struct jsonrpc *rpc)
{
	reply_error(p, rpc->id, -32600, "a request with this id is still open");
}
