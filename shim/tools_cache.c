#include "shim/tools_cache.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "shim/shim.h"

/* ---- pages as they come in --------------------------------------------------------------------------------------------------------- */
void tools_pages_release(struct tools_pages *p)
{
	tools_list_release(&p->list);
	free(p->next);
	*p = (struct tools_pages){ 0 };
}

/* The digest goes on from tool to tool, so that it does not matter where the pages end. */
static void add_tool(uint8_t digest[32], struct json_value tool)
{
	struct hash h;
	uint8_t one[32];

	json_canonical_hash(tool, one);
	hash_init(&h);
	hash_add(&h, digest, 32);
	hash_add(&h, one, sizeof(one));
	hash_done(&h, digest);
}

static void add_tools(struct tools_pages *p, struct json_value result)
{
	struct json_iter it = json_iter(json_get(result, "tools"));
	struct json_value tool;
	struct span key;

	while (json_next(&it, &key, &tool))
		add_tool(p->list.digest, tool);
}

/* Is this the page that continues the list, or begins one, and is there room for it? */
static bool takes(struct tools_pages *p, struct json_value cursor, struct span page)
{
	if (cursor.kind == JSON_NONE) {
		tools_pages_release(p);
		p->is_open = true;
	} else if (!p->is_open || !p->next || !span_is(cursor.text, p->next)) {
		return false;
	}
	return p->list.n < STORE_TOOLS_MAX_PAGES && p->bytes + page.len <= STORE_TOOLS_MAX_BYTES;
}

bool tools_pages_add(struct tools_pages *p, struct json_value cursor, struct json_value result)
{
	struct json_value next = json_get(result, "nextCursor");
	struct tools_list *l = &p->list;

	if (!takes(p, cursor, result.text)) {
		tools_pages_release(p);
		return false;
	}
	l->pages = xreallocarray(l->pages, l->n + 1, sizeof(*l->pages));
	l->pages[l->n++] = span_dup(result.text);
	p->bytes += result.text.len;
	add_tools(p, result);
	free(p->next);
	p->next = next.kind == JSON_NONE ? NULL : span_dup(next.text);
	p->is_open = p->next != NULL;
	return !p->is_open;
}

/* ---- whose list it is -------------------------------------------------------------------------------------------------------------- */
bool tools_cache_is_on(const struct tools_cache *c)
{
	const struct config_backend *b = part_backend(c->part);

	return b && b->tools_cache_ms > 0 && !c->part->shim->options.command && part_is_same(c->part);
}

/* What a command prints may be another text each time: its words stand for it. */
static bool add_secret(struct hash *h, const struct config *config, const struct config_named_secret *s)
{
	struct problem why = { 0 };
	char *value = NULL;

	hash_add_field(h, span_of(s->name));
	if (s->value.source == SECRET_COMMAND) {
		for (size_t i = 0; i < s->value.argv.n; i++)
			hash_add_field(h, span_of(s->value.argv.v[i]));
		return true;
	}
	if (config_secret_read(config, &s->value, &value, &why) != OK)
		return false;
	hash_add_field(h, span_of(value));
	secret_free(value);
	return true;
}

static bool add_secrets(struct hash *h, const struct config *config, const struct config_secrets *secrets)
{
	bool ok = true;

	for (size_t i = 0; ok && i < secrets->n; i++)
		ok = add_secret(h, config, &secrets->v[i]);
	return ok;
}

/* False: a credential cannot be read now. */
static bool make_key(const struct tools_cache *c, struct tools_key *key)
{
	const struct part *p = c->part;
	const struct config *rules = p->shim->first_rules->config;
	const struct config_backend *b = &p->place;
	struct hash h;

	*key = (struct tools_key){ .tenant = "", .backend = p->name, .revision = p->session.revision };
	hash_init(&h);
	hash_add_field(&h, span_of(b->url));
	hash_add_field(&h, span_of(b->cwd));
	for (size_t i = 0; i < b->command.n; i++)
		hash_add_field(&h, span_of(b->command.v[i]));
	hash_add(&h, p->session.capabilities, sizeof(p->session.capabilities));
	if (!add_secrets(&h, rules, &b->headers) || !add_secrets(&h, rules, &b->env))
		return false;
	hash_done(&h, key->credential);
	return true;
}

/* ---- from the store ---------------------------------------------------------------------------------------------------------------- */
static bool load(struct tools_cache *c)
{
	struct tools_key key;
	enum err e;

	if (!make_key(c, &key))
		return false;
	e = store_tools_get(c->part->shim->state.store, &key, part_backend(c->part)->tools_cache_ms, &c->warm);
	if (e != OK && e != ERR_NOT_FOUND)
		log_warn("tools.cache", "%s", err_text(e));
	return e == OK;
}

bool tools_cache_look(struct tools_cache *c)
{
	if (c->phase == TOOLS_CACHE_UNTRIED && c->part->session.revision[0] && tools_cache_is_on(c) && c->part->shim->state.store)
		c->phase = load(c) ? TOOLS_CACHE_WARM : TOOLS_CACHE_SPENT;
	return c->phase == TOOLS_CACHE_WARM;
}

void tools_cache_drop(struct tools_cache *c)
{
	tools_list_release(&c->warm);
	c->phase = TOOLS_CACHE_SPENT;
}

/* Which page a cursor asks for; n when none does. */
static size_t page_at(const struct tools_list *l, struct json_value cursor)
{
	struct json_value result;

	if (cursor.kind == JSON_NONE)
		return 0;
	for (size_t i = 0; i + 1 < l->n; i++)
		if (jsonscan_check(span_of(l->pages[i]), &result, NULL) == JSONSCAN_OK &&
		    span_equal(json_get(result, "nextCursor").text, cursor.text))
			return i + 1;
	return l->n;
}

struct span tools_cache_page(struct tools_cache *c, struct json_value cursor)
{
	size_t i;

	if (cursor.kind == JSON_NONE && !tools_cache_look(c))
		tools_cache_drop(c);            /* from here on the client's lists come from the backend */
	i = page_at(&c->warm, cursor);
	if (i >= c->warm.n)
		return (struct span){ 0 };
	c->was_served = true;
	return span_of(c->warm.pages[i]);
}

/* ---- to the store ------------------------------------------------------------------------------------------------------------------ */
static void written(struct op *op)
{
	struct tools_cache *c = op->arg;

	if (op->err != OK)
		log_info("tools.cache", "not written: %s", err_text(op->err));
	tools_list_release(&c->writing);
}

static void write_list(struct tools_cache *c, struct tools_list *list)
{
	if (!c->part->shim->state.store || c->op.is_submitted || !tools_cache_is_on(c) || !make_key(c, &c->put.key))
		return;
	c->writing = *list;
	*list = (struct tools_list){ 0 };
	c->put.list = &c->writing;
	c->op = (struct op){ .told = written, .arg = c };
	store_tools_put(c->part->shim->state.store, &c->op, &c->put);
}

bool tools_cache_take(struct tools_cache *c, struct tools_list *list, bool is_own)
{
	bool is_news = c->phase == TOOLS_CACHE_WARM && c->was_served &&
	               memcmp(list->digest, c->warm.digest, sizeof(list->digest)) != 0;

	if (is_own && c->phase == TOOLS_CACHE_WARM)
		c->phase = TOOLS_CACHE_REFRESHED;
	else
		tools_cache_drop(c);
	write_list(c, list);
	return is_news;
}

void tools_cache_init(struct tools_cache *c, struct part *part)
{
	*c = (struct tools_cache){ .part = part };
}

void tools_cache_release(struct tools_cache *c)
{
	tools_list_release(&c->warm);
	tools_list_release(&c->writing);
}
