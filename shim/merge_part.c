/* merge_part - what each message of a part sets off. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/merge.h"
#include "shim/merge_text.h"
#include "shim/modern.h"
#include "shim/refusal.h"
#include "shim/reply.h"
#include "shim/shim.h"

#define URI_CAP   (64 * 1024)
#define SMALL_CAP (16 * 1024)

bool merge_is_away(const struct jsonrpc *answer)
{
	int64_t code = 0;

	return answer->kind == JSONRPC_ERROR && json_to_i64(json_get(answer->error, "code"), &code) &&
	       (code == refusal_code(REFUSED_UNREACHABLE) || code == refusal_code(REFUSED_UNKNOWN_OUTCOME));
}

bool merge_is_own_id(const struct merge *m, struct json_value id)
{
	size_t n = strlen(m->id_prefix);
	return id.kind == JSON_STRING && id.text.len > n + 1 && memcmp(id.text.at + 1, m->id_prefix, n) == 0;
}

/* ---- what a part says: true = its line goes to the client as it is ------------------------------------------------------------------- */
static bool say_answer(struct member *b, const char *method, const struct jsonrpc *rpc)
{
	struct span all = rpc->root.text;
	CLEANUP(buf_release) struct buf line = { 0 };

	if (rpc->kind != JSONRPC_RESULT || !memmem(all.at, all.len, "\"uri\"", 5))
		return true;
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!merge_text_answer(rpc, method, b->part->name, &line)) {
		buf_clear(&line);
		if (!reply_write_too_long(rpc->id, all.len, strcmp(method, "tools/call") == 0, &line) ||
		    (b->merge->is_modern && !modern_complete(&line)))
			return true;
	}
	merge_say(b->merge, &line);
	return false;
}

static bool own_answer(struct member *b, const struct jsonrpc *rpc)
{
	if (!merge_is_away(rpc))
		merge_is_back(b);
	else if (b->is_silent)
		merge_try_later(b);
	return false;
}

static bool on_answer(struct member *b, const struct jsonrpc *rpc)
{
	struct inbound *in = inbound_find(&b->part->inbounds, rpc->id);
	struct fan *f = merge_fan_find(b->merge, rpc->id);
	struct merge_listen *l = merge_listen_find(b->merge, rpc->id);

	if (in && strcmp(in->rpc.method, "initialize") == 0) {
		merge_opened(b, rpc);
		return false;
	}
	if (f) {
		merge_fan_take(f, b, rpc);
		return false;
	}
	if (merge_is_own_id(b->merge, rpc->id))
		return own_answer(b, rpc);
	if (l)
		return merge_listen_over(l, b, rpc);
	if (rpc->kind == JSONRPC_RESULT)
		merge_is_back(b);
	merge_note_task(b, rpc);
	return !in || say_answer(b, in->rpc.method, rpc);
}

/* Says no to the backend in the client's place. */
static void refuse_ask(struct member *b, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, SMALL_CAP);
	if (jsonrpc_write_error(&line, rpc->id, -32603, SPAN("the request is longer than the client can read"), (struct span){ 0 }))
		merge_hand(b, &line);
}

static bool on_request(struct member *b, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (merge_asks_open(&b->merge->asks, b->part, rpc, &line))
		merge_say(b->merge, &line);
	else
		refuse_ask(b, rpc);
	return false;
}

static bool say_edited(struct merge *m, const struct jsonrpc *rpc, struct json_value old, struct span text)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct merge_edit e;

	buf_init(&line, HOST_MAX_LINE_BYTES);
	e = merge_edit_begin(rpc->root.text, &line);
	merge_edit_put(&e, old, text);
	if (merge_edit_end(&e))
		merge_say(m, &line);
	return false;
}

static bool on_updated(struct member *b, const struct jsonrpc *rpc)
{
	struct json_value uri = json_get(rpc->params, "uri");
	CLEANUP(buf_release) struct buf shown = { 0 };

	buf_init(&shown, 12 * URI_CAP);
	return merge_show_uri(b, uri, &shown) && say_edited(b->merge, rpc, uri, buf_span(&shown));
}

static bool on_cancelled(struct member *b, const struct jsonrpc *rpc)
{
	struct json_value id = json_get(rpc->params, "requestId");
	struct merge_ask *one = merge_asks_find_by_id(&b->merge->asks, b->part, id);
	char number[16];

	if (!one)
		return false;
	snprintf(number, sizeof(number), "%u", one->number);
	merge_asks_close(&b->merge->asks, one);
	return say_edited(b->merge, rpc, id, span_of(number));
}

static unsigned list_of(const char *method)
{
	static const struct { const char *method; unsigned offer; } changes[] = {
		{ "notifications/tools/list_changed", OFFER_TOOLS },
		{ "notifications/prompts/list_changed", OFFER_PROMPTS },
		{ "notifications/resources/list_changed", OFFER_RESOURCES },
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if (strcmp(changes[i].method, method) == 0)
			return changes[i].offer;
	return 0;
}

static bool on_notification(struct member *b, const struct jsonrpc *rpc)
{
	unsigned offer = list_of(rpc->method);

	b->merge->changed |= offer;          /* said once a turn, whoever it came from */
	if (offer)
		return false;
	if (strcmp(rpc->method, "notifications/subscriptions/acknowledged") == 0) {
		merge_listen_acknowledged(b, rpc);
		return false;
	}
	if (strcmp(rpc->method, "notifications/resources/updated") == 0)
		return on_updated(b, rpc);
	if (strcmp(rpc->method, "notifications/cancelled") == 0)
		return on_cancelled(b, rpc);
	return true;
}

static bool passes(struct member *b, const struct jsonrpc *rpc)
{
	switch (rpc->kind) {
	case JSONRPC_RESULT:
	case JSONRPC_ERROR:
		return on_answer(b, rpc);
	case JSONRPC_REQUEST:
		return on_request(b, rpc);
	case JSONRPC_NOTIFICATION:
		return on_notification(b, rpc);
	case JSONRPC_BATCH:
	case JSONRPC_INVALID:
		break;
	}
	return false;
}

void merge_from_part(struct merge *m, struct part *p, char *text, size_t n)
{
	struct jsonrpc rpc;

	jsonrpc_read((struct span){ text, n }, &rpc);
	if (passes(merge_member(m, p), &rpc))
		host_send(&m->shim->host, text, n);
	else
		free(text);
}
