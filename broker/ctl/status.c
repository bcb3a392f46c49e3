#include "broker/ctl/status.h"
#include "base/clock.h"
#include "base/procinfo.h"
#include "base/xalloc.h"
#include "broker/ctl/local.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"
#include "domain/channels.h"

#define ASK_MS       3000                /* how long the broker may take to say how it is */
#define DAY_MS       (24 * 3600 * 1000LL)
#define MAX_TEXT     4096
#define BROKER_NAME  "aegis-broker"
#define SHIM_NAME    "aegis-shim"

/* Room for one more at the end of v[0..n). */
#define GROW(v, n) ((v) = (n) % 16 == 0 ? xreallocarray((v), (n) + 16, sizeof *(v)) : (v))

/* ---- who is here ---- */

static void note_broker(struct status *s, const struct session_row *row)
{
	struct procinfo cost;

	(void)procinfo_of(row->pid, BROKER_NAME, &cost);
	free(s->broker.version);
	s->broker.state = BROKER_SILENT;         /* until it answers */
	s->broker.pid = row->pid;
	s->broker.started_at_ms = row->started_at_ms;
	s->broker.version = xstrdup(row->program_version);
	s->broker.resident_bytes = cost.resident_bytes;
	s->broker.share_bytes = cost.share_bytes;
}

static void note_shim(struct status *s, const struct session_row *row)
{
	struct procinfo cost;

	(void)procinfo_of(row->pid, SHIM_NAME, &cost);
	GROW(s->shims.v, s->shims.n);
	s->shims.v[s->shims.n++] = (struct status_shim){
		.agent = xstrdup(row->agent),
		.client = xasprintf("%s%s%s", row->client, *row->client_version ? " " : "", row->client_version),
		.backend = xstrdup(row->backend),
		.pid = row->pid,
		.started_at_ms = row->started_at_ms,
		.resident_bytes = cost.resident_bytes,
		.share_bytes = cost.share_bytes,
		.approvals = row->approvals,
		.tickets = row->tickets,
		.flights = row->flights,
	};
}

static bool note_session(void *arg, const struct session_row *row)
{
	if (strcmp(row->kind, "broker") == 0)
		note_broker(arg, row);
	else if (strcmp(row->kind, "shim") == 0)
		note_shim(arg, row);
	return true;
}

/* ---- what waits ---- */

static struct status_queue *queue_of(struct status *s, const char *backend)
{
	for (size_t i = 0; i < s->queues.n; i++)
		if (strcmp(s->queues.v[i].backend, backend) == 0)
			return &s->queues.v[i];
	GROW(s->queues.v, s->queues.n);
	s->queues.v[s->queues.n] = (struct status_queue){ .backend = xstrdup(backend) };
	return &s->queues.v[s->queues.n++];
}

static bool note_ticket(void *arg, const struct queue_row *row)
{
	struct status_queue *q = queue_of(arg, row->backend);
	bool is_running = strcmp(row->state, "FORWARDING") == 0, is_parked = strcmp(row->state, "PARKED") == 0;

	q->running += is_running;
	q->parked += is_parked;
	q->waiting += !is_running && !is_parked;
	if (!is_running && row->waited_ms > q->oldest_ms)
		q->oldest_ms = row->waited_ms;
	return true;
}

static void note_oldest(struct status *s, const struct approval *a)
{
	snprintf(s->approvals.oldest, sizeof s->approvals.oldest, "%s", a->short_id);
	s->approvals.oldest_tool = xstrdup(a->tool);
	s->approvals.oldest_agent = xstrdup(a->agent);
	s->approvals.oldest_ms = a->waited_ms;
}

static bool note_approval(void *arg, const struct approval *a)
{
	struct status *s = arg;

	if (a->state != APPROVAL_PENDING) {
		s->approvals.approved++;
		return true;
	}
	if (s->approvals.pending++ == 0)
		note_oldest(s, a);
	s->approvals.frozen += a->is_frozen;
	if (!a->is_frozen && (!*s->approvals.next || a->expires_in_ms < s->approvals.next_ms)) {
		snprintf(s->approvals.next, sizeof s->approvals.next, "%s", a->short_id);
		s->approvals.next_ms = a->expires_in_ms;
	}
	return true;
}

/* ---- what people are told ---- */

static struct status_channel *channel_of(struct status *s, const char *name)
{
	for (size_t i = 0; i < s->channels.n; i++)
		if (strcmp(s->channels.v[i].name, name) == 0)
			return &s->channels.v[i];
	GROW(s->channels.v, s->channels.n);
	s->channels.v[s->channels.n] = (struct status_channel){ .name = xstrdup(name), .error = xstrdup(""), .about = xstrdup("") };
	return &s->channels.v[s->channels.n++];
}

static bool note_message(void *arg, const struct message *m)
{
	struct status_channel *c = channel_of(arg, m->channel);

	c->dead += m->state == MESSAGE_DEAD;
	c->waiting += m->state != MESSAGE_DEAD;
	c->failing += m->state != MESSAGE_DEAD && m->attempts > 0 && *m->last_error;
	if (m->age_ms > c->oldest_ms)
		c->oldest_ms = m->age_ms;
	if (*m->last_error) {
		free(c->error);
		c->error = xstrdup(m->last_error);
	}
	return true;
}

static void list_channels(struct status *s)
{
	const char *names[CHANNELS_MAX];
	size_t n = s->place->config ? channels_of(s->place->config, names) : 0;

	for (size_t i = 0; i < n; i++)
		(void)channel_of(s, names[i]);
}

/* ---- what stands in the way ---- */

static bool note_brake(void *arg, const struct brake *b)
{
	struct status *s = arg;
	bool is_all = strcmp(b->scope, "all") == 0;

	GROW(s->stops.v, s->stops.n);
	s->stops.v[s->stops.n++] = (struct status_stop){
		.what = is_all ? xstrdup("everything is paused") : xasprintf("%s %s is paused", b->scope, b->subject),
		.why = xasprintf("by %s%s%s", b->by, *b->reason ? ": " : "", b->reason),
		.left_ms = -1,
	};
	return true;
}

static bool note_cooldown(void *arg, const struct cooldown *c)
{
	struct status *s = arg;

	GROW(s->stops.v, s->stops.n);
	s->stops.v[s->stops.n++] = (struct status_stop){
		.what = xasprintf("backend %s cools down", c->backend),
		.why = xstrdup(c->cause),
		.left_ms = c->left_ms,
	};
	return true;
}

static bool note_unknown(void *arg, const struct unknown_row *u)
{
	struct status *s = arg;

	(void)u;
	s->unknown++;
	return true;
}

/* ---- what went wrong lately ---- */

static bool is_trouble(const struct audit_row *row)
{
	static const char *const outcomes[] = { "not_sent", "rejected", "unknown" }, *const refusals[] = { "unreachable", "config", "store" };
	bool is_outcome = strcmp(row->kind, "outcome") == 0, is_refusal = strcmp(row->kind, "refused") == 0;

	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if ((is_outcome && strcmp(row->verdict, outcomes[i]) == 0) || (is_refusal && strcmp(row->verdict, refusals[i]) == 0))
			return true;
	return false;
}

/* "cause" of an outcome, "message" of a refusal; NULL: neither. */
static char *cause_of(const char *body)
{
	struct json_value root;

	if (jsonscan_check(span_of(body), &root, NULL) != JSONSCAN_OK)
		return NULL;
	char *cause = json_text(json_get(root, "cause"), MAX_TEXT);
	return cause && *cause ? cause : (free(cause), json_text(json_get(root, "message"), MAX_TEXT));
}

static bool note_error(void *arg, const struct audit_row *row)
{
	struct status *s = arg;

	if (!is_trouble(row))
		return true;
	CLEANUP(free_charp) char *cause = cause_of(row->body);
	s->errors.v[s->errors.n++] = (struct status_error){
		.sentence = xasprintf("%s of %s by %s: %s", row->tool, row->backend, row->agent, cause && *cause ? cause : row->verdict),
		.at_ms = row->at_ms,
	};
	return s->errors.n < STATUS_ERRORS;
}

static enum err look_at_errors(struct status *s)
{
	uint64_t next = 0;                       /* one stretch: what is older is not of today's concern */
	struct audit_filter f = { .is_newest_first = true, .since_ms = s->wall_ms - DAY_MS, .next = &next };

	return store_audit_read(s->place->store, &f, note_error, s);
}

/* ---- limits ---- */

bool status_is_near(const struct limit_claim *claim, const struct limit_row *row)
{
	return row->is_closed || ((uint64_t)row->used + row->held) * 100 >= (uint64_t)claim->max_count * STATUS_NEAR_PCT;
}

static enum err look_at_limits(struct status *s)
{
	if (!s->place->config)
		return OK;
	claims_list(s->place->config, NULL, &s->claims);
	s->limits = xcalloc(s->claims.n ? s->claims.n : 1, sizeof *s->limits);
	for (size_t i = 0; i < s->claims.n; i++)
		s->limits[i] = (struct limit_row){ .key = s->claims.v[i].key, .window_ms = s->claims.v[i].window_ms, .next_free_ms = -1 };
	return store_limits_show(s->place->store, s->limits, s->claims.n);
}

/* ---- the broker's own word ---- */

static char *text_of(struct json_value object, const char *key)
{
	char *text = json_text(json_get(object, key), MAX_TEXT);

	return text ? text : xstrdup("");
}

static char *joined(struct json_value list)
{
	struct json_iter it = json_iter(list);
	char *all = xstrdup("");
	struct json_value one;
	struct span key;

	while (json_next(&it, &key, &one)) {
		CLEANUP(free_charp) char *text = json_text(one, MAX_TEXT), *before = all;
		all = xasprintf("%s%s%s", before, *before ? ", " : "", text ? text : "?");
	}
	return all;
}

static void note_open_channel(struct status *s, struct json_value one)
{
	if (json_get(one, "told").kind == JSON_FALSE)    /* left out of approval.channels; what still waits there is in the store */
		return;
	CLEANUP(free_charp) char *name = text_of(one, "name");
	struct status_channel *c = channel_of(s, name);

	c->is_known = true;
	c->is_open = json_get(one, "open").kind == JSON_TRUE;
	free(c->about);
	c->about = text_of(one, "about");
}

static void take_word(struct status *s, struct json_value root)
{
	struct json_iter channels = json_iter(json_get(root, "channels"));
	struct json_value one;
	struct span key;

	s->broker.state = BROKER_HERE;
	free(s->broker.version);
	s->broker.version = text_of(root, "version");
	s->broker.listening = joined(json_get(root, "listening"));
	s->broker.trouble = text_of(root, "trouble");
	s->broker.is_auto_started = json_get(root, "auto_started").kind == JSON_TRUE;
	(void)json_to_i64(json_get(root, "pid"), &s->broker.pid);
	(void)json_to_i64(json_get(root, "started_at_ms"), &s->broker.started_at_ms);
	(void)json_to_i64(json_get(json_get(root, "config"), "generation"), &s->broker.generation);
	while (json_next(&channels, &key, &one))
		note_open_channel(s, one);
}

static void ask_broker(struct status *s)
{
	struct local_request r = { .method = "GET", .path = "/api/v1/status", .limit_ms = ASK_MS };
	struct local_answer a CLEANUP(local_answer_release) = { 0 };
	struct problem why = { 0 };
	struct json_value root;

	enum err e = local_ask(s->place, &r, &a, &why);
	if (e == OK && a.status == 200 && jsonscan_check(buf_span(&a.body), &root, NULL) == JSONSCAN_OK) {
		take_word(s, root);
		return;
	}
	if (e != ERR_NOT_FOUND)
		s->broker.state = BROKER_SILENT;
	CLEANUP(free_charp) char *said = e == OK ? local_error(&a) : xstrdup(why.text);
	snprintf(s->broker.why, sizeof s->broker.why, "%s", said);
}

/* ---- all of it ---- */

static enum err look_at_store(struct status *s)
{
	struct store *store = s->place->store;
	struct approval_filter live = { .is_live_only = true };
	struct message_filter open = { .is_open_only = true };

	enum err e = store_session_list(store, note_session, s);
	if (e == OK)
		e = store_queue_list(store, NULL, note_ticket, s);
	if (e == OK)
		e = store_approval_list(store, &live, note_approval, s);
	if (e == OK)
		e = store_messages(store, &open, note_message, s);
	if (e == OK)
		e = store_brake_list(store, note_brake, s);
	if (e == OK)
		e = store_cooldown_list(store, note_cooldown, s);
	if (e == OK)
		e = store_unknown_list(store, true, note_unknown, s);
	if (e == OK)
		e = look_at_limits(s);
	return e == OK ? look_at_errors(s) : e;
}

void status_look(struct status *s, struct place *place, const char *store_why)
{
	*s = (struct status){ .place = place, .wall_ms = clock_wall_ms(), .is_new = !place->store && !*store_why };
	s->broker.resident_bytes = s->broker.share_bytes = -1;
	snprintf(s->store_why, sizeof s->store_why, "%s", store_why);
	list_channels(s);
	enum err e = place->store ? look_at_store(s) : OK;
	if (e != OK)
		snprintf(s->store_why, sizeof s->store_why, "%s", err_text(e));
	ask_broker(s);
}

static void release_lists(struct status *s)
{
	for (size_t i = 0; i < s->shims.n; i++) {
		free(s->shims.v[i].agent);
		free(s->shims.v[i].client);
		free(s->shims.v[i].backend);
	}
	for (size_t i = 0; i < s->queues.n; i++)
		free(s->queues.v[i].backend);
	for (size_t i = 0; i < s->channels.n; i++) {
		free(s->channels.v[i].name);
		free(s->channels.v[i].error);
		free(s->channels.v[i].about);
	}
	for (size_t i = 0; i < s->stops.n; i++) {
		free(s->stops.v[i].what);
		free(s->stops.v[i].why);
	}
	for (size_t i = 0; i < s->errors.n; i++)
		free(s->errors.v[i].sentence);
}

void status_release(struct status *s)
{
	release_lists(s);
	free(s->shims.v);
	free(s->queues.v);
	free(s->channels.v);
	free(s->stops.v);
	free(s->broker.version);
	free(s->broker.listening);
	free(s->broker.trouble);
	free(s->approvals.oldest_tool);
	free(s->approvals.oldest_agent);
	claims_release(&s->claims);
	free(s->limits);
	*s = (struct status){ 0 };
}
