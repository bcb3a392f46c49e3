/* stage_approval - a tool that needs a person's word. */
#include "shim/call.h"

enum step approval_judge(struct call *c)
{
	const char *rule = "";

	if (!acl_approval_required(c->acl.grant, span_of(c->tool), &rule))
		return STEP_NEXT;
	return call_refuse(c, REFUSED_APPROVAL, rule, "%.128s needs a person's approval, and this version of Aegis cannot ask for one. "
	                   "The call was not executed.", c->tool);
}
