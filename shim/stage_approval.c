/* stage_approval - a tool that needs a person's word: waits for it, and tells the agent what was said. What was asked, and what became
 * of it, stands in the store; it is looked at whenever the call is woken, and once a second besides. */
#include "base/clock.h"
#include "shim/call.h"
#include "shim/shim.h"

#define LOOK_MS        1000
#define COME_AGAIN_MS  (30 * 1000)           /* an agent told to come again need not come more often */

/* ---- not yet ------------------------------------------------------------------------------------------------------------------------ */
static enum step wait_for_person(struct call *c, const struct approval *a)
{
	int64_t left_ms = a->expires_in_ms;

	snprintf(c->waiting.name, sizeof(c->waiting.name), "%s", a->short_id);
	waiting_begin(c, WAITING_APPROVAL);
	if (waiting_is_over(c))
		return call_defer(c, left_ms < COME_AGAIN_MS ? left_ms : COME_AGAIN_MS);
	call_look_in(c, !a->is_frozen && left_ms < LOOK_MS ? left_ms + 1 : LOOK_MS);
	return STEP_WAIT;
}

/* ---- yes ---------------------------------------------------------------------------------------------------------------------------- */
/* What was approved is the tool as it was shown: the backend is asked once more what it is now. */
static enum step given(struct call *c)
{
	uint8_t hash[32];

	if (c->approved_us == 0)
		c->approved_us = clock_mono_us();
	enum tools_answer answer = tools_define(&c->part->tools, c->tool, c->approved_us - 1, hash);
	if (answer == TOOLS_WAIT)
		return STEP_WAIT;
	if (answer != TOOLS_KNOWN)
		return call_refuse_tools(c, answer);
	waiting_end(c);
	return memcmp(hash, c->facts.tool_hash, sizeof(hash)) == 0 ? STEP_NEXT : STEP_OVER;
}

/* ---- no ----------------------------------------------------------------------------------------------------------------------------- */
/* ": because", or nothing. */
static const char *because(char *out, size_t size, const char *reason)
{
	snprintf(out, size, "%s%.250s", *reason ? ": " : "", reason);
	return out;
}

static enum step refuse(struct call *c, const struct approval *a)
{
	char why[280];

	because(why, sizeof(why), a->reason);
	switch (a->state) {
	case APPROVAL_REJECTED:
		call_refuse(c, REFUSED_APPROVAL, a->rule, "%.100s refused approval %s%s. The call was not executed. Do not repeat it unless you "
		            "are asked to.", a->decided_by, a->short_id, why);
		break;
	case APPROVAL_CANCELLED:
		call_refuse(c, REFUSED_CANCELLED, a->rule, "approval %s was cancelled before anybody decided%s. The call was not executed.",
		            a->short_id, why);
		break;
	case APPROVAL_CONSUMED:
		call_refuse(c, REFUSED_APPROVAL_USED, a->rule, "an identical call has used approval %s. This call was not executed.",
		            a->short_id);
		break;
	case APPROVAL_PENDING:
	case APPROVAL_APPROVED:
	case APPROVAL_EXPIRED:
		call_refuse(c, REFUSED_EXPIRED, a->rule, "approval %s has expired: %s%s. The call was not executed. It may be repeated, and is then "
		            "asked for anew.", a->short_id, *a->decided_by ? "it was given, and not used in time" : "nobody decided in time", why);
		break;
	}
	snprintf(c->refusal.approval, sizeof(c->refusal.approval), "%s", a->short_id);
	return STEP_STOP;
}

enum step approval_judge(struct call *c)
{
	CLEANUP(approval_release) struct approval a = { 0 };

	if (c->refusal.reason != REFUSED_NONE)
		return STEP_STOP;
	if (!c->needs_approval)
		return STEP_NEXT;
	if (!c->approval[0])
		return call_refuse_store(c, "an approval is needed and none was asked for");
	enum err e = store_approval_look(c->shim->state.store, c->approval, &a);
	if (e != OK)
		return call_refuse_store(c, err_text(e));
	switch (a.state) {
	case APPROVAL_PENDING:  return wait_for_person(c, &a);
	case APPROVAL_APPROVED: return given(c);
	case APPROVAL_REJECTED:
	case APPROVAL_EXPIRED:
	case APPROVAL_CANCELLED:
	case APPROVAL_CONSUMED: break;
	}
	return a.is_overdue ? STEP_STORE : refuse(c, &a);
}

/* Given in its last moment and not yet written when it was read, it is no refusal: the store says which was first. */
void approval_ask(struct call *c, struct store *store)
{
	store_approval_expire(store, &c->op);
}

void approval_told(struct call *c)
{
	if (c->op.err != OK)
		call_refuse_store(c, err_text(c->op.err));
}

void approval_refuse(struct call *c, const char *approval)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	enum err e = store_approval_look(c->shim->state.store, approval, &a);

	if (e != OK)
		call_refuse_store(c, err_text(e));
	else
		refuse(c, &a);
}
