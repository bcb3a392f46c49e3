/* stage_finish - always reached: the outcome or the refusal goes on record, places are given back or parked, then the reply. */
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

/* What it took while it waited: a hold, a ticket, a place among those that ask for an approval; or an approval, for nothing. The commit point turns it into a use. */
static bool has_place(const struct call *c)
{
	bool has_spent = c->spent.approval[0] && !c->is_recorded;

	return !c->flight.is_committed && (c->is_holding || c->ticket != 0 || c->approval[0] || has_spent);
}

/* The backend proved that it did not run, and why it did not is out of the way. */
static bool is_repeating(const struct call *c)
{
	return c->is_repeatable && !c->is_dropped && !c->is_replied && c->shim->ending.phase == ENDING_NOT;
}

enum step finish_judge(struct call *c)
{
	waiting_end(c);
	c->has_row = has_row(c);
	if (c->has_row || has_place(c))
		return STEP_STORE;
	if (is_repeating(c)) {
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

/* What those who approved it are told. */
static enum ran ran(const struct call *c)
{
	switch (c->outcome.kind) {
	case OUTCOME_NOT_SENT:  return RAN_NOT;
	case OUTCOME_STOPPED:   return c->stops ? RAN_ON : RAN_UNKNOWN;         /* nobody can go on from there */
	case OUTCOME_UNKNOWN:   return RAN_UNKNOWN;
	case OUTCOME_SUCCEEDED: return RAN_OK;
	case OUTCOME_NONE:
	case OUTCOME_FAILED:
	case OUTCOME_REJECTED:  return RAN_FAILED;
	}
	return RAN_FAILED;
}

/* Written sooner or later, whatever happens; the reply does not wait for a store that takes nothing. */
static void stays(struct call *c)
{
	c->op.is_kept = true;
	c->is_unsettled = true;
	c->shim->state.unsettled++;
}

static void ask_settle(struct call *c, struct store *store)
{
	call_seal_evidence(c, EVIDENCE_OUTCOME, outcome_text(c->outcome.kind), record_outcome(&c->record, &c->outcome, call_body(c)));
	c->settle = (struct settle){
		.call = &c->facts,
		.limits = c->claims,
		.is_refund = is_refund(c),
		.is_void = is_repeating(c),
		.is_unknown = c->outcome.kind == OUTCOME_UNKNOWN,
		.ran = ran(c),
		.left_tick_ms = c->flight.left_tick_ms,
		.cooldown_ms = c->cooldown.ms,
		.cooldown_cause = c->cooldown.cause,
		.ticket = c->ticket,
		.evidence = &c->evidence,
	};
	stays(c);
	FAILPOINT(FINISH_ASKING);
	store_settle(store, &c->op, &c->settle);
}

static void seal_refused(struct call *c)
{
	call_seal_evidence(c, EVIDENCE_REFUSED, refusal_reason_text(c->refusal.reason),
	                   record_refused(&c->record, &c->refusal, c->refused_at, call_body(c)));
}

/* Before the reply: a call repeated at once finds its place. */
static void ask_release(struct call *c, struct store *store)
{
	const struct config_queue *q = config_queue(c->rules->config, c->facts.backend);

	if (c->has_row)
		seal_refused(c);
	c->release = (struct release){
		.call = &c->facts,
		.limits = c->claims,
		.approval = c->approval,
		.ticket = c->ticket,
		.spent = c->spent.approval,
		.is_parking = c->refusal.reason == REFUSED_DEFERRED && !c->is_dropped,
		.keep_ms = q ? q->keep_place_ms : 0,
		.evidence = c->has_row ? &c->evidence : NULL,
	};
	stays(c);
	FAILPOINT(FINISH_RELEASING);
	store_release(store, &c->op, &c->release);
}

static void ask_refused(struct call *c, struct store *store)
{
	seal_refused(c);
	FAILPOINT(FINISH_REFUSING);
	store_audit_append(store, &c->op, &c->evidence);
}

void finish_ask(struct call *c, struct store *store)
{
	if (c->flight.is_committed)
		ask_settle(c, store);
	else if (has_place(c))
		ask_release(c, store);
	else
		ask_refused(c, store);
}

/* The deferral is not written yet, so nobody was told to come again: the client's own end counts. */
void finish_ends(struct call *c, const char *by)
{
	const char *waited_at = c->refused_at;

	if (!c->is_asking || !c->release.is_parking || c->is_replied)
		return;
	c->release.is_parking = false;
	snprintf(c->outcome.ended_by, sizeof(c->outcome.ended_by), "%s", by);
	call_end_waiting(c);
	c->refused_at = waited_at;
	if (c->has_row)
		seal_refused(c);
}

void finish_told(struct call *c)
{
	FAILPOINT(FINISH_TOLD);
	c->is_recorded = true;
	c->is_holding = false;
	c->ticket = 0;
	c->approval[0] = '\0';
	if (c->is_unsettled) {
		continued_settled(c);
		state_settled(&c->shim->state);
	}
	if (c->flight.is_committed && c->spent.approval[0] && c->shim->ending.phase == ENDING_NOT)
		autostart_look(&c->shim->autostart);    /* those who approved it are told how it ended */
	if (c->op.err != OK)
		log_warn("audit.lost", "id=%s tool=%.64s: %s", c->facts.id, c->facts.tool, err_text(c->op.err));
}
