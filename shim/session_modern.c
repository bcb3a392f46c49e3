/* session_modern - requests that carry their own envelope (MCP 2026-07-28): no handshake, no session at the backend. See session.h. */
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/server_requests.h"
#include "shim/session.h"
#include "shim/shim.h"

#define ENVELOPE_CAP (64 * 1024)

bool session_has_handshake(const struct part *p)
{
	return p->session.phase != SESSION_NEW && p->session.phase != SESSION_ASKING && p->session.phase != SESSION_MODERN;
}

bool session_must_ask(const struct part *p, const struct jsonrpc *rpc)
{
	return p->session.phase == SESSION_NEW && discover_era(&p->discover) == ERA_UNKNOWN && rpc->kind == JSONRPC_REQUEST &&
	       era_claim(rpc).kind != JSON_NONE;
}

/* Not found out: the backend itself says what it thinks of the requests. */
void session_era_known(struct part *p)
{
	if (p->session.phase != SESSION_ASKING)
		return;
	p->session.phase = discover_era(&p->discover) == ERA_UNKNOWN ? SESSION_MODERN : SESSION_NEW;
	loop_hurry(p->shim->loop);
}

/* ---- who the client is -------------------------------------------------------------------------------------------------------------- */
void session_note_text(struct json_value v, char *out, size_t size)
{
	CLEANUP(free_charp) char *text = NULL;

	if (json_string_is(v, out))
		return;                         /* as it mostly is: each request says it */
	text = json_text(v, size - 1);
	snprintf(out, size, "%s", text ? text : "");
}

void session_note_client(struct part *p, const struct jsonrpc *rpc)
{
	struct session_state *t = &p->session;
	struct json_value info = json_get(rpc->meta, ERA_META_CLIENT);

	session_note_text(json_get(info, "name"), t->client, sizeof(t->client));
	session_note_text(json_get(info, "version"), t->client_version, sizeof(t->client_version));
}

static bool write_member(struct buf *out, const char *key, struct json_value v)
{
	return v.kind == JSON_NONE || (buf_printf(out, "%c\"%s\":", out->len > 0 ? ',' : '{', key) && buf_append_span(out, v.text));
}

/* Requests of our own go out in the client's name: what a backend answers may depend on who asks. */
static void note_envelope(struct session_state *t, const struct jsonrpc *rpc)
{
	struct buf b;

	buf_init(&b, ENVELOPE_CAP);
	if (write_member(&b, ERA_META_VERSION, json_get(rpc->meta, ERA_META_VERSION)) &&
	    write_member(&b, ERA_META_CLIENT, json_get(rpc->meta, ERA_META_CLIENT)) &&
	    write_member(&b, ERA_META_CAN, json_get(rpc->meta, ERA_META_CAN)) && buf_append_char(&b, '}')) {
		free(t->envelope);
		t->envelope = buf_take(&b);
	}
	buf_release(&b);
}

/* What a backend lists may depend on what the client can do. */
void session_note_capabilities(struct part *p, const struct jsonrpc *rpc)
{
	struct session_state *t = &p->session;
	uint8_t hash[sizeof(t->capabilities)];

	if (era_claim(rpc).kind == JSON_NONE)
		return;
	json_canonical_hash(json_get(rpc->meta, ERA_META_CAN), hash);
	if (t->envelope && memcmp(hash, t->capabilities, sizeof(hash)) == 0)
		return;
	if (t->envelope)
		tools_cache_drop(&p->tools.cache);
	memcpy(t->capabilities, hash, sizeof(hash));
	note_envelope(t, rpc);
}

static void enter(struct part *p, const struct jsonrpc *rpc)
{
	struct session_state *t = &p->session;

	session_note_client(p, rpc);
	if (t->revision[0])
		return;
	t->phase = SESSION_MODERN;
	session_note_capabilities(p, rpc);
	session_note_text(era_claim(rpc), t->revision, sizeof(t->revision));
	log_info("session.modern", "client=%s version=%s revision=%s", t->client, t->client_version, t->revision);
}

/* ---- each request -------------------------------------------------------------------------------------------------------------------- */
bool session_admits(struct part *p, const struct jsonrpc *rpc)
{
	struct json_value requested = json_get(rpc->meta, ERA_META_VERSION);
	bool is_modern = era_claim(rpc).kind != JSON_NONE;

	if (requested.kind == JSON_NONE)
		return true;
	if (!is_modern || session_has_handshake(p) || discover_era(&p->discover) == ERA_LEGACY) {
		discover_refuse(p, rpc, requested);
		return false;
	}
	enter(p, rpc);
	return true;
}

bool session_withholds(struct part *p, const struct jsonrpc *rpc, struct buf *line)
{
	const struct config_agent *a = config_agent(p->shim->rules.current->config, p->shim->agent);
	CLEANUP(buf_release) struct buf names = { 0 };

	if (era_claim(rpc).kind == JSON_NONE || !server_requests_block_any(a))
		return false;
	buf_init(line, rpc->root.text.len + 1);
	buf_init(&names, 4096);
	if (!server_requests_withhold(a, rpc, json_get(rpc->meta, ERA_META_CAN), line, &names))
		return false;
	if (!p->session.withheld) {             /* said once */
		log_info("session.withheld", "capabilities=%s", names.data);
		p->session.withheld = buf_take(&names);
	}
	return true;
}
