/* stage_forward - the commit point, then the first byte, then the backend's word. Nothing is sent that is not on record, and nothing
 * is sent twice. */
#include <assert.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "shim/call.h"
#include "shim/modern.h"
#include "shim/reply.h"
#include "shim/server_requests.h"
#include "shim/shim.h"

#define FRESH_US        (50 * 1000)          /* a commit older than this is asked for again before the first byte leaves */
#define MAX_LOOKS       8
#define STAMP_AFTER_MS  1000
#define GRACE_MS        30000                /* beyond the backend's own timeouts: connecting, sending a large body */
#define NO_TIMEOUT_MS   (24 * 3600 * 1000)   /* deadline of a flight whose backend has no timeout */

static struct call *call_of_delivery(struct delivery *d)
{
	return container_of(d, struct call, flight.delivery);
}

static const struct config_backend *backend_of(const struct call *c)
{
	return config_backend(c->rules->config, c->facts.backend);
}

static int64_t flight_ms(const struct call *c)
{
	const struct config_backend *b = backend_of(c);

	return b->timeout_ms > 0 ? b->connect_timeout_ms + b->timeout_ms + GRACE_MS : NO_TIMEOUT_MS;
}

/* ---- the commit point ------------------------------------------------------------------------------------------------------------ */
/* It has waited: are the rules it was judged by, and the tool a person was shown, still the same? */
static enum step look_again(struct call *c)
{
	if (!c->has_places)
		return STEP_STORE;
	if (c->needs_approval && !tools_is_defined_as(&c->part->tools, c->tool, c->facts.tool_hash))
		return STEP_OVER;
	switch (rulebook_look(&c->shim->rules, c->shim->state.store)) {
	case RULES_READY:  return c->shim->rules.current == c->rules ? STEP_STORE : STEP_OVER;
	case RULES_WAIT:   return STEP_WAIT;
	case RULES_BEHIND:
	case RULES_FAILED: break;
	}
	return STEP_OVER;                       /* stage acl says why */
}

enum step forward_judge(struct call *c)
{
	if (c->refusal.reason != REFUSED_NONE && !c->flight.is_committed)
		return STEP_STOP;
	if (c->flight.is_done)
		return STEP_NEXT;
	if (c->flight.is_committed)
		return STEP_WAIT;
	return look_again(c);
}

void forward_ask(struct call *c, struct store *store)
{
	const struct continuation *k = c->continues;
	struct record_verdicts v = {
		.generation = c->rules->generation,
		.acl_rule = c->acl.rule,
		.claims = &c->claims,
		.continues = k ? k->first : NULL,
		.approval = c->approval[0] ? c->approval : k ? k->approval : c->spent.approval,
		.queue_position = c->ticket ? c->standing.drawn_at : 0,
		.queue_ticket = c->ticket,
		.queue_wait_ms = c->standing.waited_ms,
	};

	assert(!c->needs_approval || c->approval[0]);
	call_seal_evidence(c, EVIDENCE_INTENT, "allowed", record_intent(&c->record, &v, call_body(c)));
	c->terms = call_terms(c);
	c->commit = (struct commit){
		.call = &c->facts,
		.limits = c->claims,
		.terms = &c->terms,
		.is_holding = c->is_holding,
		.approval = c->approval,
		.ticket = c->ticket,
		.ticket_epoch = c->ticket_epoch,
		.under = k ? k->approval : c->spent.approval,
		.continues = k ? k->use : NULL,
		.continues_tick = k ? k->use_tick : 0,
		.deadline_ms = flight_ms(c),
		.intent = &c->evidence,
	};
	FAILPOINT(FORWARD_ASKING);
	store_commit(store, &c->op, &c->commit);
}

static void launch(struct call *c);

/* Asked again which way it ended; several times in a row it cannot be lost. */
static void approval_gone(struct call *c)
{
	c->stage = STAGE_APPROVAL;
	if (c->rounds++ > MAX_LOOKS)
		call_refuse_store(c, "an approval stands otherwise than it was read");
}

/* It stays used, and by this call: should its flight prove that it did not run, nobody is asked twice. */
static void note_spent(struct call *c)
{
	memcpy(c->spent.approval, c->approval, sizeof(c->spent.approval));
	memcpy(c->spent.fingerprint, c->facts.fingerprint, sizeof(c->spent.fingerprint));
	memcpy(c->spent.tool_hash, c->facts.tool_hash, sizeof(c->spent.tool_hash));
}

static void committed(struct call *c)
{
	struct flight *f = &c->flight;

	waiting_end(c);
	standing_release(c);
	if (c->approval[0]) {
		note_spent(c);
		turn_mark_all(c->shim);         /* identical calls of this process learn that it is used */
	}
	f->is_committed = true;
	f->committed_us = clock_mono_us();
	f->epoch = c->commit.epoch;
	FAILPOINT(FORWARD_TOLD);
	if (c->is_dropped) {
		c->outcome.kind = OUTCOME_NOT_SENT;
		f->is_done = true;
		return;
	}
	launch(c);
}

static void rules_changed(struct call *c)
{
	rulebook_moved_on(&c->shim->rules);
	if (c->is_dropped)
		call_refuse(c, REFUSED_CANCELLED, "", "the client ended the call. It was not executed.");
	else
		call_start_over(c);
}

/* Who stands in the queue lets others past and keeps its number. */
static void limited(struct call *c)
{
	if (c->ticket) {
		standing_step_aside(c, c->commit.why.retry_after_ms);
		return;
	}
	refusal_set_limit(&c->refusal, c->facts.backend, &c->commit.why);
	c->refused_at = stage_name(STAGE_LIMITS);
}

void forward_told(struct call *c)
{
	if (c->op.err != OK) {
		call_refuse_store(c, err_text(c->op.err));
		return;
	}
	switch ((enum commit_answer)c->op.answer) {
	case COMMITTED:
		committed(c);
		break;
	case COMMIT_LIMITED:
		limited(c);
		break;
	case COMMIT_CONFIG_CHANGED:
		rules_changed(c);
		break;
	case COMMIT_BRAKED:
		obstacle_meet(c, OBSTACLE_BRAKE, &c->commit.obstacle);
		break;
	case COMMIT_COOLING:
		obstacle_meet(c, OBSTACLE_COOLDOWN, &c->commit.obstacle);
		break;
	case COMMIT_AFTER_UNKNOWN:
		obstacle_meet(c, OBSTACLE_UNKNOWN, &c->commit.obstacle);
		break;
	case COMMIT_APPROVAL_GONE:
	case COMMIT_APPROVAL_USED:
		approval_gone(c);
		break;
	case COMMIT_TOOL_CHANGED:
		call_start_over(c);
		break;
	case COMMIT_NOT_FIRST:
	case COMMIT_PASSED_OVER:
		standing_was_beaten(c);
		break;
	default:
		call_refuse_store(c, "the store gave an answer nobody asked for");
		break;
	}
}

/* ---- the first byte -------------------------------------------------------------------------------------------------------------- */
static bool may_leave(struct delivery *d)
{
	struct call *c = call_of_delivery(d);
	bool is_ours = false;

	FAILPOINT(FORWARD_PREREQ);
	if (c->is_dropped)
		return false;
	if (clock_mono_us() - c->flight.committed_us <= FRESH_US)
		return true;
	FAILPOINT(FORWARD_LEAVING);
	return store_flight_is_ours(c->shim->state.store, c->facts.id, c->flight.epoch, &is_ours) == OK && is_ours;
}

static void stamp_told(struct op *op)
{
	(void)op;                               /* kept until written; the call lives longer: its outcome is written after */
}

static void open_for_a_second(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, flight.stamp_timer);
	struct flight *f = &c->flight;

	f->stamp = (struct stamp){ &c->facts, c->claims, f->left_tick_ms };
	f->stamp_op = (struct op){ .told = stamp_told, .arg = c, .is_kept = true };
	store_stamp(c->shim->state.store, &f->stamp_op, &f->stamp);
}

static void left(struct delivery *d)
{
	struct call *c = call_of_delivery(d);
	struct now now;

	store_now(c->shim->state.store, &now);
	FAILPOINT(FORWARD_LEFT);
	c->flight.has_left = true;
	c->flight.left_tick_ms = now.tick_ms;
	loop_timer_set(c->shim->loop, &c->flight.stamp_timer, STAMP_AFTER_MS);
}

/* ---- the backend's word ---------------------------------------------------------------------------------------------------------- */
static void keep_reply(struct call *c, const struct jsonrpc *response)
{
	struct buf line;
	bool is_replaced = false;

	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!reply_write_call_answer(response, c->in.rpc.id, &line, &is_replaced) ||
	    (is_replaced && c->in.is_modern && !modern_complete(&line)))
		buf_clear(&line);
	if (is_replaced) {
		continued_forget(c);            /* nobody can go on from it */
		snprintf(c->outcome.cause, sizeof(c->outcome.cause), "%s", REPLY_REPLACED);
	}
	c->reply_bytes = line.len;
	c->reply = buf_take(&line);
}

/* The backend needs input before it can go on. What the agent's rules keep from it, it does not get by this way either. */
static void stopped(struct call *c, const struct jsonrpc *response)
{
	const struct config_agent *a = config_agent(c->rules->config, c->facts.agent);
	char blocked[SERVER_REQUESTS_NAME_SIZE];

	c->outcome.kind = OUTCOME_STOPPED;
	c->outcome.executed = EXECUTED_UNKNOWN;
	if (!server_requests_blocked_input(a, response, blocked)) {
		continued_stopped(c, response);
		keep_reply(c, response);
		return;
	}
	journal_blocked(&c->part->journal, blocked, c->tool, SERVER_REQUESTS_BLOCKED);
	call_refuse(c, REFUSED_POLICY, "server_requests", "backend %s needs %s from the client to go on with %.128s, and the rules of this "
	            "agent block that. The call was begun and not completed.", c->facts.backend, blocked, c->tool);
	c->refusal.executed = EXECUTED_UNKNOWN;
	snprintf(c->outcome.cause, sizeof(c->outcome.cause), "it asked for %s, which the rules block", blocked);
}

static void answered(struct delivery *d, const struct jsonrpc *response)
{
	struct call *c = call_of_delivery(d);
	bool is_error = response->kind == JSONRPC_ERROR;
	bool is_failure = is_error || response->is_error_result;
	struct span answer = is_error ? response->error.text : response->result.text;
	FAILPOINT(FORWARD_ANSWERED);

	c->outcome.kind = is_failure ? OUTCOME_FAILED : OUTCOME_SUCCEEDED;
	c->outcome.executed = is_error ? EXECUTED_NO : EXECUTED_YES;
	record_result(&c->outcome, answer, is_failure, c->rules->config->audit.results);
	if (d->is_modern && response->is_input_required)
		stopped(c, response);
	else if (!c->is_dropped)
		keep_reply(c, response);
}

static void say_not_executed(struct call *c, const char *cause, int64_t retry_after_ms)
{
	c->outcome.executed = EXECUTED_NO;
	call_refuse(c, REFUSED_UNREACHABLE, "", "%.128s could not be called on backend %s: %.200s. The call was not executed.", c->tool,
	            c->facts.backend, cause);
	c->refusal.retry_after_ms = retry_after_ms;
}

static void say_unknown(struct call *c, const char *cause)
{
	c->outcome.executed = EXECUTED_UNKNOWN;
	call_refuse(c, REFUSED_UNKNOWN_OUTCOME, "", "%.128s was sent to backend %s, but no usable answer came (%.200s): whether it was "
	            "executed is unknown. Find out before repeating it; do not repeat it blindly.", c->tool, c->facts.backend, cause);
	c->refusal.executed = EXECUTED_UNKNOWN;
}

/* It ran, and nobody knows what came of it: the client must not call again on a guess. */
static void say_thrown_away(struct call *c)
{
	struct buf line;

	c->outcome.kind = OUTCOME_SUCCEEDED;
	c->outcome.executed = EXECUTED_YES;
	snprintf(c->outcome.cause, sizeof(c->outcome.cause), "the result is larger than max_body and was thrown away: an error was said in its place");
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!reply_write_thrown_away(c->in.rpc.id, c->part->place.max_body_bytes, true, &line) ||
	    (c->in.is_modern && !modern_complete(&line)))
		buf_clear(&line);
	c->reply_bytes = line.len;
	c->reply = buf_take(&line);
}

static void unanswered(struct call *c, const struct delivery_end *end)
{
	const char *cause = end->cause ? end->cause : "no answer";

	snprintf(c->outcome.cause, sizeof(c->outcome.cause), "%s", cause);
	switch (end->fate) {
	case FATE_NOT_SENT:
		c->outcome.kind = OUTCOME_NOT_SENT;
		say_not_executed(c, cause, end->retry_after_ms);
		break;
	case FATE_REFUSED:
		c->outcome.kind = OUTCOME_REJECTED;
		say_not_executed(c, cause, end->retry_after_ms);
		break;
	case FATE_ANSWERED:
	case FATE_ACCEPTED:
	case FATE_UNKNOWN:
		c->outcome.kind = OUTCOME_UNKNOWN;
		say_unknown(c, cause);
		break;
	}
}

/* Goes on record with the outcome, so that no agent's call comes between. */
static void cool_down(struct call *c, const struct delivery_end *end)
{
	c->cooldown = cooldown_wish_of(end, backend_of(c)->cooldown_max_ms);
	if (c->cooldown.ms <= 0)
		return;
	log_info("backend.cooldown", "backend=%s ms=%lld: %s", c->facts.backend, (long long)c->cooldown.ms, c->cooldown.cause);
	c->outcome.cooldown_ms = c->cooldown.ms;
	if (c->refusal.reason != REFUSED_NONE && c->refusal.retry_after_ms < 0)
		c->refusal.retry_after_ms = c->cooldown.ms;
}

static void done(struct delivery *d, const struct delivery_end *end)
{
	struct call *c = call_of_delivery(d);

	FAILPOINT(FORWARD_DONE);
	loop_timer_clear(&c->flight.stamp_timer);
	loop_timer_clear(&c->flight.give_up_timer);
	c->flight.is_done = true;
	c->outcome.http_status = end->http_status;
	c->is_repeatable = end->may_repeat && !c->was_repeated;
	c->outcome.duration_ms = (clock_mono_us() - c->flight.committed_us) / 1000;
	if (c->outcome.kind == OUTCOME_NONE && end->is_large_result)
		say_thrown_away(c);
	else if (c->outcome.kind == OUTCOME_NONE)
		unanswered(c, end);
	if (end->has_timed_out && end->fate == FATE_UNKNOWN && !c->is_dropped)
		relay_tell_cancelled(&c->part->relay, c->in.rpc.id);
	cool_down(c, end);
	turn_mark(&c->shim->turn, c);
}

static void give_up(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, flight.give_up_timer);
	upstream_cancel(c->part->upstream, &c->flight.delivery);
}

static void launch(struct call *c)
{
	struct flight *f = &c->flight;

	loop_timer_init(&f->stamp_timer, open_for_a_second);
	loop_timer_init(&f->give_up_timer, give_up);
	f->delivery = (struct delivery){
		.body = inbound_span(&c->in),
		.message = &c->in.rpc,
		.name = span_of(c->tool),
		.is_once = true,
		.timeout_ms = backend_of(c)->timeout_ms,
		.may_leave = may_leave,
		.left = left,
		.answered = answered,
		.done = done,
	};
	loop_timer_set(c->shim->loop, &f->give_up_timer, flight_ms(c));
	upstream_send(c->part->upstream, &f->delivery);
	FAILPOINT(FORWARD_LAUNCHED);
}
