#include "shim/upstream_setup.h"
#include "base/xalloc.h"

/* ---- keeping ------------------------------------------------------------------------------------------------------------------ */
static void keep_subscription(struct setup *s, struct span uri, struct span params)
{
	if (uri.len == 0 || uri.len + params.len > SETUP_MAX_PARAMS_BYTES)
		return;
	if (map_size(s->subscriptions) < SETUP_MAX_SUBSCRIPTIONS || map_get(s->subscriptions, uri))
		free(map_set(s->subscriptions, uri, span_dup(params)));
}

static void keep_level(struct setup *s, struct span params)
{
	if (params.len > SETUP_MAX_PARAMS_BYTES)
		return;
	free(s->log_level);
	s->log_level = span_dup(params);
}

void setup_note(struct setup *s, const struct jsonrpc *request, const struct jsonrpc *response)
{
	struct json_value params = request->params;

	if (response->kind != JSONRPC_RESULT)
		return;
	if (strcmp(request->method, "resources/subscribe") == 0)
		keep_subscription(s, json_get(params, "uri").text, params.text);
	else if (strcmp(request->method, "resources/unsubscribe") == 0)
		free(map_remove(s->subscriptions, json_get(params, "uri").text));
	else if (strcmp(request->method, "logging/setLevel") == 0)
		keep_level(s, params.text);
}

/* ---- what the client is told --------------------------------------------------------------------------------------------------- */
static void say_changed(const struct upstream_events *events, const char *method)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	struct jsonrpc m;

	buf_init(&line, 256);
	if (!jsonrpc_write_call(&line, (struct json_value){ 0 }, method, (struct span){ 0 }))
		return;
	jsonrpc_read(buf_span(&line), &m);
	events->message(events->arg, &m);
}

static void say_what_changed(const struct upstream_events *events, struct json_value before, struct json_value now, bool is_same)
{
	static const struct { const char *part, *method; } parts[] = {
		{ "tools",     "notifications/tools/list_changed"     },
		{ "prompts",   "notifications/prompts/list_changed"   },
		{ "resources", "notifications/resources/list_changed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct json_value old = json_get(before, parts[i].part), new = json_get(now, parts[i].part);
		bool is_announced = json_get(new, "listChanged").kind == JSON_TRUE;
		if (is_same ? is_announced : old.kind != JSON_NONE || new.kind != JSON_NONE)
			say_changed(events, parts[i].method);
	}
}

/* A process that was started again may be another version of itself, with other lists under the same capabilities. */
void setup_opened(struct setup *s, const struct jsonrpc *response, enum setup_opening how, const struct upstream_events *events)
{
	struct json_value now = json_get(response->result, "capabilities"), before = { 0 };
	bool is_same = s->capabilities && span_is(now.text, s->capabilities);

	if (how != SETUP_FIRST && s->capabilities && (how == SETUP_RESTARTED || !is_same) &&
		jsonscan_check(span_of(s->capabilities), &before, NULL) == JSONSCAN_OK)
		say_what_changed(events, before, now, is_same);
	free(s->capabilities);
	s->capabilities = now.text.len > 0 && now.text.len <= SETUP_MAX_CAPABILITIES ? span_dup(now.text) : NULL;
}

/* ---- saying it again ------------------------------------------------------------------------------------------------------------ */
void setup_begin(struct setup *s)
{
	s->has_level_to_send = s->log_level != NULL;
	s->next = 0;
}

bool setup_next(struct setup *s, const char **method, const char **params)
{
	struct span uri;
	void *subscription;

	if (s->has_level_to_send) {
		s->has_level_to_send = false;
		*method = "logging/setLevel";
		*params = s->log_level;
		return true;
	}
	if (!map_next(s->subscriptions, &s->next, &uri, &subscription))
		return false;
	*method = "resources/subscribe";
	*params = subscription;
	return true;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */
void setup_init(struct setup *s)
{
	*s = (struct setup){ .subscriptions = map_new() };
}

void setup_release(struct setup *s)
{
	map_free(s->subscriptions, free);
	free(s->capabilities);
	free(s->log_level);
}
