/* stage_limits - which windows apply, and what a call needs before it may go: a person's word, a turn in the queue. Then all windows are
 * held, together with the asking, in one operation. A call that need not wait takes no hold: the commit point admits it in its own. */
#include "base/log.h"
#include "data/secret.h"
#include "shim/call.h"
#include "shim/shim.h"

static struct limit_subject subject_of(const struct call *c)
{
	return (struct limit_subject){ c->facts.tenant, c->facts.agent, c->facts.backend, (int64_t)c->shim->uid, span_of(c->tool) };
}

static void collect_claims(struct call *c)
{
	struct limit_subject who = subject_of(c);

	claims_release(&c->claims);
	claims_collect(c->rules->config, &who, &c->claims);
}

/* A person who approves sees for himself that it is asked for again. */
static void guard_against_loops(struct call *c)
{
	struct limit_subject who = subject_of(c);

	if (!c->needs_approval)
		claims_add_loop(c->rules->config, &who, c->facts.args_hash, &c->claims);
}

/* ---- what the decision stands on --------------------------------------------------------------------------------------------------- */
static void add_number(struct hash *h, int64_t n)
{
	hash_add(h, &n, sizeof(n));
}

static void add_text(struct hash *h, const char *text)
{
	hash_add_field(h, span_of(text));
}

/* Verdict, rule, windows, approval needs. It is compared by processes of one machine only. */
static void take_fingerprint(struct call *c)
{
	const struct config_approval *a = &c->rules->config->approval;
	struct hash h;

	hash_init(&h);
	add_text(&h, c->acl.rule);
	add_text(&h, c->approval_rule);
	add_number(&h, a->quorum);
	add_number(&h, a->is_auth_required);
	add_number(&h, a->self_approve);
	for (size_t i = 0; i < a->approvers.n; i++)
		add_text(&h, a->approvers.v[i]);
	add_number(&h, (int64_t)c->claims.n);
	for (size_t i = 0; i < c->claims.n; i++) {
		add_text(&h, c->claims.v[i].key);
		add_number(&h, c->claims.v[i].window_ms);
		add_number(&h, c->claims.v[i].max_count);
	}
	hash_done(&h, c->facts.fingerprint);
}

/* ---- what it needs ------------------------------------------------------------------------------------------------------------------ */
/* The tool as the backend defines it now, since that is what a person is asked about. Going once more under an approval it has used, it
 * asks anew: the session that was shown is over. */
static enum step look_at_tool(struct call *c)
{
	int64_t after_us = c->spent.approval[0] ? c->repeated_us : 0;
	enum tools_answer answer = tools_define(&c->part->tools, c->tool, after_us, c->facts.tool_hash);

	if (answer == TOOLS_WAIT)
		return STEP_WAIT;
	return answer == TOOLS_KNOWN ? STEP_NEXT : call_refuse_tools(c, answer);
}

static bool is_approval_needed(struct call *c)
{
	c->approval_rule = "";
	return acl_approval_required(c->acl.grant, span_of(c->tool), &c->approval_rule);
}

/* The approval that it has used already, in a flight that did not run, was for just this. */
static bool has_spent(const struct call *c)
{
	return c->spent.approval[0] && memcmp(c->spent.fingerprint, c->facts.fingerprint, sizeof(c->facts.fingerprint)) == 0 &&
	       memcmp(c->spent.tool_hash, c->facts.tool_hash, sizeof(c->facts.tool_hash)) == 0;
}

/* What it needs by the rules it is judged by, and what of that it has already. */
static void look_at_needs(struct call *c)
{
	take_fingerprint(c);
	guard_against_loops(c);
	if (c->needs_approval && (continued_is_approved(c) || has_spent(c)))
		c->needs_approval = false;
}

/* It waited under a hold of its own, and the rules have changed: when the decision is the same, it goes on as it stands; else it lets go
 * and begins anew. */
static enum step judge_hold(struct call *c)
{
	struct claim_set held = c->claims;
	uint8_t before[sizeof(c->facts.fingerprint)];

	memcpy(before, c->facts.fingerprint, sizeof(before));
	c->claims = (struct claim_set){ 0 };
	collect_claims(c);
	c->needs_approval = is_approval_needed(c);
	look_at_needs(c);
	if (memcmp(before, c->facts.fingerprint, sizeof(before)) == 0) {
		claims_release(&held);
		c->has_places = true;
		return STEP_NEXT;
	}
	claims_release(&c->claims);
	c->claims = held;
	return STEP_STORE;
}

enum step limits_judge(struct call *c)
{
	if (c->refusal.reason != REFUSED_NONE)
		return STEP_STOP;
	if (c->has_places)
		return STEP_NEXT;
	if (c->is_holding)
		return judge_hold(c);
	collect_claims(c);
	c->needs_approval = is_approval_needed(c);
	enum step step = c->needs_approval ? look_at_tool(c) : STEP_NEXT;
	if (step != STEP_NEXT)
		return step;
	look_at_needs(c);
	return c->needs_approval || c->approval[0] || standing_is_needed(c) ? STEP_STORE : STEP_NEXT;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------------- */
/* Whole, however long: what a person does not see, nobody can approve. */
static struct span whole_arguments(struct call *c)
{
	if (c->record.canonical.len > 0)
		return buf_span(&c->record.canonical);
	buf_release(&c->ask_args);
	buf_init(&c->ask_args, c->arguments.text.len + 1);
	if (c->arguments.kind == JSON_NONE || !json_canonical(c->arguments, &c->ask_args))
		return SPAN("{}");
	return buf_span(&c->ask_args);
}

static void describe(struct call *c)
{
	const struct config_approval *a = &c->rules->config->approval;

	c->ask = (struct approval_ask){
		.args = whole_arguments(c),
		.rule = c->approval_rule,
		.timeout_ms = a->timeout_ms,
		.redeem_ms = a->redeem_within_ms,
		.quorum = (uint32_t)a->quorum,
		.is_auth_required = a->is_auth_required || a->approvers.n > 0,
		.max_pending = (uint32_t)a->max_pending_per_agent,
		.max_per_hour = (uint32_t)a->max_asks_per_hour,
		.cooldown_after_refusal_ms = a->cooldown_after_refusal_ms,
		.channels = c->ask_channels,
		.channels_n = channels_of(c->rules->config, c->ask_channels),
	};
}

static void let_go(struct call *c, struct store *store)
{
	c->release = (struct release){ .call = &c->facts, .limits = c->claims, .approval = c->approval, .ticket = c->ticket };
	store_release(store, &c->op, &c->release);
}

/* A person first; the ticket is drawn once that one has said yes. */
static void ask_hold(struct call *c, struct store *store)
{
	c->terms = call_terms(c);
	c->hold = (struct hold){ .call = &c->facts, .limits = continued_holds(c), .terms = &c->terms };
	if (c->needs_approval) {
		describe(c);
		c->hold.ask = &c->ask;
		c->hold.spent = c->spent.approval;
	} else {
		c->standing.terms = standing_terms(c);
		c->hold.queue = &c->standing.terms;
	}
	store_hold(store, &c->op, &c->hold);
}

void limits_ask(struct call *c, struct store *store)
{
	c->is_letting_go = c->is_holding || (!c->needs_approval && c->approval[0]);
	if (c->is_letting_go)
		let_go(c, store);
	else
		ask_hold(c, store);
}

/* ---- told ---------------------------------------------------------------------------------------------------------------------------- */
static void refuse_cap(struct call *c, enum refusal_reason why, const char *key, const char *clause)
{
	char wait[REFUSAL_WAIT_SIZE];

	refusal_wait_text(wait, c->hold.retry_after_ms);
	call_refuse(c, why, key, "%.128s needs a person's approval, and %s. Ask again in %s at the earliest. The call was not executed.",
	            c->tool, clause, c->hold.retry_after_ms >= 0 ? wait : "a while");
	c->refusal.retry_after_ms = c->hold.retry_after_ms;
}

/* Who refused, and why: an agent whose first call was told nothing must not run into the wall unknowing. */
static void refuse_recent(struct call *c)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	char clause[340];

	if (store_approval_look(c->shim->state.store, c->hold.refused, &a) != OK) {
		refuse_cap(c, REFUSED_RECENTLY, "cooldown_after_refusal", "a person refused a call of it a moment ago");
		return;
	}
	snprintf(clause, sizeof(clause), "%.60s refused one a moment ago%s%.250s", a.decided_by, *a.reason ? ": " : "", a.reason);
	refuse_cap(c, REFUSED_RECENTLY, "cooldown_after_refusal", clause);
}

static void attached(struct call *c)
{
	snprintf(c->approval, sizeof(c->approval), "%s", c->hold.approval);
	c->approved_us = 0;
	c->has_places = true;
	autostart_look(&c->shim->autostart);
	turn_mark_all(c->shim);                 /* it may have put an end to one that other calls here wait for */
}

static void queued(struct call *c)
{
	c->ticket = c->hold.ticket;
	c->ticket_epoch = c->hold.epoch;
	c->standing.approval[0] = '\0';
	c->is_holding = c->has_places = true;
}

static void told_hold(struct call *c)
{
	switch ((enum hold_answer)c->op.answer) {
	case HELD:
		call_refuse_store(c, "the store gave an answer nobody asked for");
		break;
	case HELD_QUEUED:
	case HELD_RESUMED:
		queued(c);
		break;
	case HOLD_QUEUE_FULL:
		standing_refuse_full(c, &c->hold.full);
		break;
	case HELD_ASKED:
		log_info("approval.asked", "id=%s approval=%s", c->facts.id, c->hold.approval);
		attached(c);
		break;
	case HELD_ATTACHED:
		attached(c);
		break;
	case HOLD_LIMITED:
		refusal_set_limit(&c->refusal, c->facts.backend, &c->hold.why);
		c->refused_at = stage_name(STAGE_LIMITS);
		break;
	case HOLD_CONFIG_CHANGED:
		rulebook_moved_on(&c->shim->rules);
		call_start_over(c);
		break;
	case HOLD_BRAKED:
		obstacle_meet(c, OBSTACLE_BRAKE, &c->hold.obstacle);
		break;
	case HOLD_COOLING:
		obstacle_meet(c, OBSTACLE_COOLDOWN, &c->hold.obstacle);
		break;
	case HOLD_AFTER_UNKNOWN:
		obstacle_meet(c, OBSTACLE_UNKNOWN, &c->hold.obstacle);
		break;
	case HOLD_TOO_MANY_PENDING:
		refuse_cap(c, REFUSED_TOO_MANY_PENDING, "max_pending_per_agent", "too many calls of this agent wait for one already");
		break;
	case HOLD_TOO_MANY_ASKS:
		refuse_cap(c, REFUSED_TOO_MANY_PENDING, "max_asks_per_hour", "this agent has asked for too many within an hour");
		break;
	case HOLD_REFUSED_RECENTLY:
		refuse_recent(c);
		break;
	case HOLD_REFUSED:
		approval_refuse(c, c->hold.refused);
		break;
	}
}

static void has_let_go(struct call *c)
{
	c->approval[0] = '\0';
	c->ticket = 0;
	c->is_holding = false;
	standing_release(c);
}

void limits_told(struct call *c)
{
	if (c->op.err != OK)
		call_refuse_store(c, err_text(c->op.err));
	else if (c->is_letting_go)
		has_let_go(c);
	else
		told_hold(c);
}
