#include "shim/inbound.h"
#include "base/xalloc.h"
#include "shim/era.h"

#define KEY_CAP (8 * JSONRPC_MAX_ID_BYTES)       /* escaping makes an id longer */

void inbounds_init(struct inbounds *t)
{
	*t = (struct inbounds){ .by_id = map_new() };
}

void inbounds_release(struct inbounds *t)
{
	map_free(t->by_id, NULL);
	t->by_id = NULL;
}

bool inbounds_have_room(const struct inbounds *t)
{
	return map_size(t->by_id) < INBOUND_MAX_OPEN && t->bytes < INBOUND_MAX_BYTES;
}

bool inbounds_take_loose(const struct inbounds *t)
{
	return t->loose_n < INBOUND_MAX_LOOSE && t->loose_bytes < INBOUND_MAX_BYTES;
}

static void count(struct inbounds *t, const struct inbound *in, bool is_in)
{
	size_t n = in->rpc.root.text.len;
	bool is_loose = in->key.len == 0;

	t->bytes = is_in ? t->bytes + n : t->bytes - n;
	if (!is_loose)
		return;
	t->loose_n = is_in ? t->loose_n + 1 : t->loose_n - 1;
	t->loose_bytes = is_in ? t->loose_bytes + n : t->loose_bytes - n;
}

static void move_span(struct json_value *v, const char *from, char *to)
{
	if (v->kind != JSON_NONE)
		v->text.at = to + (v->text.at - from);
}

static void copy_message(struct inbound *in, const struct jsonrpc *rpc)
{
	const char *from = rpc->root.text.at;

	in->bytes = span_dup(rpc->root.text);
	in->rpc = *rpc;
	move_span(&in->rpc.root, from, in->bytes);
	move_span(&in->rpc.id, from, in->bytes);
	move_span(&in->rpc.params, from, in->bytes);
	move_span(&in->rpc.meta, from, in->bytes);
	move_span(&in->rpc.arguments, from, in->bytes);
	move_span(&in->rpc.result, from, in->bytes);
	move_span(&in->rpc.error, from, in->bytes);
}

enum inbound_answer inbound_take(struct inbounds *t, const struct jsonrpc *rpc, enum inbound_kind kind, struct inbound *in)
{
	*in = (struct inbound){ .kind = kind, .is_modern = era_claim(rpc).kind != JSON_NONE };
	buf_init(&in->key, KEY_CAP);
	if (rpc->kind == JSONRPC_REQUEST && (!jsonrpc_id_key(rpc->id, &in->key) || map_get(t->by_id, buf_span(&in->key)))) {
		buf_release(&in->key);
		return INBOUND_ID_IN_USE;
	}
	copy_message(in, rpc);
	in->table = t;
	count(t, in, true);
	if (in->key.len > 0)
		map_set(t->by_id, buf_span(&in->key), in);
	return INBOUND_TAKEN;
}

void inbound_release(struct inbound *in)
{
	if (in->table) {
		count(in->table, in, false);
		if (in->key.len > 0)
			map_remove(in->table->by_id, buf_span(&in->key));
	}
	buf_release(&in->key);
	free(in->bytes);
	*in = (struct inbound){ 0 };
}

struct inbound *inbound_find(const struct inbounds *t, struct json_value id)
{
	struct inbound *found = NULL;
	struct buf key;

	buf_init(&key, KEY_CAP);
	if (jsonrpc_id_key(id, &key))
		found = map_get(t->by_id, buf_span(&key));
	buf_release(&key);
	return found;
}
