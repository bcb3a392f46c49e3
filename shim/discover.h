/* discover - which era the backend speaks. server/discover of the client goes to a backend that may know the answer; one that does not, or
 * takes longer than a client has patience, is answered for, so that the client sends initialize. What the answer says is remembered for
 * the session. A request that carries its own envelope without anybody having asked makes us ask. */
#pragma once
#include "shim/upstream.h"

struct part;

struct discover {
	struct part *part;
	enum era era;
	struct list probes;                  /* struct probe: the client's, on their way */
	struct era_question question;        /* ours */
};

/* As far as it is known. */
enum era discover_era(const struct discover *d);
void discover_init(struct discover *d, struct part *part);
bool discover_is_idle(const struct discover *d);
void discover_give_up(struct discover *d);

void discover_from_client(struct discover *d, const struct jsonrpc *rpc);
/* The era is needed for a request of the client. session_era_known follows, also when it cannot be found out. */
void discover_ask(struct discover *d);

/* The error for a request whose revision the backend does not speak, or that no session speaks beside another. */
void discover_refuse(struct part *p, const struct jsonrpc *rpc, struct json_value requested);
