#include "shim/requests.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/modern.h"
#include "shim/page.h"
#include "shim/reply.h"
#include "shim/server_requests.h"
#include "shim/shim.h"

#define TARGET_CAP (64 * 1024)           /* of a URI or a name */

enum names { NAMES_NOTHING, NAMES_URI, NAMES_PROMPT, NAMES_REF, NAMES_URIS /* subscriptions/listen: any number */ };

struct request_kind {
	const char *method;
	enum names names;                    /* what params say it is about; governed unless NOTHING */
	const char *list, *key;              /* its result is a list: of what, and what each is judged by */
	enum acl_subject_kind listed;
	bool is_silent;                      /* no row */
	bool is_early;                       /* no real request yet: the store stays closed */
	bool is_collapsed;                   /* what clients ask again and again is counted */
};

static const struct request_kind kinds[] = {
	{ .method = "ping",                     .is_silent = true, .is_early = true },
	{ .method = "initialize",               .is_early = true, .is_collapsed = true },
	{ .method = "server/discover",          .is_early = true, .is_collapsed = true },
	{ .method = "resources/list",           .list = "resources", .key = "uri", .listed = ACL_RESOURCE, .is_collapsed = true },
	{ .method = "resources/templates/list", .list = "resourceTemplates", .key = "uriTemplate", .listed = ACL_RESOURCE, .is_collapsed = true },
	{ .method = "resources/read",           .names = NAMES_URI },
	{ .method = "resources/subscribe",      .names = NAMES_URI },
	{ .method = "resources/unsubscribe",    .names = NAMES_URI },
	{ .method = "subscriptions/listen",     .names = NAMES_URIS },
	{ .method = "prompts/list",             .list = "prompts", .key = "name", .listed = ACL_PROMPT, .is_collapsed = true },
	{ .method = "prompts/get",              .names = NAMES_PROMPT },
	{ .method = "completion/complete",      .names = NAMES_REF, .is_collapsed = true },
	{ .method = NULL,                       .is_collapsed = true },    /* everything else */
};

static const struct request_kind *kind_of(const char *method)
{
	const struct request_kind *k = kinds;

	while (k->method && strcmp(k->method, method) != 0)
		k++;
	return k;
}

/* ---- what it is about -------------------------------------------------------------------------------------------------------------- */
/* What subscriptions/listen asks for. */
static struct json_value listened(struct json_value params)
{
	return json_get(json_get(params, "notifications"), "resourceSubscriptions");
}

/* Keys that some backends would take for ours. */
static bool is_listening_oddly(struct json_value params)
{
	static const char *const outer[] = { "notifications" }, *const inner[] = { "resourceSubscriptions" };
	struct span which;

	return json_has_case_twin(params, outer, ARRAY_LEN(outer), &which) ||
	       json_has_case_twin(json_get(params, "notifications"), inner, ARRAY_LEN(inner), &which);
}

static struct json_value first_listened(struct json_value params)
{
	struct json_iter it = json_iter(listened(params));
	struct json_value uri = { 0 };
	struct span key;

	return json_next(&it, &key, &uri) ? uri : (struct json_value){ 0 };
}

/* A reference with a URI is judged as a resource, any other as a prompt, whatever type it claims. */
static struct json_value target_of(const struct request_kind *k, struct json_value params, enum acl_subject_kind *what)
{
	struct json_value ref = k->names == NAMES_REF ? json_get(params, "ref") : params;
	struct json_value uri = json_get(ref, "uri");

	if (k->names == NAMES_URIS) {
		*what = ACL_RESOURCE;
		return first_listened(params);
	}
	*what = k->names == NAMES_URI || (k->names == NAMES_REF && uri.kind != JSON_NONE) ? ACL_RESOURCE : ACL_PROMPT;
	if (k->names == NAMES_NOTHING)
		return (struct json_value){ 0 };
	return *what == ACL_RESOURCE ? uri : json_get(ref, "name");
}

void request_begin(struct request *q, const struct jsonrpc *rpc)
{
	enum acl_subject_kind what;

	*q = (struct request){ .kind = kind_of(rpc->method), .began_us = clock_mono_us(), .received_at_ms = clock_wall_ms(),
	                       .is_modern = era_claim(rpc).kind != JSON_NONE };
	q->target = page_name(target_of(q->kind, rpc->params, &what), TARGET_CAP);
}

void request_release(struct request *q)
{
	free(q->target);
	free(q->withheld);
	*q = (struct request){ 0 };
}

/* ---- judging ----------------------------------------------------------------------------------------------------------------------- */
static struct acl_subject subject(const struct part *p)
{
	return (struct acl_subject){ p->shim->agent, p->name, (int64_t)p->shim->uid };
}

static enum request_verdict refuse_store(struct refusal *r, const char *why)
{
	refusal_set(r, REFUSED_STORE, "the audit cannot be kept: %.300s. No resource or prompt is let through until an operator has helped "
	            "(`aegisctl status` says more). The request was not executed.", why);
	return REQUEST_REFUSED;
}

static enum request_verdict can_decide(struct part *p, struct refusal *r)
{
	if (!state_is_open(&p->shim->state))
		return refuse_store(r, p->shim->state.why);
	if (store_is_refusing(p->shim->state.store))
		return refuse_store(r, "the store does not take rows at present");
	switch (rulebook_look(&p->shim->rules, p->shim->state.store)) {
	case RULES_READY:
		return REQUEST_PASSES;
	case RULES_WAIT:
		return REQUEST_WAITS;
	case RULES_FAILED:
		return refuse_store(r, "the rules in force cannot be asked for");
	case RULES_BEHIND:
		break;
	}
	refusal_set(r, REFUSED_CONFIG, "newer rules are in force and this process cannot load them: %.300s. No resource or prompt is let "
	            "through until the file is right. The request was not executed.", p->shim->rules.why);
	return REQUEST_REFUSED;
}

/* A reference that names both is a trick to be judged by one and answered by the other. */
static bool is_ambiguous(const struct request *q, const struct jsonrpc *rpc)
{
	struct json_value ref = json_get(rpc->params, "ref");

	return q->kind->names == NAMES_REF && json_get(ref, "uri").kind != JSON_NONE && json_get(ref, "name").kind != JSON_NONE;
}

/* What cannot be read cannot be judged: where there are rules it does not pass. */
static enum request_verdict by_form(const struct config_grant *g, const struct jsonrpc *rpc, struct refusal *r)
{
	if (!acl_restricts(g, ACL_RESOURCE) && !acl_restricts(g, ACL_PROMPT))
		return REQUEST_PASSES;
	refusal_set(r, REFUSED_INVALID, "%s must name one resource or prompt, as a string of 1 to %d bytes. The request was not executed.",
	            rpc->method, TARGET_CAP);
	return REQUEST_REFUSED;
}

static enum request_verdict by_rules(struct part *p, const struct request *q, const struct jsonrpc *rpc, struct refusal *r)
{
	const struct config *c = p->shim->rules.current->config;
	struct acl_subject who = subject(p);
	bool is_usable = q->target && !is_ambiguous(q, rpc);
	enum acl_subject_kind what;
	struct acl_answer a;

	(void)target_of(q->kind, rpc->params, &what);
	a = is_usable ? acl_named(c, &who, what, span_of(q->target)) : acl_backend(c, &who);
	if (refusal_set_acl(r, &a, &who, what, is_usable ? q->target : ""))
		return REQUEST_REFUSED;
	return is_usable ? REQUEST_PASSES : by_form(a.grant, rpc, r);
}

/* All of them, or none is listened to. */
static enum request_verdict by_all(struct part *p, const struct jsonrpc *rpc, struct refusal *r)
{
	const struct config *c = p->shim->rules.current->config;
	struct acl_subject who = subject(p);
	struct acl_answer a = acl_backend(c, &who);
	bool is_odd = listened(rpc->params).kind != JSON_ARRAY || is_listening_oddly(rpc->params);
	struct json_iter it = json_iter(listened(rpc->params));
	struct json_value raw;
	struct span key;

	if (refusal_set_acl(r, &a, &who, ACL_RESOURCE, "") || (is_odd && by_form(a.grant, rpc, r) == REQUEST_REFUSED))
		return REQUEST_REFUSED;
	while (json_next(&it, &key, &raw)) {
		CLEANUP(free_charp) char *uri = page_name(raw, TARGET_CAP);
		if (uri)
			a = acl_named(c, &who, ACL_RESOURCE, span_of(uri));
		if (uri ? refusal_set_acl(r, &a, &who, ACL_RESOURCE, uri) : by_form(a.grant, rpc, r) == REQUEST_REFUSED)
			return REQUEST_REFUSED;
	}
	return REQUEST_PASSES;
}

static bool is_governed(const struct request *q, const struct jsonrpc *rpc)
{
	struct json_value all = listened(rpc->params);

	if (q->kind->names != NAMES_URIS)
		return q->kind->names != NAMES_NOTHING;
	if (is_listening_oddly(rpc->params))
		return true;
	return all.kind == JSON_ARRAY ? first_listened(rpc->params).kind != JSON_NONE : all.kind != JSON_NONE;
}

static enum request_verdict by_place(struct part *p, struct refusal *r)
{
	if (p->missing[0])
		refusal_set(r, REFUSED_UNREACHABLE, "backend %s is not there at present: %.200s. The request was not executed.", p->name,
		            p->missing);
	else if (!part_is_same(p))
		refusal_set(r, REFUSED_CONFIG, "backend %s was moved in the rules; this session still talks to the old place. Restart the MCP "
		            "client. The request was not executed.", p->name);
	else
		return REQUEST_PASSES;
	return REQUEST_REFUSED;
}

enum request_verdict request_judge(struct part *p, const struct request *q, const struct jsonrpc *rpc, struct refusal *why)
{
	enum request_verdict v;

	if (!is_governed(q, rpc))
		return REQUEST_PASSES;
	v = can_decide(p, why);
	if (v == REQUEST_PASSES)
		v = q->kind->names == NAMES_URIS ? by_all(p, rpc, why) : by_rules(p, q, rpc, why);
	if (v == REQUEST_PASSES)
		v = by_place(p, why);
	return v;
}

void request_sent(struct part *p, const struct request *q)
{
	if (!q->kind->is_early)
		(void)state_is_open(&p->shim->state);
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------------- */
struct view {
	const struct config *config;
	struct acl_subject who;
	const struct request_kind *kind;
};

static enum page_show look(const void *arg, struct json_value item, struct buf *prefix)
{
	const struct view *v = arg;
	struct json_value raw = json_get(item, v->kind->key);
	CLEANUP(free_charp) char *name = page_name(raw, TARGET_CAP);

	(void)prefix;
	if (!name)
		return raw.kind == JSON_STRING ? PAGE_HIDDEN : PAGE_SHOWN;      /* without a name it cannot be asked for */
	return acl_named(v->config, &v->who, v->kind->listed, span_of(name)).verdict == ACL_ALLOWED ? PAGE_SHOWN : PAGE_HIDDEN;
}

/* Where no rule could hide an item, the list passes unread. */
static bool is_filtered(const struct part *p, const struct request_kind *k)
{
	struct acl_subject who = subject(p);
	struct acl_answer a;

	if (!k->list)
		return false;
	a = acl_backend(p->shim->rules.current->config, &who);
	return a.verdict != ACL_ALLOWED || acl_restricts(a.grant, k->listed);
}

static bool write_list(struct part *p, struct request *q, const struct jsonrpc *answer, struct json_value id, struct buf *out)
{
	struct view v = { p->shim->rules.current->config, subject(p), q->kind };
	struct page_edit edit = { q->kind->list, look, &v, NULL };

	if (page_rewrite(answer, id, &edit, out))
		return true;
	buf_clear(out);
	q->is_replaced = true;
	return reply_write_too_long(id, answer->root.text.len, false, out);
}

void request_note(struct request *q, const struct jsonrpc *answer)
{
	int64_t code = 0;

	q->outcome = answer->kind == JSONRPC_RESULT ? OUTCOME_SUCCEEDED : OUTCOME_FAILED;
	q->result_bytes = answer->kind == JSONRPC_RESULT ? answer->result.text.len : answer->error.text.len;
	if (json_to_i64(json_get(answer->error, "code"), &code) && code >= INT32_MIN && code <= INT32_MAX)
		q->code = (int)code;
}

static const struct config_agent *agent_of(const struct part *p)
{
	return config_agent(p->shim->rules.current->config, p->shim->agent);
}

bool request_is_blocked(struct part *p, struct request *q, const struct jsonrpc *answer, struct json_value id, struct buf *out)
{
	char method[SERVER_REQUESTS_NAME_SIZE];
	struct refusal r;

	if (!q->is_modern || !answer->is_input_required || !server_requests_blocked_input(agent_of(p), answer, method))
		return false;
	journal_blocked(&p->journal, method, "", SERVER_REQUESTS_BLOCKED);
	refusal_set(&r, REFUSED_POLICY, "backend %s needs %s from the client to go on, and the rules of this agent block that. The request was "
	            "not completed.", p->name, method);
	snprintf(r.rule, sizeof(r.rule), "server_requests");
	q->outcome = OUTCOME_FAILED;
	q->code = refusal_code(REFUSED_POLICY);
	return refusal_write(&r, id, NULL, DENY_AS_ERROR, out);
}

bool request_write_answer(struct part *p, struct request *q, const struct jsonrpc *answer, struct json_value id, struct buf *out)
{
	bool is_cut;

	request_note(q, answer);
	if (request_is_blocked(p, q, answer, id, out))
		return true;
	if (q->kind->list)
		(void)rulebook_look(&p->shim->rules, p->shim->state.store);    /* by the rules as they are now, or as they were if they cannot be settled yet */
	is_cut = is_filtered(p, q->kind);
	if (!(is_cut ? write_list(p, q, answer, id, out) : reply_write_answer(answer, id, out, &q->is_replaced)))
		return false;
	return !q->is_modern || !q->kind->list || modern_limit_list(out, is_cut);
}

/* An agent does not hear of a resource it may not read. */
bool requests_may_show(struct part *p, const struct jsonrpc *notification)
{
	struct acl_subject who = subject(p);
	CLEANUP(free_charp) char *uri = NULL;

	if (strcmp(notification->method, "notifications/resources/updated") != 0)
		return true;
	uri = page_name(json_get(notification->params, "uri"), TARGET_CAP);
	return acl_named(p->shim->rules.current->config, &who, ACL_RESOURCE, uri ? span_of(uri) : SPAN("")).verdict == ACL_ALLOWED;
}

/* ---- the row ----------------------------------------------------------------------------------------------------------------------- */
static enum outcome outcome_of(const struct request *q, const struct delivery_end *end)
{
	if (q->outcome != OUTCOME_NONE || !end)
		return q->outcome;
	switch (end->fate) {
	case FATE_NOT_SENT:
		return OUTCOME_NOT_SENT;
	case FATE_REFUSED:
		return OUTCOME_REJECTED;
	case FATE_ANSWERED:
	case FATE_ACCEPTED:
	case FATE_UNKNOWN:
		break;
	}
	return OUTCOME_UNKNOWN;
}

static const char *verdict_of(const struct request *q, struct request_end how)
{
	if (how.refusal)
		return refusal_reason_text(how.refusal->reason);
	if (how.delivery || how.is_cached)
		return outcome_text(outcome_of(q, how.delivery));
	return "cancelled";
}

static const char *message_of(const struct request *q, struct request_end how)
{
	if (how.refusal)
		return how.refusal->sentence;
	if (q->is_replaced)
		return REPLY_REPLACED;
	return how.delivery && q->outcome == OUTCOME_NONE ? how.delivery->cause : NULL;
}

void request_ended(struct part *p, const struct request *q, const struct inbound *in, struct request_end how)
{
	struct record_request r = {
		.method = in->rpc.method,
		.target = q->target,
		.session = p->shim->state.row.id,
		.rule = how.refusal ? how.refusal->rule : NULL,
		.message = message_of(q, how),
		.ended_by = in->is_cancelled ? "client" : NULL,
		.id = buf_span(&in->key),
		.withheld = q->withheld ? span_of(q->withheld) : (struct span){ 0 },
		.uid = p->shim->uid,
		.received_at_ms = q->received_at_ms,
		.duration_ms = (clock_mono_us() - q->began_us) / 1000,
		.http_status = how.delivery ? how.delivery->http_status : 0,
		.code = how.refusal ? refusal_code(how.refusal->reason) : q->code,
		.result_bytes = q->result_bytes,
		.is_cached = how.is_cached,
	};

	if (q->kind->is_silent)
		return;
	journal_request(&p->journal, &r, p->name, verdict_of(q, how), q->kind->is_collapsed || how.refusal);
}
