/* translate_listen - subscriptions/listen in place of what older revisions have: lists that change, and resources/subscribe. What is
 * wanted changes by opening a stream anew; the one before it is closed when the new one is there, so that nothing is missed. See
 * translate.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/translate.h"

#define FIRST_PAUSE_MS 1000
#define MAX_PAUSE_MS   30000
#define SUBSCRIBE_MS   30000
#define MAX_LINE       (TRANSLATE_MAX_ENVELOPE + TRANSLATE_MAX_URIS * 1024)

static const struct { const char *what, *filter; } lists[] = {
	{ "tools",     "\"toolsListChanged\":true"     },
	{ "prompts",   "\"promptsListChanged\":true"   },
	{ "resources", "\"resourcesListChanged\":true" },
};

/* ---- one stream ------------------------------------------------------------------------------------------------------------------------ */
static void listener_free(struct listener *l)
{
	list_remove(&l->node);
	buf_release(&l->line);
	free(l->refusal);
	free(l);
}

static void listener_stop(struct listener *l)
{
	struct translator *t = l->t;

	l->is_old = true;
	if (t->is_stdio && !t->is_ending)
		words_cancelled(t, span_of(l->id));
	t->inner->kind->cancel(t->inner, &l->delivery);
}

static void stop_before(struct translator *t, unsigned n)
{
	list_for_each(l, &t->listeners, struct listener, node)
		if (l->n < n && !l->is_old)
			listener_stop(l);
}

static bool is_wanted(struct translator *t)
{
	bool has_list = false;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		has_list |= open_can(t, lists[i].what, "listChanged");
	return has_list || map_size(t->uris) > 0;
}

static bool write_filter(struct translator *t, struct buf *out)
{
	size_t begin = out->len, pos = 0;
	struct span plain;
	bool ok = true, has_uri = false;
	void *raw;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (open_can(t, lists[i].what, "listChanged"))
			ok = ok && (out->len == begin || buf_append_char(out, ',')) && buf_append_text(out, lists[i].filter);
	while (ok && map_next(t->uris, &pos, &plain, &raw)) {
		ok = buf_append_text(out, has_uri ? "," : out->len == begin ? "\"resourceSubscriptions\":[" : ",\"resourceSubscriptions\":[") &&
		     buf_append_text(out, raw);
		has_uri = true;
	}
	return ok && (!has_uri || buf_append_char(out, ']'));
}

static bool write_listen(struct translator *t, struct listener *l)
{
	CLEANUP(buf_release) struct buf params = { 0 };

	buf_init(&params, MAX_LINE);
	return buf_append_text(&params, "{\"_meta\":{") && buf_append_span(&params, buf_span(&t->envelope)) &&
	       buf_append_text(&params, "},\"notifications\":{") && write_filter(t, &params) && buf_append_text(&params, "}}") &&
	       jsonrpc_write_call(&l->line, (struct json_value){ JSON_STRING, span_of(l->id) }, "subscriptions/listen", buf_span(&params));
}

static void listen_answered(struct delivery *d, const struct jsonrpc *answer)
{
	struct listener *l = container_of(d, struct listener, delivery);

	if (answer->kind == JSONRPC_ERROR)
		l->refusal = span_dup(answer->error.text);
}

static void end_subscribing(struct translator *t, unsigned n, struct json_value honored, const char *refusal);

static void later(struct translator *t)
{
	loop_timer_set(t->o.loop, &t->again, t->pause_ms);
	t->pause_ms = t->pause_ms * 3 / 2 < MAX_PAUSE_MS ? t->pause_ms * 3 / 2 : MAX_PAUSE_MS;
}

static void listen_done(struct delivery *d, const struct delivery_end *end)
{
	struct listener *l = container_of(d, struct listener, delivery);
	struct translator *t = l->t;
	bool is_refused = l->refusal || end->fate == FATE_REFUSED;

	if (!l->is_old && !t->is_ending) {
		log_info("translate.listen", "backend=%s why=\"its stream of notifications ended%s%s\"", t->o.backend->name,
			end->cause ? ": " : "", end->cause ? end->cause : "");
		if (is_refused)
			end_subscribing(t, l->n, (struct json_value){ 0 }, l->refusal);
		else if (!l->is_empty)
			later(t);
	}
	listener_free(l);
}

static void listen_open(struct translator *t)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->t = t;
	l->n = ++t->listens;
	(void)snprintf(l->id, sizeof(l->id), "\"aegis:listen:%u\"", l->n);
	list_append(&t->listeners, &l->node);
	buf_init(&l->line, MAX_LINE);
	loop_timer_clear(&t->again);
	if (!write_listen(t, l)) {
		listener_free(l);
		end_subscribing(t, t->listens, (struct json_value){ 0 }, NULL);
		return;
	}
	jsonrpc_read(buf_span(&l->line), &l->message);
	l->delivery = (struct delivery){ .body = buf_span(&l->line), .message = &l->message, .is_modern = true, .stays_open = true,
		.answered = listen_answered, .done = listen_done };
	t->inner->kind->send(t->inner, &l->delivery);
}

/* Soon: what is asked for in one turn is one stream. */
static void renew(struct translator *t)
{
	loop_timer_set(t->o.loop, &t->again, 0);
}

static void open_again(struct loop_timer *timer)
{
	struct translator *t = container_of(timer, struct translator, again);

	if (t->is_ending || !t->is_translating)
		return;
	if (is_wanted(t))
		listen_open(t);
	else
		stop_before(t, t->listens + 1);
}

void listen_begin(struct translator *t)
{
	if (is_wanted(t))
		renew(t);
}

void listen_stop(struct translator *t)
{
	loop_timer_clear(&t->again);
	stop_before(t, t->listens + 1);
}

/* ---- resources ------------------------------------------------------------------------------------------------------------------------- */
static bool names(struct json_value list, const char *uri)
{
	struct json_iter it = json_iter(list);
	struct json_value v;
	struct span key;

	while (list.kind == JSON_ARRAY && json_next(&it, &key, &v))
		if (json_string_is(v, uri))
			return true;
	return false;
}

static void end_one(struct passage *p, struct json_value honored, const char *refusal)
{
	struct translator *t = p->t;
	struct json_value error;

	if (names(json_get(honored, "resourceSubscriptions"), p->uri)) {
		passage_answer(p, SPAN("{}"));
		return;
	}
	free(map_remove(t->uris, span_of(p->uri)));
	if (refusal && jsonscan_check(span_of(refusal), &error, NULL) == JSONSCAN_OK) {
		CLEANUP(free_charp) char *text = json_text(json_get(error, "message"), 512);
		passage_refuse(p, -32603, text ? text : "the backend refused the subscription");
	} else {
		passage_refuse(p, -32603, "the backend does not tell of changes of this resource");
	}
}

static void end_subscribing(struct translator *t, unsigned n, struct json_value honored, const char *refusal)
{
	list_for_each(p, &t->passages, struct passage, node)
		if (p->phase == PASSAGE_SUBSCRIBING && p->listener <= n && !p->is_cancelled)
			end_one(p, honored, refusal);
}

void listen_subscribe(struct passage *p)
{
	struct translator *t = p->t;
	struct json_value uri = json_get(p->d->message->params, "uri");
	char *plain = json_text(uri, TRANSLATE_MAX_URI);

	p->uri = plain;
	if (!open_can(t, "resources", "subscribe")) {
		passage_refuse(p, -32601, "the backend has no subscriptions to resources");
	} else if (!plain || !plain[0] || map_size(t->uris) >= TRANSLATE_MAX_URIS) {
		passage_refuse(p, -32602, plain && plain[0] ? "too many resources are subscribed to" : "params.uri must be a URI");
	} else if (map_get(t->uris, span_of(plain))) {
		passage_answer(p, SPAN("{}"));
	} else {
		map_set(t->uris, span_of(plain), span_dup(uri.text));
		p->phase = PASSAGE_SUBSCRIBING;
		p->listener = t->listens + 1;
		loop_timer_set(t->o.loop, &p->timer, p->d->timeout_ms > 0 ? p->d->timeout_ms : SUBSCRIBE_MS);
		renew(t);
	}
}

/* It was not granted: nobody wants it. */
void listen_forget(struct passage *p)
{
	if (p->phase == PASSAGE_SUBSCRIBING)
		free(map_remove(p->t->uris, span_of(p->uri)));
}

void listen_unsubscribe(struct passage *p)
{
	struct translator *t = p->t;

	p->uri = json_text(json_get(p->d->message->params, "uri"), TRANSLATE_MAX_URI);
	char *raw = p->uri && p->uri[0] ? map_remove(t->uris, span_of(p->uri)) : NULL;
	if (raw)
		renew(t);
	free(raw);
	passage_answer(p, SPAN("{}"));
}

/* ---- what the streams bring -------------------------------------------------------------------------------------------------------------- */
static struct listener *listener_with(struct translator *t, struct json_value id)
{
	list_for_each(l, &t->listeners, struct listener, node)
		if (span_is(id.text, l->id))
			return l;
	return NULL;
}

/* By a child, which has no stream to close. */
static bool is_ended(struct translator *t, struct json_value id)
{
	struct listener *l = listener_with(t, id);

	if (l)
		t->inner->kind->cancel(t->inner, &l->delivery);
	return l != NULL;
}

bool listen_takes(struct translator *t, const struct jsonrpc *m)
{
	struct json_value honored = json_get(m->params, "notifications"), member;
	struct json_iter it = json_iter(honored);
	struct listener *l;
	struct span key;

	if (strcmp(m->method, "notifications/cancelled") == 0)
		return is_ended(t, json_get(m->params, "requestId"));
	if (strcmp(m->method, "notifications/subscriptions/acknowledged") != 0)
		return false;
	l = listener_with(t, json_get(json_get(m->params, "_meta"), ERA_META_SUBSCRIPTION));
	if (!l || l->is_old)
		return true;
	l->is_empty = honored.kind != JSON_OBJECT || !json_next(&it, &key, &member);
	t->pause_ms = FIRST_PAUSE_MS;
	end_subscribing(t, l->n, honored, NULL);
	stop_before(t, l->n);
	return true;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------ */
void listen_init(struct translator *t)
{
	list_init(&t->listeners);
	t->uris = map_new();
	t->pause_ms = FIRST_PAUSE_MS;
	loop_timer_init(&t->again, open_again);
}

void listen_release(struct translator *t)
{
	loop_timer_clear(&t->again);
	list_for_each(l, &t->listeners, struct listener, node)
		listener_free(l);
	map_free(t->uris, free);
}
