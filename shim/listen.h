/* listen - the client's open subscriptions/listen (MCP 2026-07-28). What the backend says on them passes through the relay; here is only
 * what we have to say on them ourselves: that the tools, as this agent may see them, are others now. */
#pragma once
#include "base/list.h"
#include "data/jsonrpc.h"

struct part;

struct listen {
	struct list node;                    /* relay.listens */
	struct json_value id;                /* of the request, which lives as long */
	bool wants_tools;
	bool is_acknowledged;                /* by the backend: nothing comes before that */
	bool owes_tools;
};

void listen_open(struct list *among, struct listen *l, const struct jsonrpc *request);   /* any other request is left alone */
void listen_close(struct listen *l);
void listen_note(struct part *p, const struct jsonrpc *notification);    /* of the backend; call it when it was passed on */
void listen_say_tools_changed(struct part *p);
