/* session - what each message of the client sets off. Reads every line strictly, knows how far the handshake is, and hands on: calls
 * to the pipeline, lists to tools, everything else to the relay. */
#pragma once
#include "shim/held.h"
#include "shim/inbound.h"

struct part;

enum session_phase {
	SESSION_NEW,             /* initialize has not come */
	SESSION_OPENING,         /* initialize is with the backend: what comes meanwhile is held back */
	SESSION_OPENED,          /* answered */
	SESSION_CONFIRMING,      /* notifications/initialized is with the backend: likewise */
	SESSION_READY,
};

struct session_state {
	enum session_phase phase;
	struct held held;
	bool has_batches;        /* the revision is 2025-03-26, the only one with batches */
	char revision[40];       /* as negotiated; "" = not yet */
	uint8_t capabilities[32];    /* hash of what the backend was told of the client's */
	unsigned can_answer;         /* server_requests_declared of the client */
	char client[128], client_version[64];   /* clientInfo of initialize: the client's claim */
};

void session_state_init(struct session_state *t);
void session_state_release(struct session_state *t);

void session_line(struct part *p, struct span line);
void session_oversize(struct part *p, size_t cap);
bool session_may_take(const struct session_state *t);    /* one more line */
bool session_may_go_on(const struct part *p);            /* something held back may go now */
void session_go_on(struct part *p);
void session_id_in_use(struct part *p, const struct jsonrpc *rpc);

/* What is said to a client in any session, whatever stands behind it. */
#define SESSION_NO_BATCHES     "batches are not accepted; send one message a line"
#define SESSION_COMPLAINT_SIZE 200
void session_complain(const struct jsonrpc *rpc, char text[SESSION_COMPLAINT_SIZE]);     /* of a message that cannot be read */
MUST_USE bool session_write_discover(struct json_value id, struct buf *out);             /* the answer to server/discover */
