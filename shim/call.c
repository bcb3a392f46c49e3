#include "shim/call.h"
#include <assert.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/modern.h"
#include "shim/reply.h"
#include "shim/shim.h"
#include "shim/tools_page.h"

#define REPLY_CAP     (16 * 1024)
#define COME_AGAIN_MS 30000                  /* said where nobody knows: a person decides */

/* ---- beginning ------------------------------------------------------------------------------------------------------------------- */
static void look_again(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, look_timer);

	turn_mark(&c->shim->turn, c);
}

static struct call *call_make(struct part *p)
{
	struct call *c = xcalloc(1, sizeof(*c));
	int64_t now = clock_wall_ms();

	c->part = p;
	c->shim = p->shim;
	list_init(&c->node);
	list_init(&c->marked);
	c->began_us = clock_mono_us();
	id_new(c->facts.id, now);
	c->record.received_at_ms = now;
	c->flight.left_tick_ms = -1;
	waiting_init(&c->waiting);
	obstacle_init(&c->met);
	standing_init(c);
	loop_timer_init(&c->look_timer, look_again);
	return c;
}

static void note_facts(struct call *c)
{
	struct shim *s = c->shim;
	struct part *p = c->part;
	struct json_value params = c->in.rpc.params;

	c->tool = tools_name(json_get(params, "name"));
	c->arguments = c->in.rpc.arguments;
	c->facts.tenant = "";
	c->facts.agent = s->agent;
	c->facts.backend = p->name;
	c->facts.tool = c->tool ? c->tool : "";
	c->record.client = p->session.client;
	c->record.client_version = p->session.client_version;
	c->record.session = s->state.row.id;
	c->record.uid = s->uid;
	c->record.request_id = buf_span(&c->in.key);
	record_arguments(&c->record, c->arguments, c->facts.args_hash);
	continued_begin(c);
}

void call_new(struct part *p, const struct jsonrpc *rpc)
{
	struct shim *s = p->shim;
	struct call *c = call_make(p);

	if (inbound_take(&p->inbounds, rpc, INBOUND_CALL, &c->in) != INBOUND_TAKEN) {
		free(c);
		session_id_in_use(p, rpc);
		return;
	}
	list_append(&s->calls, &c->node);
	note_facts(c);
	if (!c->tool)
		call_refuse(c, REFUSED_INVALID, "", "tools/call needs params with the name of a tool, a string of 1 to %d bytes",
		            TOOLS_MAX_NAME_BYTES);
	else if (c->arguments.kind != JSON_NONE && c->arguments.kind != JSON_OBJECT)
		call_refuse(c, REFUSED_INVALID, "", "the arguments of tools/call must be an object");
	if (c->refusal.reason != REFUSED_NONE)
		c->stage = STAGE_FINISH;
	turn_mark(&s->turn, c);
}

struct call *call_of(struct inbound *in)
{
	return container_of(in, struct call, in);
}

/* ---- on the way ------------------------------------------------------------------------------------------------------------------ */
enum step call_refuse(struct call *c, enum refusal_reason why, const char *rule, const char *fmt, ...)
{
	char sentence[sizeof(c->refusal.sentence)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	refusal_set(&c->refusal, why, "%s", sentence);
	snprintf(c->refusal.rule, sizeof(c->refusal.rule), "%s", rule);
	c->refused_at = stage_name(c->stage);
	return STEP_STOP;
}

enum step call_refuse_store(struct call *c, const char *why)
{
	return call_refuse(c, REFUSED_STORE, "", "limits and audit cannot be kept: %.300s. No call is let through until that is mended. "
	                   "The call was not executed.", why);
}

enum step call_defer(struct call *c, int64_t retry_after_ms)
{
	int64_t again_ms = retry_after_ms >= 0 ? retry_after_ms : COME_AGAIN_MS;

	refusal_set_deferral(&c->refusal, c->facts.backend, &c->waiting, again_ms);
	c->refused_at = stage_name(c->stage);
	return STEP_STOP;
}

enum step call_refuse_tools(struct call *c, enum tools_answer a)
{
	struct acl_subject who = { c->facts.agent, c->facts.backend, (int64_t)c->shim->uid };

	if (a != TOOLS_UNKNOWN)
		return call_refuse(c, REFUSED_UNREACHABLE, "", "backend %s could not be asked for its tools: %.200s. The call was not executed.",
		                   c->facts.backend, c->part->tools.why);
	refusal_set_absent(&c->refusal, REFUSED_UNKNOWN_TOOL, &who, ACL_TOOL, c->tool);
	c->refused_at = stage_name(c->stage);
	return STEP_STOP;
}

void call_look_in(struct call *c, int64_t ms)
{
	loop_timer_set(c->shim->loop, &c->look_timer, ms);
}

struct terms call_terms(const struct call *c)
{
	return (struct terms){
		.config_path = c->shim->rules.path,
		.config_generation = c->rules->generation,
		.is_held_after_unknown = c->rules->config->on_unknown == ON_UNKNOWN_HOLD,
		.on_unknown_hold_ms = c->rules->config->on_unknown_hold_ms,
		.uid = c->shim->uid,
		.client = c->record.client,
	};
}

struct buf *call_body(struct call *c)
{
	buf_release(&c->body);
	buf_init(&c->body, RECORD_MAX_BODY);
	return &c->body;
}

void call_seal_evidence(struct call *c, enum evidence_kind kind, const char *verdict, bool has_body)
{
	assert(has_body);                       /* all parts are capped, together far below the cap */
	c->evidence = (struct evidence){ .call = c->facts.id, .agent = c->facts.agent, .backend = c->facts.backend,
		.tool = c->facts.tool, .verdict = verdict, .kind = kind, .at_ms = clock_wall_ms(), .body = buf_span(&c->body) };
	memcpy(c->evidence.args_hash, c->facts.args_hash, sizeof(c->evidence.args_hash));
	evidence_seal(&c->evidence);
}

void call_start_over(struct call *c)
{
	c->rounds++;
	c->has_places = false;
	c->stage = STAGE_ACL;
}

void call_repeat(struct call *c)
{
	c->flight = (struct flight){ .left_tick_ms = -1 };
	buf_release(&c->outcome.excerpt);
	c->outcome = (struct record_outcome){ 0 };
	c->refusal = (struct refusal){ 0 };
	c->is_recorded = c->is_unsettled = c->is_repeatable = false;
	c->was_repeated = true;
	c->repeated_us = clock_mono_us() - 1;
	standing_release(c);
	standing_init(c);
	call_start_over(c);
}

bool call_is_in_flight(const struct call *c)
{
	return c->flight.is_committed && !c->flight.is_done;
}

void call_end_waiting(struct call *c)
{
	call_refuse(c, REFUSED_CANCELLED, "", "the %s ended the call while it waited. It was not executed.", c->outcome.ended_by);
	c->stage = STAGE_FINISH;
}

void call_end(struct call *c, const char *by, int64_t give_up_ms)
{
	if (c->flight.is_done)
		return;                         /* its outcome is on the way to the record */
	if (c->stage == STAGE_FINISH) {
		finish_ends(c, by);
		return;
	}
	snprintf(c->outcome.ended_by, sizeof(c->outcome.ended_by), "%s", by);
	if (call_is_in_flight(c)) {
		loop_timer_set(c->shim->loop, &c->flight.give_up_timer, give_up_ms);
		return;
	}
	c->is_dropped = true;
	if (c->is_asking)
		return;                         /* once it is told, call_advance finds it dropped */
	call_end_waiting(c);
	turn_mark(&c->shim->turn, c);
}

void call_drop(struct call *c, const char *by, int64_t give_up_ms)
{
	call_end(c, by, give_up_ms);
	c->is_dropped = true;
}

/* ---- the end --------------------------------------------------------------------------------------------------------------------- */
static void reply_refusal(struct call *c)
{
	const struct config_agent *a = c->rules ? config_agent(c->rules->config, c->facts.agent) : NULL;
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, REPLY_CAP);
	if (refusal_write(&c->refusal, c->in.rpc.id, c->facts.id, a ? a->deny_as : DENY_AS_ERROR, &line) &&
	    (!c->in.is_modern || modern_complete(&line)))
		reply_buf(c->part, &line);
	else
		reply_error(c->part, c->in.rpc.id, refusal_code(c->refusal.reason), "the call was refused");
}

void call_reply(struct call *c)
{
	if (c->is_replied || c->is_dropped)
		return;
	c->is_replied = true;
	progress_end(c);
	if (c->reply)
		part_say(c->part, c->reply, c->reply_bytes);
	else
		reply_refusal(c);
	FAILPOINT(REPLY_QUEUED);
	c->reply = NULL;
}

static void call_log(const struct call *c)
{
	log_debug("call", "id=%s backend=%s tool=%.64s verdict=%s ms=%lld", c->facts.id, c->facts.backend, c->facts.tool,
	         c->refusal.reason != REFUSED_NONE ? refusal_reason_text(c->refusal.reason) : outcome_text(c->outcome.kind),
	         (long long)((clock_mono_us() - c->began_us) / 1000));
}

void call_exit(struct call *c)
{
	assert(!c->is_asking && !c->flight.stamp_op.is_submitted && !call_is_in_flight(c));
	call_reply(c);
	progress_end(c);
	call_log(c);
	obstacle_release(&c->met);
	standing_release(c);
	loop_timer_clear(&c->look_timer);
	loop_timer_clear(&c->flight.stamp_timer);
	loop_timer_clear(&c->flight.give_up_timer);
	list_remove(&c->marked);
	list_remove(&c->node);
	continued_end(c);
	ruleset_drop(c->rules);
	claims_release(&c->claims);
	record_call_release(&c->record);
	buf_release(&c->outcome.excerpt);
	buf_release(&c->body);
	buf_release(&c->ask_args);
	inbound_release(&c->in);
	free(c->tool);
	free(c->reply);
	free(c);
}
