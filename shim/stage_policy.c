/* stage_policy - rules that this version cannot carry out stop the calls they concern; they are never passed over. */
#include "shim/call.h"
#include "shim/shim.h"

static bool has_name(const struct config_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], name) == 0 || strcmp(l->v[i], "*") == 0)
			return true;
	return false;
}

static const struct config_room *room_of(const struct call *c)
{
	const struct config *f = c->rules->config;

	for (size_t i = 0; i < f->rooms_n; i++)
		if (has_name(&f->rooms[i].agents, c->facts.agent) || has_name(&f->rooms[i].backends, c->facts.backend))
			return &f->rooms[i];
	return NULL;
}

static enum step refuse_feature(struct call *c, enum refusal_reason why, const char *key)
{
	return call_refuse(c, why, key, "the rules ask for \"%s\", which this version of Aegis cannot carry out; no call is let through. "
	                   "An operator must remove it or install a version that can. The call was not executed.", key);
}

enum step policy_judge(struct call *c)
{
	const struct config *f = c->rules->config;

	if (f->policies_n > 0)
		return refuse_feature(c, REFUSED_POLICY, "policies");
	if (f->policy_default != POLICY_ALLOW)
		return refuse_feature(c, REFUSED_POLICY, "policy_default");
	if (f->require_room)
		return refuse_feature(c, REFUSED_ROOM, "require_room");
	if (room_of(c))
		return refuse_feature(c, REFUSED_ROOM, "rooms");
	return STEP_NEXT;
}
