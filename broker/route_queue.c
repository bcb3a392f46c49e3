/* route_queue - GET /api/v1/queue/status: {"backend": calls in its queue, the one that runs included}, for every queue of the rules. */
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"

#define MAX_BODY (1024 * 1024)

struct counting { const struct config *config; uint32_t *n; };

static bool count(void *arg, const struct queue_row *row)
{
	struct counting *c = arg;

	for (size_t i = 0; i < c->config->queues_n; i++)
		c->n[i] += strcmp(c->config->queues[i].backend, row->backend) == 0;
	return true;
}

static void answer(struct request *r, const struct counting *c)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '{');
	for (size_t i = 0; i < c->config->queues_n; i++)
		if (c->config->queues[i].is_enabled || c->n[i] > 0)
			put_number(&p, c->config->queues[i].backend, c->n[i]);
	put_close(&p, '}');
	reply_put(r, 200, &p);
}

void route_queue_status(struct request *r)
{
	const struct config *config = r->broker->config;
	struct store *s = request_store(r);

	if (!s)
		return;
	struct counting c = { config, xcalloc(config->queues_n + 1, sizeof(*c.n)) };
	enum err e = store_queue_list(s, NULL, count, &c);
	if (e == OK)
		answer(r, &c);
	else
		reply_err(r, e);
	free(c.n);
}
