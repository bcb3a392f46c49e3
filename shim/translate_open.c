/* translate_open - which era the backend speaks, and initialize before one that knows only the stateless one. See translate.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/translate.h"

#define MAX_KEPT (1024 * 1024)           /* of an answer */

/* HTTP+SSE is older than all this. */
static bool may_ask(const struct translator *t)
{
	return t->o.backend->transport != TRANSPORT_SSE && !t->is_ending;
}

/* ---- asking for the era --------------------------------------------------------------------------------------------------------------- */
static void note(struct translator *t, const struct jsonrpc *answer)
{
	t->era = era_of_discover(answer);
	if (t->era != ERA_MODERN || answer->kind != JSONRPC_RESULT || answer->result.text.len > MAX_KEPT)
		return;
	free(t->discovered);
	t->discovered = span_dup(answer->result.text);
}

static void find_answered(struct delivery *d, const struct jsonrpc *answer)
{
	note(container_of(d, struct translator, find.delivery), answer);
}

/* A status that says something of the request, and not of who sends it or how often; of a child, that it ended at the question. */
static bool is_verdict(const struct translator *t, const struct delivery_end *end)
{
	static const int others[] = { 401, 402, 403, 407, 429 };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (end->http_status == others[i])
			return false;
	if (t->is_stdio)
		return end->fate == FATE_UNKNOWN && !end->has_timed_out;
	return end->fate == FATE_REFUSED && end->http_status >= 400;
}

static void find_done(struct delivery *d, const struct delivery_end *end)
{
	struct translator *t = container_of(d, struct translator, find.delivery);

	if (is_verdict(t, end))
		t->era = ERA_LEGACY;
	else if (end->fate != FATE_ANSWERED)
		log_info("translate.era", "backend=%s why=%s", t->o.backend->name, end->cause);
	t->is_finding = false;
	open_tell(t);
}

static bool write_find(struct translator *t)
{
	CLEANUP(buf_release) struct buf params = { 0 };
	char id[48];

	(void)snprintf(id, sizeof(id), "\"aegis:discover:%u\"", ++t->numbered);
	buf_init(&params, TRANSLATE_MAX_ENVELOPE + 64);
	buf_clear(&t->find.line);
	return buf_append_text(&params, "{\"_meta\":{") && buf_append_span(&params, buf_span(&t->envelope)) && buf_append_text(&params, "}}") &&
	       jsonrpc_write_call(&t->find.line, (struct json_value){ JSON_STRING, span_of(id) }, "server/discover", buf_span(&params));
}

static void find_begin(struct translator *t)
{
	if (!write_find(t)) {
		translate_settle_soon(t);
		return;
	}
	t->is_finding = true;
	jsonrpc_read(buf_span(&t->find.line), &t->find.message);
	t->find.delivery = (struct delivery){ .body = buf_span(&t->find.line), .message = &t->find.message, .is_modern = true,
		.timeout_ms = t->is_stdio ? TRANSLATE_FIND_CHILD_MS : TRANSLATE_FIND_MS, .answered = find_answered, .done = find_done };
	t->inner->kind->send(t->inner, &t->find.delivery);
}

void open_find(struct translator *t, struct era_question *q)
{
	list_append(&t->asking, &q->node);
	if (t->era != ERA_UNKNOWN || !may_ask(t))
		translate_settle_soon(t);
	else if (!t->is_finding)
		find_begin(t);
}

void open_tell(struct translator *t)
{
	struct era_question *q;

	while (!t->is_finding && (q = list_first(&t->asking, struct era_question, node))) {
		list_remove(&q->node);
		q->told(q, t->era);
	}
}

/* ---- the client's own question --------------------------------------------------------------------------------------------------------- */
static void discover_answered(struct passage *p, const struct jsonrpc *answer)
{
	note(p->t, answer);
	passage_tell(p, answer);
}

void open_discover(struct translator *t, struct delivery *d)
{
	struct passage *p = passage_new(t, d);

	p->answered = discover_answered;
	p->over = passage_finish;
	passage_pass(p);
}

/* ---- initialize ------------------------------------------------------------------------------------------------------------------------ */
bool open_can(const struct translator *t, const char *what, const char *part)
{
	struct json_value said, can;

	if (!t->discovered || jsonscan_check(span_of(t->discovered), &said, NULL) != JSONSCAN_OK)
		return false;
	can = json_get(json_get(said, "capabilities"), what);
	return part ? json_get(can, part).kind == JSON_TRUE : can.kind == JSON_OBJECT;
}

static void answer_in_its_place(struct passage *p)
{
	struct translator *t = p->t;
	struct translate_opening o = { .wanted = json_get(p->d->message->params, "protocolVersion"), .name = t->o.backend->name };
	CLEANUP(buf_release) struct buf result = { 0 };

	buf_init(&result, MAX_KEPT + TRANSLATE_SLACK);
	t->is_translating = jsonscan_check(span_of(t->discovered), &o.discovered, NULL) == JSONSCAN_OK && translate_opening(&o, &result);
	if (t->is_translating)
		log_info("translate.open", "backend=%s revision=" ERA_MODERN_REVISION, t->o.backend->name);
	passage_answer(p, t->is_translating ? buf_span(&result) : (struct span){ 0 });
}

static void refuse_as_it_did(struct passage *p)
{
	struct delivery_end end = p->refused;

	end.cause = p->cause;
	if (!p->refusal) {
		passage_finish(p, &end);
		return;
	}
	passage_answer(p, (struct span){ 0 });
	if (!buf_append_text(&p->line, p->refusal))
		buf_clear(&p->line);
}

static void era_found(struct era_question *q, enum era era)
{
	struct passage *p = container_of(q, struct passage, era);

	if (p->is_cancelled)
		return;                         /* its end is on the way */
	if (era == ERA_MODERN && p->t->discovered)
		answer_in_its_place(p);
	else
		refuse_as_it_did(p);
}

static void ask_era(struct passage *p)
{
	p->phase = PASSAGE_FINDING;
	p->era.told = era_found;
	open_find(p->t, &p->era);
}

static void initialize_answered(struct passage *p, const struct jsonrpc *answer)
{
	bool is_worth_asking = may_ask(p->t) && era_may_be_modern(answer) && answer->root.text.len <= MAX_KEPT;

	if (is_worth_asking) {
		p->refusal = span_dup(answer->root.text);
		p->next = PASSAGE_FINDING;
		return;
	}
	p->t->is_plain = answer->kind == JSONRPC_RESULT;
	passage_tell(p, answer);
}

static void initialize_over(struct passage *p, const struct delivery_end *end)
{
	bool is_refused = end->fate == FATE_REFUSED && end->http_status == 400 && may_ask(p->t);

	if (p->is_cancelled || (p->next != PASSAGE_FINDING && !is_refused)) {
		passage_finish(p, end);
		return;
	}
	p->refused = *end;
	(void)snprintf(p->cause, sizeof(p->cause), "%s", end->cause ? end->cause : "");
	ask_era(p);
}

static char *raw_object(struct json_value v)
{
	return v.kind == JSON_OBJECT && v.text.len <= TRANSLATE_MAX_ENVELOPE / 4 ? span_dup(v.text) : NULL;
}

void open_send(struct translator *t, struct delivery *d)
{
	struct json_value params = d->message->params;
	struct passage *p = passage_new(t, d);

	t->is_plain = t->is_translating = false;
	free(t->client);
	free(t->can);
	t->client = raw_object(json_get(params, "clientInfo"));
	t->can = raw_object(json_get(params, "capabilities"));
	p->answered = initialize_answered;
	p->over = initialize_over;
	if (!translate_envelope_make(t))
		passage_refuse(p, -32602, "clientInfo and capabilities are too long");
	else if (t->discovered)
		answer_in_its_place(p);
	else
		passage_pass(p);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------ */
void open_init(struct translator *t)
{
	list_init(&t->asking);
	buf_init(&t->find.line, 2 * TRANSLATE_MAX_ENVELOPE);
	if (!translate_envelope_make(t))
		abort();                            /* it is short */
}

void open_release(struct translator *t)
{
	buf_release(&t->find.line);
	free(t->discovered);
}
