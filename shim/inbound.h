/* inbound - one message of the client, owned from its line until it is answered: the very bytes, their reading, and for a request
 * its place in the table of ids. The caps of what a client may have open stand here. */
#pragma once
#include "base/map.h"
#include "data/jsonrpc.h"

#define INBOUND_MAX_OPEN  256                    /* requests not yet answered: as many connections to the backend at most */
#define INBOUND_MAX_BYTES (16 * 1024 * 1024)     /* of all messages open; one more is taken, whatever its size */
#define INBOUND_MAX_LOOSE 256                    /* notifications and answers on their way to the backend */

enum inbound_kind { INBOUND_RELAYED, INBOUND_LISTING, INBOUND_CALL, INBOUND_DISCOVER };

struct inbounds {
	struct map *by_id;                       /* struct inbound */
	size_t bytes;
	size_t loose_n, loose_bytes;             /* those that are no requests */
};

struct inbound {
	char *bytes;
	struct jsonrpc rpc;                      /* spans point into bytes */
	struct buf key;                          /* of a request: canonical id */
	enum inbound_kind kind;
	bool is_modern;                          /* it carries its own envelope (era.h) */
	bool is_cancelled;                       /* the client wants no answer any more */
	struct inbounds *table;                  /* NULL = not in it */
};

enum inbound_answer { INBOUND_TAKEN, INBOUND_ID_IN_USE };

void inbounds_init(struct inbounds *t);
void inbounds_release(struct inbounds *t);       /* every inbound must be released */

bool inbounds_have_room(const struct inbounds *t);   /* for one more request */
/* ... for one more notification or answer: these always come to an end, so that to wait for room is no deadlock, whatever waits for
 * an answer that is still to be read. */
bool inbounds_take_loose(const struct inbounds *t);

/* Copies the message. Anything but TAKEN leaves *in empty. */
MUST_USE enum inbound_answer inbound_take(struct inbounds *t, const struct jsonrpc *rpc, enum inbound_kind kind, struct inbound *in);
void inbound_release(struct inbound *in);        /* legal on a zeroed one */
struct inbound *inbound_find(const struct inbounds *t, struct json_value id);   /* NULL = no such request open */
static inline struct span inbound_span(const struct inbound *in)
{
	return in->rpc.root.text;
}
