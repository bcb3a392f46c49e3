/* route_health - GET /health, for whoever asks: {"status","service","backends":{name: word}}. Over TCP words only: neither where a backend is
 * nor what is wrong with it. Over the socket the cause stands behind "unhealthy". */
#include <stdio.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/health.h"
#include "broker/jsonput.h"
#include "net/http.h"

#define FRESH_US   (5 * 1000 * 1000)
#define LIMIT_MS   2000
#define MAX_BODY   (256 * 1024)

struct probe {
	struct health *health;
	char *backend;
	struct http *http;               /* NULL: its URL cannot be used */
	struct http_request request;
	bool is_under_way, is_healthy;
	char cause[120];
	int64_t asked_us;                /* 0 = never */
};

struct health {
	struct broker *broker;
	struct probe *v;                 /* of the rules in force; made at the first question */
	size_t n, under_way;
	bool is_made;
	struct list waiting;             /* of struct asker */
};

struct asker { struct request *request; struct list node; };

/* ---- answers ---------------------------------------------------------------------------------------------------------------------------- */

static const struct probe *probe_of(const struct health *h, const char *backend)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->v[i].backend, backend) == 0)
			return &h->v[i];
	return NULL;
}

static bool is_all_well(const struct health *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (!h->v[i].is_healthy)
			return false;
	return broker_store(h->broker) != NULL;
}

static void put_backend(struct jsonput *p, const struct probe *probe, const char *name, bool is_local)
{
	char text[160];

	if (!probe) {
		put_text(p, name, "no_health_url");
		return;
	}
	snprintf(text, sizeof(text), "unhealthy: %s", probe->cause);
	put_text(p, name, probe->is_healthy ? "healthy" : is_local ? text : "unhealthy");
}

static void answer(const struct health *h, struct request *r)
{
	const struct config *c = h->broker->config;
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '{');
	put_text(&p, "status", is_all_well(h) ? "ok" : "degraded");
	put_text(&p, "service", "aegis");
	put_open(&p, "backends", '{');
	for (size_t i = 0; i < c->backends_n; i++)
		put_backend(&p, probe_of(h, c->backends[i].name), c->backends[i].name, r->http->is_local);
	put_close(&p, '}');
	put_close(&p, '}');
	reply_put(r, 200, &p);
}

static void answer_all(struct health *h)
{
	struct asker *a;

	while ((a = list_first(&h->waiting, struct asker, node))) {
		list_remove(&a->node);
		answer(h, a->request);
		free(a);
	}
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------------------- */

static void settle(struct probe *p, bool is_healthy, const char *cause)
{
	struct health *h = p->health;

	p->is_healthy = is_healthy;
	snprintf(p->cause, sizeof(p->cause), "%s", cause);
	p->asked_us = clock_mono_us();
	if (!p->is_under_way)
		return;
	p->is_under_way = false;
	if (--h->under_way == 0)
		answer_all(h);
}

static struct buf *head(struct http_request *r)
{
	(void)r;
	return NULL;
}

static enum http_flow body(struct http_request *r, struct span bytes)
{
	(void)r, (void)bytes;
	return HTTP_STOP;                /* its status says all */
}

static void done(struct http_request *r, const struct http_end *end)
{
	struct probe *p = container_of(r, struct probe, request);
	int status = http_status(r);
	char cause[40];

	snprintf(cause, sizeof(cause), "it answered HTTP %d", status);
	if (end->outcome != HTTP_COMPLETE && !end->was_stopped)
		settle(p, false, end->has_timed_out ? "no answer within 2 s" : end->cause);
	else
		settle(p, status >= 200 && status < 300, cause);
}

static void ask(struct probe *p)
{
	if (!p->http) {
		settle(p, false, "its health_url cannot be used");
		return;
	}
	struct http_headers *headers = http_headers_new();
	p->is_under_way = true;
	p->health->under_way++;
	p->request = (struct http_request){ .method = "GET", .headers = headers, .timeout_ms = LIMIT_MS, .head = head, .body = body, .done = done };
	http_start(p->http, &p->request);
	http_headers_drop(headers);
}

static void make_probe(struct health *h, const struct config_backend *backend)
{
	struct probe *p = &h->v[h->n++];
	struct http_options o = { .loop = h->broker->loop, .url = backend->health_url, .ca_file = backend->ca_file, .proxy = backend->proxy,
		.connect_timeout_ms = LIMIT_MS };
	struct problem why = { 0 };

	p->health = h;
	p->backend = xstrdup(backend->name);
	if (http_new(&o, &p->http, &why) != OK)
		p->http = NULL;
}

static void make_probes(struct health *h)
{
	const struct config *c = h->broker->config;

	h->v = xcalloc(c->backends_n + 1, sizeof(*h->v));
	h->is_made = true;
	for (size_t i = 0; i < c->backends_n; i++)
		if (c->backends[i].health_url[0])
			make_probe(h, &c->backends[i]);
}

static void drop_probes(struct health *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->v[i].is_under_way)
			http_cancel(&h->v[i].request);
		http_free(h->v[i].http);
		free(h->v[i].backend);
	}
	free(h->v);
	h->v = NULL;
	h->n = h->under_way = 0;
	h->is_made = false;
}

static void look(struct health *h)
{
	int64_t now = clock_mono_us();

	if (!h->is_made)
		make_probes(h);
	for (size_t i = 0; i < h->n; i++)
		if (!h->v[i].is_under_way && (!h->v[i].asked_us || now - h->v[i].asked_us > FRESH_US))
			ask(&h->v[i]);
	if (h->under_way == 0)
		answer_all(h);
}

void route_health(struct request *r)
{
	struct health *h = r->broker->health;
	struct asker *a = xcalloc(1, sizeof(*a));

	a->request = r;
	list_append(&h->waiting, &a->node);
	look(h);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------------------- */

enum err health_open(struct broker *b, struct problem *why)
{
	(void)why;
	b->health = xcalloc(1, sizeof(*b->health));
	b->health->broker = b;
	list_init(&b->health->waiting);
	return OK;
}

void health_rules_changed(struct broker *b)
{
	drop_probes(b->health);
	if (!list_is_empty(&b->health->waiting))
		look(b->health);
}

void health_stop(struct broker *b)
{
	if (!b->health)
		return;
	drop_probes(b->health);
	answer_all(b->health);
}

void health_close(struct broker *b)
{
	health_stop(b);
	free(b->health);
	b->health = NULL;
}
