#include "broker/counters.h"
#include <stdio.h>
#include "base/map.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

#define MAX_TOOLS    500                 /* distinct values of a label that agents have a say in */
#define MAX_NAMES    200
#define MAX_SERIES   5000
#define OTHER        "other"
#define BATCH_EVENTS 200
#define LABELS       4

static const double call_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120 };
static const double wait_bounds[] = { 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600 };

/* One metric: a number for each combination of its labels. */
struct family { const char *labels[LABELS]; struct map *series; };
struct series { char *values[LABELS]; uint64_t n; };

struct counters {
	struct map *tools, *names;               /* seen ones */
	struct family calls, approvals, notifications, retries, callbacks;
	struct map *durations;                   /* server -> struct prom_histogram */
	struct prom_histogram waits;
	bool has_place;                          /* the end of what there was when we began is known */
	uint64_t audit, events;
	int64_t last_row_at_ms;
};

/* ---- families --------------------------------------------------------------------------------------------------------------------- */

static void series_free(void *arg)
{
	struct series *s = arg;

	for (size_t i = 0; i < LABELS; i++)
		free(s->values[i]);
	free(s);
}

static void family_add(struct family *f, const char *const values[LABELS], uint64_t by)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	bool fits = true;

	buf_init(&key, 4096);
	for (size_t i = 0; i < LABELS && f->labels[i]; i++)
		fits = fits && buf_append_text(&key, values[i]) && buf_append_char(&key, '\x1f');
	struct series *s = fits ? map_get(f->series, buf_span(&key)) : NULL;
	if (!s && fits && map_size(f->series) < MAX_SERIES) {
		s = xcalloc(1, sizeof(*s));
		for (size_t i = 0; i < LABELS && f->labels[i]; i++)
			s->values[i] = xstrdup(values[i]);
		map_set(f->series, buf_span(&key), s);
	}
	if (s)
		s->n += by;
}

/* The name itself, or "other" when there are too many of its kind or it is too long. */
static const char *capped(struct map *seen, size_t most, const char *name)
{
	struct span key = span_of(name);

	if (map_get(seen, key))
		return name;
	if (map_size(seen) >= most || key.len > 128)
		return OTHER;
	map_set(seen, key, seen);
	return name;
}

/* ---- the audit -------------------------------------------------------------------------------------------------------------------- */

static const char *decision_of(const struct audit_row *row)
{
	static const char *const troubles[] = { "store", "config", "unreachable", "invalid" };

	if (strcmp(row->kind, "intent") == 0)
		return "allow";
	if (strcmp(row->verdict, "deferred") == 0)
		return "ask";
	for (size_t i = 0; i < ARRAY_LEN(troubles); i++)
		if (strcmp(row->verdict, troubles[i]) == 0)
			return "error";
	return "deny";
}

static int64_t number_in(const char *body, const char *key, int64_t fallback)
{
	struct json_value root;
	int64_t n = fallback;

	if (jsonscan_check(span_of(body), &root, NULL) == JSONSCAN_OK)
		(void)json_to_i64(json_get(root, key), &n);
	return n;
}

/* A refusal may stand for many like it. */
static void count_call(struct counters *c, const struct audit_row *row)
{
	int64_t n = strcmp(row->kind, "refused") == 0 ? number_in(row->body, "count", 1) : 1;
	const char *const values[LABELS] = {
		capped(c->names, MAX_NAMES, row->agent), capped(c->names, MAX_NAMES, row->backend),
		*row->tool ? capped(c->tools, MAX_TOOLS, row->tool) : OTHER, decision_of(row),
	};

	family_add(&c->calls, values, n > 0 ? (uint64_t)n : 0);
}

static void count_duration(struct counters *c, const struct audit_row *row)
{
	const char *server = capped(c->names, MAX_NAMES, row->backend);
	struct prom_histogram *h = map_get(c->durations, span_of(server));
	int64_t ms = number_in(row->body, "duration_ms", -1);

	if (!h) {
		h = xcalloc(1, sizeof(*h));
		*h = (struct prom_histogram){ .bounds = call_bounds, .n = ARRAY_LEN(call_bounds) };
		map_set(c->durations, span_of(server), h);
	}
	if (ms >= 0)
		prom_observe(h, (double)ms / 1000);
}

static bool take_row(void *arg, const struct audit_row *row)
{
	struct counters *c = arg;

	c->audit = row->seq;
	c->last_row_at_ms = row->at_ms;
	if (strcmp(row->kind, "intent") == 0 || strcmp(row->kind, "refused") == 0)
		count_call(c, row);
	else if (strcmp(row->kind, "outcome") == 0)
		count_duration(c, row);
	return true;
}

/* ---- approvals -------------------------------------------------------------------------------------------------------------------- */

struct batch { size_t n; struct { uint64_t seq; enum approval_what what; char approval[ID_SIZE]; } v[BATCH_EVENTS]; };

static bool keep_event(void *arg, const struct approval_event *e)
{
	struct batch *b = arg;

	b->v[b->n].seq = e->seq;
	b->v[b->n].what = e->what;
	snprintf(b->v[b->n].approval, sizeof(b->v[b->n].approval), "%s", e->approval);
	return ++b->n < BATCH_EVENTS;
}

static void count_end(struct counters *c, enum approval_what what, const struct approval *a)
{
	const char *outcome = what == EVENT_EXPIRED ? "expired" : what == EVENT_CANCELLED ? "cancelled" : a->state == APPROVAL_REJECTED ? "denied" : "approved";
	const char *const values[LABELS] = { outcome, what == EVENT_DECIDED ? a->decided_means : "" };
	int64_t ms = a->decided_at_ms - a->created_at_ms;

	family_add(&c->approvals, values, 1);
	if (what == EVENT_DECIDED && ms >= 0)
		prom_observe(&c->waits, (double)ms / 1000);
}

static enum err follow_events(struct counters *c, struct store *store, bool *has_more)
{
	const struct approval_event_filter f = { .after_seq = c->events, .limit = BATCH_EVENTS };
	struct batch batch = { 0 };

	enum err e = store_approval_events(store, &f, keep_event, &batch);
	for (size_t i = 0; e == OK && i < batch.n; i++) {
		CLEANUP(approval_release) struct approval a = { 0 };
		bool is_end = batch.v[i].what == EVENT_DECIDED || batch.v[i].what == EVENT_EXPIRED || batch.v[i].what == EVENT_CANCELLED;
		c->events = batch.v[i].seq;
		if (is_end && store_approval_look(store, batch.v[i].approval, &a) == OK)
			count_end(c, batch.v[i].what, &a);
	}
	*has_more = batch.n == BATCH_EVENTS;
	return e;
}

/* ---- following -------------------------------------------------------------------------------------------------------------------- */

static bool note_last(void *arg, const struct audit_row *row)
{
	struct counters *c = arg;

	c->audit = row->seq;
	c->last_row_at_ms = row->at_ms;
	return false;
}

static bool find_place(struct counters *c, struct store *store)
{
	const struct audit_filter newest = { .is_newest_first = true, .limit = 1 };

	if (!c->has_place)
		c->has_place = store_approval_event_last(store, &c->events) == OK && store_audit_read(store, &newest, note_last, c) == OK;
	return c->has_place;
}

bool counters_follow(struct broker *b)
{
	struct counters *c = b->counters;
	struct store *store = broker_store(b);
	uint64_t next = 0;
	bool has_more = false;

	if (!store || !find_place(c, store) || follow_events(c, store, &has_more) != OK)
		return false;
	const struct audit_filter f = { .after_seq = c->audit, .next = &next };
	return store_audit_read(store, &f, take_row, c) == OK && (has_more || next > 0);
}

void counters_look(struct broker *b)
{
	(void)counters_follow(b);
}

static const char *callback_result(unsigned status)
{
	if (status < 300)
		return "ok";
	return status == 401 ? "bad_signature" : status == 400 ? "malformed" : status >= 500 ? "unavailable" : "refused";
}

void counters_callback(struct broker *b, const char *path, unsigned status)
{
	static const char *const known[] = { "slack", "feishu", "approval" };
	static const char begin[] = "/callback/";

	path = strstr(path, begin);              /* behind the path of callback_base_url */
	if (!b->counters || !path)
		return;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const char *const values[LABELS] = { known[i], callback_result(status) };
		if (strcmp(path + sizeof(begin) - 1, known[i]) == 0)
			family_add(&b->counters->callbacks, values, 1);
	}
}

void counters_delivery(struct broker *b, const char *channel, enum message_result how)
{
	static const char *const texts[] = { [MESSAGE_OK] = "ok", [MESSAGE_RETRY] = "retry", [MESSAGE_GIVEN_UP] = "dead", [MESSAGE_NOT_WORTH_IT] = "dropped" };
	const char *const values[LABELS] = { channel, texts[how] };

	if (!b->counters)
		return;
	family_add(&b->counters->notifications, values, 1);
	if (how == MESSAGE_RETRY)
		family_add(&b->counters->retries, values, 1);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------------- */

static void write_family(struct prom *p, const struct family *f, const char *name, const char *help)
{
	struct prom_label labels[LABELS + 1];
	size_t pos = 0;
	struct span key;
	void *value;

	prom_metric(p, name, "counter", help);
	while (map_next(f->series, &pos, &key, &value)) {
		const struct series *s = value;
		size_t n = 0;
		for (; n < LABELS && f->labels[n]; n++)
			labels[n] = (struct prom_label){ f->labels[n], s->values[n] };
		labels[n] = (struct prom_label){ NULL, NULL };
		prom_count(p, "", labels, s->n);
	}
}

static void write_durations(struct prom *p, const struct counters *c)
{
	size_t pos = 0;
	struct span key;
	void *value;

	prom_metric(p, "aegis_tool_call_duration_seconds", "histogram", "How long backends took for calls that were sent.");
	while (map_next(c->durations, &pos, &key, &value)) {
		CLEANUP(free_charp) char *server = xasprintf("%.*s", SPAN_ARGS(key));
		prom_write_histogram(p, value, &(struct prom_label){ "server", server });
	}
}

void counters_write(const struct broker *b, struct prom *p)
{
	const struct counters *c = b->counters;

	write_family(p, &c->calls, "aegis_tool_calls_total", "Calls of tools by verdict: allow (sent), deny, ask (answered before somebody decided, or its turn came), error.");
	write_durations(p, c);
	write_family(p, &c->approvals, "aegis_approvals_total", "Approvals that ended, and by what means they were decided.");
	prom_metric(p, "aegis_approval_wait_seconds", "histogram", "From the question to the decision.");
	prom_write_histogram(p, &c->waits, NULL);
	write_family(p, &c->notifications, "aegis_notifications_total", "Attempts to tell people, by how they ended.");
	write_family(p, &c->retries, "aegis_notification_retries_total", "Attempts that failed and are made again.");
	write_family(p, &c->callbacks, "aegis_callbacks_total", "Callbacks over HTTP, by how they were answered.");
	prom_metric(p, "aegis_audit_records_total", "counter", "Number of the newest row of the audit: all there ever were.");
	prom_count(p, "", NULL, c->audit);
	prom_metric(p, "aegis_audit_last_record_timestamp_seconds", "gauge", "When the newest row of the audit was written.");
	prom_value(p, "", NULL, (double)c->last_row_at_ms / 1000);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */

enum err counters_open(struct broker *b, struct problem *why)
{
	struct counters *c = b->counters = xcalloc(1, sizeof(*c));

	(void)why;
	*c = (struct counters){
		.tools = map_new(), .names = map_new(), .durations = map_new(),
		.calls = { { "agent", "server", "tool", "decision" }, map_new() },
		.approvals = { { "outcome", "channel" }, map_new() },
		.notifications = { { "channel", "result" }, map_new() },
		.retries = { { "channel" }, map_new() },
		.callbacks = { { "channel", "result" }, map_new() },
		.waits = { .bounds = wait_bounds, .n = ARRAY_LEN(wait_bounds) },
	};
	(void)counters_follow(b);
	return OK;
}

void counters_close(struct broker *b)
{
	struct counters *c = b->counters;

	if (!c)
		return;
	struct map *series[] = { c->calls.series, c->approvals.series, c->notifications.series, c->retries.series, c->callbacks.series };
	for (size_t i = 0; i < ARRAY_LEN(series); i++)
		map_free(series[i], series_free);
	map_free(c->durations, free);
	map_free(c->tools, NULL);
	map_free(c->names, NULL);
	free(c);
	b->counters = NULL;
}
