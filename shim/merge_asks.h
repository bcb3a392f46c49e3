/* merge_asks - requests of several backends to one client: each gets an id and a progress token of its own there, and back. Pure. */
#pragma once
#include "base/map.h"
#include "data/jsonrpc.h"

struct part;

struct merge_ask {
	struct part *part;
	char *id, *token;                    /* the backend's, raw JSON; token NULL = none */
	unsigned number;                     /* ours, for both */
};
struct merge_asks {
	struct map *open;                    /* decimal number -> struct merge_ask */
	unsigned numbers;
};

void merge_asks_init(struct merge_asks *a);
void merge_asks_release(struct merge_asks *a);

/* A request of a backend, as the client shall see it. False: cap passed, and nothing is open. */
MUST_USE bool merge_asks_open(struct merge_asks *a, struct part *p, const struct jsonrpc *rpc, struct buf *out);
struct merge_ask *merge_asks_find(const struct merge_asks *a, struct json_value number);
struct merge_ask *merge_asks_find_by_id(const struct merge_asks *a, const struct part *p, struct json_value id);
void merge_asks_close(struct merge_asks *a, struct merge_ask *one);

bool merge_is_same_id(struct json_value a, struct json_value b);      /* however they are spelled; false when one is no id */
