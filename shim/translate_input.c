/* translate_input - a backend that needs something first says so in its result (input_required); a client of the older revisions is asked
 * by requests. Its answers go back with the state the backend sent, as the next leg of the same request. See translate.h. */
#include "base/id.h"
#include "base/xalloc.h"
#include "shim/translate.h"

bool input_is_required(const struct jsonrpc *answer)
{
	return answer->kind == JSONRPC_RESULT && json_string_is(json_get(answer->result, "resultType"), "input_required");
}

/* ---- questions ------------------------------------------------------------------------------------------------------------------------- */
static bool is_known(struct json_value method)
{
	static const char *const methods[] = { "elicitation/create", "sampling/createMessage", "roots/list" };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (json_string_is(method, methods[i]))
			return true;
	return false;
}

/* Older revisions want an id for what happens at a URL. */
static bool write_url_params(struct json_value params, struct buf *out)
{
	unsigned char bytes[16];
	char hex[33];

	random_bytes(bytes, sizeof(bytes));
	hex_encode(hex, bytes, sizeof(bytes));
	return buf_printf(out, "{\"elicitationId\":\"%s\",", hex) && buf_append(out, params.text.at + 1, params.text.len - 1);
}

static bool write_question(const struct question *q, struct json_value entry, struct buf *out)
{
	struct json_value params = json_get(entry, "params");
	bool lacks_id = json_string_is(json_get(params, "mode"), "url") && json_get(params, "elicitationId").kind == JSON_NONE;

	if (!buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":", q->id) || !buf_append_span(out, json_get(entry, "method").text))
		return false;
	if (params.kind != JSON_NONE && !(buf_append_text(out, ",\"params\":") &&
		(lacks_id ? write_url_params(params, out) : buf_append_span(out, params.text))))
		return false;
	return buf_append_char(out, '}');
}

/* It may be answered before this returns: by us, if the client cannot or must not. */
static void ask(struct question *q, struct json_value entry)
{
	struct translator *t = q->passage->t;
	CLEANUP(buf_release) struct buf line = { 0 };
	struct jsonrpc m;

	buf_init(&line, entry.text.len + TRANSLATE_SLACK);
	map_set(t->asked, span_of(q->id), q);
	q->passage->open_n++;
	if (!write_question(q, entry, &line))
		return;
	jsonrpc_read(buf_span(&line), &m);
	t->o.events.message(t->o.events.arg, &m);
}

static size_t count(struct json_value object)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct span key;
	size_t n = 0;

	while (object.kind == JSON_OBJECT && json_next(&it, &key, &value))
		n++;
	return n;
}

static void ask_all(struct passage *p, struct json_value requests)
{
	struct json_iter it = json_iter(requests);
	struct json_value entry;
	struct span key;

	p->questions = xcalloc(count(requests), sizeof(*p->questions));
	while (json_next(&it, &key, &entry)) {
		struct question *q = &p->questions[p->questions_n++];
		q->passage = p;
		q->key = span_dup(key);
		(void)snprintf(q->id, sizeof(q->id), "\"aegis:input:%u\"", ++p->t->numbered);
		ask(q, entry);
		if (p->cause[0])
			return;                 /* refused: the others need not be asked */
	}
}

/* ---- what the backend wants ------------------------------------------------------------------------------------------------------------ */
/* Whether the client has the capability at all is for the relay to say, by the rules and on record. */
static bool is_beyond(struct json_value has, struct json_value entry)
{
	struct json_value params = json_get(entry, "params"), method = json_get(entry, "method");
	struct json_value elicits = json_get(has, "elicitation"), samples = json_get(has, "sampling");
	bool has_url = json_get(elicits, "url").kind != JSON_NONE, has_form = json_get(elicits, "form").kind != JSON_NONE;

	if (json_string_is(method, "elicitation/create") && elicits.kind == JSON_OBJECT)
		return json_string_is(json_get(params, "mode"), "url") ? !has_url : has_url && !has_form;
	if (json_string_is(method, "sampling/createMessage") && samples.kind == JSON_OBJECT)
		return json_get(samples, "tools").kind == JSON_NONE &&
		       (json_get(params, "tools").kind != JSON_NONE || json_get(params, "toolChoice").kind != JSON_NONE);
	return false;
}

static bool wants_too_much(const struct translator *t, struct json_value requests)
{
	struct json_iter it = json_iter(requests);
	struct json_value has = { 0 }, entry;
	struct span key;

	if (!t->can || jsonscan_check(span_of(t->can), &has, NULL) != JSONSCAN_OK)
		return false;
	while (requests.kind == JSON_OBJECT && json_next(&it, &key, &entry))
		if (is_beyond(has, entry))
			return true;
	return false;
}

static const char *fault_of(const struct passage *p, struct json_value requests, struct json_value state)
{
	struct json_iter it = json_iter(requests);
	struct json_value entry;
	struct span key;

	if (p->rounds >= TRANSLATE_MAX_ROUNDS)
		return "the backend wanted more input each time it was given some, and was stopped";
	if ((requests.kind != JSON_OBJECT || count(requests) == 0) && state.kind != JSON_STRING)
		return "the backend wants input without saying what";
	if (count(requests) > TRANSLATE_MAX_QUESTIONS || state.text.len > TRANSLATE_MAX_STATE)
		return "the backend wants too much input at once";
	while (requests.kind == JSON_OBJECT && json_next(&it, &key, &entry))
		if (!is_known(json_get(entry, "method")) || (json_get(entry, "params").kind != JSON_OBJECT &&
			!json_string_is(json_get(entry, "method"), "roots/list")))
			return "the backend wants input of a kind that is not known here";
	if (wants_too_much(p->t, requests))
		return "the backend wants input of a kind that the client has not declared";
	return NULL;
}

void input_note(struct passage *p, const struct jsonrpc *answer)
{
	struct json_value requests = json_get(answer->result, "inputRequests"), state = json_get(answer->result, "requestState");
	const char *fault = fault_of(p, requests, state);

	if (fault) {
		(void)snprintf(p->cause, sizeof(p->cause), "%s", fault);
		p->next = PASSAGE_ANSWERED;
		return;
	}
	p->next = PASSAGE_ASKING;
	p->rounds++;
	p->cause[0] = '\0';
	free(p->state);
	p->state = state.kind == JSON_STRING ? span_dup(state.text) : NULL;
	if (requests.kind == JSON_OBJECT && count(requests) > 0)
		ask_all(p, requests);
}

void input_begin(struct passage *p)
{
	bool has_questions = p->questions_n > 0;

	p->phase = has_questions ? PASSAGE_ASKING : PASSAGE_PACING;
	loop_timer_set(p->t->o.loop, &p->timer, has_questions ? TRANSLATE_ROUND_MS : TRANSLATE_PACE_MS);
	if (has_questions && p->open_n == 0)
		translate_settle_soon(p->t);
}

/* ---- what the client answers ----------------------------------------------------------------------------------------------------------- */
static size_t answered_bytes(const struct passage *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->questions_n; i++)
		n += p->questions[i].answer ? strlen(p->questions[i].answer) : 0;
	return n;
}

static void give_up(struct passage *p, const char *why, struct json_value message)
{
	CLEANUP(free_charp) char *said = json_text(message, 512);

	(void)snprintf(p->cause, sizeof(p->cause), "%s%s%.120s", why, said ? ": " : "", said ? said : "");
	p->open_n = 0;
}

bool input_take(struct translator *t, struct delivery *d)
{
	const struct jsonrpc *m = d->message;
	CLEANUP(buf_release) struct buf key = { 0 };
	struct question *q;

	buf_init(&key, 8 * JSONRPC_MAX_ID_BYTES);
	q = jsonrpc_id_key(m->id, &key) ? map_remove(t->asked, buf_span(&key)) : NULL;
	if (!q)
		return false;
	struct passage *p = q->passage;
	if (p->open_n > 0)
		p->open_n--;
	if (m->kind != JSONRPC_RESULT || m->result.kind != JSON_OBJECT)
		give_up(p, "the backend needs something of the client first, and did not get it", json_get(m->error, "message"));
	else if (answered_bytes(p) + m->result.text.len > TRANSLATE_MAX_ANSWERS)
		give_up(p, "the client's answers to the backend are too long", (struct json_value){ 0 });
	else
		q->answer = span_dup(m->result.text);
	translate_settle_soon(t);
	return true;
}

/* ---- the next leg ---------------------------------------------------------------------------------------------------------------------- */
static bool write_answers(const struct passage *p, struct buf *out)
{
	for (size_t i = 0; i < p->questions_n; i++) {
		const struct question *q = &p->questions[i];
		if (!buf_append_char(out, i == 0 ? '{' : ',') || !buf_append_text(out, q->key) || !buf_append_char(out, ':') ||
			!buf_append_text(out, q->answer))
			return false;
	}
	return p->questions_n == 0 || buf_append_char(out, '}');
}

void input_go_on(struct passage *p)
{
	CLEANUP(buf_release) struct buf answers = { 0 };
	char id[48];
	struct retry r = { .id = { JSON_STRING, { id, 0 } }, .envelope = buf_span(&p->t->envelope), .state = span_of(p->state) };

	loop_timer_clear(&p->timer);
	buf_init(&answers, TRANSLATE_MAX_ANSWERS + TRANSLATE_SLACK);
	r.id.text.len = (size_t)snprintf(id, sizeof(id), "\"aegis:leg:%u\"", ++p->t->numbered);
	bool has_answers = write_answers(p, &answers);
	r.responses = buf_span(&answers);
	buf_clear(&p->line);
	if (has_answers && translate_retry(p->d->message, &r, &p->line)) {
		input_forget(p);
		passage_send(p);
	} else {
		passage_refuse(p, -32603, "the client's answers to the backend are too long");
	}
}

void input_settle(struct passage *p)
{
	if (p->cause[0])
		passage_refuse(p, -32603, p->cause);
	else
		input_go_on(p);
}

static void tell_cancelled(struct translator *t, const char *id)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct jsonrpc m;

	buf_init(&line, 256);
	if (!t->inner || !buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%s}}", id))
		return;
	jsonrpc_read(buf_span(&line), &m);
	t->o.events.message(t->o.events.arg, &m);
}

void input_forget(struct passage *p)
{
	struct question *questions = p->questions;
	size_t n = p->questions_n;

	p->questions = NULL;
	p->questions_n = p->open_n = 0;
	for (size_t i = 0; i < n; i++) {
		if (map_remove(p->t->asked, span_of(questions[i].id)))
			tell_cancelled(p->t, questions[i].id);
		free(questions[i].key);
		free(questions[i].answer);
	}
	free(questions);
}
