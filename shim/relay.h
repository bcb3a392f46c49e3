/* relay - everything but tools/call and tools/list, both ways, with unchanged bytes: the client's requests (as requests.h judges them),
 * notifications and answers; the backend's notifications and requests. One table of open ids per direction. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "data/jsonrpc.h"
#include "shim/inbound.h"
#include "shim/listen.h"
#include "shim/upstream.h"

#define RELAY_MAX_ASKED    1024       /* the backend's requests the client has not answered */
#define RELAY_MAX_REFUSING 4          /* answers of our own on their way to the backend ... */
#define RELAY_MAX_OWED     1024       /* ... and those that wait for these; a backend that asks on gets none */

struct part;

struct relay {
	struct part *part;
	struct list errands;          /* struct errand: on their way to the backend */
	struct list waiting;          /* ... and those that wait for the rules in force */
	struct list listens;          /* struct listen: those errands that are subscriptions/listen */
	struct map *asked;            /* ids of the backend's open requests */
	struct list owed;             /* struct owed: our refusals of others */
	unsigned owed_n, refusing_n;
	bool has_dropped;
};

void relay_init(struct relay *r, struct part *part);
void relay_release(struct relay *r);

/* after: called once when it is over, with the backend's answer, or NULL when there is none. May be NULL. */
typedef void relay_after_fn(struct part *p, const struct jsonrpc *answer);
void relay_from_client(struct relay *r, const struct jsonrpc *rpc, relay_after_fn *after);
/* initialize, as the backend shall see it. withheld: of server_requests_withhold, for the audit; may be empty. */
void relay_open(struct relay *r, const struct jsonrpc *rpc, struct span withheld, relay_after_fn *after);
void relay_go_on(struct relay *r);    /* once a loop turn, when the store has run */
void relay_answer_from_client(struct relay *r, const struct jsonrpc *rpc);
void relay_from_backend(struct relay *r, const struct jsonrpc *rpc);
void relay_void_asked(struct relay *r);   /* tells the client that nobody waits for its answers any more */

/* The client cancelled this relayed request: its answer is dropped. True: the backend must be told; false: it never saw it, or was told. */
bool relay_cancel(struct inbound *in);
/* No answer came to request in time: the backend need not go on with it. */
void relay_tell_cancelled(struct relay *r, struct json_value request);
void relay_stop_listening(struct relay *r);   /* ends every subscriptions/listen: nobody reads on */
void relay_give_up(struct relay *r);  /* cancels everything that is on its way */
bool relay_is_idle(const struct relay *r);
