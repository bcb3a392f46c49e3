#include "shim/merge_asks.h"
#include <stdio.h>
#include "base/xalloc.h"
#include "shim/merge_text.h"

#define NUMBER_SIZE 16

static struct span number_text(char text[NUMBER_SIZE], unsigned number)
{
	snprintf(text, NUMBER_SIZE, "%u", number);
	return span_of(text);
}

static struct merge_ask *ask_new(struct part *p, struct json_value id, struct json_value token, unsigned number)
{
	struct merge_ask *one = xcalloc(1, sizeof(*one));

	one->part = p;
	one->id = span_dup(id.text);
	one->token = token.kind != JSON_NONE ? span_dup(token.text) : NULL;
	one->number = number;
	return one;
}

static void ask_free(void *p)
{
	struct merge_ask *one = p;

	free(one->id);
	free(one->token);
	free(one);
}

bool merge_asks_open(struct merge_asks *a, struct part *p, const struct jsonrpc *rpc, struct buf *out)
{
	struct json_value token = json_get(json_get(rpc->params, "_meta"), "progressToken");
	char text[NUMBER_SIZE];
	struct span number = number_text(text, a->numbers + 1);
	struct merge_pair id_pair = { rpc->id, number }, token_pair = { token, number };

	if (!merge_edit_two(rpc->root.text, id_pair, token_pair, out))
		return false;
	a->numbers++;
	map_set(a->open, number, ask_new(p, rpc->id, token, a->numbers));
	return true;
}

struct merge_ask *merge_asks_find(const struct merge_asks *a, struct json_value number)
{
	return number.kind == JSON_NUMBER ? map_get(a->open, number.text) : NULL;
}

bool merge_is_same_id(struct json_value a, struct json_value b)
{
	CLEANUP(buf_release) struct buf ka = { 0 }, kb = { 0 };

	buf_init(&ka, 8 * JSONRPC_MAX_ID_BYTES);
	buf_init(&kb, 8 * JSONRPC_MAX_ID_BYTES);
	return jsonrpc_id_key(a, &ka) && jsonrpc_id_key(b, &kb) && span_equal(buf_span(&ka), buf_span(&kb));
}

static struct json_value id_of(const struct merge_ask *one)
{
	return (struct json_value){ one->id[0] == '"' ? JSON_STRING : JSON_NUMBER, span_of(one->id) };
}

struct merge_ask *merge_asks_find_by_id(const struct merge_asks *a, const struct part *p, struct json_value id)
{
	size_t pos = 0;
	struct span key;
	void *value;

	while (map_next(a->open, &pos, &key, &value)) {
		struct merge_ask *one = value;
		if (one->part == p && merge_is_same_id(id_of(one), id))
			return one;
	}
	return NULL;
}

void merge_asks_close(struct merge_asks *a, struct merge_ask *one)
{
	char text[NUMBER_SIZE];

	map_remove(a->open, number_text(text, one->number));
	ask_free(one);
}

void merge_asks_init(struct merge_asks *a)
{
	*a = (struct merge_asks){ .open = map_new() };
}

void merge_asks_release(struct merge_asks *a)
{
	map_free(a->open, ask_free);
	a->open = NULL;
}
