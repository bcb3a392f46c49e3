#include "domain/queue.h"
#include "domain/pattern.h"

bool queue_governs(const struct config_queue *q, struct span tool)
{
	return q && q->is_enabled && !pattern_match_any(q->bypass_tools.v, q->bypass_tools.n, tool);
}
