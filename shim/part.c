#include "shim/part.h"
#include "shim/shim.h"

/* ---- the backend ---------------------------------------------------------------------------------------------------------------- */
const struct config_backend *part_backend(const struct part *p)
{
	return config_backend(p->shim->rules.current->config, p->name);
}

static bool is_same_list(const struct config_list *a, const struct config_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

bool part_is_same(const struct part *p)
{
	const struct config_backend *a = &p->place, *b = part_backend(p);

	if (!b || p->shim->options.command)
		return b != NULL;
	return strcmp(a->url, b->url) == 0 && strcmp(a->proxy, b->proxy) == 0 && strcmp(a->ca_file, b->ca_file) == 0 &&
	       a->transport == b->transport && is_same_list(&a->command, &b->command) && strcmp(a->cwd, b->cwd) == 0;
}

static void find_place(struct part *p)
{
	const struct options *o = &p->shim->options;

	p->place = *config_backend(p->shim->first_rules->config, p->name);
	if (!o->command)
		return;
	p->place.url = "";
	p->place.transport = TRANSPORT_STDIO;
	p->place.command = (struct config_list){ .v = o->command, .n = o->command_n, .is_set = true };
}

static void on_message(void *arg, const struct jsonrpc *message)
{
	struct part *p = arg;
	relay_from_backend(&p->relay, message);
}

static void on_forgot(void *arg)
{
	struct part *p = arg;
	relay_void_asked(&p->relay);
}

static bool has_room(void *arg)
{
	const struct part *p = arg;
	return host_has_room(&p->shim->host);
}

static enum err open_upstream(struct part *p, struct problem *why)
{
	struct upstream_options o = {
		.loop = p->shim->loop,
		.config = p->shim->first_rules->config,
		.backend = &p->place,
		.inherits_environment = p->shim->options.command != NULL,
		.events = { .arg = p, .message = on_message, .forgot = on_forgot, .has_room = has_room },
	};

	find_place(p);
	return upstream_new(&o, &p->upstream, why);
}

/* ---- the client ------------------------------------------------------------------------------------------------------------------ */
void part_say(struct part *p, char *text, size_t n)
{
	if (p->shim->merge)
		merge_from_part(p->shim->merge, p, text, n);
	else
		host_send(&p->shim->host, text, n);
}

void part_stop(struct part *p)
{
	session_state_release(&p->session);
	discover_give_up(&p->discover);
	relay_stop_listening(&p->relay);
	tools_stop_own(&p->tools);
}

bool part_is_idle(const struct part *p)
{
	return p->session.held.n == 0 && discover_is_idle(&p->discover) && relay_is_idle(&p->relay) && tools_is_idle(&p->tools);
}

void part_give_up(struct part *p)
{
	relay_give_up(&p->relay);
	tools_give_up(&p->tools);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */
enum err part_init(struct part *p, struct shim *shim, const char *name, struct problem *why)
{
	*p = (struct part){ .shim = shim, .name = name };
	inbounds_init(&p->inbounds);
	session_state_init(&p->session);
	discover_init(&p->discover, p);
	relay_init(&p->relay, p);
	tools_init(&p->tools, p);
	continued_init(&p->continued);
	journal_init(&p->journal, p);
	return open_upstream(p, why);
}

void part_release(struct part *p)
{
	upstream_free(p->upstream);
	journal_release(&p->journal);
	continued_release(&p->continued);
	tools_release(&p->tools);
	relay_release(&p->relay);
	session_state_release(&p->session);
	inbounds_release(&p->inbounds);
}
