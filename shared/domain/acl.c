#include "domain/acl.h"
#include "domain/pattern.h"

static const char *list_match(const struct config_list *list, struct span name)
{
	return pattern_match_any(list->v, list->n, name);
}

/* A uid that principals name may only be the agents listed there; a uid they do not name may be any. */
static bool user_may_be(const struct config *c, const struct acl_subject *who)
{
	for (size_t i = 0; i < c->principals_n; i++) {
		const struct config_principal *p = &c->principals[i];
		if (p->uid == who->uid && p->agents.is_set && !list_match(&p->agents, span_of(who->agent)))
			return false;
	}
	return true;
}

struct acl_answer acl_backend(const struct config *c, const struct acl_subject *who)
{
	struct acl_answer a = { .rule = "" };

	a.agent = config_agent(c, who->agent);
	if (!a.agent) {
		a.verdict = ACL_UNKNOWN_AGENT;
		return a;
	}
	if (!user_may_be(c, who)) {
		a.verdict = ACL_WRONG_USER;
		a.rule = "principals";
		return a;
	}
	a.grant = config_grant(a.agent, who->backend);
	a.verdict = a.grant && a.grant->is_allowed ? ACL_ALLOWED : ACL_NO_BACKEND;
	if (a.verdict == ACL_NO_BACKEND)
		a.rule = "allowed";
	return a;
}

struct acl_answer acl_tool(const struct config *c, const struct acl_subject *who, struct span tool)
{
	struct acl_answer a = acl_backend(c, who);

	if (a.verdict != ACL_ALLOWED)
		return a;
	const char *denied = list_match(&a.grant->tool_denylist, tool);
	const char *listed = list_match(&a.grant->tool_allowlist, tool);
	if (denied) {
		a.verdict = ACL_DENIED;
		a.rule = "tool_denylist";
	} else if (a.grant->tool_allowlist.is_set && !listed) {
		a.verdict = ACL_DENIED;
		a.rule = "tool_allowlist";
	}
	return a;
}

bool acl_approval_required(const struct config_grant *g, struct span tool, const char **rule)
{
	const char *match = list_match(&g->approval_required, tool);

	if (match && rule)
		*rule = match;
	return match != NULL;
}
