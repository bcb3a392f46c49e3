#include "shim/record.h"
#include <inttypes.h>
#include "data/secret.h"

void record_call_release(struct record_call *r)
{
	buf_release(&r->canonical);
}

void record_arguments(struct record_call *r, struct json_value arguments, uint8_t hash[32])
{
	struct hash h;

	buf_init(&r->canonical, RECORD_MAX_ARGUMENTS);
	r->arguments_bytes = arguments.text.len;
	if (arguments.kind == JSON_NONE || arguments.text.len > RECORD_MAX_ARGUMENTS || !json_canonical(arguments, &r->canonical)) {
		buf_clear(&r->canonical);
		json_canonical_hash(arguments, hash);
		return;
	}
	hash_init(&h);
	hash_add(&h, r->canonical.data, r->canonical.len);
	hash_done(&h, hash);
}

/* ---- one object, keys given in canonical order ------------------------------------------------------------------------------- */
struct object {
	struct buf *b;
	bool ok, has_member;
};

static struct object object_open(struct buf *b)
{
	return (struct object){ .b = b, .ok = buf_append_char(b, '{') };
}

static bool object_close(struct object *o)
{
	return o->ok && buf_append_char(o->b, '}');
}

static void put_key(struct object *o, const char *key)
{
	o->ok = o->ok && (!o->has_member || buf_append_char(o->b, ',')) && buf_append_char(o->b, '"') && buf_append_text(o->b, key) &&
	        buf_append_text(o->b, "\":");
	o->has_member = true;
}

static void put_int(struct object *o, const char *key, int64_t n)
{
	put_key(o, key);
	o->ok = o->ok && buf_append_int(o->b, n);
}

static void put_number(struct object *o, const char *key, int64_t n)
{
	if (n != 0)
		put_int(o, key, n);
}

static void put_span(struct object *o, const char *key, struct span text)
{
	put_key(o, key);
	o->ok = o->ok && json_quote(o->b, text);
}

static void put_text(struct object *o, const char *key, const char *text)
{
	if (text && *text)
		put_span(o, key, span_of(text));
}

static void put_json(struct object *o, const char *key, struct span json)
{
	put_key(o, key);
	o->ok = o->ok && buf_append_span(o->b, json);
}

/* ---- what all rows share ------------------------------------------------------------------------------------------------------- */
static void put_arguments(struct object *o, const struct record_call *r)
{
	if (r->canonical.len > 0)
		put_json(o, "arguments", buf_span(&r->canonical));
	if (r->arguments_bytes > 0)
		put_int(o, "arguments_bytes", (int64_t)r->arguments_bytes);
}

static void put_who(struct object *o, const struct record_call *r)
{
	put_text(o, "client", r->client);
	put_text(o, "client_version", r->client_version);
}

static void put_where(struct object *o, const struct record_call *r)
{
	put_int(o, "received_at", r->received_at_ms);
	put_json(o, "request", r->request_id);
}

static void put_claims(struct object *o, const struct claim_set *claims)
{
	put_key(o, "limits");
	o->ok = o->ok && buf_append_char(o->b, '[');
	for (size_t i = 0; i < claims->n && o->ok; i++) {
		const struct limit_claim *c = &claims->v[i];
		struct object one;
		if (i > 0)
			o->ok = buf_append_char(o->b, ',');
		one = object_open(o->b);
		put_int(&one, "max_count", c->max_count);
		put_text(&one, "scope", limit_scope_text(c->scope));
		put_text(&one, "tool", c->tool);
		put_int(&one, "window", c->window_ms);
		o->ok = object_close(&one) && o->ok;
	}
	o->ok = o->ok && buf_append_char(o->b, ']');
}

/* ---- the rows -------------------------------------------------------------------------------------------------------------------- */
bool record_intent(const struct record_call *r, const struct record_verdicts *v, struct buf *b)
{
	struct object o = object_open(b);

	put_text(&o, "acl", v->acl_rule);
	put_text(&o, "approval", v->approval);
	put_arguments(&o, r);
	put_who(&o, r);
	put_int(&o, "config_generation", (int64_t)v->generation);
	put_text(&o, "continues", v->continues);
	put_text(&o, "executed", executed_text(EXECUTED_UNKNOWN));
	put_int(&o, "level", 0);
	put_claims(&o, v->claims);
	if (v->queue_position > 0) {
		put_int(&o, "queue_position", v->queue_position);
		put_int(&o, "queue_ticket", (int64_t)v->queue_ticket);
		put_int(&o, "queue_wait_ms", v->queue_wait_ms);
	}
	put_where(&o, r);
	put_text(&o, "session", r->session);
	put_int(&o, "uid", (int64_t)r->uid);
	return object_close(&o);
}

static const char *const outcomes[] = {
	[OUTCOME_NONE] = "none",         [OUTCOME_SUCCEEDED] = "succeeded", [OUTCOME_FAILED] = "failed",
	[OUTCOME_NOT_SENT] = "not_sent", [OUTCOME_REJECTED] = "rejected",   [OUTCOME_UNKNOWN] = "unknown",
	[OUTCOME_STOPPED] = "input_required",
};

const char *outcome_text(enum outcome o)
{
	return outcomes[o];
}

bool record_outcome(const struct record_call *r, const struct record_outcome *out, struct buf *b)
{
	char hex[65];
	struct object o = object_open(b);

	put_text(&o, "cause", out->cause);
	if (out->cooldown_ms > 0)
		put_int(&o, "cooldown_ms", out->cooldown_ms);
	put_int(&o, "duration_ms", out->duration_ms);
	put_text(&o, "ended_by", out->ended_by);
	put_text(&o, "executed", executed_text(out->executed));
	if (out->http_status > 0)
		put_int(&o, "http_status", out->http_status);
	put_json(&o, "request", r->request_id);
	if (out->excerpt.len > 0)
		put_span(&o, "result", buf_span(&out->excerpt));
	if (out->has_hash) {
		hex_encode(hex, out->result_hash, 32);
		put_int(&o, "result_bytes", (int64_t)out->result_bytes);
		put_text(&o, "result_hash", hex);
	}
	put_text(&o, "session", r->session);
	return object_close(&o);
}

bool record_refused(const struct record_call *r, const struct refusal *why, const char *stage, struct buf *b)
{
	struct object o = object_open(b);

	put_text(&o, "approval", why->approval);
	put_arguments(&o, r);
	put_who(&o, r);
	put_number(&o, "code", refusal_code(why->reason));
	put_text(&o, "executed", executed_text(why->executed));
	put_int(&o, "level", 0);
	put_text(&o, "message", why->sentence);
	put_text(&o, "reason", refusal_reason_text(why->reason));
	put_where(&o, r);
	put_text(&o, "rule", why->rule);
	put_text(&o, "session", r->session);
	put_text(&o, "stage", stage);
	put_int(&o, "uid", (int64_t)r->uid);
	return object_close(&o);
}

/* A long one is cut; its size tells. */
static void put_target(struct object *o, const char *target)
{
	size_t n = target ? strlen(target) : 0;

	if (n > 0)
		put_span(o, "target", (struct span){ target, n < RECORD_TARGET_BYTES ? n : RECORD_TARGET_BYTES });
	if (n > RECORD_TARGET_BYTES)
		put_int(o, "target_bytes", (int64_t)n);
}

bool record_repeated(const struct record_repeats *r, struct buf *b)
{
	struct object o = object_open(b);

	put_int(&o, "count", (int64_t)r->count);
	put_int(&o, "first_at", r->first_at_ms);
	put_int(&o, "last_at", r->last_at_ms);
	put_text(&o, "method", r->method);
	put_target(&o, r->target);
	return object_close(&o);
}

bool record_request(const struct record_request *r, struct buf *b)
{
	struct object o = object_open(b);

	if (r->is_cached)
		put_json(&o, "cached", SPAN("true"));
	put_number(&o, "code", r->code);
	put_int(&o, "duration_ms", r->duration_ms);
	put_text(&o, "ended_by", r->ended_by);
	put_number(&o, "http_status", r->http_status);
	put_text(&o, "message", r->message);
	put_text(&o, "method", r->method);
	put_int(&o, "received_at", r->received_at_ms);
	put_json(&o, "request", r->id);
	put_number(&o, "result_bytes", (int64_t)r->result_bytes);
	put_text(&o, "rule", r->rule);
	put_text(&o, "session", r->session);
	put_target(&o, r->target);
	put_int(&o, "uid", (int64_t)r->uid);
	if (r->withheld.len > 0)
		put_json(&o, "withheld", r->withheld);
	return object_close(&o);
}

bool record_blocked(const char *method, const char *why, struct buf *b)
{
	struct object o = object_open(b);

	put_text(&o, "message", why);
	put_text(&o, "method", method);
	return object_close(&o);
}

/* ---- what is kept of an answer ------------------------------------------------------------------------------------------------- */
static size_t excerpt_bytes(bool is_failure, enum config_audit_results keep)
{
	switch (keep) {
	case RESULTS_NONE:   return 0;
	case RESULTS_ERRORS: return is_failure ? RECORD_ERROR_BYTES : 0;
	case RESULTS_HEAD:   return is_failure ? RECORD_ERROR_BYTES : RECORD_HEAD_BYTES;
	case RESULTS_FULL:   return RECORD_MAX_RESULT;
	}
	return 0;
}

void record_result(struct record_outcome *o, struct span answer, bool is_failure, enum config_audit_results keep)
{
	size_t n = excerpt_bytes(is_failure, keep);
	struct hash h;

	o->result_bytes = answer.len;
	o->has_hash = true;
	hash_init(&h);
	hash_add(&h, answer.at, answer.len);
	hash_done(&h, o->result_hash);
	if (n > answer.len)
		n = answer.len;
	buf_init(&o->excerpt, RECORD_MAX_RESULT);
	if (n > 0 && !buf_append(&o->excerpt, answer.at, n))
		buf_clear(&o->excerpt);         /* cannot be: n is below the cap */
}
