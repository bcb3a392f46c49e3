/* route_audit - GET /api/v1/audit/logs?limit=&offset= and filters: calls, newest first, in the Go predecessor's shape (audit_log.h). Looked
 * for in steps, so that a long history holds nobody up. */
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/audit_log.h"
#include "broker/handlers.h"
#include "domain/pattern.h"

#define MAX_BODY      (64 * 1024 * 1024)
#define DEFAULT_LIMIT 50
#define MOST_LIMIT    500
#define STEP_ROWS     2000
#define STRAY_MS      (24 * 3600 * 1000LL)   /* rows further back than this before `since` are not looked at: wall clocks step */

enum text_filter { AGENT, USER, ROOM, TENANT, BACKEND, TOOL, VERDICT, FILTERS };
static const char *const names[FILTERS] = {
	[AGENT] = "agent", [USER] = "user", [ROOM] = "room", [TENANT] = "tenant", [BACKEND] = "backend", [TOOL] = "tool", [VERDICT] = "verdict",
};

struct search {
	struct request *request;
	struct audit_query query;
	char *texts[FILTERS];
	int64_t limit, skip;
	struct audit_log *log;
	struct buf body;
	struct jsonput p;
	uint64_t before_seq;             /* rows from here on were looked at; 0 = none was */
	uint32_t step_n;
	bool is_done;
	struct request_wait wait;
	struct loop_timer timer;
	char why[300];                   /* what is wrong with the query */
};

static void search_free(struct search *s)
{
	request_wait_end(&s->wait);
	loop_timer_clear(&s->timer);
	audit_log_free(s->log);
	buf_release(&s->body);
	for (size_t i = 0; i < FILTERS; i++)
		free(s->texts[i]);
	free(s);
}

/* ---- the query ------------------------------------------------------------------------------------------------------------------------ */

static bool read_number(struct search *s, const char *name, const char *value, int64_t least, int64_t most, int64_t *out)
{
	size_t n = strlen(value);
	bool is_number = n > 0 && n < 16 && strspn(value, "0123456789") == n;

	if (is_number)
		*out = strtoll(value, NULL, 10);
	if (is_number && *out >= least && *out <= most)
		return true;
	snprintf(s->why, sizeof(s->why), "%s must be a whole number from %lld to %lld", name, (long long)least, (long long)most);
	return false;
}

static bool read_time(struct search *s, const char *name, const char *value, int64_t *out)
{
	if (audit_time_parse(value, out))
		return true;
	snprintf(s->why, sizeof(s->why), "%s must be a time such as 2026-11-20, 2026-11-20T10:15:30Z, or milliseconds since 1970", name);
	return false;
}

static bool read_text(struct search *s, enum text_filter which, const char *value)
{
	size_t column = 0;

	if (s->texts[which]) {
		snprintf(s->why, sizeof(s->why), "%s is given twice", names[which]);
		return false;
	}
	if (which == TOOL && !pattern_is_valid(value, &column)) {
		snprintf(s->why, sizeof(s->why), "tool is no glob, from character %zu on", column + 1);
		return false;
	}
	if (which == USER && (!*value || strspn(value, "0123456789") != strlen(value))) {
		snprintf(s->why, sizeof(s->why), "user must be a person of the rules that has a uid, or a uid");
		return false;
	}
	s->texts[which] = xstrdup(value);
	return true;
}

/* A name of `people` stands for that person's uid. */
static const char *uid_of(const struct config *c, const char *name, char text[24])
{
	for (size_t i = 0; i < c->people_n; i++) {
		if (strcmp(c->people[i].name, name) != 0 || c->people[i].uid < 0)
			continue;
		snprintf(text, 24, "%lld", (long long)c->people[i].uid);
		return text;
	}
	return name;
}

static bool read_one(void *arg, const char *name, const char *value)
{
	struct search *s = arg;
	char uid[24];

	if (!value)
		value = "";
	if (strcmp(name, "limit") == 0)
		return read_number(s, name, value, 1, MOST_LIMIT, &s->limit);
	if (strcmp(name, "offset") == 0)
		return read_number(s, name, value, 0, INT32_MAX, &s->skip);
	if (strcmp(name, "since") == 0)
		return read_time(s, name, value, &s->query.since_ms);
	if (strcmp(name, "until") == 0)
		return read_time(s, name, value, &s->query.until_ms);
	for (enum text_filter i = 0; i < FILTERS; i++)
		if (strcmp(name, names[i]) == 0)
			return read_text(s, i, i == USER ? uid_of(s->request->broker->config, value, uid) : value);
	snprintf(s->why, sizeof(s->why), "there is no such filter; there are limit, offset, agent, user, room, tenant, backend, tool, verdict, "
		"since and until");
	return false;
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------------------ */

static bool look_at(void *arg, const struct audit_row *row)
{
	struct search *s = arg;

	s->before_seq = row->seq;
	s->step_n++;
	if (s->query.since_ms && row->at_ms < s->query.since_ms - STRAY_MS)
		s->is_done = true;
	else if (audit_log_take(s->log, row) && s->skip-- <= 0) {
		audit_log_put(s->log, &s->p);
		s->is_done = --s->limit == 0 || !s->p.ok;
	}
	return !s->is_done;
}

static void finish(struct search *s)
{
	put_close(&s->p, ']');
	reply_put(s->request, 200, &s->p);
	search_free(s);
}

static void give_up(struct request_wait *w)
{
	struct search *s = container_of(w, struct search, wait);

	reply_error(s->request, 503, "the broker is ending");
	search_free(s);
}

static void step(struct loop_timer *t)
{
	struct search *s = container_of(t, struct search, timer);
	uint64_t next = 0;               /* one stretch: rows may be long */
	const struct audit_filter f = { .limit = STEP_ROWS, .is_newest_first = true, .before_seq = s->before_seq, .next = &next };
	struct store *store = request_store(s->request);

	if (!store) {
		search_free(s);
		return;
	}
	s->step_n = 0;
	enum err e = store_audit_read(store, &f, look_at, s);
	if (e != OK) {
		reply_err(s->request, e);
		search_free(s);
	} else if (s->is_done || (next == 0 && s->step_n < STEP_ROWS)) {
		finish(s);
	} else {
		loop_timer_set(s->request->broker->loop, &s->timer, 0);
	}
}

void route_audit_logs(struct request *r)
{
	struct search *s = xcalloc(1, sizeof(*s));

	s->request = r;
	s->limit = DEFAULT_LIMIT;
	loop_timer_init(&s->timer, step);
	if (!httpd_query_each(r->http, read_one, s)) {
		reply_error(r, 400, "%s", s->why);
		search_free(s);
		return;
	}
	s->query.agent = s->texts[AGENT];
	s->query.user = s->texts[USER];
	s->query.room = s->texts[ROOM];
	s->query.tenant = s->texts[TENANT];
	s->query.backend = s->texts[BACKEND];
	s->query.tool = s->texts[TOOL];
	s->query.verdict = s->texts[VERDICT];
	s->log = audit_log_new(&s->query);
	buf_init(&s->body, MAX_BODY);
	s->p = jsonput_begin(&s->body);
	put_open(&s->p, NULL, '[');
	s->wait.end = give_up;
	request_wait_begin(r, &s->wait);
	step(&s->timer);
}
