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
	SESSION_ASKING,          /* a request with its own envelope has come and nobody knows whether the backend speaks so */
	SESSION_MODERN,          /* there is no session: each request carries its envelope */
};

struct session_state {
	enum session_phase phase;
	struct held held;
	char *withheld;              /* MODERN: JSON array of the capabilities the backend is not told of; NULL = none */
	bool has_batches;        /* the revision is 2025-03-26, the only one with batches */
	char revision[40];       /* as negotiated; "" = not yet */
	uint8_t capabilities[32];    /* hash of what the backend was told of the client's */
	char *envelope;              /* MODERN: raw JSON, the _meta of requests of our own; NULL = none yet */
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
/* session_modern */
bool session_has_handshake(const struct part *p);        /* begun or over */
bool session_must_ask(const struct part *p, const struct jsonrpc *rpc);  /* the era of the backend must be known first */
void session_era_known(struct part *p);                  /* ... or cannot be */
bool session_admits(struct part *p, const struct jsonrpc *request);      /* false: it was answered with an error */
/* The request without capabilities that are blocked. False: it goes as it is. */
bool session_withholds(struct part *p, const struct jsonrpc *request, struct buf *line);
void session_note_client(struct part *p, const struct jsonrpc *request);
void session_note_capabilities(struct part *p, const struct jsonrpc *request);
void session_note_text(struct json_value v, char *out, size_t size);     /* its text, "" when it has none or is too long */

void session_id_in_use(struct part *p, const struct jsonrpc *rpc);

/* What is said to a client in any session, whatever stands behind it. */
#define SESSION_NO_BATCHES     "batches are not accepted; send one message a line"
/* The revisions this shim can carry to a backend that speaks the handshake. */
#define SESSION_OLDER_REVISIONS "[\"2025-11-25\",\"2025-06-18\",\"2025-03-26\",\"2024-11-05\"]"
#define SESSION_COMPLAINT_SIZE 200
void session_complain(const struct jsonrpc *rpc, char text[SESSION_COMPLAINT_SIZE]);     /* of a message that cannot be read */
MUST_USE bool session_write_discover(struct json_value id, struct buf *out);             /* the answer to server/discover */
