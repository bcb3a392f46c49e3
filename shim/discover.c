#include "shim/discover.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/cooldown.h"
#include "shim/modern.h"
#include "shim/reply.h"
#include "shim/requests.h"
#include "shim/shim.h"

#define PATIENCE_MS 500                  /* clients wait about 2.5 s before they fall back by themselves; they start their turn meanwhile */
#define LOOK_MS     25                   /* at a child that is still starting: patience begins when it has read the question, */
#define STARTING_MS 10000                /* and that takes so long at the most */
#define ANSWER_MS   30000                /* a late answer still tells the era; a child may have to be installed first (npx) */
#define LINE_CAP    4096

/* One server/discover of the client on its way. */
struct probe {
	struct discover *discover;
	struct list node;
	struct inbound in;
	struct request request;
	struct delivery delivery;
	struct loop_timer patience;
	bool is_answered, is_said;
	int64_t unread_ms;                   /* so long was the child seen starting; patience has begun: -1 */
};

/* HTTP+SSE is older than all this, and a question would open a session. */
enum era discover_era(const struct discover *d)
{
	return d->part->place.transport == TRANSPORT_SSE ? ERA_LEGACY : d->era;
}

/* ---- saying -------------------------------------------------------------------------------------------------------------------------- */
static void say_legacy(struct part *p, struct json_value id)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, LINE_CAP);
	if (session_write_discover(id, &line))
		reply_buf(p, &line);
}

void discover_refuse(struct part *p, const struct jsonrpc *rpc, struct json_value requested)
{
	CLEANUP(buf_release) struct buf line = { 0 }, supported = { 0 };
	bool ok;

	buf_init(&line, LINE_CAP);
	buf_init(&supported, 256);
	if (session_has_handshake(p))
		ok = buf_append_char(&supported, '[') && json_quote(&supported, span_of(p->session.revision)) &&
		     buf_append_char(&supported, ']');
	else
		ok = buf_append_text(&supported, discover_era(&p->discover) == ERA_LEGACY ? SESSION_OLDER_REVISIONS : "[\"" ERA_MODERN_REVISION "\"]");
	if (ok && modern_write_unsupported(rpc->id, buf_span(&supported), requested, &line))
		reply_buf(p, &line);
}

/* The client hears one answer, in time. */
static void say(struct probe *b, const struct jsonrpc *answer)
{
	struct part *p = b->discover->part;
	CLEANUP(buf_release) struct buf line = { 0 };

	if (b->is_said)
		return;
	b->is_said = true;
	loop_timer_clear(&b->patience);
	if (b->in.is_cancelled)
		return;
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!answer || era_of_discover(answer) != ERA_MODERN)
		say_legacy(p, b->in.rpc.id);
	else if (request_write_answer(p, &b->request, answer, b->in.rpc.id, &line))
		reply_buf(p, &line);
}

static bool is_starting(struct probe *b)
{
	return b->unread_ms >= 0 && b->unread_ms < STARTING_MS && !upstream_has_read(b->discover->part->upstream);
}

static void look(struct loop_timer *t)
{
	struct probe *b = container_of(t, struct probe, patience);
	struct part *p = b->discover->part;

	if (is_starting(b)) {
		b->unread_ms += LOOK_MS;
		loop_timer_set(p->shim->loop, t, LOOK_MS);
		return;
	}
	if (b->unread_ms >= 0) {
		b->unread_ms = -1;
		loop_timer_set(p->shim->loop, t, PATIENCE(PATIENCE_MS));
		return;
	}
	log_info("discover.slow", "backend=%s: answered for as a server of the older revisions", p->name);
	say(b, NULL);
}

/* ---- what becomes of a probe ----------------------------------------------------------------------------------------------------------- */
static void learn(struct discover *d, enum era era)
{
	if (era != d->era)
		log_info("discover.era", "backend=%s era=%s", d->part->name, era == ERA_MODERN ? "2026-07-28" : "older");
	d->era = era;
}

static void answered(struct delivery *delivery, const struct jsonrpc *answer)
{
	struct probe *b = container_of(delivery, struct probe, delivery);

	b->is_answered = true;
	learn(b->discover, era_of_discover(answer));
	request_note(&b->request, answer);
	say(b, answer);
}

/* A status that says something of the request, and not of who sends it or how often. */
static bool is_verdict(const struct delivery_end *end)
{
	static const int others[] = { 401, 402, 403, 407, 429 };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (end->http_status == others[i])
			return false;
	return end->fate == FATE_REFUSED && end->http_status >= 400;
}

/* A child that ends at the question is one of the older revisions. */
static bool has_ended_at_it(const struct probe *b, const struct delivery_end *end)
{
	return b->discover->part->place.command.n > 0 && end->fate == FATE_UNKNOWN && !end->has_timed_out && !b->in.is_cancelled;
}

static void probe_free(struct probe *b)
{
	loop_timer_clear(&b->patience);
	list_remove(&b->node);
	request_release(&b->request);
	inbound_release(&b->in);
	free(b);
}

static void done(struct delivery *delivery, const struct delivery_end *end)
{
	struct probe *b = container_of(delivery, struct probe, delivery);
	struct discover *d = b->discover;
	struct part *p = d->part;

	cooldown_note(p, end);
	if (!b->is_answered && (is_verdict(end) || has_ended_at_it(b, end)))
		learn(d, ERA_LEGACY);
	say(b, NULL);
	request_ended(p, &b->request, &b->in, (struct request_end){ .delivery = end });
	probe_free(b);
}

/* ---- asking -------------------------------------------------------------------------------------------------------------------------- */
static struct probe *probe_new(struct discover *d)
{
	struct probe *b = xcalloc(1, sizeof(*b));

	b->discover = d;
	list_init(&b->node);
	loop_timer_init(&b->patience, look);
	b->delivery = (struct delivery){ .timeout_ms = ANSWER_MS, .answered = answered, .done = done };
	return b;
}

static bool knows_no_better(struct part *p, const struct jsonrpc *rpc)
{
	return session_has_handshake(p) || discover_era(&p->discover) == ERA_LEGACY || era_claim(rpc).kind == JSON_NONE;
}

void discover_from_client(struct discover *d, const struct jsonrpc *rpc)
{
	struct json_value requested = json_get(rpc->meta, ERA_META_VERSION);
	struct probe *b;

	if (knows_no_better(d->part, rpc)) {
		if (discover_era(d) == ERA_MODERN && requested.kind != JSON_NONE && !session_has_handshake(d->part))
			discover_refuse(d->part, rpc, requested);
		else
			say_legacy(d->part, rpc->id);
		return;
	}
	b = probe_new(d);
	if (inbound_take(&d->part->inbounds, rpc, INBOUND_DISCOVER, &b->in) != INBOUND_TAKEN) {
		probe_free(b);
		session_id_in_use(d->part, rpc);
		return;
	}
	session_note_client(d->part, rpc);
	request_begin(&b->request, &b->in.rpc);
	if (d->part->session.withheld)
		b->request.withheld = xstrdup(d->part->session.withheld);
	if (discover_era(d) == ERA_UNKNOWN)
		loop_timer_set(d->part->shim->loop, &b->patience, 0);
	b->delivery.body = inbound_span(&b->in);
	b->delivery.message = &b->in.rpc;
	list_append(&d->probes, &b->node);
	upstream_send(d->part->upstream, &b->delivery);
}

static void found(struct era_question *q, enum era era)
{
	struct discover *d = container_of(q, struct discover, question);

	if (era != ERA_UNKNOWN)
		learn(d, era);
	session_era_known(d->part);
}

void discover_ask(struct discover *d)
{
	upstream_find_era(d->part->upstream, &d->question);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */
bool discover_is_idle(const struct discover *d)
{
	return list_is_empty(&d->probes);
}

void discover_give_up(struct discover *d)
{
	list_remove(&d->question.node);
	list_for_each(b, &d->probes, struct probe, node)
		upstream_cancel(d->part->upstream, &b->delivery);
}

void discover_init(struct discover *d, struct part *part)
{
	*d = (struct discover){ .part = part, .question = { .told = found } };
	list_init(&d->probes);
	list_init(&d->question.node);
}
