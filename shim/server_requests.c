#include "shim/server_requests.h"
#include "base/xalloc.h"

struct feature { const char *name; bool is_blocked; };

enum { SAMPLING, ELICITATION, ROOTS, FEATURES };

static const struct { const char *method; int feature; } methods[] = {
	{ "sampling/createMessage",           SAMPLING    },
	{ "elicitation/create",               ELICITATION },
	{ "roots/list",                       ROOTS       },
	{ "notifications/roots/list_changed", ROOTS       },
};

struct features { struct feature v[FEATURES]; };

static struct features features_of(const struct config_agent *a)
{
	return (struct features){ {
		[SAMPLING]    = { "sampling",    !a || !a->may_sample     },
		[ELICITATION] = { "elicitation", !a || !a->may_elicit     },
		[ROOTS]       = { "roots",       !a || !a->may_list_roots },
	} };
}

bool server_requests_block(const struct config_agent *a, const char *method)
{
	struct features f = features_of(a);

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].method, method) == 0)
			return f.v[methods[i].feature].is_blocked;
	return false;
}

unsigned server_requests_declared(struct json_value capabilities)
{
	struct features f = features_of(NULL);
	unsigned declared = 0;

	for (unsigned i = 0; i < FEATURES; i++)
		if (json_get(capabilities, f.v[i].name).kind == JSON_OBJECT)
			declared |= 1u << i;
	return declared;
}

bool server_requests_can(unsigned declared, const char *method)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].method, method) == 0)
			return declared >> methods[i].feature & 1;
	return true;
}

bool server_requests_blocked_input(const struct config_agent *a, const struct jsonrpc *answer, char which[SERVER_REQUESTS_NAME_SIZE])
{
	struct json_iter it = json_iter(json_get(answer->result, "inputRequests"));
	struct json_value one;
	struct span key;

	while (json_next(&it, &key, &one)) {
		CLEANUP(free_charp) char *method = json_text(json_get(one, "method"), SERVER_REQUESTS_NAME_SIZE - 1);
		if (!method || !server_requests_block(a, method))
			continue;
		snprintf(which, SERVER_REQUESTS_NAME_SIZE, "%s", method);
		return true;
	}
	return false;
}

/* ---- initialize ------------------------------------------------------------------------------------------------------------------ */
struct cut {
	struct features features;
	struct buf *out, *names;             /* names: quoted, with commas between */
};

static bool note_name(struct cut *c, const char *path, struct span key)
{
	return (c->names->len == 0 || buf_append_char(c->names, ',')) &&
	       buf_printf(c->names, "\"%s%.*s\"", path, (int)key.len - 2, key.at + 1);
}

static bool is_blocked(const struct cut *c, struct span key)
{
	for (size_t i = 0; i < FEATURES; i++)
		if (c->features.v[i].is_blocked && json_key_is(key, c->features.v[i].name))
			return true;
	return false;
}

/* Where capabilities may stand in capabilities: what the client does itself, and what it does as a task. */
static const struct { const char *path, *key, *next; } inner[] = {
	{ "",               "tasks",    "tasks."          },
	{ "tasks.",         "requests", "tasks.requests." },
};

static const char *path_into(const char *path, struct span key)
{
	for (size_t i = 0; i < ARRAY_LEN(inner); i++)
		if (strcmp(inner[i].path, path) == 0 && json_key_is(key, inner[i].key))
			return inner[i].next;
	return NULL;
}

static bool has_features(const char *path)
{
	return path[0] == '\0' || strcmp(path, "tasks.requests.") == 0;
}

static bool copy_without(struct cut *c, struct json_value object, const char *path);

static bool copy_member(struct cut *c, struct span key, struct json_value value, const char *path)
{
	const char *next = value.kind == JSON_OBJECT ? path_into(path, key) : NULL;

	if (!buf_append_span(c->out, key) || !buf_append_char(c->out, ':'))
		return false;
	return next ? copy_without(c, value, next) : json_append_line(value, c->out);
}

static bool copy_without(struct cut *c, struct json_value object, const char *path)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct span key;
	bool ok = buf_append_char(c->out, '{'), has_member = false;

	while (ok && json_next(&it, &key, &value)) {
		if (has_features(path) && is_blocked(c, key)) {
			ok = note_name(c, path, key);
			continue;
		}
		ok = (!has_member || buf_append_char(c->out, ',')) && copy_member(c, key, value, path);
		has_member = true;
	}
	return ok && buf_append_char(c->out, '}');
}

bool server_requests_block_any(const struct config_agent *a)
{
	return !a || !a->may_sample || !a->may_elicit || !a->may_list_roots;
}

bool server_requests_withhold(const struct config_agent *a, const struct jsonrpc *rpc, struct json_value declared, struct buf *line,
                              struct buf *withheld)
{
	struct span all = rpc->root.text, caps = declared.text;
	CLEANUP(buf_release) struct buf names = { 0 };
	struct cut c = { features_of(a), line, &names };
	const char *end = caps.at + caps.len;

	if (declared.kind != JSON_OBJECT)
		return false;
	buf_init(&names, 4096);
	return buf_append(line, all.at, (size_t)(caps.at - all.at)) && copy_without(&c, declared, "") &&
	       buf_append(line, end, (size_t)(all.at + all.len - end)) && names.len > 0 &&
	       buf_printf(withheld, "[%s]", names.data);
}
