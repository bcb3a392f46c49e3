#include "broker/audit_log.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/map.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"
#include "domain/pattern.h"

#define MAX_OPEN     10000               /* outcomes whose intent was not met yet; more are dropped, and their calls look open */
#define MAX_TEXT     4096

/* What an outcome row says, kept until its intent comes. */
struct ended { char verdict[32], *body; };

struct audit_log {
	const struct audit_query *q;
	struct map *ended;               /* by call */
	/* the call at hand: */
	const struct audit_row *row;     /* intent, or refusal; borrowed for as long as audit_log_take's row lives */
	struct json_value body, outcome; /* outcome: JSON_NONE where there is none */
	struct ended *end;
	bool is_refusal;
};

struct audit_log *audit_log_new(const struct audit_query *q)
{
	struct audit_log *l = xcalloc(1, sizeof(*l));

	l->q = q;
	l->ended = map_new();
	return l;
}

static void ended_free(void *p)
{
	struct ended *e = p;

	if (!e)
		return;
	free(e->body);
	free(e);
}

void audit_log_free(struct audit_log *l)
{
	if (!l)
		return;
	ended_free(l->end);
	map_free(l->ended, ended_free);
	free(l);
}

/* ---- what is asked for ------------------------------------------------------------------------------------------------------------- */

static bool is_text(struct json_value object, const char *key, const char *wanted)
{
	return !wanted || json_string_is(json_get(object, key), wanted);
}

static bool is_user(struct json_value body, const char *user)
{
	int64_t uid = 0;
	char text[24];

	if (!user)
		return true;
	if (!json_to_i64(json_get(body, "uid"), &uid))
		return false;
	snprintf(text, sizeof(text), "%lld", (long long)uid);
	return strcmp(text, user) == 0;
}

static const char *status_word(const struct audit_log *l)
{
	if (l->is_refusal)
		return strcmp(l->row->verdict, "deferred") == 0 ? "deferred" : "denied";
	if (!l->end)
		return "open";
	return strcmp(l->end->verdict, "succeeded") == 0 ? "success" : strcmp(l->end->verdict, "input_required") == 0 ? "input_required" : "error";
}

static const char *verdict_of(const struct audit_log *l)
{
	return l->is_refusal || !l->end ? l->row->verdict : l->end->verdict;
}

static bool is_wanted(const struct audit_log *l)
{
	const struct audit_query *q = l->q;
	const struct audit_row *r = l->row;

	return (!q->agent || strcmp(q->agent, r->agent) == 0) && (!q->backend || strcmp(q->backend, r->backend) == 0) &&
	       (!q->tool || pattern_match(q->tool, span_of(r->tool))) && (!q->since_ms || r->at_ms >= q->since_ms) &&
	       (!q->until_ms || r->at_ms < q->until_ms) && is_user(l->body, q->user) && is_text(l->body, "room", q->room) &&
	       is_text(l->body, "tenant", q->tenant) &&
	       (!q->verdict || strcmp(q->verdict, verdict_of(l)) == 0 || strcmp(q->verdict, r->verdict) == 0 ||
	        strcmp(q->verdict, status_word(l)) == 0);
}

/* ---- rows, newest first ---------------------------------------------------------------------------------------------------------------- */

static void keep_outcome(struct audit_log *l, const struct audit_row *row)
{
	if (map_size(l->ended) >= MAX_OPEN)
		return;
	struct ended *e = xcalloc(1, sizeof(*e));
	snprintf(e->verdict, sizeof(e->verdict), "%s", row->verdict);
	e->body = xstrdup(row->body);
	ended_free(map_set(l->ended, span_of(row->call), e));
}

static struct json_value checked(const char *body)
{
	struct json_value root = { .kind = JSON_NONE };

	return jsonscan_check(span_of(body), &root, NULL) == JSONSCAN_OK ? root : (struct json_value){ .kind = JSON_NONE };
}

static bool take_begin(struct audit_log *l, const struct audit_row *row, bool is_refusal)
{
	ended_free(l->end);
	l->end = is_refusal ? NULL : map_remove(l->ended, span_of(row->call));
	l->row = row;
	l->is_refusal = is_refusal;
	l->body = checked(row->body);
	l->outcome = l->end ? checked(l->end->body) : (struct json_value){ .kind = JSON_NONE };
	bool is_call = !is_refusal || json_get(l->body, "method").kind == JSON_NONE;
	return is_call && is_wanted(l);
}

bool audit_log_take(struct audit_log *l, const struct audit_row *row)
{
	if (strcmp(row->kind, "intent") == 0)
		return take_begin(l, row, false);
	if (strcmp(row->kind, "refused") == 0)
		return take_begin(l, row, true);
	if (strcmp(row->kind, "outcome") == 0)
		keep_outcome(l, row);
	return false;
}

/* ---- the predecessor's columns ------------------------------------------------------------------------------------------------------------ */

static void put_string(struct jsonput *p, const char *key, struct json_value v, size_t cap)
{
	CLEANUP(free_charp) char *text = json_text(v, cap);

	put_text(p, key, text ? text : "");
}

static void put_count(struct jsonput *p, const char *key, struct json_value object, const char *from)
{
	int64_t n = 0;

	put_number(p, key, json_to_i64(json_get(object, from), &n) ? n : 0);
}

enum passed { STOPPED_BY_RULE, STOPPED_BY_LIMIT, STOPPED_BY_PEOPLE, PASSED };

static enum passed how_far(const struct audit_log *l)
{
	struct json_value stage = json_get(l->body, "stage");

	if (!l->is_refusal)
		return PASSED;
	if (json_string_is(stage, "acl") || json_string_is(stage, "policy"))
		return STOPPED_BY_RULE;
	if (json_string_is(stage, "limits"))
		return STOPPED_BY_LIMIT;
	return json_string_is(stage, "approval") ? STOPPED_BY_PEOPLE : PASSED;
}

static const char *approval_word(const struct audit_log *l, enum passed far)
{
	if (far == STOPPED_BY_PEOPLE)
		return strcmp(l->row->verdict, "refused") == 0 ? "rejected" : l->row->verdict;
	return far == PASSED && json_get(l->body, "approval").kind == JSON_STRING ? "approved" : "";
}

static void put_results(const struct audit_log *l, struct jsonput *p)
{
	enum passed far = how_far(l);

	put_text(p, "acl_result", far == STOPPED_BY_RULE ? "denied" : "allowed");
	put_text(p, "rate_limit_result", far == STOPPED_BY_RULE ? "" : far == STOPPED_BY_LIMIT ? "denied" : "allowed");
	put_text(p, "approval_result", approval_word(l, far));
	put_count(p, "queue_position", l->body, "queue_position");
	put_count(p, "queue_wait_ms", l->body, "queue_wait_ms");
	put_text(p, "exec_status", status_word(l));
	put_count(p, "exec_duration_ms", l->outcome, "duration_ms");
}

static void put_error(const struct audit_log *l, struct jsonput *p)
{
	struct json_value why = json_get(l->body, "message");

	if (!l->is_refusal) {
		why = json_get(l->outcome, "cause");
		if (why.kind == JSON_NONE && strcmp(status_word(l), "error") == 0)
			why = json_get(l->outcome, "result");
	}
	put_string(p, "error_message", why, MAX_TEXT);
}

void audit_log_put(const struct audit_log *l, struct jsonput *p)
{
	const struct audit_row *r = l->row;
	struct json_value last = l->is_refusal ? l->body : l->outcome;

	put_open(p, NULL, '{');
	put_text(p, "request_id", r->call);
	put_name(p, "agent_id", r->agent);
	put_name(p, "backend_id", r->backend);
	put_name(p, "tool_name", r->tool);
	put_arguments(p, json_get(l->body, "arguments").text);
	put_results(l, p);
	put_error(l, p);
	put_time(p, "created_at", r->at_ms);
	put_number(p, "seq", (int64_t)r->seq);
	put_text(p, "verdict", verdict_of(l));
	put_string(p, "executed", json_get(last, "executed"), 16);
	put_string(p, "rule", json_get(l->body, l->is_refusal ? "rule" : "acl"), MAX_TEXT);
	put_string(p, "approval_id", json_get(l->body, "approval"), 64);
	put_string(p, "client", json_get(l->body, "client"), 256);
	put_count(p, "uid", l->body, "uid");
	put_hash(p, "arguments_hash", r->args_hash);
	if (json_get(l->body, "count").kind == JSON_NUMBER)
		put_count(p, "count", l->body, "count");        /* so many more of them */
	put_close(p, '}');
}
