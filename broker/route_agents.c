/* route_agents - GET /api/v1/agents and /api/v1/agents/{}/rate-limits, in the Go predecessor's shapes; limits tell the backend besides. */
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"
#include "domain/limits.h"

#define MAX_BODY (16 * 1024 * 1024)

/* ---- who may what ------------------------------------------------------------------------------------------------------------------ */

static void put_list(struct jsonput *p, const char *key, const struct config_list *list)
{
	if (list->n == 0)
		return;
	put_open(p, key, '[');
	for (size_t i = 0; i < list->n; i++)
		put_text(p, NULL, list->v[i]);
	put_close(p, ']');
}

static void put_grant(struct jsonput *p, const struct config_grant *g)
{
	put_open(p, g->backend, '{');
	put_bool(p, "allowed", g->is_allowed);
	put_list(p, "denied_tools", &g->tool_denylist);
	if (g->tool_allowlist.is_set)
		put_list(p, "allowed_tools", &g->tool_allowlist);
	put_list(p, "approval_required", &g->approval_required);
	put_close(p, '}');
}

static void put_agent(struct jsonput *p, const struct config_agent *a)
{
	put_open(p, NULL, '{');
	put_text(p, "id", a->name);
	put_text(p, "display_name", a->display_name);
	put_open(p, "backends", '{');
	for (size_t i = 0; i < a->grants_n; i++)
		put_grant(p, &a->grants[i]);
	put_close(p, '}');
	put_close(p, '}');
}

void route_agents(struct request *r)
{
	const struct config *c = r->broker->config;
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '[');
	for (size_t i = 0; i < c->agents_n; i++)
		put_agent(&p, &c->agents[i]);
	put_close(&p, ']');
	reply_put(r, 200, &p);
}

/* ---- how full its limits are ---------------------------------------------------------------------------------------------------------- */

/* As Go's time.Duration prints it: "24h0m0s", "1m30s", "500ms". */
static void put_window(struct jsonput *p, int64_t ms)
{
	long long h = ms / 3600000, m = ms / 60000 % 60, s = ms / 1000 % 60, rest = ms % 1000;
	char text[64], fraction[8] = "";

	if (rest > 0)
		snprintf(fraction, sizeof(fraction), ".%03lld", rest);
	for (size_t n = strlen(fraction); n > 0 && fraction[n - 1] == '0'; n--)
		fraction[n - 1] = '\0';
	if (ms < 1000)
		snprintf(text, sizeof(text), "%lldms", rest);
	else if (h > 0)
		snprintf(text, sizeof(text), "%lldh%lldm%lld%ss", h, m, s, fraction);
	else if (m > 0)
		snprintf(text, sizeof(text), "%lldm%lld%ss", m, s, fraction);
	else
		snprintf(text, sizeof(text), "%lld%ss", s, fraction);
	put_text(p, "window", text);
}

static const char *scope_word(enum limit_scope s)
{
	switch (s) {
	case LIMIT_AGENT_TOOL:
	case LIMIT_AGENT: return "agent";
	case LIMIT_UID:   return "user";
	case LIMIT_GLOBAL: return "global";
	case LIMIT_LOOP:  return "loop";
	}
	return "";
}

static void put_limit(struct jsonput *p, const struct limit_claim *c, const struct limit_row *row)
{
	put_open(p, NULL, '{');
	put_text(p, "tool", c->tool);
	put_window(p, c->window_ms);
	put_number(p, "max_count", c->max_count);
	put_number(p, "current", row->is_closed ? c->max_count : (int64_t)row->used + row->held);
	put_text(p, "scope", scope_word(c->scope));
	put_text(p, "backend", c->backend);
	put_number(p, "held", row->held);
	put_number(p, "window_ms", c->window_ms);
	if (row->next_free_ms >= 0)
		put_number(p, "next_free_ms", row->next_free_ms);
	else
		put_null(p, "next_free_ms");
	put_close(p, '}');
}

static void answer_limits(struct request *r, const struct claim_set *claims, const struct limit_row *rows)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);

	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '[');
	for (size_t i = 0; i < claims->n; i++)
		put_limit(&p, &claims->v[i], &rows[i]);
	put_close(&p, ']');
	reply_put(r, 200, &p);
}

void route_agent_limits(struct request *r)
{
	const char *agent = r->args[0];
	CLEANUP(claims_release) struct claim_set claims = { 0 };
	struct store *s;

	if (!config_agent(r->broker->config, agent)) {
		reply_error(r, 404, "the rules know no agent of this name");
		return;
	}
	if (!(s = request_store(r)))
		return;
	claims_list(r->broker->config, agent, &claims);
	struct limit_row *rows = xcalloc(claims.n + 1, sizeof(*rows));
	for (size_t i = 0; i < claims.n; i++)
		rows[i] = (struct limit_row){ .key = claims.v[i].key, .window_ms = claims.v[i].window_ms, .next_free_ms = -1 };
	enum err e = store_limits_show(s, rows, claims.n);
	if (e == OK)
		answer_limits(r, &claims, rows);
	else
		reply_err(r, e);
	free(rows);
}
