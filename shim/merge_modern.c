/* merge_modern - a client of 2026-07-28 before several backends: they are one server of that revision when all of them are. One that is
 * older, or away, and all are spoken to as older ones: the client is told so, and sends initialize. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/merge.h"
#include "shim/merge_text.h"
#include "shim/modern.h"
#include "shim/shim.h"

#define SMALL_CAP (16 * 1024)
#define MODERN    "[\"" ERA_MODERN_REVISION "\"]"

static void refuse(struct merge *m, const struct jsonrpc *rpc, struct json_value requested)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	bool is_older = m->phase == MERGE_OPEN ? !m->is_modern : m->is_older;

	buf_init(&line, SMALL_CAP);
	if (modern_write_unsupported(rpc->id, is_older ? SPAN(SESSION_OLDER_REVISIONS) : SPAN(MODERN), requested, &line))
		merge_say(m, &line);
}

static void say_older(struct merge *m, struct json_value id)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	buf_init(&line, SMALL_CAP);
	if (session_write_discover(id, &line))
		merge_say(m, &line);
}

/* ---- asking all ----------------------------------------------------------------------------------------------------------------------- */
static bool may_be_modern(const struct merge *m)
{
	for_each_member(b, m)
		if (b->is_hopeless)
			return false;
	return m->is_modern || m->phase != MERGE_OPEN;
}

void merge_discover(struct merge *m, const struct jsonrpc *rpc)
{
	if (may_be_modern(m) && era_claim(rpc).kind != JSON_NONE)
		merge_fan(m, rpc);
	else if (m->is_modern)
		refuse(m, rpc, json_get(rpc->meta, ERA_META_VERSION));
	else
		say_older(m, rpc->id);
}

/* Nobody has asked, in this process. */
static void ask(struct merge *m, const struct jsonrpc *rpc)
{
	CLEANUP(buf_release) struct buf line = { 0 }, id = { 0 }, params = { 0 };
	struct jsonrpc own;

	m->phase = MERGE_OPENING;
	held_add(&m->held, rpc->root.text);
	buf_init(&line, rpc->meta.text.len + SMALL_CAP);
	buf_init(&params, rpc->meta.text.len + 64);
	buf_init(&id, 128);
	if (!buf_printf(&id, "\"%s%u\"", m->id_prefix, ++m->asked) || !buf_printf(&params, "{\"_meta\":%.*s}", SPAN_ARGS(rpc->meta.text)) ||
	    !jsonrpc_write_call(&line, (struct json_value){ JSON_STRING, buf_span(&id) }, "server/discover", buf_span(&params)))
		return;                         /* cannot be: the caps are for what it holds */
	jsonrpc_read(buf_span(&line), &own);
	merge_fan(m, &own);
}

bool merge_holds_for_era(struct merge *m, const struct jsonrpc *rpc)
{
	if (m->phase != MERGE_NEW || rpc->kind != JSONRPC_REQUEST || era_claim(rpc).kind == JSON_NONE || m->is_older || !may_be_modern(m))
		return false;
	ask(m, rpc);
	return true;
}

bool merge_admits(struct merge *m, const struct jsonrpc *rpc)
{
	struct json_value requested = json_get(rpc->meta, ERA_META_VERSION);

	if (strcmp(rpc->method, "initialize") == 0 && m->is_modern) {
		refuse(m, rpc, json_get(rpc->params, "protocolVersion"));
		return false;
	}
	if (requested.kind == JSON_NONE || strcmp(rpc->method, "server/discover") == 0 || strcmp(rpc->method, "initialize") == 0)
		return true;
	if (era_claim(rpc).kind != JSON_NONE && m->is_modern)
		return true;
	refuse(m, rpc, requested);
	return false;
}

/* ---- what they answer ------------------------------------------------------------------------------------------------------------------ */
static bool take(struct member *b, struct span line)
{
	struct jsonrpc rpc;

	buf_clear(&b->opened);
	if (line.len == 0)
		return false;
	jsonrpc_read(line, &rpc);
	return rpc.kind == JSONRPC_RESULT && era_of_discover(&rpc) == ERA_MODERN && buf_append_span(&b->opened, line);
}

static bool take_all(struct merge *m, const struct span *answers)
{
	bool ok = true;

	for (size_t i = 0; i < m->n; i++)
		ok = take(&m->members[i], answers[i]) && ok;
	return ok;
}

static bool write_result(struct merge *m, struct buf *out)
{
	return buf_append_text(out, "{\"resultType\":\"complete\",\"supportedVersions\":" MODERN ",\"capabilities\":") &&
	       merge_write_capabilities(m, out) && buf_append_text(out, ",\"instructions\":") && merge_write_instructions(m, out) &&
	       buf_append_text(out, ",\"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{\"" ERA_META_SERVER "\":{\"name\":\"aegis (") &&
	       merge_write_names(m, out) && buf_append_text(out, ")\",\"version\":\"" AEGIS_VERSION "\"}}}");
}

static void say(struct merge *m, struct json_value id)
{
	CLEANUP(buf_release) struct buf result = { 0 }, line = { 0 };

	buf_init(&result, HOST_MAX_LINE_BYTES);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (write_result(m, &result) && jsonrpc_write_result(&line, id, buf_span(&result)))
		merge_say(m, &line);
	else
		merge_say_error(m, id, -32603, "the answers of the backends are too long together");
}

static void open_all(struct merge *m)
{
	m->is_modern = true;
	m->is_older = false;
	m->phase = MERGE_OPEN;
	for_each_member(b, m) {
		b->phase = MEMBER_OPEN;
		merge_note_offers(b);
	}
}

void merge_discovered(struct merge *m, const struct jsonrpc *asked, const struct span *answers)
{
	bool is_own = merge_is_own_id(m, asked->id);

	if (take_all(m, answers))
		open_all(m);
	else if (!m->is_modern)
		m->is_older = true;
	if (m->phase == MERGE_OPENING)
		m->phase = MERGE_NEW;           /* what is held is refused, each with the revisions there are */
	if (!is_own && m->is_older)
		say_older(m, asked->id);
	else if (!is_own)
		say(m, asked->id);
	for_each_member(b, m)
		buf_release(&b->opened);
	loop_hurry(m->shim->loop);
}
