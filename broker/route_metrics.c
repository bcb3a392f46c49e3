/* route_metrics - GET /metrics: counters of this broker's life (counters.h), and how things stand now. */
#include <stdio.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/map.h"
#include "base/procinfo.h"
#include "base/xalloc.h"
#include "broker/counters.h"
#include "broker/handlers.h"
#include "broker/streams.h"
#include "domain/limits.h"

#define MAX_BODY    (16 * 1024 * 1024)
#define PATIENCE_US (5 * 1000 * 1000)    /* to catch up with the audit */

/* ---- numbers by name ----------------------------------------------------------------------------------------------------------------- */

static void tally(struct map *m, const char *name, uint64_t by)
{
	uint64_t *n = map_get(m, span_of(name));

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		map_set(m, span_of(name), n);
	}
	*n += by;
}

static void write_tally(struct prom *p, struct map *m, const char *label)
{
	size_t pos = 0;
	struct span key;
	void *value;

	while (map_next(m, &pos, &key, &value)) {
		CLEANUP(free_charp) char *name = xasprintf("%.*s", SPAN_ARGS(key));
		prom_count(p, "", (const struct prom_label[]){ { label, name }, { NULL, NULL } }, *(uint64_t *)value);
	}
	map_free(m, free);
}

/* ---- what the store says -------------------------------------------------------------------------------------------------------------- */

static bool count_pending(void *arg, const struct approval *a)
{
	*(uint64_t *)arg += a->state == APPROVAL_PENDING && !a->is_overdue;
	return true;
}

static bool count_shim(void *arg, const struct session_row *row)
{
	if (strcmp(row->kind, "shim") == 0)
		tally(arg, row->agent, 1);
	return true;
}

struct queues { struct map *waiting, *running; };

static bool count_ticket(void *arg, const struct queue_row *row)
{
	const struct queues *q = arg;
	bool is_running = strcmp(row->state, "FORWARDING") == 0;

	tally(q->waiting, row->backend, !is_running);
	tally(q->running, row->backend, is_running);
	return true;
}

struct messages { struct map *waiting, *dead; };

static bool count_message(void *arg, const struct message *m)
{
	const struct messages *all = arg;

	tally(all->waiting, m->channel, m->state != MESSAGE_DEAD);
	tally(all->dead, m->channel, m->state == MESSAGE_DEAD);
	return true;
}

static enum err write_waiting(struct prom *p, struct store *s)
{
	const struct approval_filter live = { .is_live_only = true };
	struct queues q = { map_new(), map_new() };
	struct map *shims = map_new();
	uint64_t pending = 0;

	enum err e = store_approval_list(s, &live, count_pending, &pending);
	if (e == OK)
		e = store_session_list(s, count_shim, shims);
	if (e == OK)
		e = store_queue_list(s, NULL, count_ticket, &q);
	prom_metric(p, "aegis_approvals_pending", "gauge", "Approvals nobody has decided yet.");
	prom_count(p, "", NULL, pending);
	prom_metric(p, "aegis_shim_sessions", "gauge", "Shims at work.");
	write_tally(p, shims, "agent");
	prom_metric(p, "aegis_queue_waiting", "gauge", "Calls that wait for their turn at a backend, parked ones included.");
	write_tally(p, q.waiting, "server");
	prom_metric(p, "aegis_queue_running", "gauge", "Calls of a queue that are with their backend.");
	write_tally(p, q.running, "server");
	return e;
}

static enum err write_messages(struct prom *p, struct store *s)
{
	const struct message_filter open = { .is_open_only = true };
	struct messages m = { map_new(), map_new() };

	enum err e = store_messages(s, &open, count_message, &m);
	prom_metric(p, "aegis_notifications_waiting", "gauge", "Messages that have still to be delivered.");
	write_tally(p, m.waiting, "channel");
	prom_metric(p, "aegis_notifications_dead", "gauge", "Messages that were given up.");
	write_tally(p, m.dead, "channel");
	return e;
}

static void write_limit(struct prom *p, const struct limit_claim *c, uint64_t n)
{
	CLEANUP(buf_release) struct buf window = { 0 };

	buf_init(&window, 64);
	p->ok = p->ok && limit_write_duration(&window, c->window_ms);
	prom_count(p, "", (const struct prom_label[]){
		{ "scope", limit_scope_text(c->scope) }, { "who", c->who }, { "server", c->backend }, { "tool", c->tool },
		{ "window", window.len ? window.data : "" }, { NULL, NULL } }, n);
}

static bool is_twin(const struct claim_set *set, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(set->v[j].key, set->v[i].key) == 0 && set->v[j].window_ms == set->v[i].window_ms)
			return true;
	return false;
}

static enum err write_limits(struct prom *p, struct store *s, const struct config *config)
{
	CLEANUP(claims_release) struct claim_set set = { 0 };

	claims_list(config, NULL, &set);
	struct limit_row *rows = xcalloc(set.n ? set.n : 1, sizeof(*rows));
	for (size_t i = 0; i < set.n; i++)
		rows[i] = (struct limit_row){ .key = set.v[i].key, .window_ms = set.v[i].window_ms };
	enum err e = store_limits_show(s, rows, set.n);
	prom_metric(p, "aegis_limit_taken", "gauge", "Places of a rate limit that are used or held.");
	for (size_t i = 0; e == OK && i < set.n; i++)
		if (!is_twin(&set, i))
			write_limit(p, &set.v[i], rows[i].is_closed ? set.v[i].max_count : (uint64_t)rows[i].used + rows[i].held);
	prom_metric(p, "aegis_limit_max", "gauge", "Places a rate limit has.");
	for (size_t i = 0; i < set.n; i++)
		if (!is_twin(&set, i))
			write_limit(p, &set.v[i], set.v[i].max_count);
	free(rows);
	return e;
}

/* ---- the process ------------------------------------------------------------------------------------------------------------------------- */

static void write_known(struct prom *p, const char *name, const char *type, const char *help, int64_t n, double unit)
{
	if (n < 0)
		return;
	prom_metric(p, name, type, help);
	prom_value(p, "", NULL, (double)n * unit);
}

static void write_process(struct prom *p)
{
	struct procinfo_self self;

	procinfo_self(&self);
	write_known(p, "process_cpu_seconds_total", "counter", "Processor time used.", self.cpu_us, 1e-6);
	write_known(p, "process_resident_memory_bytes", "gauge", "Memory in use.", self.resident_bytes, 1);
	write_known(p, "process_virtual_memory_bytes", "gauge", "Memory mapped.", self.virtual_bytes, 1);
	write_known(p, "process_open_fds", "gauge", "Open descriptors.", self.open_fds, 1);
	write_known(p, "process_max_fds", "gauge", "Descriptors that may be open.", self.max_fds, 1);
	write_known(p, "process_start_time_seconds", "gauge", "When this process began.", self.started_at_ms, 1e-3);
}

static int64_t size_of(const char *folder, const char *end)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/aegis.db%s", folder, end);
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void write_broker(struct prom *p, const struct broker *b)
{
	static const struct prom_label build[] = { { "version", AEGIS_VERSION }, { NULL, NULL } };

	prom_metric(p, "aegis_build_info", "gauge", "1; the version is a label.");
	prom_count(p, "", build, 1);
	prom_metric(p, "aegis_store_up", "gauge", "1: the store can be read; else 0, and what stands in it is left out.");
	prom_count(p, "", NULL, broker_store(b) != NULL);
	prom_metric(p, "aegis_db_size_bytes", "gauge", "The database with its write-ahead log.");
	prom_value(p, "", NULL, (double)(size_of(b->state_dir, "") + size_of(b->state_dir, "-wal")));
	prom_metric(p, "aegis_config_generation", "gauge", "Generation of the rules in force.");
	prom_count(p, "", NULL, b->generation);
	prom_metric(p, "aegis_event_streams", "gauge", "Streams of /api/v1/events that are open.");
	prom_count(p, "", NULL, streams_count(b));
}

/* ---- the route ---------------------------------------------------------------------------------------------------------------------------- */

struct scrape { struct request *request; struct request_wait wait; struct loop_timer timer; int64_t until_us; };

static void answer(struct scrape *s)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	struct prom p = { &body, true, NULL };
	struct request *r = s->request;
	struct store *store = broker_store(r->broker);

	buf_init(&body, MAX_BODY);
	loop_timer_clear(&s->timer);
	request_wait_end(&s->wait);
	free(s);
	write_broker(&p, r->broker);
	counters_write(r->broker, &p);
	enum err e = store ? write_waiting(&p, store) : OK;
	if (store && e == OK)
		e = write_messages(&p, store);
	if (store && e == OK)
		e = write_limits(&p, store, r->broker->config);
	write_process(&p);
	if (e != OK)
		reply_err(r, e);
	else if (!p.ok)
		reply_error(r, 500, "the metrics are longer than an answer may be");
	else
		reply_text(r, 200, PROM_TYPE, buf_span(&body));
}

static void go_on(struct loop_timer *t)
{
	struct scrape *s = container_of(t, struct scrape, timer);

	if (counters_follow(s->request->broker) && clock_mono_us() < s->until_us)
		loop_timer_set(s->request->broker->loop, &s->timer, 0);
	else
		answer(s);
}

static void end_now(struct request_wait *w)
{
	answer(container_of(w, struct scrape, wait));
}

void route_metrics(struct request *r)
{
	struct scrape *s = xcalloc(1, sizeof(*s));

	s->request = r;
	s->wait.end = end_now;
	s->until_us = clock_mono_us() + PATIENCE_US;
	request_wait_begin(r, &s->wait);
	loop_timer_init(&s->timer, go_on);
	go_on(&s->timer);
}
