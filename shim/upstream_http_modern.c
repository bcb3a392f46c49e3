/* upstream_http_modern - messages that carry their own envelope (MCP 2026-07-28): each is a POST by itself, in no session. Its headers say
 * what its body says; a refusal for headers that a tool wants (-32020) has the list of tools fetched, so that its next call bears them.
 * See upstream_http.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/era.h"
#include "shim/mcp_headers.h"
#include "shim/upstream_http.h"

#define MAX_LIST_PAGES 32
#define MAX_TOOLS      10000               /* of which what they want as headers is kept */
#define LIST_MS        10000

/* ---- headers ---------------------------------------------------------------------------------------------------------------------- */
static void add(struct http_headers *h, const char *name, const char *value)
{
	if (http_headers_add(h, name, value) != OK)
		log_warn("upstream.headers", "name=%.64s why=\"it cannot be sent\"", name);
}

static void add_encoded(struct http_headers *h, const char *name, struct span plain)
{
	CLEANUP(buf_release) struct buf value = { 0 };

	buf_init(&value, 2 * MCP_HEADERS_MAX_VALUE);
	if (mcp_header_encode(plain, &value))
		add(h, name, value.data);
}

static void add_text(struct http_headers *h, const char *name, struct json_value v)
{
	CLEANUP(buf_release) struct buf plain = { 0 };

	buf_init(&plain, MCP_HEADERS_MAX_VALUE);
	if (v.kind == JSON_STRING && json_unescape(v, &plain))
		add_encoded(h, name, buf_span(&plain));
}

static void add_param(void *arg, const char *header, const char *value)
{
	add(arg, header, value);
}

static const struct mcp_params *params_of(const struct http_upstream *u, const struct jsonrpc *m)
{
	char *name = strcmp(m->method, "tools/call") == 0 ? json_text(json_get(m->params, "name"), MCP_HEADERS_MAX_VALUE) : NULL;
	const struct mcp_params *found = name ? map_get(u->modern.tools, span_of(name)) : NULL;

	free(name);
	return found;
}

struct http_headers *modern_headers(const struct http_upstream *u, const struct jsonrpc *m)
{
	struct http_headers *h = http_headers_copy(u->plain);
	const struct mcp_params *params = params_of(u, m);

	add_text(h, "MCP-Protocol-Version", era_claim(m));
	add_encoded(h, "Mcp-Method", span_of(m->method));
	add_text(h, "Mcp-Name", mcp_header_name(m));
	if (params)
		mcp_params_each(params, json_get(m->params, "arguments"), add_param, h);
	return h;
}

/* ---- what tools want as headers ----------------------------------------------------------------------------------------------------- */
static void note_tool(struct http_upstream *u, struct json_value tool)
{
	char *name = json_text(json_get(tool, "name"), MCP_HEADERS_MAX_VALUE);
	struct mcp_params *params = mcp_params_read(json_get(tool, "inputSchema"));

	if (name && name[0] && params && map_size(u->modern.tools) < MAX_TOOLS)
		mcp_params_free(map_set(u->modern.tools, span_of(name), params));
	else if (name && name[0])
		mcp_params_free(map_remove(u->modern.tools, span_of(name)));
	if (!name || !name[0] || map_get(u->modern.tools, span_of(name)) != params)
		mcp_params_free(params);
	free(name);
}

void modern_note_answer(struct exchange *x, const struct jsonrpc *response)
{
	struct json_iter it = json_iter(json_get(response->result, "tools"));
	struct json_value tool;
	struct span key;

	if (!x->is_modern || response->kind != JSONRPC_RESULT || strcmp(x->d->message->method, "tools/list") != 0)
		return;
	while (json_next(&it, &key, &tool))
		note_tool(x->u, tool);
}

/* ---- the list, fetched anew ----------------------------------------------------------------------------------------------------------- */
static void ask_page(struct http_upstream *u, struct span cursor);

static void page_answered(struct delivery *d, const struct jsonrpc *response)
{
	struct http_modern *n = container_of(d, struct http_modern, delivery);
	struct json_value next = json_get(response->result, "nextCursor");

	if (next.kind == JSON_STRING && next.text.len < SETUP_MAX_PARAMS_BYTES)
		n->cursor = span_dup(next.text);
}

static void page_done(struct delivery *d, const struct delivery_end *end)
{
	struct http_upstream *u = container_of(d, struct http_upstream, modern.delivery);
	char *cursor = u->modern.cursor;

	u->modern.cursor = NULL;
	u->modern.is_listing = false;
	if (end->fate != FATE_ANSWERED)
		log_warn("upstream.headers", "backend=%s why=\"its list of tools cannot be had: %s\"", u->o.backend->name, end->cause);
	else if (cursor && ++u->modern.pages < MAX_LIST_PAGES)
		ask_page(u, span_of(cursor));
	free(cursor);
}

static void ask_page(struct http_upstream *u, struct span cursor)
{
	struct http_modern *n = &u->modern;
	CLEANUP(buf_release) struct buf params = { 0 };
	char id[48];

	(void)snprintf(id, sizeof(id), "\"aegis:headers:%u\"", ++n->asked_n);
	buf_init(&params, UPSTREAM_MAX_OPENING_BYTES);
	buf_clear(&n->line);
	if (!buf_printf(&params, "{\"_meta\":%s", n->envelope) || (cursor.len > 0 && !buf_printf(&params, ",\"cursor\":%.*s", SPAN_ARGS(cursor))) ||
		!buf_append_char(&params, '}') ||
		!jsonrpc_write_call(&n->line, (struct json_value){ JSON_STRING, span_of(id) }, "tools/list", buf_span(&params)))
		return;
	jsonrpc_read(buf_span(&n->line), &n->message);
	n->delivery = (struct delivery){ .body = buf_span(&n->line), .message = &n->message, .is_modern = true, .timeout_ms = LIST_MS,
		.answered = page_answered, .done = page_done };
	n->is_listing = true;
	http_upstream_send_first(u, &n->delivery);
}

/* The envelope of the call that was refused, without what belongs to that call alone. */
static char *envelope_of(const struct jsonrpc *m)
{
	static const char *const keys[] = { ERA_META_VERSION, ERA_META_CLIENT, ERA_META_CAN };
	CLEANUP(buf_release) struct buf out = { 0 };
	bool ok = true;

	buf_init(&out, UPSTREAM_MAX_OPENING_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct json_value v = json_get(m->meta, keys[i]);
		if (v.kind != JSON_NONE)
			ok = ok && buf_printf(&out, "%s\"%s\":", out.len == 0 ? "{" : ",", keys[i]) && buf_append_span(&out, v.text);
	}
	return ok && buf_append_char(&out, '}') ? buf_take(&out) : NULL;
}

/* HTTP 400: the server found it before anything ran. The same code in an answer of a tool is that tool's. */
static bool is_about_headers(const struct exchange *x, const struct jsonrpc *m)
{
	int64_t code = 0;

	return x->is_modern && x->status == 400 && m->kind == JSONRPC_ERROR && strcmp(x->d->message->method, "tools/call") == 0 &&
	       json_to_i64(json_get(m->error, "code"), &code) && code == ERA_HEADER_MISMATCH;
}

bool modern_learns_headers(struct exchange *x, const struct jsonrpc *m)
{
	struct http_upstream *u = x->u;
	char *envelope;

	if (!x->d || !is_about_headers(x, m) || u->opener || u->modern.is_listing || u->is_ending)
		return false;
	envelope = envelope_of(x->d->message);
	if (!envelope)
		return false;
	free(u->modern.envelope);
	u->modern.envelope = envelope;
	u->modern.pages = 0;
	ask_page(u, (struct span){ 0 });
	return u->modern.is_listing;
}

/* ---- cancelling -------------------------------------------------------------------------------------------------------------------- */
static struct exchange *exchange_with(struct list *among, struct span key)
{
	list_for_each(x, among, struct exchange, node) {
		CLEANUP(buf_release) struct buf own = { 0 };
		buf_init(&own, 8 * JSONRPC_MAX_ID_BYTES);
		if (x->is_modern && x->is_request && x->d && jsonrpc_id_key(x->d->message->id, &own) && span_equal(buf_span(&own), key))
			return x;
	}
	return NULL;
}

struct exchange *modern_cancelled_by(struct http_upstream *u, const struct jsonrpc *m)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	struct exchange *x;

	buf_init(&key, 8 * JSONRPC_MAX_ID_BYTES);
	if (m->kind != JSONRPC_NOTIFICATION || strcmp(m->method, "notifications/cancelled") != 0 ||
		!jsonrpc_id_key(json_get(m->params, "requestId"), &key))
		return NULL;
	x = exchange_with(&u->running, buf_span(&key));
	return x ? x : exchange_with(&u->waiting, buf_span(&key));
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */
void modern_init(struct http_upstream *u)
{
	u->modern.tools = map_new();
	buf_init(&u->modern.line, 2 * UPSTREAM_MAX_OPENING_BYTES);
}

void modern_release(struct http_upstream *u)
{
	map_free(u->modern.tools, mcp_params_free);
	buf_release(&u->modern.line);
	free(u->modern.cursor);
	free(u->modern.envelope);
}
