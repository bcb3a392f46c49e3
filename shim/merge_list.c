/* merge_list - requests that go to several backends at once. The answers are put together in the order of the configuration; who has
 * not answered in time, or cannot, is a missing part. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/merge.h"
#include "shim/merge_text.h"
#include "shim/modern.h"
#include "shim/reply.h"
#include "shim/shim.h"

#define CURSOR_CAP (1024 * 1024)
#define ITEM_CAP   (1024 * 1024)

static const struct fan_kind {
	const char *method, *list;           /* key of the array in the result; NULL = the result is empty */
	unsigned offer;
	const char *key;                     /* of an item: what the client must see differently; NULL = nothing */
	bool (*show)(struct member *b, struct json_value value, struct buf *out);
} kinds[] = {
	{ "tools/list",               "tools",             OFFER_TOOLS,     "name",        merge_show_name },
	{ "prompts/list",             "prompts",           OFFER_PROMPTS,   "name",        merge_show_name },
	{ "resources/list",           "resources",         OFFER_RESOURCES, "uri",         merge_show_uri },
	{ "resources/templates/list", "resourceTemplates", OFFER_RESOURCES, "uriTemplate", merge_show_uri },
	{ "tasks/list",               "tasks",             OFFER_TASKS,     NULL,          NULL },
	{ "logging/setLevel",         NULL,                OFFER_LOGGING,   NULL,          NULL },
	{ "server/discover",          NULL,                0,               NULL,          NULL },
};

struct slot {
	bool is_waiting;
	char *line;                          /* its answer; NULL = none */
	size_t n;
};

struct fan {
	struct merge *merge;
	struct list node;
	struct inbound in;
	const struct fan_kind *kind;
	struct slot *slots;                  /* as merge->members */
	unsigned waiting;
	bool is_over;                        /* answered; lives until the last slot has been heard of */
	struct loop_timer timer;
};

/* ---- putting together -------------------------------------------------------------------------------------------------------------- */
static bool write_item(const struct fan_kind *k, struct member *b, struct json_value item, struct buf *out)
{
	struct json_value pages[MERGE_MAX_PAGES];
	struct merge_pair pairs[1 + MERGE_MAX_PAGES] = { { .old = json_get(item, k->key) } };
	struct buf shown[1 + MERGE_MAX_PAGES];
	size_t n = 1, pages_n = merge_text_pages(item, pages);
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		buf_init(&shown[i], ITEM_CAP);
	for (size_t i = 0; i < pages_n; i++) {
		pairs[n] = (struct merge_pair){ pages[i], { 0 } };
		n += merge_show_uri(b, pages[i], &shown[n]);
	}
	if (k->show(b, pairs[0].old, &shown[0])) {     /* what has no usable name cannot be asked for */
		for (size_t i = 0; i < n; i++)
			pairs[i].text = buf_span(&shown[i]);
		ok = (out->data[out->len - 1] == '[' || buf_append_char(out, ',')) && merge_edit_all(item.text, pairs, n, out);
	}
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		buf_release(&shown[i]);
	return ok;
}

static bool write_plain(struct json_value item, struct buf *out)
{
	return (out->data[out->len - 1] == '[' || buf_append_char(out, ',')) && buf_append_span(out, item.text);
}

static bool write_items(const struct fan_kind *k, struct member *b, struct json_value result, struct buf *out)
{
	struct json_iter it = json_iter(json_get(result, k->list));
	struct json_value item;
	struct span key;

	while (json_next(&it, &key, &item))
		if (!(k->key ? write_item(k, b, item, out) : write_plain(item, out)))
			return false;
	return true;
}

static bool write_pages(struct fan *f, struct buf *out, struct buf *cursor)
{
	struct merge *m = f->merge;

	if (!buf_printf(out, "{\"%s\":[", f->kind->list))
		return false;
	for (size_t i = 0; i < m->n; i++) {
		struct slot *s = &f->slots[i];
		struct jsonrpc rpc;
		struct json_value next;
		if (!s->line)
			continue;
		jsonrpc_read((struct span){ s->line, s->n }, &rpc);
		next = json_get(rpc.result, "nextCursor");
		if (!write_items(f->kind, &m->members[i], rpc.result, out))
			return false;
		if (next.kind == JSON_STRING && !merge_cursor_add(cursor, m->members[i].part->name, next))
			return false;
	}
	return buf_append_char(out, ']');
}

/* What a list of 2026-07-28 carries besides: good for as long as each of them is, and for this agent alone. */
static bool write_marks(struct fan *f, struct buf *out)
{
	int64_t ttl_ms = MODERN_MAX_TTL_MS;

	for (size_t i = 0; i < f->merge->n; i++) {
		struct jsonrpc rpc;
		int64_t one = 0;
		if (!f->slots[i].line)
			continue;
		jsonrpc_read((struct span){ f->slots[i].line, f->slots[i].n }, &rpc);
		if (rpc.kind == JSONRPC_RESULT && (!json_to_i64(json_get(rpc.result, "ttlMs"), &one) || one < ttl_ms))
			ttl_ms = one > 0 ? one : 0;
	}
	return buf_printf(out, ",\"resultType\":\"complete\",\"ttlMs\":%lld,\"cacheScope\":\"private\"", (long long)ttl_ms);
}

static bool write_result(struct fan *f, struct buf *out)
{
	CLEANUP(buf_release) struct buf cursor = { 0 };

	if (!f->kind->list)
		return buf_append_text(out, "{}");
	buf_init(&cursor, CURSOR_CAP);
	if (!write_pages(f, out, &cursor))
		return false;
	return (cursor.len == 0 || (buf_append_text(out, ",\"nextCursor\":") && merge_cursor_write(&cursor, out))) &&
	       (!f->in.is_modern || write_marks(f, out)) && buf_append_char(out, '}');
}

/* A backend's own "no" is the answer when no other has anything to say. */
static const struct slot *only_refusal(struct fan *f)
{
	const struct slot *refusal = NULL;

	for (size_t i = 0; i < f->merge->n; i++) {
		const struct slot *s = &f->slots[i];
		struct jsonrpc rpc;
		if (!s->line)
			continue;
		jsonrpc_read((struct span){ s->line, s->n }, &rpc);
		if (rpc.kind == JSONRPC_RESULT)
			return NULL;
		if (!refusal && !merge_is_away(&rpc))
			refusal = s;
	}
	return refusal;
}

static bool is_discover(const struct fan *f)
{
	return f->kind->offer == 0;
}

static void say_discovered(struct fan *f)
{
	struct span answers[MERGE_MAX_PARTS] = { 0 };

	for (size_t i = 0; i < f->merge->n && i < MERGE_MAX_PARTS; i++)
		if (f->slots[i].line)
			answers[i] = (struct span){ f->slots[i].line, f->slots[i].n };
	merge_discovered(f->merge, &f->in.rpc, answers);
}

static void say(struct fan *f)
{
	CLEANUP(buf_release) struct buf result = { 0 }, line = { 0 };
	const struct slot *refusal = only_refusal(f);

	buf_init(&result, HOST_MAX_LINE_BYTES);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (refusal ? !buf_append(&line, refusal->line, refusal->n) :
	              !write_result(f, &result) || !jsonrpc_write_result(&line, f->in.rpc.id, buf_span(&result))) {
		buf_clear(&line);
		if (!reply_write_too_long(f->in.rpc.id, HOST_MAX_LINE_BYTES + 1, false, &line))
			return;
	}
	merge_say(f->merge, &line);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */
static void fan_free(struct fan *f)
{
	for (size_t i = 0; i < f->merge->n; i++)
		free(f->slots[i].line);
	loop_timer_clear(&f->timer);
	list_remove(&f->node);
	inbound_release(&f->in);
	free(f->slots);
	free(f);
}

static void finish(struct fan *f)
{
	if (!f->is_over && is_discover(f))
		say_discovered(f);
	else if (!f->is_over)
		say(f);
	f->is_over = true;
	if (f->waiting == 0)
		fan_free(f);
}

static void waited_long_enough(struct loop_timer *t)
{
	struct fan *f = container_of(t, struct fan, timer);

	for (size_t i = 0; i < f->merge->n; i++)
		if (f->slots[i].is_waiting && !is_discover(f))
			merge_fell_silent(&f->merge->members[i], f->kind->method, "it has not answered within 5 seconds");
	finish(f);
}

static void note_answer(struct fan *f, struct member *b, struct slot *s, const struct jsonrpc *answer)
{
	CLEANUP(free_charp) char *why = json_text(json_get(answer->error, "message"), 300);

	if (merge_is_away(answer))
		merge_fell_silent(b, f->kind->method, why ? why : "no connection");
	else
		merge_is_back(b);
	if (f->is_over)
		return;
	s->line = span_dup(answer->root.text);
	s->n = answer->root.text.len;
}

void merge_fan_take(struct fan *f, struct member *b, const struct jsonrpc *answer)
{
	struct slot *s = &f->slots[b - f->merge->members];

	if (!s->is_waiting)
		return;
	s->is_waiting = false;
	f->waiting--;
	note_answer(f, b, s, answer);
	if (f->waiting == 0)
		finish(f);
}

void merge_fan_drop(struct fan *f)
{
	if (f)
		fan_free(f);
}

struct fan *merge_fan_find(struct merge *m, struct json_value id)
{
	struct inbound *in = inbound_find(&m->inbounds, id);
	return in && in->kind == INBOUND_LISTING ? container_of(in, struct fan, in) : NULL;
}

/* ---- asking -------------------------------------------------------------------------------------------------------------------------- */
static const struct fan_kind *kind_of(const char *method)
{
	const struct fan_kind *k = kinds;

	while (strcmp(k->method, method) != 0)
		k++;
	return k;
}

static void ask(struct fan *f, struct member *b, struct json_value theirs)
{
	struct json_value ours = json_get(f->in.rpc.params, "cursor");
	struct span whole = inbound_span(&f->in);
	CLEANUP(buf_release) struct buf line = { 0 };
	struct merge_pair cursor = { theirs.kind == JSON_NONE ? theirs : ours, theirs.text }, none = { 0 };

	buf_init(&line, whole.len + theirs.text.len + 1);
	if (merge_edit_two(whole, cursor, none, &line))
		merge_hand(b, &line);
}

/* cursors: NONE = the first page, which all have. */
static bool is_asked(const struct fan *f, struct member *b, struct json_value cursors)
{
	if (is_discover(f))
		return true;
	if (b->phase != MEMBER_OPEN || !(b->offers & f->kind->offer))
		return false;
	return !b->is_silent && (cursors.kind == JSON_NONE || json_get(cursors, b->part->name).kind == JSON_STRING);
}

static void ask_all(struct fan *f, struct json_value cursors)
{
	struct merge *m = f->merge;

	f->waiting = 1;                         /* ourselves: an answer may come at once */
	for (size_t i = 0; i < m->n; i++) {
		f->slots[i].is_waiting = is_asked(f, &m->members[i], cursors);
		f->waiting += f->slots[i].is_waiting;
		merge_hurry(&m->members[i]);
	}
	for (size_t i = 0; i < m->n; i++)
		if (f->slots[i].is_waiting)
			ask(f, &m->members[i], json_get(cursors, m->members[i].part->name));
	loop_timer_set(m->shim->loop, &f->timer, MERGE_WAIT_MS);
	if (--f->waiting == 0)
		finish(f);
}

static bool has_offer(const struct merge *m, unsigned offer)
{
	for_each_member(b, m)
		if (b->offers & offer)
			return true;
	return false;
}

static struct fan *fan_new(struct merge *m, const struct jsonrpc *rpc)
{
	struct fan *f = xcalloc(1, sizeof(*f));

	f->merge = m;
	f->kind = kind_of(rpc->method);
	f->slots = xcalloc(m->n, sizeof(*f->slots));
	list_init(&f->node);
	loop_timer_init(&f->timer, waited_long_enough);
	if (inbound_take(&m->inbounds, rpc, INBOUND_LISTING, &f->in) == INBOUND_TAKEN) {
		list_append(&m->fans, &f->node);
		return f;
	}
	fan_free(f);
	return NULL;
}

void merge_fan(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value cursor = json_get(rpc->params, "cursor"), cursors = { 0 };
	CLEANUP(buf_release) struct buf plain = { 0 };
	struct fan *f;

	buf_init(&plain, CURSOR_CAP);
	if (cursor.kind != JSON_NONE && !merge_cursor_read(cursor, &plain, &cursors)) {
		merge_say_error(m, rpc->id, -32602, "this cursor was not given by this server");
		return;
	}
	if (!kind_of(rpc->method)->list && kind_of(rpc->method)->offer && !has_offer(m, kind_of(rpc->method)->offer)) {
		merge_say_error(m, rpc->id, -32601, "no backend of this session has this method");
		return;
	}
	f = fan_new(m, rpc);
	if (f)
		ask_all(f, cursors);
}

void merge_fan_free_all(struct merge *m)
{
	list_for_each(f, &m->fans, struct fan, node)
		fan_free(f);
}
