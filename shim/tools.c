#include "shim/tools.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/reply.h"
#include "shim/requests.h"
#include "shim/shim.h"
#include "shim/tools_page.h"

#define RECENT_US     (5 * 1000 * 1000)   /* a name missing in a list younger than this is unknown */
#define RETRY_US      (1000 * 1000)
#define MAX_PAGES     64
#define MAX_NAMES     16384
#define LINE_CAP      (64 * 1024)
#define OWN_LIST_MS   30000

struct listing {                          /* one page asked for: by the client, or by us */
	struct tools *tools;
	struct list node;
	struct inbound in;                /* the client's */
	struct request request;           /* likewise */
	struct buf line;                  /* ours; empty = the client's */
	struct jsonrpc rpc;
	struct delivery delivery;
	bool is_answered, was_repeated;
	char *cursor;                     /* ours: of the next page, raw JSON */
};

static void send_own(struct tools *t, const char *cursor);

/* ---- names ----------------------------------------------------------------------------------------------------------------------- */
static void remember(void *arg, struct span name)
{
	struct map *names = arg;

	if (map_size(names) < MAX_NAMES)
		map_set(names, name, names);
}

static void own_finished(struct tools *t)
{
	map_free(t->known, NULL);
	t->known = t->fresh;
	t->fresh = NULL;
	t->listed_us = clock_mono_us();
	t->failed_us = 0;
	log_debug("tools.listed", "n=%zu pages=%u", map_size(t->known), t->pages);
	turn_mark_all(t->part->shim);
}

static void own_failed(struct tools *t, const char *why)
{
	map_free(t->fresh, NULL);
	t->fresh = NULL;
	t->failed_us = clock_mono_us();
	snprintf(t->why, sizeof(t->why), "%s", why);
	log_warn("tools.list", "%s", why);
	turn_mark_all(t->part->shim);
}

enum tools_answer tools_look(struct tools *t, const char *name)
{
	int64_t now = clock_mono_us();

	if (map_get(t->known, span_of(name)))
		return TOOLS_KNOWN;
	if (t->fresh)
		return TOOLS_WAIT;
	if (t->listed_us > 0 && now - t->listed_us < RECENT_US)
		return TOOLS_UNKNOWN;
	if (t->failed_us > 0 && now - t->failed_us < RETRY_US)
		return TOOLS_FAILED;
	t->fresh = map_new();
	t->pages = 0;
	send_own(t, NULL);
	return TOOLS_WAIT;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------------- */
static struct tools_view view_of(const struct part *p)
{
	return (struct tools_view){ p->shim->rules.current->config, { p->shim->agent, p->name, (int64_t)p->shim->uid } };
}

static void note_client_page(struct tools *t, const struct listing *l, const struct jsonrpc *answer)
{
	if (answer->kind != JSONRPC_RESULT)
		return;
	t->was_shown = true;
	if (json_get(l->in.rpc.params, "cursor").kind == JSON_NONE)
		t->has_first_page = true;
	tools_page_names(answer->result, remember, t->known);
	if (t->has_first_page && json_get(answer->result, "nextCursor").kind == JSON_NONE)
		t->listed_us = clock_mono_us();
}

static void answer_client(struct listing *l, const struct jsonrpc *answer)
{
	struct part *p = l->tools->part;
	CLEANUP(buf_release) struct buf line = { 0 };
	struct tools_view view;

	request_note(&l->request, answer);
	note_client_page(l->tools, l, answer);
	if (l->in.is_cancelled)
		return;
	(void)rules_look(&p->shim->rules);            /* by the rules as they are now, or as they were if they cannot be settled yet */
	view = view_of(p);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!tools_page_rewrite(answer, l->in.rpc.id, &view, &line)) {
		buf_clear(&line);
		if (!reply_write_too_long(l->in.rpc.id, answer->root.text.len, false, &line))
			return;
	}
	reply_buf(p, &line);
}

static void gather_own(struct listing *l, const struct jsonrpc *answer)
{
	struct json_value next = json_get(answer->result, "nextCursor");

	if (answer->kind != JSONRPC_RESULT) {
		own_failed(l->tools, "it answered tools/list with an error");
		return;
	}
	tools_page_names(answer->result, remember, l->tools->fresh);
	if (next.kind == JSON_STRING && next.text.len < LINE_CAP / 2)
		l->cursor = span_dup(next.text);
}

static void answered(struct delivery *d, const struct jsonrpc *response)
{
	struct listing *l = container_of(d, struct listing, delivery);

	l->is_answered = true;
	if (l->line.len == 0)
		answer_client(l, response);
	else if (l->tools->fresh)
		gather_own(l, response);
}

static void client_page_failed(struct listing *l, const struct delivery_end *end)
{
	char text[300];

	snprintf(text, sizeof(text), "backend %s did not answer tools/list: %.200s", l->tools->part->name,
	         end->cause ? end->cause : "no connection");
	reply_error(l->tools->part, l->in.rpc.id, refusal_code(REFUSED_UNREACHABLE), text);
}

static void client_page_ended(struct listing *l, const struct delivery_end *end)
{
	if (!l->is_answered && !l->in.is_cancelled)
		client_page_failed(l, end);
	request_ended(l->tools->part, &l->request, &l->in, (struct request_end){ .delivery = end });
}

static void own_page_ended(struct tools *t, struct listing *l, const struct delivery_end *end)
{
	if (!t->fresh)
		return;
	if (!l->is_answered)
		own_failed(t, end->cause ? end->cause : "no connection");
	else if (l->cursor && t->pages < MAX_PAGES)
		send_own(t, l->cursor);
	else
		own_finished(t);
}

static void listing_free(struct listing *l)
{
	list_remove(&l->node);
	request_release(&l->request);
	inbound_release(&l->in);
	buf_release(&l->line);
	free(l->cursor);
	free(l);
}

static void done(struct delivery *d, const struct delivery_end *end)
{
	struct listing *l = container_of(d, struct listing, delivery);

	if (end->may_repeat && !l->was_repeated) {
		l->was_repeated = true;         /* it did not run: once more, in the new session */
		upstream_send(l->tools->part->upstream, d);
		return;
	}
	if (l->line.len > 0)
		own_page_ended(l->tools, l, end);
	else
		client_page_ended(l, end);
	listing_free(l);
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------------- */
static struct listing *listing_new(struct tools *t)
{
	struct listing *l = xcalloc(1, sizeof(*l));

	l->tools = t;
	list_init(&l->node);
	buf_init(&l->line, LINE_CAP);
	l->delivery.answered = answered;
	l->delivery.done = done;
	return l;
}

static void listing_send(struct listing *l, const struct jsonrpc *rpc, int64_t timeout_ms)
{
	l->delivery.body = rpc->root.text;
	l->delivery.message = rpc;
	l->delivery.timeout_ms = timeout_ms;
	list_append(&l->tools->listings, &l->node);
	upstream_send(l->tools->part->upstream, &l->delivery);
}

static bool write_own(struct tools *t, const char *cursor, struct buf *out)
{
	CLEANUP(buf_release) struct buf id = { 0 }, params = { 0 };

	buf_init(&id, 128);
	buf_init(&params, LINE_CAP);
	if (!buf_printf(&id, "\"%s:%u\"", t->id_prefix, ++t->pages))
		return false;
	if (cursor && !buf_printf(&params, "{\"cursor\":%s}", cursor))
		return false;
	return jsonrpc_write_call(out, (struct json_value){ JSON_STRING, buf_span(&id) }, "tools/list", buf_span(&params));
}

static void send_own(struct tools *t, const char *cursor)
{
	struct listing *l = listing_new(t);

	if (!write_own(t, cursor, &l->line)) {
		listing_free(l);
		own_failed(t, "its list of tools cannot be paged");
		return;
	}
	jsonrpc_read(buf_span(&l->line), &l->rpc);
	listing_send(l, &l->rpc, OWN_LIST_MS);
}

void tools_list(struct tools *t, const struct jsonrpc *rpc)
{
	const struct config_backend *b = part_backend(t->part);
	struct listing *l = listing_new(t);

	if (inbound_take(&t->part->inbounds, rpc, INBOUND_LISTING, &l->in) != INBOUND_TAKEN) {
		listing_free(l);
		session_id_in_use(t->part, rpc);
		return;
	}
	request_begin(&l->request, &l->in.rpc);
	listing_send(l, &l->in.rpc, b ? b->timeout_ms : OWN_LIST_MS);
	request_sent(t->part, &l->request);
}

/* ---- news ------------------------------------------------------------------------------------------------------------------------ */
void tools_notice(struct tools *t, const struct jsonrpc *rpc)
{
	if (strcmp(rpc->method, "notifications/tools/list_changed") == 0)
		t->listed_us = 0;
}

void tools_rules_changed(struct tools *t)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	if (!t->was_shown)
		return;
	buf_init(&line, 256);
	if (jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/tools/list_changed", (struct span){ 0 }))
		reply_buf(t->part, &line);
}

void tools_give_up(struct tools *t)
{
	list_for_each(l, &t->listings, struct listing, node)
		upstream_cancel(t->part->upstream, &l->delivery);
}

bool tools_is_idle(const struct tools *t)
{
	return list_is_empty(&t->listings);
}

void tools_init(struct tools *t, struct part *part)
{
	unsigned char bytes[8];
	char hex[17];

	*t = (struct tools){ .part = part, .known = map_new() };
	list_init(&t->listings);
	random_bytes(bytes, sizeof(bytes));     /* so that no client can have an id of ours open */
	hex_encode(hex, bytes, sizeof(bytes));
	snprintf(t->id_prefix, sizeof(t->id_prefix), "aegis:tools:%s", hex);
}

void tools_release(struct tools *t)
{
	map_free(t->known, NULL);
	map_free(t->fresh, NULL);
}
