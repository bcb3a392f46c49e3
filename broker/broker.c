#include "broker/broker.h"
#include <signal.h>
#include "base/log.h"
#include "base/xalloc.h"

#define TICK_MS     1000
#define HARD_END_MS 5000                 /* whatever still blocks then */

#define for_each_module(m) for (const struct broker_module *m = broker_modules; m->name; m++)      /* NOLINT(bugprone-macro-parentheses) */

struct store *broker_store(const struct broker *b)
{
	return b->state.store;
}

/* ---- looking ----------------------------------------------------------------------------------------------------------------------- */
bool broker_is_busy(const struct broker *b)
{
	for (size_t i = 0; i < b->opened; i++)
		if (broker_modules[i].is_busy && broker_modules[i].is_busy(b))
			return true;
	return false;
}

static void look_at_rules(struct broker *b)
{
	enum rulebook_answer answer = rulebook_look(&b->rules, b->state.store);

	b->generation = b->rules.current->generation;
	if (answer == RULES_BEHIND && !b->is_behind)
		log_warn("rules.behind", "%s", b->rules.why);
	b->is_behind = answer == RULES_BEHIND;
}

void broker_look(struct broker *b)
{
	if (b->is_ending)
		return;
	look_at_rules(b);
	for (size_t i = 0; i < b->opened; i++)
		if (broker_modules[i].look)
			broker_modules[i].look(b);
}

/* run/broker.lock was removed under us, and somebody else took the place meanwhile. */
static void keep_place(struct broker *b)
{
	pid_t holder = 0;

	if (broker_lock_keep(&b->lock, &holder) != ERR_STORE_BUSY)
		return;
	log_warn("broker.replaced", "pid=%d: another aegis-broker serves %s now", (int)holder, b->state_dir);
	broker_end(b);
}

static void tick(struct loop_timer *timer)
{
	struct broker *b = container_of(timer, struct broker, tick);

	if (b->is_ending)
		return;
	loop_timer_set(b->loop, &b->tick, TICK_MS);
	keep_place(b);
	logfile_keep(&b->log);
	if (state_is_open(&b->state))
		store_tidy(b->state.store);
	look_at_rules(b);
	if (broker_is_busy(b))
		broker_look(b);
}

/* ---- rules ------------------------------------------------------------------------------------------------------------------------- */
static void take_rules(struct broker *b)
{
	b->config = b->rules.current->config;
	b->generation = b->rules.current->generation;
}

/* A few things are settled at the start: a change there is said, not half done. */
static void note_unmoved(const struct broker *b)
{
	CLEANUP(free_charp) char *state_dir = config_state_dir(b->config, b->options.state_dir);

	if (state_dir && strcmp(state_dir, b->state_dir) != 0)
		log_warn("rules.restart", "state_dir is another one now; aegis-broker goes on with %s until it is started anew", b->state_dir);
}

static void tell_modules(struct broker *b)
{
	for (size_t i = 0; i < b->opened; i++)
		if (broker_modules[i].rules_changed)
			broker_modules[i].rules_changed(b);
}

static void rules_changed(struct rulebook *r)
{
	struct broker *b = container_of(r, struct broker, rules);

	take_rules(b);
	options_setup_log(&b->options, b->config);
	note_unmoved(b);
	tell_modules(b);
}

static void rules_answered(struct rulebook *r)
{
	take_rules(container_of(r, struct broker, rules));
}

enum err broker_reload(struct broker *b, struct config_report *report)
{
	const struct ruleset *before = b->rules.current;
	enum err e = rulebook_reread(&b->rules, report);

	if (b->is_ending)
		return e;
	look_at_rules(b);
	if (e == OK && b->rules.current == before && !b->rules.offered)
		tell_modules(b);        /* the same rules, but secrets that stand in files may be others */
	return e;
}

static void reload_by_signal(struct broker *b)
{
	CLEANUP(config_report_release) struct config_report report = { 0 };

	log_info("rules.reload", "SIGHUP");
	service_reloading(&b->service);
	if (broker_reload(b, &report) != OK)
		log_warn("rules.reload", "%s has errors; the rules in force stay", b->rules.path);
	service_ready(&b->service);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------- */
static void on_signal(void *arg, int number)
{
	struct broker *b = arg;

	if (number == SIGHUP && !b->is_ending)
		reload_by_signal(b);
	else if (number != SIGHUP)
		broker_end(b);
}

void broker_end(struct broker *b)
{
	if (b->is_ending)
		return;
	log_info("broker.ending", "state_dir=%s", b->state_dir);
	b->is_ending = true;
	service_stopping(&b->service);
	signals_hard_end(HARD_END_MS);
	for (size_t i = b->opened; i-- > 0;)
		if (broker_modules[i].stop)
			broker_modules[i].stop(b);
	state_leave(&b->state);
	loop_hurry(b->loop);
}

static enum err take_place(struct broker *b, struct problem *why)
{
	pid_t holder = 0;
	enum err e;

	b->state_dir = config_state_dir(b->config, b->options.state_dir);
	if (!b->state_dir) {
		problem_set(why, "there is no home directory to keep approvals and audit in; set state_dir or --state-dir");
		return ERR_NOT_FOUND;
	}
	e = broker_lock_take(&b->lock, b->state_dir, &holder);
	if (e == ERR_STORE_BUSY)
		problem_set(why, "another aegis-broker (pid %d) serves %s already; nothing to do", (int)holder, b->state_dir);
	else if (e != OK)
		problem_set(why, "state folder %s: %s", b->state_dir, err_text(e));
	return e;
}

static enum err open_modules(struct broker *b, struct problem *why)
{
	for_each_module(m) {
		enum err e = m->open ? m->open(b, why) : OK;
		b->opened++;
		if (e == OK)
			continue;
		if (!why->text[0])
			problem_set(why, "%s: %s", m->name, err_text(e));
		return e;
	}
	return OK;
}

enum err broker_init(struct broker *b, const struct options *o, struct rulebook_found *found, struct problem *why)
{
	enum err e;

	*b = (struct broker){ .options = *o, .lock.fd = -1, .service.fd = -1 };
	rulebook_init(&b->rules, found->config, &found->mark);
	found->config = NULL;
	b->rules.changed = rules_changed;
	b->rules.answered = rules_answered;
	take_rules(b);
	loop_timer_init(&b->tick, tick);
	if ((e = take_place(b, why)) != OK)
		return e;
	if ((e = loop_new(&b->loop)) != OK || (e = signals_init(&b->signals, b->loop, on_signal, b)) != OK) {
		problem_set(why, "the event loop cannot be set up");
		return e;
	}
	b->has_loop = true;
	if (o->is_auto_started && !o->is_foreground)
		(void)!logfile_open(&b->log, b->state_dir);
	service_init(&b->service, b->loop);
	state_init(&b->state, b);
	(void)state_is_open(&b->state);
	look_at_rules(b);
	return open_modules(b, why);
}

void broker_run(struct broker *b)
{
	loop_timer_set(b->loop, &b->tick, TICK_MS);
	state_run(&b->state);
	log_info("broker.ready", "version=%s state_dir=%s config=%s", AEGIS_VERSION, b->state_dir, b->rules.path);
	service_status(&b->service, "serving %.200s", b->state_dir);
	service_ready(&b->service);
	while (!b->is_ending || !b->state.is_left) {
		loop_turn(b->loop);
		state_run(&b->state);
	}
}

void broker_release(struct broker *b)
{
	if (b->has_loop) {
		b->is_ending = true;
		state_release(&b->state);
	}
	while (b->opened > 0)
		if (broker_modules[--b->opened].close)
			broker_modules[b->opened].close(b);
	rulebook_release(&b->rules);
	if (b->has_loop) {
		loop_timer_clear(&b->tick);
		service_release(&b->service);
		signals_release(&b->signals);
	}
	loop_free(b->loop);
	broker_lock_release(&b->lock);
	logfile_release(&b->log);
	free(b->state_dir);
}
