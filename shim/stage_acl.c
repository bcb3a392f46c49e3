/* stage_acl - may this agent call this tool here, by the rules in force? First of all: can anything be decided at all? */
#include "shim/call.h"
#include "shim/shim.h"

#define MAX_ROUNDS 8

static struct acl_subject subject(const struct call *c)
{
	return (struct acl_subject){ c->facts.agent, c->facts.backend, (int64_t)c->shim->uid };
}

static enum step stop(struct call *c)
{
	c->refused_at = stage_name(c->stage);
	return STEP_STOP;
}

static enum step by_rules(struct call *c)
{
	struct acl_subject who = subject(c);

	c->acl = acl_tool(c->rules->config, &who, span_of(c->tool));
	return refusal_set_acl(&c->refusal, &c->acl, &who, ACL_TOOL, c->tool) ? stop(c) : STEP_NEXT;
}

static enum step by_list(struct call *c)
{
	if (c->part->missing[0])
		return call_refuse(c, REFUSED_UNREACHABLE, "", "backend %s is not there at present: %.200s. The call was not executed.",
		                   c->facts.backend, c->part->missing);
	enum tools_answer answer = tools_look(&c->part->tools, c->tool);

	if (answer == TOOLS_WAIT)
		return STEP_WAIT;
	if (answer != TOOLS_KNOWN)
		return call_refuse_tools(c, answer);
	c->is_known_tool = true;
	return STEP_NEXT;
}

/* Store and rules come first: without them nothing can be promised. */
static enum step can_decide(struct call *c)
{
	struct shim *s = c->shim;

	if (!host_has_room(&s->host))
		return STEP_WAIT;               /* the client does not read: another answer would only pile up */
	if (!state_is_open(&s->state))
		return call_refuse_store(c, s->state.why);
	if (s->state.is_behind)
		return call_refuse_store(c, "the outcome of an earlier call is not yet written");
	if (c->rounds > MAX_ROUNDS)
		return call_refuse(c, REFUSED_CONFIG, "", "the rules change faster than a call can be judged. The call was not executed.");
	switch (rulebook_look(&s->rules, s->state.store)) {
	case RULES_READY:
		return STEP_NEXT;
	case RULES_WAIT:
		c->rounds++;
		return STEP_WAIT;
	case RULES_FAILED:
		return call_refuse_store(c, "the rules in force cannot be asked for");
	case RULES_BEHIND:
		break;
	}
	return call_refuse(c, REFUSED_CONFIG, "", "newer rules are in force and this process cannot load them: %.300s. No call is let "
	                   "through until the file is right. The call was not executed.", s->rules.why);
}

enum step acl_judge(struct call *c)
{
	enum step step = can_decide(c);

	ruleset_drop(c->rules);
	c->rules = ruleset_keep(c->shim->rules.current);
	if (step == STEP_NEXT)
		step = by_rules(c);
	if (step == STEP_NEXT)
		step = part_is_same(c->part) ? STEP_NEXT :
		       call_refuse(c, REFUSED_CONFIG, "", "backend %s was moved in the rules; this session still talks to the old place. "
		                   "Restart the MCP client. The call was not executed.", c->facts.backend);
	if (step == STEP_NEXT)
		step = by_list(c);
	return step;
}
