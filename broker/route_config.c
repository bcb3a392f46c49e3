/* route_config - GET /api/v1/config: the rules in force, secrets hidden. POST /api/v1/config/reload: reads the file now; 200 once it is in
 * force for every process, 422 with what is wrong and where when it has errors, 503 when the store cannot agree to it now. */
#include <stdio.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"

#define MAX_BODY    (4 * 1024 * 1024)
#define LOOK_MS     5
#define PATIENCE_MS 5000

void route_config(struct request *r)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, MAX_BODY);
	if (config_show(r->broker->config, true, &b))
		reply_text(r, 200, "application/json", buf_span(&b));
	else
		reply_error(r, 500, "the rules are longer than an answer may be");
}

/* ---- reload ------------------------------------------------------------------------------------------------------------------------ */

struct reload {
	struct request *request;
	struct config_report report;
	struct request_wait wait;
	struct loop_timer timer;
	int64_t until_us;
};

static void put_remarks(struct jsonput *p, const char *key, const struct config_report *report, bool errors)
{
	char place[64];

	put_open(p, key, '[');
	for (size_t i = 0; i < report->n; i++) {
		const struct config_remark *m = &report->v[i];
		if (m->is_error != errors)
			continue;
		snprintf(place, sizeof(place), ":%d:%d: ", m->problem.line, m->problem.column);
		CLEANUP(free_charp) char *line = xasprintf("%s%s%s", report->path ? report->path : "", m->problem.line ? place : ": ", m->problem.text);
		put_text(p, NULL, line);
	}
	put_close(p, ']');
}

static void put_in_force(struct jsonput *p, const struct broker *b)
{
	put_open(p, "in_force", '{');
	put_number(p, "generation", (int64_t)b->generation);
	put_hash(p, "hash", b->config->hash);
	put_text(p, "path", b->config->path);
	put_close(p, '}');
}

static void answer(struct reload *l, unsigned status, const char *word, const char *message)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '{');
	put_text(&p, "status", word);
	put_text(&p, status == 200 ? "message" : "error", message);
	put_remarks(&p, "errors", &l->report, true);
	put_remarks(&p, "warnings", &l->report, false);
	put_in_force(&p, l->request->broker);
	put_close(&p, '}');
	request_wait_end(&l->wait);
	reply_put(l->request, status, &p);
	loop_timer_clear(&l->timer);
	config_report_release(&l->report);
	free(l);
}

static void give_up(struct request_wait *w)
{
	answer(container_of(w, struct reload, wait), 503, "error",
		"the file is good, and the store cannot be told of it now; it is tried again on and on");
}

/* What the file held was offered to the store, and it has answered. */
static void look(struct loop_timer *t)
{
	struct reload *l = container_of(t, struct reload, timer);
	const struct rulebook *rules = &l->request->broker->rules;
	bool is_settled = !rules->op.is_submitted && !rules->offered && !rules->is_reread && !rules->must_read;

	if (is_settled)
		answer(l, 200, "ok", "config reloaded");
	else if (clock_mono_us() > l->until_us)
		give_up(&l->wait);
	else
		loop_timer_set(l->request->broker->loop, &l->timer, LOOK_MS);
}

void route_config_reload(struct request *r)
{
	struct reload *l = xcalloc(1, sizeof(*l));

	l->request = r;
	l->wait.end = give_up;
	request_wait_begin(r, &l->wait);
	l->until_us = clock_mono_us() + PATIENCE_MS * 1000;
	loop_timer_init(&l->timer, look);
	enum err e = broker_reload(r->broker, &l->report);
	if (e == OK)
		look(&l->timer);
	else if (e == ERR_INVALID)
		answer(l, 422, "error", "the file has errors; the rules in force stay");
	else
		answer(l, 422, "error", "the file cannot be read; the rules in force stay");
}
