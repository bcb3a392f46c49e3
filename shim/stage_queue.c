/* stage_queue - a backend whose calls go one after another. */
#include "shim/call.h"
#include "domain/pattern.h"

static bool is_bypassed(const struct config_queue *q, struct span tool)
{
	for (size_t i = 0; i < q->bypass_tools.n; i++)
		if (pattern_match(q->bypass_tools.v[i], tool))
			return true;
	return false;
}

enum step queue_judge(struct call *c)
{
	const struct config_queue *q = config_queue(c->rules->config, c->facts.backend);

	if (!q || !q->is_enabled || is_bypassed(q, span_of(c->tool)))
		return STEP_NEXT;
	return call_refuse(c, REFUSED_QUEUE, "queue", "calls of %.128s wait in the queue of backend %s, and this version of Aegis cannot "
	                   "keep one. The call was not executed.", c->tool, c->facts.backend);
}
