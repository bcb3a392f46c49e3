/* upstream_http_lives - ids of the backend's requests once a session was opened anew. The new one may count from the beginning again, while
 * the client still answers a request of the old one: an answer must not reach another question. So requests of the second and later
 * sessions bear ids of our own, and answers to questions of a session that is over go nowhere. See upstream_http.h. */
#include "base/xalloc.h"
#include "shim/upstream_http.h"

#define PREFIX "aegis:s"
#define ID_CAP (8 * JSONRPC_MAX_ID_BYTES)

/* The text of m with the value part, which stands in it, replaced. */
static bool splice(const struct jsonrpc *m, struct span part, struct span value, struct buf *out)
{
	struct span text = m->root.text;
	size_t before = (size_t)(part.at - text.at), after = text.len - before - part.len;

	buf_init(out, text.len + value.len);
	return buf_append(out, text.at, before) && buf_append_span(out, value) && buf_append(out, part.at + part.len, after);
}

static void told_with_own_id(struct http_upstream *u, const struct jsonrpc *m, struct json_value id)
{
	CLEANUP(buf_release) struct buf plain = { 0 }, quoted = { 0 }, text = { 0 };
	struct jsonrpc own;

	buf_init(&plain, ID_CAP);
	buf_init(&quoted, ID_CAP);
	if (!buf_printf(&plain, PREFIX "%u:", u->session) || !buf_append_span(&plain, id.text) || !json_quote(&quoted, buf_span(&plain)) ||
		!splice(m, id.text, buf_span(&quoted), &text))
		return;
	jsonrpc_read(buf_span(&text), &own);
	u->o.events.message(u->o.events.arg, &own);
}

void lives_tell(struct http_upstream *u, const struct jsonrpc *m)
{
	struct json_value id = m->id;

	if (m->kind == JSONRPC_NOTIFICATION && strcmp(m->method, "notifications/cancelled") == 0)
		id = json_get(m->params, "requestId");
	if (u->session > 1 && (id.kind == JSON_STRING || id.kind == JSON_NUMBER))
		told_with_own_id(u, m, id);
	else
		u->o.events.message(u->o.events.arg, m);
}

/* The backend's own spelling of an id that was told by us in this session; empty when it was not. */
static struct span own_id(const struct http_upstream *u, const char *id)
{
	char prefix[32];
	int n = snprintf(prefix, sizeof(prefix), PREFIX "%u:", u->session);

	return strncmp(id, prefix, (size_t)n) == 0 ? span_of(id + n) : (struct span){ 0 };
}

bool lives_translate(struct exchange *x)
{
	const struct jsonrpc *m = x->d->message;

	buf_clear(&x->own);
	if (x->u->session < 2 || (m->kind != JSONRPC_RESULT && m->kind != JSONRPC_ERROR))
		return true;
	char *id = json_text(m->id, ID_CAP);
	struct span original = id ? own_id(x->u, id) : (struct span){ 0 };
	buf_release(&x->own);
	bool is_of_this = original.len > 0 && splice(m, m->id.text, original, &x->own);
	free(id);
	return is_of_this;
}
