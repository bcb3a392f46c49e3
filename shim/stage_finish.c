/* stage_finish - always reached: the outcome or the refusal goes on record, places are given back, then the reply. */
#include "base/failpoint.h"
#include "base/log.h"
#include "shim/call.h"
#include "shim/shim.h"

/* A refusal like the one before is only counted; what was forwarded always has its own row. */
static bool has_row(struct call *c)
{
	struct shim *s = c->shim;
	struct repeat_kind of;
	bool is_known;

	if (c->is_recorded)
		return false;
	if (c->flight.is_committed)
		return true;
	if (!s->state.store || c->refusal.reason == REFUSED_STORE) {
		log_warn("audit.lost", "id=%s tool=%.64s verdict=%s: the store does not take it", c->facts.id, c->facts.tool,
		         refusal_reason_text(c->refusal.reason));
		return false;
	}
	is_known = c->is_known_tool || c->acl.verdict == ACL_ALLOWED;
	of = (struct repeat_kind){ EVIDENCE_REFUSED, "", is_known ? c->facts.tool : "", refusal_reason_text(c->refusal.reason) };
	return journal_is_first(&c->part->journal, &of);
}

enum step finish_judge(struct call *c)
{
	if (has_row(c))
		return STEP_STORE;
	if (c->is_repeatable && !c->is_dropped && !c->is_replied && c->shim->ending.phase == ENDING_NOT) {
		call_repeat(c);
		turn_mark(&c->shim->turn, c);
	} else {
		call_exit(c);
	}
	return STEP_WAIT;
}

/* "Only successful calls count": what provably did not succeed gives its place back. */
static bool is_refund(const struct call *c)
{
	bool count_failures = c->rules->config->count_failures;

	if (c->continues)
		return false;                   /* its first part was with the backend */

	switch (c->outcome.kind) {
	case OUTCOME_NOT_SENT:  return true;
	case OUTCOME_FAILED:
	case OUTCOME_REJECTED:  return !count_failures;
	case OUTCOME_NONE:
	case OUTCOME_STOPPED:
	case OUTCOME_SUCCEEDED:
	case OUTCOME_UNKNOWN:   return false;
	}
	return false;
}

static void ask_settle(struct call *c, struct store *store)
{
	call_seal_evidence(c, EVIDENCE_OUTCOME, outcome_text(c->outcome.kind), record_outcome(&c->record, &c->outcome, call_body(c)));
	c->settle = (struct settle){
		.call = &c->facts,
		.limits = c->claims,
		.is_refund = is_refund(c),
		.is_unknown = c->outcome.kind == OUTCOME_UNKNOWN,
		.left_tick_ms = c->flight.left_tick_ms,
		.evidence = &c->evidence,
	};
	c->op.is_kept = true;
	c->is_unsettled = true;
	c->shim->state.unsettled++;
	FAILPOINT(FINISH_ASKING);
	store_settle(store, &c->op, &c->settle);
}

static void ask_refused(struct call *c, struct store *store)
{
	call_seal_evidence(c, EVIDENCE_REFUSED, refusal_reason_text(c->refusal.reason),
	                   record_refused(&c->record, &c->refusal, c->refused_at, call_body(c)));
	FAILPOINT(FINISH_REFUSING);
	store_audit_append(store, &c->op, &c->evidence);
}

void finish_ask(struct call *c, struct store *store)
{
	if (c->flight.is_committed)
		ask_settle(c, store);
	else
		ask_refused(c, store);
}

void finish_told(struct call *c)
{
	FAILPOINT(FINISH_TOLD);
	c->is_recorded = true;
	if (c->is_unsettled) {
		continued_settled(c);
		state_settled(&c->shim->state);
	}
	if (c->op.err != OK)
		log_warn("audit.lost", "id=%s tool=%.64s: %s", c->facts.id, c->facts.tool, err_text(c->op.err));
}
