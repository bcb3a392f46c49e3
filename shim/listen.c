#include "shim/listen.h"
#include "shim/reply.h"
#include "shim/shim.h"

#define LINE_CAP 4096

void listen_open(struct list *among, struct listen *l, const struct jsonrpc *request)
{
	if (request->kind != JSONRPC_REQUEST || strcmp(request->method, "subscriptions/listen") != 0)
		return;
	l->id = request->id;
	l->wants_tools = json_get(json_get(request->params, "notifications"), "toolsListChanged").kind == JSON_TRUE;
	list_append(among, &l->node);
}

void listen_close(struct listen *l)
{
	list_remove(&l->node);
}

static void say(struct part *p, struct listen *l)
{
	CLEANUP(buf_release) struct buf line = { 0 }, params = { 0 };

	l->owes_tools = !l->is_acknowledged;
	buf_init(&line, LINE_CAP);
	buf_init(&params, LINE_CAP);
	if (!l->owes_tools && buf_printf(&params, "{\"_meta\":{\"" ERA_META_SUBSCRIPTION "\":%.*s}}", SPAN_ARGS(l->id.text)) &&
	    jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/tools/list_changed", buf_span(&params)))
		reply_buf(p, &line);
}

void listen_say_tools_changed(struct part *p)
{
	list_for_each(l, &p->relay.listens, struct listen, node)
		if (l->wants_tools)
			say(p, l);
}

static bool is_of(const struct listen *l, struct span key)
{
	CLEANUP(buf_release) struct buf own = { 0 };

	buf_init(&own, 8 * JSONRPC_MAX_ID_BYTES);
	return jsonrpc_id_key(l->id, &own) && span_equal(buf_span(&own), key);
}

void listen_note(struct part *p, const struct jsonrpc *notification)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	buf_init(&key, 8 * JSONRPC_MAX_ID_BYTES);
	if (strcmp(notification->method, "notifications/subscriptions/acknowledged") != 0 ||
	    !jsonrpc_id_key(json_get(notification->meta, ERA_META_SUBSCRIPTION), &key))
		return;
	list_for_each(l, &p->relay.listens, struct listen, node) {
		if (!is_of(l, buf_span(&key)))
			continue;
		l->is_acknowledged = true;
		if (l->owes_tools)
			say(p, l);
	}
}
