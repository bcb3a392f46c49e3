#include "shim/shim.h"
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/start.h"

/* ---- what comes in ------------------------------------------------------------------------------------------------------------- */
static void on_line(void *arg, struct span line)
{
	struct shim *s = arg;
	session_line(s->parts, line);
}

static bool may_take(void *arg)
{
	const struct shim *s = arg;
	return session_may_take(&s->parts->session) && inbounds_take_loose(&s->parts->inbounds);
}

static void on_oversize(void *arg, size_t cap)
{
	struct shim *s = arg;
	session_oversize(s->parts, cap);
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

	for_each_part(p, s)
		upstream_resume(p->upstream);
	turn_mark_all(s);
}

static void on_signal(void *arg)
{
	struct shim *s = arg;
	ending_begin(&s->ending, "signal");
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------- */
static void init_state(struct shim *s, struct start *start)
{
	s->options = *start->options;
	s->agent = config_agent(start->config, start->options->agent)->name;
	s->state_dir = start->state_dir;
	s->uid = getuid();
	list_init(&s->calls);
	rules_init(&s->rules, s, start->config, &start->mark);
	s->first_rules = ruleset_keep(s->rules.current);
	turn_open(&s->turn, s);
	state_init(&s->state, s);
	ending_init(&s->ending, s);
	start->config = NULL;
	start->state_dir = NULL;
}

static enum err open_parts(struct shim *s, const char *backend, struct problem *why)
{
	s->parts = xcalloc(1, sizeof(*s->parts));
	s->parts_n = 1;
	return part_init(s->parts, s, backend, why);
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
	init_state(s, start);
	if ((e = open_parts(s, start->backend, why)) != OK)
		return e;
	for_each_part(p, s)
		if ((size_t)part_backend(p)->max_body_bytes > max_line)
			max_line = (size_t)part_backend(p)->max_body_bytes;
	host_init(&s->host, s->loop, STDIN_FILENO, STDOUT_FILENO, max_line, &events);
	s->has_host = true;
	return OK;
}

void shim_release(struct shim *s)
{
	state_release(&s->state);
	if (s->has_host)
		host_release(&s->host);
	for_each_part(p, s)
		part_release(p);
	ending_release(&s->ending);
	ruleset_drop(s->first_rules);
	rules_release(&s->rules);
	signals_release(&s->signals);
	loop_free(s->loop);
	free(s->parts);
	free(s->state_dir);
}

static bool may_go_on(const struct shim *s)
{
	for_each_part(p, s)
		if (session_may_go_on(p))
			return true;
	return false;
}

/* One turn: what came in is noted, calls are judged, the store is asked once, and what is to be said is said. */
void shim_run(struct shim *s)
{
	while (s->ending.phase != ENDING_OVER) {
		loop_turn(s->loop);
		for_each_part(p, s)
			session_go_on(p);
		host_pump(&s->host);
		turn_judge(&s->turn);
		state_run(&s->state);
		for_each_part(p, s)
			relay_go_on(&p->relay);
		host_flush(&s->host);
		for_each_part(p, s)
			journal_go_on(&p->journal);     /* behind the replies */
		if (turn_has_marked(&s->turn) || may_go_on(s))
			loop_hurry(s->loop);
		ending_turn(&s->ending);
	}
}
