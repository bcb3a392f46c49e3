/* merge_route - which backend the client means, and by what name it knows the thing. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/merge.h"
#include "shim/merge_names.h"
#include "shim/modern.h"
#include "shim/page.h"
#include "shim/refusal.h"
#include "shim/shim.h"

#define NAME_CAP   512
#define URI_CAP    (64 * 1024)
#define SMALL_CAP  (16 * 1024)
#define MAX_CUT    16384
#define MAX_TASKS  4096
#define MAX_URIS   4096

/* ---- who is meant ---------------------------------------------------------------------------------------------------------------- */
struct member *merge_member(struct merge *m, const struct part *p)
{
	return &m->members[p - m->shim->parts];
}

static struct member *by_name(struct merge *m, struct span shown, struct span *name)
{
	for_each_member(b, m)
		if (merge_name_split(shown, b->part->name, name))
			return b;
	return NULL;
}

static void remember_cut(struct merge *m, struct span shown, const char *name)
{
	if (map_size(m->cut) < MAX_CUT && !map_get(m->cut, shown))
		map_set(m->cut, shown, xstrdup(name));
}

bool merge_show_name(struct member *b, struct json_value name, struct buf *out)
{
	CLEANUP(free_charp) char *plain = page_name(name, NAME_CAP);
	CLEANUP(buf_release) struct buf shown = { 0 };
	struct span rest;

	buf_init(&shown, 2 * NAME_CAP);
	if (!plain || !merge_name_write(b->part->name, span_of(plain), &shown))
		return false;
	if (merge_name_split(buf_span(&shown), b->part->name, &rest) && !span_is(rest, plain))
		remember_cut(b->merge, buf_span(&shown), plain);
	return json_quote(out, buf_span(&shown));
}

static void remember_uri(struct member *b, struct span uri)
{
	struct merge *m = b->merge;
	void *who = map_get(m->uris, uri);

	if (who ? who != b : map_size(m->uris) < MAX_URIS)
		map_set(m->uris, uri, who ? (void *)m : b);
}

bool merge_show_uri(struct member *b, struct json_value uri, struct buf *out)
{
	CLEANUP(free_charp) char *plain = page_name(uri, URI_CAP);
	CLEANUP(buf_release) struct buf shown = { 0 };

	buf_init(&shown, 2 * URI_CAP);
	if (plain)
		remember_uri(b, span_of(plain));
	return plain && merge_uri_write(b->part->name, span_of(plain), &shown) && json_quote(out, buf_span(&shown));
}

/* A name that was cut is found among those that were shown, or among the tools the backend is known to have. */
static bool find_uncut(struct member *b, struct span shown, struct buf *name)
{
	const char *seen = map_get(b->merge->cut, shown);
	size_t pos = 0;
	struct span key;
	void *value;

	if (seen)
		return buf_append_text(name, seen);
	while (map_next(b->part->tools.known, &pos, &key, &value)) {
		CLEANUP(buf_release) struct buf cut = { 0 };
		buf_init(&cut, 2 * NAME_CAP);
		if (merge_name_write(b->part->name, key, &cut) && span_equal(buf_span(&cut), shown))
			return buf_append_span(name, key);
	}
	return false;
}

static void hand_string(struct member *b, const struct jsonrpc *rpc, struct json_value old, struct span plain)
{
	CLEANUP(buf_release) struct buf quoted = { 0 };

	buf_init(&quoted, 8 * plain.len + 16);
	if (json_quote(&quoted, plain))
		merge_hand_edited(b, rpc, old, buf_span(&quoted));
}

/* ---- by name, by URI ------------------------------------------------------------------------------------------------------------- */
static void refuse_name(struct merge *m, const struct jsonrpc *rpc, const char *what, const char *shown)
{
	const struct config_agent *a = config_agent(m->shim->rules.current->config, m->shim->agent);
	bool is_call = strcmp(rpc->method, "tools/call") == 0;
	CLEANUP(buf_release) struct buf line = { 0 };
	struct refusal r;

	refusal_set(&r, REFUSED_UNKNOWN_TOOL, "agent %s has no %s %.128s; each begins with the name of its backend, as in %s__NAME. It was "
	            "not executed.", m->shim->agent, what, shown, m->members->part->name);
	journal_blocked(&m->members->part->journal, rpc->method, shown, "it begins with the name of no backend of this session");
	buf_init(&line, SMALL_CAP);
	if (refusal_write(&r, rpc->id, NULL, is_call && a ? a->deny_as : DENY_AS_ERROR, &line) && (!m->is_modern || modern_complete(&line)))
		merge_say(m, &line);
}

/* Only the list of tools can tell which one a cut name means; the call waits for it. */
static bool must_wait_for_list(struct member *b, const struct jsonrpc *rpc, struct span name)
{
	return strcmp(rpc->method, "tools/call") == 0 && b->phase == MEMBER_OPEN && tools_look(&b->part->tools, name.at) == TOOLS_WAIT;
}

static void hand_named(struct member *b, const struct jsonrpc *rpc, struct json_value old, struct span shown)
{
	CLEANUP(buf_release) struct buf uncut = { 0 };
	struct span name = shown;
	bool may_be_cut;

	buf_init(&uncut, NAME_CAP);
	(void)merge_name_split(shown, b->part->name, &name);
	may_be_cut = merge_name_may_be_cut(shown, name);
	if (may_be_cut && find_uncut(b, shown, &uncut))
		name = buf_span(&uncut);
	else if (may_be_cut && must_wait_for_list(b, rpc, name)) {
		held_add(&b->merge->unnamed, rpc->root.text);
		return;
	}
	hand_string(b, rpc, old, name);
}

static void route_name(struct merge *m, const struct jsonrpc *rpc, struct json_value value, const char *what)
{
	CLEANUP(free_charp) char *shown = page_name(value, NAME_CAP);
	struct member *b;
	struct span name;

	if (!shown) {
		merge_say_error(m, rpc->id, -32602, "a name must be given, as a string");
		return;
	}
	b = by_name(m, span_of(shown), &name);
	if (!b) {
		refuse_name(m, rpc, what, shown);
		return;
	}
	merge_hurry(b);
	hand_named(b, rpc, value, span_of(shown));
}

static struct member *by_backend(struct merge *m, struct span name)
{
	for_each_member(b, m)
		if (span_is(name, b->part->name))
			return b;
	return NULL;
}

static struct member *only_with(struct merge *m, unsigned offer)
{
	struct member *only = NULL;

	for_each_member(b, m) {
		if (!(b->offers & offer))
			continue;
		if (only)
			return NULL;
		only = b;
	}
	return only;
}

/* A URI without our prefix, such as one that stands in a text: can it mean only one backend? */
static struct member *by_plain_uri(struct merge *m, struct span uri)
{
	struct member *b = only_with(m, OFFER_RESOURCES);
	void *who = b ? NULL : map_get(m->uris, uri);

	return who && who != m ? who : b;
}

static void refuse_uri(struct merge *m, const struct jsonrpc *rpc, const char *shown)
{
	char text[300];

	snprintf(text, sizeof(text), "it cannot be told which backend of this session has this resource; its URI begins with aegis:BACKEND/, "
	         "as in aegis:%s/URI, or for a page of an app with ui://aegis.BACKEND/", m->members->part->name);
	journal_blocked(&m->members->part->journal, rpc->method, shown && strlen(shown) <= NAME_CAP ? shown : "",
	                "it cannot be told which of several backends has it");
	merge_say_error(m, rpc->id, -32602, text);
}

struct member *merge_uri_owner(struct merge *m, struct span shown, struct span *own)
{
	struct span backend;

	if (merge_uri_split(shown, &backend, own))
		return by_backend(m, backend);
	*own = shown;
	return by_plain_uri(m, shown);
}

static void route_uri(struct merge *m, const struct jsonrpc *rpc, struct json_value value)
{
	CLEANUP(free_charp) char *shown = page_name(value, URI_CAP);
	struct span uri;
	struct member *b = shown ? merge_uri_owner(m, span_of(shown), &uri) : NULL;

	if (!b) {
		refuse_uri(m, rpc, shown);
		return;
	}
	merge_hurry(b);
	hand_string(b, rpc, value, uri);
}

void merge_route_tool(struct merge *m, const struct jsonrpc *rpc)
{
	route_name(m, rpc, json_get(rpc->params, "name"), "tool");
}

void merge_route_prompt(struct merge *m, const struct jsonrpc *rpc)
{
	route_name(m, rpc, json_get(rpc->params, "name"), "prompt");
}

void merge_route_resource(struct merge *m, const struct jsonrpc *rpc)
{
	route_uri(m, rpc, json_get(rpc->params, "uri"));
}

void merge_route_completion(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value ref = json_get(rpc->params, "ref"), uri = json_get(ref, "uri");

	if (uri.kind != JSON_NONE)
		route_uri(m, rpc, uri);
	else
		route_name(m, rpc, json_get(ref, "name"), "prompt");
}

/* ---- tasks: their ids are the backend's own, so who has which is remembered -------------------------------------------------------- */
void merge_note_task(struct member *b, const struct jsonrpc *answer)
{
	CLEANUP(free_charp) char *id = page_name(json_get(json_get(answer->result, "task"), "taskId"), NAME_CAP);
	struct merge *m = b->merge;
	struct span oldest;
	size_t pos = 0;
	void *value;

	if (!id)
		return;
	if (map_size(m->tasks) >= MAX_TASKS && map_next(m->tasks, &pos, &oldest, &value))
		map_remove(m->tasks, oldest);
	map_set(m->tasks, span_of(id), b);
}

void merge_route_task(struct merge *m, const struct jsonrpc *rpc)
{
	CLEANUP(free_charp) char *id = page_name(json_get(rpc->params, "taskId"), NAME_CAP);
	struct member *b = id ? map_get(m->tasks, span_of(id)) : NULL;

	if (!b)
		b = only_with(m, OFFER_TASKS);
	if (!b || b->phase != MEMBER_OPEN)
		merge_say_error(m, rpc->id, -32602, "no backend of this session is known to have this task");
	else
		merge_hand_on(b, rpc);
}
