/* merge_listen - subscriptions/listen of the client goes to every backend, each with its own resources. Towards the client it is one: one
 * acknowledgement, lists that changed said once, whoever it was, and our own news with them. It stays open though backends hang up, until
 * the client wants no more or a stream breaks, for then something may have been missed. */
#include "base/xalloc.h"
#include "shim/merge.h"
#include "shim/merge_text.h"
#include "shim/modern.h"
#include "shim/page.h"
#include "shim/shim.h"

#define SMALL_CAP (16 * 1024)
#define URIS_CAP  (1024 * 1024)
#define URI_CAP   (64 * 1024)

enum ear { EAR_NONE, EAR_ASKED, EAR_OPEN, EAR_OVER };    /* of one backend */

struct merge_listen {
	struct merge *merge;
	struct list node;
	struct inbound in;
	enum ear *ears;                      /* as merge->members */
	struct buf honored;                  /* URIs as the client sees them, quoted, with commas between */
	struct loop_timer timer;             /* for all to acknowledge */
	unsigned wants, owes;                /* enum merge_offer */
	bool is_acknowledged;
};

static const struct { const char *key, *method; unsigned offer; } kinds[] = {
	{ "toolsListChanged",     "notifications/tools/list_changed",     OFFER_TOOLS     },
	{ "promptsListChanged",   "notifications/prompts/list_changed",   OFFER_PROMPTS   },
	{ "resourcesListChanged", "notifications/resources/list_changed", OFFER_RESOURCES },
};

static struct json_value filter_of(const struct jsonrpc *rpc)
{
	return json_get(rpc->params, "notifications");
}

struct merge_listen *merge_listen_find(struct merge *m, struct json_value id)
{
	struct inbound *in = inbound_find(&m->inbounds, id);

	return in && in->kind == INBOUND_RELAYED ? container_of(in, struct merge_listen, in) : NULL;
}

static void listen_free(struct merge_listen *l)
{
	loop_timer_clear(&l->timer);
	list_remove(&l->node);
	inbound_release(&l->in);
	buf_release(&l->honored);
	free(l->ears);
	free(l);
}

void merge_listen_free_all(struct merge *m)
{
	list_for_each(l, &m->listens, struct merge_listen, node)
		listen_free(l);
}

/* ---- saying ----------------------------------------------------------------------------------------------------------------------------- */
static void note(struct merge_listen *l, const char *method, struct span members)
{
	CLEANUP(buf_release) struct buf line = { 0 }, params = { 0 };

	buf_init(&line, URIS_CAP + SMALL_CAP);
	buf_init(&params, URIS_CAP + SMALL_CAP);
	if (buf_printf(&params, "{%.*s\"_meta\":{\"" ERA_META_SUBSCRIPTION "\":%.*s}}", SPAN_ARGS(members), SPAN_ARGS(l->in.rpc.id.text)) &&
	    jsonrpc_write_call(&line, (struct json_value){ 0 }, method, buf_span(&params)))
		merge_say(l->merge, &line);
}

static void pay(struct merge_listen *l)
{
	unsigned owed = l->owes;

	if (!l->is_acknowledged)
		return;
	l->owes = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (owed & kinds[i].offer)
			note(l, kinds[i].method, (struct span){ 0 });
}

void merge_listen_say_changed(struct merge *m, unsigned changed)
{
	list_for_each(l, &m->listens, struct merge_listen, node) {
		l->owes |= changed & l->wants;
		pay(l);
	}
}

static bool write_filter(const struct merge_listen *l, struct buf *out)
{
	bool ok = buf_append_text(out, "\"notifications\":{"), has_any = false;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!(l->wants & kinds[i].offer))
			continue;
		ok = ok && buf_printf(out, "%s\"%s\":true", has_any ? "," : "", kinds[i].key);
		has_any = true;
	}
	if (l->honored.len > 0)
		ok = ok && buf_printf(out, "%s\"resourceSubscriptions\":[%.*s]", has_any ? "," : "", SPAN_ARGS(buf_span(&l->honored)));
	return ok && buf_append_text(out, "},");
}

static void acknowledge(struct merge_listen *l)
{
	CLEANUP(buf_release) struct buf filter = { 0 };

	if (l->is_acknowledged)
		return;
	l->is_acknowledged = true;
	loop_timer_clear(&l->timer);
	buf_init(&filter, URIS_CAP + SMALL_CAP);
	if (write_filter(l, &filter))
		note(l, "notifications/subscriptions/acknowledged", buf_span(&filter));
	pay(l);
}

static void waited_long_enough(struct loop_timer *t)
{
	acknowledge(container_of(t, struct merge_listen, timer));
}

static void acknowledge_if_all(struct merge_listen *l)
{
	for (size_t i = 0; i < l->merge->n; i++)
		if (l->ears[i] == EAR_ASKED)
			return;
	acknowledge(l);
}

/* ---- what the backends say ------------------------------------------------------------------------------------------------------------- */
static bool add_uri(struct buf *list, struct span quoted)
{
	return (list->len == 0 || buf_append_char(list, ',')) && buf_append_span(list, quoted);
}

static void note_honored(struct merge_listen *l, struct member *b, const struct jsonrpc *rpc)
{
	struct json_iter it = json_iter(json_get(filter_of(rpc), "resourceSubscriptions"));
	struct json_value uri;
	struct span key;

	while (json_next(&it, &key, &uri)) {
		CLEANUP(buf_release) struct buf shown = { 0 };
		buf_init(&shown, 12 * URI_CAP);
		if (!merge_show_uri(b, uri, &shown) || !add_uri(&l->honored, buf_span(&shown)))
			return;
	}
}

void merge_listen_acknowledged(struct member *b, const struct jsonrpc *rpc)
{
	struct merge_listen *l = merge_listen_find(b->merge, json_get(rpc->meta, ERA_META_SUBSCRIPTION));
	enum ear *ear = l ? &l->ears[b - b->merge->members] : NULL;

	if (!ear || *ear != EAR_ASKED)
		return;
	*ear = EAR_OPEN;
	if (!l->is_acknowledged)
		note_honored(l, b, rpc);
	acknowledge_if_all(l);
}

static void hang_up(struct merge_listen *l)
{
	CLEANUP(buf_release) struct buf line = { 0 }, params = { 0 };
	struct merge *m = l->merge;

	buf_init(&line, SMALL_CAP);
	buf_init(&params, SMALL_CAP);
	if (!buf_printf(&params, "{\"requestId\":%.*s}", SPAN_ARGS(l->in.rpc.id.text)) ||
	    !jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/cancelled", buf_span(&params)))
		return;
	for (size_t i = 0; i < m->n; i++)
		if (l->ears[i] == EAR_ASKED || l->ears[i] == EAR_OPEN)
			merge_hand(&m->members[i], &line);
}

static bool has_no_method(const struct jsonrpc *answer)
{
	return answer->kind == JSONRPC_ERROR && span_is(json_get(answer->error, "code").text, "-32601");
}

bool merge_listen_over(struct merge_listen *l, struct member *b, const struct jsonrpc *answer)
{
	l->ears[b - b->merge->members] = EAR_OVER;
	if (answer->kind == JSONRPC_RESULT || has_no_method(answer)) {
		acknowledge_if_all(l);
		return false;
	}
	hang_up(l);
	listen_free(l);
	return true;
}

void merge_listen_drop(struct merge *m, struct json_value id)
{
	struct merge_listen *l = merge_listen_find(m, id);

	if (l)
		listen_free(l);
}

/* ---- asking them ------------------------------------------------------------------------------------------------------------------------- */
/* The member's own URIs among those asked for. False: one is nobody's. */
static bool sort_uris(struct merge *m, struct json_value all, struct buf *lists)
{
	struct json_iter it = json_iter(all);
	struct json_value raw;
	struct span key;

	while (json_next(&it, &key, &raw)) {
		CLEANUP(free_charp) char *uri = page_name(raw, URI_CAP);
		CLEANUP(buf_release) struct buf quoted = { 0 };
		struct span own;
		struct member *b = uri ? merge_uri_owner(m, span_of(uri), &own) : NULL;
		buf_init(&quoted, 8 * URI_CAP);
		if (!b || !json_quote(&quoted, own) || !add_uri(&lists[b - m->members], buf_span(&quoted)))
			return false;
	}
	return true;
}

static unsigned wants_of(const struct jsonrpc *rpc)
{
	unsigned wants = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (json_get(filter_of(rpc), kinds[i].key).kind == JSON_TRUE)
			wants |= kinds[i].offer;
	return wants;
}

static void ask(struct merge_listen *l, struct member *b, struct buf *own)
{
	struct json_value all = json_get(filter_of(&l->in.rpc), "resourceSubscriptions");
	CLEANUP(buf_release) struct buf text = { 0 };

	l->ears[b - l->merge->members] = EAR_ASKED;
	buf_init(&text, URIS_CAP + 2);
	if (all.kind == JSON_NONE)
		merge_hand_on(b, &l->in.rpc);
	else if (buf_printf(&text, "[%.*s]", SPAN_ARGS(buf_span(own))))
		merge_hand_edited(b, &l->in.rpc, all, buf_span(&text));
}

static void ask_all(struct merge_listen *l, struct buf *lists)
{
	struct merge *m = l->merge;

	loop_timer_set(m->shim->loop, &l->timer, MERGE_WAIT_MS);
	for (size_t i = 0; i < m->n; i++)
		if (m->members[i].phase == MEMBER_OPEN)
			ask(l, &m->members[i], &lists[i]);
}

static void begin(struct merge *m, const struct jsonrpc *rpc, struct buf *lists)
{
	struct merge_listen *l = xcalloc(1, sizeof(*l));

	l->merge = m;
	l->wants = wants_of(rpc);
	l->ears = xcalloc(m->n, sizeof(*l->ears));
	list_init(&l->node);
	loop_timer_init(&l->timer, waited_long_enough);
	buf_init(&l->honored, URIS_CAP);
	if (inbound_take(&m->inbounds, rpc, INBOUND_RELAYED, &l->in) != INBOUND_TAKEN) {
		listen_free(l);
		return;                         /* cannot be: who hands it on has looked */
	}
	list_append(&m->listens, &l->node);
	ask_all(l, lists);
}

void merge_listen(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value all = json_get(filter_of(rpc), "resourceSubscriptions");
	struct buf *lists = xcalloc(m->n, sizeof(*lists));

	for (size_t i = 0; i < m->n; i++)
		buf_init(&lists[i], URIS_CAP);
	if (filter_of(rpc).kind != JSON_OBJECT || (all.kind != JSON_NONE && all.kind != JSON_ARRAY))
		merge_say_error(m, rpc->id, -32602, "notifications must be an object, and resourceSubscriptions a list");
	else if (!sort_uris(m, all, lists))
		merge_say_error(m, rpc->id, -32602, "no backend of this session has such a resource; a URI looks like aegis:BACKEND/URI");
	else
		begin(m, rpc, lists);
	for (size_t i = 0; i < m->n; i++)
		buf_release(&lists[i]);
	free(lists);
}
