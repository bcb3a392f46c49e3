#include "domain/limits.h"
#include <inttypes.h>
#include "base/id.h"
#include "base/xalloc.h"
#include "domain/pattern.h"

#define KEY_SEPARATOR "\x1f"

const char *limit_scope_text(enum limit_scope s)
{
	static const char *const texts[] = {
		[LIMIT_AGENT_TOOL] = "agent",
		[LIMIT_AGENT] = "agent, all backends",
		[LIMIT_UID] = "user",
		[LIMIT_GLOBAL] = "global",
		[LIMIT_LOOP] = "loop",
	};
	return texts[s];
}

/* What a key is made of. Names cannot hold U+001F: config checks them; a tool glob is bytes of the file without controls. */
struct key_parts {
	const char *scope, *who, *backend;
};

static char *key_make(const struct key_parts *k, const char *tenant, const char *tool)
{
	return xasprintf("%s" KEY_SEPARATOR "%s" KEY_SEPARATOR "%s" KEY_SEPARATOR "%s" KEY_SEPARATOR "%s",
		k->scope, tenant, k->who, k->backend, tool);
}

static void claim_append(struct claim_set *s, struct limit_claim c)
{
	if (s->n % 8 == 0)
		s->v = xreallocarray(s->v, s->n + 8, sizeof(*s->v));
	s->v[s->n++] = c;
}

/* Adds a claim for every window of every entry that matches. A glob is one bucket: its key holds the glob, not the tool.
 * tool.at NULL: every entry. */
struct collector {
	const char *tenant;
	struct span tool;
	struct claim_set *out;
};

static void collect(const struct collector *to, const struct config_limits *limits, enum limit_scope scope,
	const struct key_parts *parts)
{
	for (size_t i = 0; i < limits->n; i++) {
		const struct config_tool_limits *entry = &limits->v[i];
		if (to->tool.at && !pattern_match(entry->tool, to->tool))
			continue;
		for (size_t j = 0; j < entry->n; j++)
			claim_append(to->out, (struct limit_claim){
				.key = key_make(parts, to->tenant, entry->tool),
				.scope = scope,
				.who = parts->who,
				.backend = parts->backend,
				.tool = entry->tool,
				.window_ms = entry->v[j].window_ms,
				.max_count = entry->v[j].max_count,
			});
	}
}

static void collect_of_grant(const struct collector *to, const char *agent, const struct config_grant *g)
{
	collect(to, &g->rate_limits, LIMIT_AGENT_TOOL, &(struct key_parts){ "agent-tool", agent, g->backend });
}

static void collect_of_agent(const struct collector *to, const struct config_agent *a)
{
	collect(to, &a->rate_limits, LIMIT_AGENT, &(struct key_parts){ "agent", a->name, "" });
}

static void collect_of_principal(const struct collector *to, const struct config_principal *p)
{
	collect(to, &p->rate_limits, LIMIT_UID, &(struct key_parts){ "uid", p->name, "" });
}

static void collect_of_queue(const struct collector *to, const struct config_queue *q)
{
	collect(to, &q->global_rate_limits, LIMIT_GLOBAL, &(struct key_parts){ "global", "", q->backend });
}

void claims_collect(const struct config *c, const struct limit_subject *who, struct claim_set *out)
{
	const struct config_agent *agent = config_agent(c, who->agent);
	const struct config_grant *grant = agent ? config_grant(agent, who->backend) : NULL;
	const struct config_queue *queue = config_queue(c, who->backend);
	const struct collector to = { who->tenant, { who->tool.at ? who->tool.at : "", who->tool.len }, out };

	*out = (struct claim_set){ 0 };
	if (grant)
		collect_of_grant(&to, agent->name, grant);
	if (agent)
		collect_of_agent(&to, agent);
	for (size_t i = 0; i < c->principals_n; i++)
		if (c->principals[i].uid == who->uid)
			collect_of_principal(&to, &c->principals[i]);
	if (queue)
		collect_of_queue(&to, queue);
}

/* The hash comes first: keys that follow one another belong to nobody in particular, so that whoever comes sweeps old ones anywhere. */
void claims_add_loop(const struct config *c, const struct limit_subject *who, const uint8_t args_hash[32], struct claim_set *set)
{
	char hex[2 * 32 + 1];

	if (c->loop_max_repeats <= 0)
		return;
	hex_encode(hex, args_hash, 32);
	claim_append(set, (struct limit_claim){
		.key = xasprintf(LIMITS_LOOP_PREFIX "%s" KEY_SEPARATOR "%s" KEY_SEPARATOR "%s" KEY_SEPARATOR "%s" KEY_SEPARATOR "%.*s",
			hex, who->tenant, who->agent, who->backend, SPAN_ARGS(who->tool)),
		.scope = LIMIT_LOOP,
		.who = who->agent,
		.backend = who->backend,
		.tool = "",
		.window_ms = c->loop_window_ms,
		.max_count = (uint32_t)c->loop_max_repeats,
	});
}

bool limit_is_loop(const char *key)
{
	return strncmp(key, LIMITS_LOOP_PREFIX, sizeof(LIMITS_LOOP_PREFIX) - 1) == 0;
}

/* agent NULL: any agent. */
static bool agent_meets(const struct config *c, const char *agent, const char *backend)
{
	const struct config_agent *a = agent ? config_agent(c, agent) : NULL;

	return !agent || (a && config_grant(a, backend));
}

void claims_list(const struct config *c, const char *agent, struct claim_set *out)
{
	const struct collector to = { "", { 0 }, out };

	*out = (struct claim_set){ 0 };
	for (size_t i = 0; i < c->agents_n; i++) {
		const struct config_agent *a = &c->agents[i];
		if (agent && strcmp(agent, a->name) != 0)
			continue;
		for (size_t j = 0; j < a->grants_n; j++)
			collect_of_grant(&to, a->name, &a->grants[j]);
		collect_of_agent(&to, a);
	}
	for (size_t i = 0; i < c->principals_n; i++)
		collect_of_principal(&to, &c->principals[i]);
	for (size_t i = 0; i < c->queues_n; i++)
		if (agent_meets(c, agent, c->queues[i].backend))
			collect_of_queue(&to, &c->queues[i]);
}

void claims_release(struct claim_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].key);
	free(s->v);
	*s = (struct claim_set){ 0 };
}

bool claims_need_full(const struct claim_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].scope != LIMIT_LOOP && s->v[i].window_ms > LIMITS_FULL_ABOVE_MS)
			return true; /* a loop guard may forget a second of calls at a loss of power */
	return false;
}

bool limit_write_duration(struct buf *b, int64_t window_ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (window_ms > 0 && window_ms % units[i].ms == 0)
			return buf_printf(b, "%" PRId64 "%s", window_ms / units[i].ms, units[i].name);
	return buf_printf(b, "%" PRId64 "ms", window_ms);
}
