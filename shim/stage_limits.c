/* stage_limits - which windows apply. A call that need not wait takes no hold: the commit point admits it in its own operation. */
#include "shim/call.h"
#include "shim/shim.h"

enum step limits_judge(struct call *c)
{
	struct limit_subject who = { c->facts.tenant, c->facts.agent, c->facts.backend, (int64_t)c->shim->uid, span_of(c->tool) };

	claims_release(&c->claims);
	claims_collect(c->rules->config, &who, &c->claims);
	return STEP_NEXT;
}
