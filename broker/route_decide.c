/* route_decide - POST /api/v1/approvals/{}/approve, reject and cancel. Body: {} or {"reason": text, "arguments_hash": hex}; with the hash
 * the word counts only for exactly these arguments.
 *
 * 200 {"action","status":"ok",...}: decided. 202 {"action","status":"counted",...}: the word counts, and others must agree too. 403: this
 * one may not decide it. 404: no such. 409: somebody was first, or it is over; state, decided_by, decided_at say how it stands. */
#include <json-c/json.h>
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/ballot.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"

#define MAX_BODY 16384

/* ---- the body -------------------------------------------------------------------------------------------------------------------- */

struct words { char reason[BALLOT_REASON_MAX + 1]; bool has_hash; uint8_t hash[32]; };

static bool read_reason(struct request *r, struct json_object *v, struct words *out)
{
	int n = json_object_is_type(v, json_type_string) ? json_object_get_string_len(v) : -1;
	const char *text = n >= 0 ? json_object_get_string(v) : "";

	if (n < 0 || n > BALLOT_REASON_MAX || strlen(text) != (size_t)n) {
		reply_error(r, 400, "reason must be a text of at most %d bytes", BALLOT_REASON_MAX);
		return false;
	}
	snprintf(out->reason, sizeof(out->reason), "%s", text);
	return true;
}

static uint8_t digit_of(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool read_hash(struct request *r, struct json_object *v, struct words *out)
{
	const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";

	if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64) {
		reply_error(r, 400, "arguments_hash must be 64 lower-case hex digits, as the approval has it");
		return false;
	}
	out->has_hash = true;
	for (size_t i = 0; i < 32; i++)
		out->hash[i] = (uint8_t)(digit_of(text[2 * i]) << 4 | digit_of(text[2 * i + 1]));
	return true;
}

/* False: answered. */
static bool read_words(struct request *r, struct words *out)
{
	struct json_object *o = request_json(r);
	bool is_good = o != NULL;

	*out = (struct words){ 0 };
	if (!o)
		return false;
	json_object_object_foreach(o, key, value) {
		if (!is_good)
			break;
		if (strcmp(key, "reason") == 0)
			is_good = read_reason(r, value, out);
		else if (strcmp(key, "arguments_hash") == 0)
			is_good = read_hash(r, value, out);
		else {
			reply_error(r, 400, "the body may hold reason and arguments_hash, nothing else");
			is_good = false;
		}
	}
	json_object_put(o);
	return is_good;
}

/* ---- how it stands ------------------------------------------------------------------------------------------------------------------ */

static void put_standing(struct jsonput *p, const struct approval *a)
{
	put_text(p, "id", a->id);
	put_text(p, "short_id", a->short_id);
	put_text(p, "state", approval_state_text(a->state));
	put_number(p, "votes", a->votes);
	put_number(p, "quorum", a->quorum);
	put_text(p, "decided_by", a->decided_by);
	put_text(p, "decided_means", a->decided_means);
	put_time(p, "decided_at", a->decided_at_ms);
	put_text(p, "reason", a->reason);
}

static void answer_done(struct request *r, const char *action, const char *status, const char *said, const struct approval *a)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '{');
	put_text(&p, "action", action);
	put_text(&p, "status", status);
	put_text(&p, "message", said);
	put_standing(&p, a);
	put_close(&p, '}');
	reply_put(r, strcmp(status, "ok") == 0 ? 200 : 202, &p);
}

static void answer_late(struct request *r, const char *said, const struct approval *a)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '{');
	put_text(&p, "error", said);
	put_standing(&p, a);
	put_close(&p, '}');
	reply_put(r, 409, &p);
}

static void answer(struct request *r, const char *action, enum vote_answer how, const char *said, const struct approval *a)
{
	switch (how) {
	case VOTE_DECIDED:     answer_done(r, action, "ok", said, a); break;
	case VOTE_COUNTED:     answer_done(r, action, "counted", said, a); break;
	case VOTE_SECOND:
	case VOTE_TOO_LATE:
	case VOTE_REPLAYED:    answer_late(r, said, a); break;
	case VOTE_NO_SUCH:     reply_error(r, 404, "there is no such approval"); break;
	case VOTE_NOT_ALLOWED: reply_error(r, 403, "%s", said); break;
	}
}

/* ---- approve, reject ------------------------------------------------------------------------------------------------------------------- */

static void ballot_done(struct ballot *b)
{
	struct request *r = b->arg;

	if (b->err != OK)
		reply_err(r, b->err);
	else
		answer(r, b->is_approving ? "approve" : "reject", b->answer, b->said, &b->as_it_is);
	ballot_release(b);
	free(b);
}

static void cast(struct request *r, bool is_approving)
{
	struct words words;

	if (strlen(r->args[0]) >= ID_SIZE) {
		reply_error(r, 404, "there is no such approval");
		return;
	}
	if (!read_words(r, &words) || !request_store(r))
		return;
	struct ballot *b = xcalloc(1, sizeof(*b));
	*b = (struct ballot){ .broker = r->broker, .is_approving = is_approving, .voter = r->voter, .done = ballot_done, .arg = r,
		.has_args_hash = words.has_hash };
	snprintf(b->approval, sizeof(b->approval), "%.*s", ID_SIZE - 1, r->args[0]);
	snprintf(b->reason, sizeof(b->reason), "%s", words.reason);
	memcpy(b->args_hash, words.hash, sizeof(b->args_hash));
	ballot_cast(b);
}

void route_approve(struct request *r)
{
	cast(r, true);
}

void route_reject(struct request *r)
{
	cast(r, false);
}

/* ---- cancel ------------------------------------------------------------------------------------------------------------------------------ */

struct cancelling {
	struct request *request;
	struct op op;
	struct approval_cancel cancel;
	struct words words;
	char by[80];
};

static void cancel_told(struct op *op)
{
	struct cancelling *c = container_of(op, struct cancelling, op);
	const struct approval *a = &c->cancel.as_it_is;
	char said[300];

	snprintf(said, sizeof(said), op->answer == VOTE_DECIDED ? "%s is cancelled" : "%s is over: it is %s", a->short_id,
		approval_state_text(a->state));
	if (op->err != OK)
		reply_err(c->request, op->err);
	else
		answer(c->request, "cancel", (enum vote_answer)op->answer, said, a);
	approval_release(&c->cancel.as_it_is);
	free(c);
}

void route_cancel(struct request *r)
{
	struct store *s;
	struct words words;

	if (!read_words(r, &words) || !(s = request_store(r)))
		return;
	struct cancelling *c = xcalloc(1, sizeof(*c));
	c->request = r;
	c->words = words;
	c->op.told = cancel_told;
	snprintf(c->by, sizeof(c->by), "%s", r->voter.name);
	c->cancel = (struct approval_cancel){ .approval = r->args[0], .by = c->by, .reason = c->words.reason };
	store_approval_cancel(s, &c->op, &c->cancel);
}
