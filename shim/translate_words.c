/* translate_words - what a client of the older revisions says and a backend of the stateless one has no word for: answered in its place, or
 * said another way. See translate.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/translate.h"

/* ---- cancelling -------------------------------------------------------------------------------------------------------------------- */
struct note {
	struct list node;
	struct buf line;
	struct jsonrpc message;
	struct delivery delivery;
};

static void note_free(struct note *n)
{
	list_remove(&n->node);
	buf_release(&n->line);
	free(n);
}

static void note_done(struct delivery *d, const struct delivery_end *end)
{
	(void)end;
	note_free(container_of(d, struct note, delivery));
}

void words_cancelled(struct translator *t, struct span id)
{
	struct note *n = xcalloc(1, sizeof(*n));

	list_append(&t->notes, &n->node);
	buf_init(&n->line, 8 * JSONRPC_MAX_ID_BYTES);
	if (!buf_printf(&n->line, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%.*s}}", SPAN_ARGS(id))) {
		note_free(n);
		return;
	}
	jsonrpc_read(buf_span(&n->line), &n->message);
	n->delivery = (struct delivery){ .body = buf_span(&n->line), .message = &n->message, .done = note_done };
	t->inner->kind->send(t->inner, &n->delivery);
}

static struct passage *passage_with(struct translator *t, struct json_value id)
{
	CLEANUP(buf_release) struct buf wanted = { 0 }, own = { 0 };

	buf_init(&wanted, 8 * JSONRPC_MAX_ID_BYTES);
	buf_init(&own, 8 * JSONRPC_MAX_ID_BYTES);
	if (!jsonrpc_id_key(id, &wanted))
		return NULL;
	list_for_each(p, &t->passages, struct passage, node) {
		buf_clear(&own);
		if (jsonrpc_id_key(p->d->message->id, &own) && span_equal(buf_span(&own), buf_span(&wanted)))
			return p;
	}
	return NULL;
}

/* The client's own word: a child is told, and its answer waited for; over HTTP the stream is closed. */
static void cancelled(struct translator *t, struct delivery *d)
{
	struct passage *p = passage_with(t, json_get(d->message->params, "requestId"));

	if (!p) {
		t->inner->kind->send(t->inner, d);
		return;
	}
	if (t->is_stdio && p->phase == PASSAGE_AWAY)
		words_cancelled(t, p->leg.message->id.text);
	else
		passage_cancel(p);
	passage_answer(passage_new(t, d), (struct span){ 0 });
}

/* ---- what a backend of this revision has no word for -------------------------------------------------------------------------------- */
void words_taken(struct translator *t, struct delivery *d)
{
	passage_answer(passage_new(t, d), (struct span){ 0 });
}

static void initialized(struct translator *t, struct delivery *d)
{
	words_taken(t, d);
	listen_begin(t);
}

static void ping(struct translator *t, struct delivery *d)
{
	passage_answer(passage_new(t, d), SPAN("{}"));
}

static bool is_level(struct json_value v)
{
	static const char *const levels[] = { "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency" };

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (json_string_is(v, levels[i]))
			return true;
	return false;
}

static void set_level(struct translator *t, struct delivery *d)
{
	struct json_value level = json_get(d->message->params, "level");
	struct passage *p = passage_new(t, d);

	if (!open_can(t, "logging", NULL)) {
		passage_refuse(p, -32601, "the backend does not send log messages");
	} else if (!is_level(level)) {
		passage_refuse(p, -32602, "params.level must be a log level");
	} else {
		free(t->level);
		t->level = span_dup(level.text);
		passage_answer(p, translate_envelope_make(t) ? SPAN("{}") : (struct span){ 0 });
	}
}

static void subscribe(struct translator *t, struct delivery *d)
{
	listen_subscribe(passage_new(t, d));
}

static void unsubscribe(struct translator *t, struct delivery *d)
{
	listen_unsubscribe(passage_new(t, d));
}

static const struct word {
	const char *method;
	enum jsonrpc_kind kind;
	void (*say)(struct translator *t, struct delivery *d);
} words[] = {
	{ "notifications/cancelled",          JSONRPC_NOTIFICATION, cancelled   },
	{ "notifications/initialized",        JSONRPC_NOTIFICATION, initialized },
	{ "notifications/roots/list_changed", JSONRPC_NOTIFICATION, words_taken },
	{ "ping",                             JSONRPC_REQUEST,      ping        },
	{ "logging/setLevel",                 JSONRPC_REQUEST,      set_level   },
	{ "resources/subscribe",              JSONRPC_REQUEST,      subscribe   },
	{ "resources/unsubscribe",            JSONRPC_REQUEST,      unsubscribe },
};

bool words_say(struct translator *t, struct delivery *d)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i].kind != d->message->kind || strcmp(words[i].method, d->message->method) != 0)
			continue;
		words[i].say(t, d);
		return true;
	}
	return false;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------------- */
void words_init(struct translator *t)
{
	list_init(&t->notes);
}

void words_release(struct translator *t)
{
	list_for_each(n, &t->notes, struct note, node)
		note_free(n);
}
