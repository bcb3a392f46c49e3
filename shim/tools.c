#include "shim/tools.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/cooldown.h"
#include "shim/modern.h"
#include "shim/reply.h"
#include "shim/requests.h"
#include "shim/shim.h"
#include "shim/tools_page.h"

#define RECENT_US     (5 * 1000 * 1000)   /* a name missing in a list younger than this is unknown */
#define RETRY_US      (1000 * 1000)
#define MAX_PAGES     64
#define MAX_NAMES     16384
#define LINE_CAP      (128 * 1024)
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
struct definition { uint8_t hash[32]; };

static void remember(void *arg, struct span name, struct json_value tool)
{
	struct map *names = arg;
	struct definition *d;

	if (map_size(names) >= MAX_NAMES && !map_get(names, name))
		return;
	d = xcalloc(1, sizeof(*d));
	json_canonical_hash(tool, d->hash);
	free(map_set(names, name, d));
}

static void say_changed(struct tools *t)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	if (t->part->session.phase == SESSION_MODERN) {
		listen_say_tools_changed(t->part);
		return;
	}
	buf_init(&line, 256);
	if (jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/tools/list_changed", (struct span){ 0 }))
		reply_buf(t->part, &line);
}

/* A whole list has come in: it is kept for the next session, and the client hears when it was shown another. */
static void take_pages(struct tools *t, struct tools_pages *pages, bool is_own)
{
	if (tools_cache_take(&t->cache, &pages->list, is_own))
		say_changed(t);
	tools_pages_release(pages);
}

static void own_finished(struct tools *t)
{
	map_free(t->known, free);
	t->known = t->fresh;
	t->fresh = NULL;
	t->listed_us = clock_mono_us();
	t->own_listed_us = t->own_began_us;
	t->failed_us = 0;
	log_debug("tools.listed", "n=%zu pages=%u", map_size(t->known), t->pages);
	turn_mark_all(t->part->shim);
}

static void own_failed(struct tools *t, const char *why)
{
	map_free(t->fresh, free);
	t->fresh = NULL;
	t->failed_us = clock_mono_us();
	snprintf(t->why, sizeof(t->why), "%s", why);
	log_warn("tools.list", "%s", why);
	turn_mark_all(t->part->shim);
}

static void list_own(struct tools *t)
{
	t->fresh = map_new();
	t->own_began_us = clock_mono_us();
	t->pages = 0;
	send_own(t, NULL);
}

/* Names of the list a session begins with. */
static bool is_known_from_cache(struct tools *t, const char *name)
{
	if (t->listed_us > 0 || !tools_cache_look(&t->cache))
		return false;
	for (size_t i = 0; i < t->cache.warm.n; i++) {
		struct json_value result;
		if (jsonscan_check(span_of(t->cache.warm.pages[i]), &result, NULL) == JSONSCAN_OK)
			tools_page_each(result, remember, t->known);
	}
	return map_get(t->known, span_of(name)) != NULL;
}

enum tools_answer tools_look(struct tools *t, const char *name)
{
	int64_t now = clock_mono_us();

	if (map_get(t->known, span_of(name)) || is_known_from_cache(t, name))
		return TOOLS_KNOWN;
	if (t->fresh)
		return TOOLS_WAIT;
	if (t->listed_us > 0 && now - t->listed_us < RECENT_US)
		return TOOLS_UNKNOWN;
	if (t->failed_us > 0 && now - t->failed_us < RETRY_US)
		return TOOLS_FAILED;
	list_own(t);
	return TOOLS_WAIT;
}

enum tools_answer tools_define(struct tools *t, const char *name, int64_t since_us, uint8_t hash[32])
{
	const struct definition *d = map_get(t->known, span_of(name));

	if (t->own_listed_us > since_us) {
		if (d)
			memcpy(hash, d->hash, sizeof(d->hash));
		return d ? TOOLS_KNOWN : TOOLS_UNKNOWN;
	}
	if (t->fresh)
		return TOOLS_WAIT;
	if (t->failed_us > since_us && clock_mono_us() - t->failed_us < RETRY_US)
		return TOOLS_FAILED;
	list_own(t);
	return TOOLS_WAIT;
}

bool tools_is_defined_as(const struct tools *t, const char *name, const uint8_t hash[32])
{
	const struct definition *d = map_get(t->known, span_of(name));

	return d && t->own_listed_us > 0 && memcmp(d->hash, hash, sizeof(d->hash)) == 0;
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
	tools_page_each(answer->result, remember, t->known);
	if (t->has_first_page && json_get(answer->result, "nextCursor").kind == JSON_NONE)
		t->listed_us = clock_mono_us();
	if (tools_cache_is_on(&t->cache) && tools_pages_add(&t->shown_pages, json_get(l->in.rpc.params, "cursor"), answer->result))
		take_pages(t, &t->shown_pages, false);
}

/* For whoever caches it: what rules could change for another agent is this one's alone. */
static bool write_page(struct listing *l, const struct jsonrpc *answer, const struct tools_view *view, struct buf *out)
{
	struct acl_answer a = acl_backend(view->config, &view->who);
	bool is_private = a.verdict != ACL_ALLOWED || acl_restricts(a.grant, ACL_TOOL);

	return tools_page_rewrite(answer, l->in.rpc.id, view, out, &is_private) &&
	       (!l->in.is_modern || modern_limit_list(out, is_private));
}

static void answer_client(struct listing *l, const struct jsonrpc *answer)
{
	struct part *p = l->tools->part;
	CLEANUP(buf_release) struct buf line = { 0 };
	struct tools_view view;

	request_note(&l->request, answer);
	if (l->in.is_cancelled)
		return;
	(void)rulebook_look(&p->shim->rules, p->shim->state.store);            /* by the rules as they are now, or as they were if they cannot be settled yet */
	view = view_of(p);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!request_is_blocked(p, &l->request, answer, l->in.rpc.id, &line) && !write_page(l, answer, &view, &line)) {
		buf_clear(&line);
		l->request.is_replaced = true;
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
	tools_page_each(answer->result, remember, l->tools->fresh);
	if (tools_cache_is_on(&l->tools->cache) &&
	    tools_pages_add(&l->tools->own_pages, json_get(l->rpc.params, "cursor"), answer->result))
		take_pages(l->tools, &l->tools->own_pages, true);
	if (next.kind == JSON_STRING && next.text.len < LINE_CAP / 2)
		l->cursor = span_dup(next.text);
}

static void answered(struct delivery *d, const struct jsonrpc *response)
{
	struct listing *l = container_of(d, struct listing, delivery);

	l->is_answered = true;
	if (l->line.len == 0) {
		note_client_page(l->tools, l, response);
		answer_client(l, response);
	} else if (l->tools->fresh) {
		gather_own(l, response);
	}
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
	cooldown_note(l->tools->part, end);
	if (end->has_timed_out && end->fate == FATE_UNKNOWN)
		relay_tell_cancelled(&l->tools->part->relay, d->message->id);
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

static bool write_params(const char *cursor, const char *meta, struct buf *out)
{
	if (!cursor && !meta)
		return true;
	return buf_append_char(out, '{') && (!cursor || buf_printf(out, "\"cursor\":%s", cursor)) &&
	       (!meta || buf_printf(out, "%s\"_meta\":%s", cursor ? "," : "", meta)) && buf_append_char(out, '}');
}

static bool write_own(struct tools *t, const char *cursor, struct buf *out)
{
	CLEANUP(buf_release) struct buf id = { 0 }, params = { 0 };

	buf_init(&id, 128);
	buf_init(&params, LINE_CAP);
	if (!buf_printf(&id, "\"%s:%u\"", t->id_prefix, ++t->pages))
		return false;
	if (!write_params(cursor, t->part->session.envelope, &params))
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

/* Answers from the list a session begins with, and has a fresh one fetched behind. False: there is none. */
static bool answer_warm(struct tools *t, struct listing *l)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct jsonrpc answer;
	struct span page;

	if (!tools_cache_is_on(&t->cache) || !state_is_open(&t->part->shim->state))
		return false;
	page = tools_cache_page(&t->cache, json_get(l->in.rpc.params, "cursor"));
	buf_init(&line, STORE_TOOLS_MAX_BYTES + LINE_CAP);
	if (page.len == 0 || !jsonrpc_write_result(&line, l->in.rpc.id, page))
		return false;
	jsonrpc_read(buf_span(&line), &answer);
	if (answer.kind != JSONRPC_RESULT)
		return false;
	t->was_shown = true;
	answer_client(l, &answer);
	request_ended(t->part, &l->request, &l->in, (struct request_end){ .is_cached = true });
	listing_free(l);
	if (!t->fresh && t->cache.phase == TOOLS_CACHE_WARM)
		list_own(t);
	return true;
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
	if (answer_warm(t, l))
		return;
	listing_send(l, &l->in.rpc, b ? b->timeout_ms : OWN_LIST_MS);
	request_sent(t->part, &l->request);
}

/* ---- news ------------------------------------------------------------------------------------------------------------------------ */
void tools_notice(struct tools *t, const struct jsonrpc *rpc)
{
	if (strcmp(rpc->method, "notifications/tools/list_changed") != 0)
		return;
	t->listed_us = 0;
	t->own_listed_us = t->own_began_us = 0;     /* also of the listing under way: it may hold the old ones */
	tools_cache_drop(&t->cache);
}

void tools_rules_changed(struct tools *t)
{
	if (t->was_shown || t->part->session.phase == SESSION_MODERN)    /* who listens may know them from another process */
		say_changed(t);
}

void tools_stop_own(struct tools *t)
{
	map_free(t->fresh, free);
	t->fresh = NULL;
	list_for_each(l, &t->listings, struct listing, node)
		if (l->line.len > 0)
			upstream_cancel(t->part->upstream, &l->delivery);
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
	tools_cache_init(&t->cache, part);
	random_bytes(bytes, sizeof(bytes));     /* so that no client can have an id of ours open */
	hex_encode(hex, bytes, sizeof(bytes));
	snprintf(t->id_prefix, sizeof(t->id_prefix), "aegis:tools:%s", hex);
}

void tools_release(struct tools *t)
{
	map_free(t->known, free);
	map_free(t->fresh, free);
	tools_pages_release(&t->shown_pages);
	tools_pages_release(&t->own_pages);
	tools_cache_release(&t->cache);
}
