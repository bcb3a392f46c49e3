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

	if (s->merge)
		merge_line(s->merge, line);
	else
		session_line(s->parts, line);
}

static bool may_take(void *arg)
{
	const struct shim *s = arg;
	return s->merge ? merge_may_take(s->merge) : session_may_take(&s->parts->session) && inbounds_take_loose(&s->parts->inbounds);
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
		if (p->upstream)
			upstream_resume(p->upstream);
	turn_mark_all(s);
}

static void on_signal(void *arg, int number)
{
	struct shim *s = arg;

	(void)number;
	ending_begin(&s->ending, "signal");
}

/* ---- rules ------------------------------------------------------------------------------------------------------------------------ */
static void rules_changed(struct rulebook *r)
{
	struct shim *s = container_of(r, struct shim, rules);

	for_each_part(p, s)
		tools_rules_changed(&p->tools);
}

static void rules_answered(struct rulebook *r)
{
	turn_mark_all(container_of(r, struct shim, rules));
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------- */
static char *join_names(const struct start *start)
{
	CLEANUP(buf_release) struct buf names = { 0 };
	bool ok = true;

	buf_init(&names, MERGE_MAX_PARTS * 80);
	for (size_t i = 0; i < start->backends_n; i++)
		ok = ok && buf_printf(&names, "%s%s", i ? ", " : "", start->backends[i]);
	return buf_take(&names);
}

static void init_state(struct shim *s, struct start *start)
{
	s->options = *start->options;
	s->agent = config_agent(start->config, start->options->agent)->name;
	s->state_dir = start->state_dir;
	s->backends = join_names(start);
	s->uid = getuid();
	list_init(&s->calls);
	progress_init(&s->progress);
	rulebook_init(&s->rules, start->config, &start->mark);
	s->rules.changed = rules_changed;
	s->rules.answered = rules_answered;
	s->first_rules = ruleset_keep(s->rules.current);
	turn_open(&s->turn, s);
	state_init(&s->state, s);
	autostart_init(&s->autostart, s);
	ending_init(&s->ending, s);
	start->config = NULL;
	start->state_dir = NULL;
}

/* Of several, one that cannot be opened is a missing part. */
static enum err open_parts(struct shim *s, const struct start *start, struct problem *why)
{
	s->parts = xcalloc(start->backends_n, sizeof(*s->parts));
	for (; s->parts_n < start->backends_n; s->parts_n++) {
		struct part *p = &s->parts[s->parts_n];
		enum err e = part_init(p, s, start->backends[s->parts_n], why);
		if (e != OK && start->backends_n == 1) {
			s->parts_n = 1;
			return e;
		}
		if (e != OK) {
			log_warn("merge.missing", "backend=%s: %s", p->name, why->text);
			snprintf(p->missing, sizeof(p->missing), "%.290s", why->text);
		}
	}
	if (s->parts_n > 1)
		s->merge = merge_new(s);
	return OK;
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
	if ((e = open_parts(s, start, why)) != OK)
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
	merge_free(s->merge);
	s->merge = NULL;
	for_each_part(p, s)
		part_release(p);
	ending_release(&s->ending);
	if (s->autostart.shim)
		autostart_release(&s->autostart);
	progress_release(&s->progress);
	ruleset_drop(s->first_rules);
	rulebook_release(&s->rules);
	signals_release(&s->signals);
	loop_free(s->loop);
	free(s->parts);
	free(s->backends);
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
		if (s->merge)
			merge_go_on(s->merge);
		host_flush(&s->host);
		for_each_part(p, s)
			journal_go_on(&p->journal);     /* behind the replies */
		if (turn_has_marked(&s->turn) || may_go_on(s))
			loop_hurry(s->loop);
		ending_turn(&s->ending);
	}
}
