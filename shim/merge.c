#include "shim/merge.h"
#include "base/id.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/merge_text.h"
#include "shim/modern.h"
#include "shim/shim.h"

#define SMALL_CAP  (16 * 1024)

/* ---- saying -------------------------------------------------------------------------------------------------------------------- */
void merge_say(struct merge *m, struct buf *line)
{
	size_t n = line->len;
	host_send(&m->shim->host, buf_take(line), n);
}

void merge_say_error(struct merge *m, struct json_value id, int code, const char *text)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, SMALL_CAP);
	if (jsonrpc_write_error(&line, id, code, span_of(text), (struct span){ 0 }))
		merge_say(m, &line);
}

void merge_hand(struct member *b, const struct buf *line)
{
	session_line(b->part, buf_span(line));
}

void merge_hand_on(struct member *b, const struct jsonrpc *rpc)
{
	session_line(b->part, rpc->root.text);
}

/* The client's message with one value replaced. */
void merge_hand_edited(struct member *b, const struct jsonrpc *rpc, struct json_value old, struct span text)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct merge_edit e;

	buf_init(&line, rpc->root.text.len + text.len + 1);
	e = merge_edit_begin(rpc->root.text, &line);
	merge_edit_put(&e, old, text);
	if (merge_edit_end(&e))
		merge_hand(b, &line);
}

void merge_request_own(struct member *b, const char *method, struct span params)
{
	CLEANUP(buf_release) struct buf line = { 0 }, id = { 0 };

	buf_init(&line, params.len + SMALL_CAP);
	buf_init(&id, 128);
	if (buf_printf(&id, "\"%s%u\"", b->merge->id_prefix, ++b->merge->asked) &&
	    jsonrpc_write_call(&line, (struct json_value){ JSON_STRING, buf_span(&id) }, method, params))
		merge_hand(b, &line);
}

/* ---- the client's other messages --------------------------------------------------------------------------------------------------- */
static void pong(struct merge *m, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, SMALL_CAP);
	if (jsonrpc_write_result(&line, rpc->id, SPAN("{}")) && (!m->is_modern || modern_complete(&line)))
		merge_say(m, &line);
}

static void set_level(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value level = json_get(rpc->params, "level");

	buf_clear(&m->level);
	if (level.kind == JSON_STRING && buf_append_span(&m->level, level.text))
		log_debug("merge.level", "kept for backends that come later");
	merge_fan(m, rpc);
}

static void unknown_request(struct merge *m, const struct jsonrpc *rpc)
{
	journal_blocked(&m->members->part->journal, rpc->method, "", "it cannot be told which of several backends it is for");
	merge_say_error(m, rpc->id, -32601, "with several backends in one session it cannot be told which of them this method is for; "
	                "start one session per backend (--backend NAME)");
}

static void initialized(struct merge *m, const struct jsonrpc *rpc)
{
	(void)rpc;
	merge_initialized(m);
}

/* A request sent as a notification would run with nobody to answer to. */
static void block(struct merge *m, const struct jsonrpc *rpc)
{
	journal_blocked(&m->members->part->journal, rpc->method, "", "sent without an id, never forwarded");
}

static void tell_all(struct merge *m, const struct jsonrpc *rpc)
{
	for_each_member(b, m)
		if (b->phase == MEMBER_OPEN)
			merge_hand_on(b, rpc);
}

static void tell_other(struct merge *m, const struct jsonrpc *rpc)
{
	if (strncmp(rpc->method, "notifications/", strlen("notifications/")) == 0)
		tell_all(m, rpc);
	else
		block(m, rpc);
}

static void drop_unnamed(struct merge *m, struct json_value id)
{
	for (size_t left = m->unnamed.n; left > 0; left--) {
		size_t n;
		CLEANUP(free_charp) char *bytes = held_take(&m->unnamed, &n);
		struct jsonrpc rpc;
		jsonrpc_read((struct span){ bytes, n }, &rpc);
		if (!merge_is_same_id(rpc.id, id))
			held_add(&m->unnamed, rpc.root.text);
	}
}

/* Whoever has it open hears it; the others do not know the id. */
static void cancelled(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value id = json_get(rpc->params, "requestId");

	drop_unnamed(m, id);
	for_each_member(b, m)
		if (b->phase != MEMBER_AWAY || inbound_find(&b->part->inbounds, id))
			merge_hand_on(b, rpc);
	merge_fan_drop(merge_fan_find(m, id));
	merge_listen_drop(m, id);
}

static void progress(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value token = json_get(rpc->params, "progressToken");
	struct merge_ask *one = merge_asks_find(&m->asks, token);

	if (one && one->token)
		merge_hand_edited(merge_member(m, one->part), rpc, token, span_of(one->token));
}

static const struct merge_method {
	const char *name;
	void (*request)(struct merge *m, const struct jsonrpc *rpc);
	void (*notification)(struct merge *m, const struct jsonrpc *rpc);
	bool is_prompt;                      /* not held back during the handshake */
} methods[] = {
	{ "initialize",                merge_initialize, block,       true  },
	{ "server/discover",           merge_discover,   block,       true  },
	{ "ping",                      pong,             block,       true  },
	{ "notifications/initialized", unknown_request,  initialized, false },
	{ "notifications/cancelled",   unknown_request,  cancelled,   false },
	{ "notifications/progress",    unknown_request,  progress,    false },
	{ "tools/call",                merge_route_tool,        block,       false },
	{ "tools/list",                merge_fan,        block,       false },
	{ "prompts/get",               merge_route_prompt,       block,       false },
	{ "prompts/list",              merge_fan,        block,       false },
	{ "resources/read",            merge_route_resource,     block,       false },
	{ "resources/subscribe",       merge_route_resource,     block,       false },
	{ "resources/unsubscribe",     merge_route_resource,     block,       false },
	{ "resources/list",            merge_fan,        block,       false },
	{ "resources/templates/list",  merge_fan,        block,       false },
	{ "completion/complete",       merge_route_completion, block,       false },
	{ "subscriptions/listen",      merge_listen,     block,       false },
	{ "logging/setLevel",          set_level,        block,       false },
	{ "tasks/get",                 merge_route_task,         block,       false },
	{ "tasks/result",              merge_route_task,         block,       false },
	{ "tasks/cancel",              merge_route_task,         block,       false },
	{ "tasks/list",                merge_fan,        block,       false },
	{ NULL,                        unknown_request,  tell_other,  false },
};

static const struct merge_method *method_of(const char *name)
{
	const struct merge_method *k = methods;

	while (k->name && strcmp(k->name, name) != 0)
		k++;
	return k;
}

/* ---- taking the client's lines ------------------------------------------------------------------------------------------------------- */
static bool is_open(const struct merge *m, struct json_value id)
{
	if (inbound_find(&m->inbounds, id))
		return true;
	for_each_member(b, m)
		if (inbound_find(&b->part->inbounds, id))
			return true;
	return false;
}

static void dispatch(struct merge *m, const struct jsonrpc *rpc)
{
	const struct merge_method *k = method_of(rpc->method);

	if (rpc->kind != JSONRPC_REQUEST)
		k->notification(m, rpc);
	else if (is_open(m, rpc->id))
		merge_say_error(m, rpc->id, -32600, "a request with this id is still open");
	else if (merge_admits(m, rpc))
		k->request(m, rpc);
}

static void answer(struct merge *m, const struct jsonrpc *rpc)
{
	struct merge_ask *one = merge_asks_find(&m->asks, rpc->id);

	if (!one) {
		log_info("merge.dropped", "an answer to no open request");
		return;
	}
	merge_hand_edited(merge_member(m, one->part), rpc, rpc->id, span_of(one->id));
	merge_asks_close(&m->asks, one);
}

static bool may_go_on(const struct merge *m)
{
	return m->phase != MERGE_OPENING && inbounds_have_room(&m->inbounds);
}

static void message(struct merge *m, const struct jsonrpc *rpc);

static void batch(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_iter it = json_iter(rpc->root);
	struct json_value member;
	struct span key;

	if (!m->has_batches) {
		merge_say_error(m, (struct json_value){ 0 }, -32600, SESSION_NO_BATCHES);
		return;
	}
	while (json_next(&it, &key, &member)) {
		struct jsonrpc one;
		jsonrpc_classify(member, &one);
		message(m, &one);
	}
}

static void message(struct merge *m, const struct jsonrpc *rpc)
{
	char text[SESSION_COMPLAINT_SIZE];

	switch (rpc->kind) {
	case JSONRPC_REQUEST:
	case JSONRPC_NOTIFICATION:
		if (!method_of(rpc->method)->is_prompt && (m->held.n > 0 || !may_go_on(m)))
			held_add(&m->held, rpc->root.text);
		else if (method_of(rpc->method)->is_prompt || !merge_holds_for_era(m, rpc))
			dispatch(m, rpc);
		break;
	case JSONRPC_RESULT:
	case JSONRPC_ERROR:
		answer(m, rpc);
		break;
	case JSONRPC_BATCH:
		batch(m, rpc);
		break;
	case JSONRPC_INVALID:
		session_complain(rpc, text);
		merge_say_error(m, rpc->id, rpc->code, text);
		break;
	}
}

void merge_line(struct merge *m, struct span line)
{
	struct jsonrpc rpc;

	jsonrpc_read(line, &rpc);
	message(m, &rpc);
}

/* ---- a turn -------------------------------------------------------------------------------------------------------------------------- */
bool merge_may_take(const struct merge *m)
{
	for_each_member(b, m)
		if (!session_may_take(&b->part->session) || !inbounds_take_loose(&b->part->inbounds))
			return false;
	return held_has_room(&m->held) && held_has_room(&m->unnamed);
}

bool merge_is_idle(const struct merge *m)
{
	return m->held.n == 0 && m->unnamed.n == 0;
}

static void go_on(struct merge *m, struct held *h)
{
	size_t n;
	CLEANUP(free_charp) char *bytes = held_take(h, &n);
	struct jsonrpc rpc;

	jsonrpc_read((struct span){ bytes, n }, &rpc);
	dispatch(m, &rpc);
}

static void say_changed(struct merge *m, const char *method)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, SMALL_CAP);
	if (jsonrpc_write_call(&line, (struct json_value){ 0 }, method, (struct span){ 0 }))
		merge_say(m, &line);
}

static void say_changes(struct merge *m)
{
	if (m->is_modern) {
		merge_listen_say_changed(m, m->changed);
		m->changed = 0;
	}
	if (!m->is_confirmed || !m->changed)
		return;
	if (m->changed & OFFER_TOOLS)
		say_changed(m, "notifications/tools/list_changed");
	if (m->changed & OFFER_PROMPTS)
		say_changed(m, "notifications/prompts/list_changed");
	if (m->changed & OFFER_RESOURCES)
		say_changed(m, "notifications/resources/list_changed");
	m->changed = 0;
}

void merge_go_on(struct merge *m)
{
	while (m->held.n > 0 && may_go_on(m))
		go_on(m, &m->held);
	for (size_t left = m->unnamed.n; left > 0; left--)
		go_on(m, &m->unnamed);
	say_changes(m);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */
void merge_end(struct merge *m)
{
	held_release(&m->held);
	held_release(&m->unnamed);
	m->changed = 0;
	loop_timer_clear(&m->timer);
	m->is_ending = true;
	for_each_member(b, m)
		loop_timer_clear(&b->again);
}

struct merge *merge_new(struct shim *shim)
{
	struct merge *m = xcalloc(1, sizeof(*m));
	unsigned char bytes[8];
	char hex[17];

	m->shim = shim;
	m->n = shim->parts_n;
	m->members = xcalloc(m->n, sizeof(*m->members));
	buf_init(&m->level, 256);
	held_init(&m->held);
	held_init(&m->unnamed);
	inbounds_init(&m->inbounds);
	list_init(&m->fans);
	list_init(&m->listens);
	merge_asks_init(&m->asks);
	m->cut = map_new();
	m->uris = map_new();
	m->tasks = map_new();
	random_bytes(bytes, sizeof(bytes));     /* so that no client can have an id of ours open */
	hex_encode(hex, bytes, sizeof(bytes));
	snprintf(m->id_prefix, sizeof(m->id_prefix), "aegis:merge:%s:", hex);
	merge_open_init(m);
	return m;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	merge_end(m);
	merge_fan_free_all(m);
	merge_listen_free_all(m);
	for_each_member(b, m)
		buf_release(&b->opened);
	buf_release(&m->initialize);
	buf_release(&m->level);
	inbounds_release(&m->inbounds);
	merge_asks_release(&m->asks);
	map_free(m->cut, free);
	map_free(m->uris, NULL);
	map_free(m->tasks, NULL);
	free(m->members);
	free(m);
}
