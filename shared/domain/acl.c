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

struct lists {
	const struct config_list *allow, *deny;
	const char *allow_rule, *deny_rule;
};

static struct lists lists_of(const struct config_grant *g, enum acl_subject_kind kind)
{
	switch (kind) {
	case ACL_TOOL:
		return (struct lists){ &g->tool_allowlist, &g->tool_denylist, "tool_allowlist", "tool_denylist" };
	case ACL_RESOURCE:
		return (struct lists){ &g->resource_allowlist, &g->resource_denylist, "resource_allowlist", "resource_denylist" };
	case ACL_PROMPT:
		break;
	}
	return (struct lists){ &g->prompt_allowlist, &g->prompt_denylist, "prompt_allowlist", "prompt_denylist" };
}

struct acl_answer acl_named(const struct config *c, const struct acl_subject *who, enum acl_subject_kind kind, struct span name)
{
	struct acl_answer a = acl_backend(c, who);

	if (a.verdict != ACL_ALLOWED)
		return a;
	struct lists l = lists_of(a.grant, kind);
	if (list_match(l.deny, name))
		a.rule = l.deny_rule;
	else if (l.allow->is_set && !list_match(l.allow, name))
		a.rule = l.allow_rule;
	else
		return a;
	a.verdict = ACL_DENIED;
	return a;
}

struct acl_answer acl_tool(const struct config *c, const struct acl_subject *who, struct span tool)
{
	return acl_named(c, who, ACL_TOOL, tool);
}

bool acl_restricts(const struct config_grant *g, enum acl_subject_kind kind)
{
	struct lists l = lists_of(g, kind);

	return l.allow->is_set || l.deny->n > 0;
}

bool acl_approval_required(const struct config_grant *g, struct span tool, const char **rule)
{
	const char *match = list_match(&g->approval_required, tool);

	if (match && rule)
		*rule = match;
	return match != NULL;
}
