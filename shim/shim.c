#include "shim/shim.h"
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/start.h"

/* ---- what comes in ------------------------------------------------------------------------------------------------------------- */
static void on_line(void *arg, struct span line)
{
	session_line(arg, line);
}

static bool may_take(void *arg)
{
	const struct shim *s = arg;
	return session_may_take(&s->session);
}

static void on_oversize(void *arg, size_t cap)
{
	session_oversize(arg, cap);
}

static void on_ended(void *arg)
{
	struct shim *s = arg;
	ending_of_input(&s->ending);
}

static void on_gone(void *arg)
{
	struct shim *s = arg;
	ending_begin(&s->ending, "the client reads no more");
}

static void on_drained(void *arg)
{
	struct shim *s = arg;
	upstream_resume(s->upstream);
}

static void on_signal(void *arg)
{
	struct shim *s = arg;
	ending_begin(&s->ending, "signal");
}

static void on_message(void *arg, const struct jsonrpc *message)
{
	struct shim *s = arg;
	relay_from_backend(&s->relay, message);
}

static bool has_room(void *arg)
{
	const struct shim *s = arg;
	return host_has_room(&s->host);
}

/* ---- the backend ---------------------------------------------------------------------------------------------------------------- */
const struct config_backend *shim_backend(const struct shim *s)
{
	return config_backend(s->rules.current->config, s->backend);
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

bool shim_backend_is_same(const struct shim *s)
{
	const struct config_backend *a = &s->place, *b = shim_backend(s);

	if (!b || s->options.command)
		return b != NULL;
	return strcmp(a->url, b->url) == 0 && strcmp(a->proxy, b->proxy) == 0 && strcmp(a->ca_file, b->ca_file) == 0 &&
	       a->transport == b->transport && is_same_list(&a->command, &b->command) && strcmp(a->cwd, b->cwd) == 0;
}

static void find_place(struct shim *s)
{
	s->place = *config_backend(s->first_rules->config, s->backend);
	if (!s->options.command)
		return;
	s->place.url = "";
	s->place.transport = TRANSPORT_STDIO;
	s->place.command = (struct config_list){ .v = s->options.command, .n = s->options.command_n, .is_set = true };
}

static enum err open_upstream(struct shim *s, struct problem *why)
{
	struct upstream_options o = {
		.loop = s->loop,
		.config = s->first_rules->config,
		.backend = &s->place,
		.inherits_environment = s->options.command != NULL,
		.events = { .arg = s, .message = on_message, .has_room = has_room },
	};

	find_place(s);
	return upstream_new(&o, &s->upstream, why);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------- */
static void init_parts(struct shim *s, struct start *start)
{
	s->options = *start->options;
	s->agent = config_agent(start->config, start->options->agent)->name;
	s->backend = start->backend;
	s->state_dir = start->state_dir;
	s->uid = getuid();
	list_init(&s->calls);
	inbounds_init(&s->inbounds);
	session_state_init(&s->session);
	relay_init(&s->relay, s);
	tools_init(&s->tools, s);
	rules_init(&s->rules, s, start->config, &start->mark);
	s->first_rules = ruleset_keep(s->rules.current);
	turn_open(&s->turn, s);
	state_init(&s->state, s);
	journal_init(&s->journal, s);
	ending_init(&s->ending, s);
	start->config = NULL;
	start->state_dir = NULL;
}

enum err shim_init(struct shim *s, struct start *start, struct problem *why)
{
	struct host_events events = { s, on_line, may_take, on_oversize, on_ended, on_gone, on_drained };
	size_t max_line = HOST_MAX_LINE_BYTES;
	enum err e;

	*s = (struct shim){ 0 };
	if ((e = loop_new(&s->loop)) != OK || (e = signals_init(&s->signals, s->loop, on_signal, s)) != OK) {
		problem_set(why, "the event loop cannot be set up");
		return e;
	}
	init_parts(s, start);
	if ((e = open_upstream(s, why)) != OK)
		return e;
	if ((size_t)shim_backend(s)->max_body_bytes > max_line)
		max_line = (size_t)shim_backend(s)->max_body_bytes;
	host_init(&s->host, s->loop, STDIN_FILENO, STDOUT_FILENO, max_line, &events);
	s->has_host = true;
	return OK;
}

void shim_release(struct shim *s)
{
	state_release(&s->state);
	if (s->has_host)
		host_release(&s->host);
	upstream_free(s->upstream);
	ending_release(&s->ending);
	journal_release(&s->journal);
	tools_release(&s->tools);
	relay_release(&s->relay);
	session_state_release(&s->session);
	inbounds_release(&s->inbounds);
	ruleset_drop(s->first_rules);
	rules_release(&s->rules);
	signals_release(&s->signals);
	loop_free(s->loop);
	free(s->state_dir);
}

/* One turn: what came in is noted, calls are judged, the store is asked once, and what is to be said is said. */
void shim_run(struct shim *s)
{
	while (s->ending.phase != ENDING_OVER) {
		loop_turn(s->loop);
		session_go_on(s);
		host_pump(&s->host);
		turn_judge(&s->turn);
		state_run(&s->state);
		relay_go_on(&s->relay);
		host_flush(&s->host);
		journal_go_on(&s->journal);     /* behind the replies */
		if (session_may_go_on(s))
			loop_hurry(s->loop);
		ending_turn(&s->ending);
	}
}
