/* upstream_stdio_life - a child's start and death, the start anew with the same session, the end. See upstream_stdio.h. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/upstream_stdio.h"

#define WINDOW_US         (600 * 1000 * 1000LL)  /* max_restarts are counted in */
#define PAUSE_MS          100                    /* before the first restart; doubled with each */
#define MAX_PAUSE_MS      30000
#define AGAIN_MS          100                    /* between looks at a child that SIGKILL has not ended yet */
#define HANDSHAKE_MS      30000
#define MAX_OPENING_BYTES (1024 * 1024)

/* ---- descriptors ------------------------------------------------------------------------------------------------------------------ */
static short want_to(struct loop_source *s)
{
	return stdio_may_write(container_of(s, struct stdio_upstream, to)) ? POLLOUT : 0;
}

static void to_ready(struct loop_source *s, short events)
{
	struct stdio_upstream *u = container_of(s, struct stdio_upstream, to);

	(void)events;                           /* an error is the write's to meet */
	stdio_write(u);
}

static short want_from(struct loop_source *s)
{
	return stdio_may_read(container_of(s, struct stdio_upstream, from)) ? POLLIN : 0;
}

static void from_ready(struct loop_source *s, short events)
{
	(void)events;
	stdio_read(container_of(s, struct stdio_upstream, from));
}

static short want_input(struct loop_source *s)
{
	(void)s;
	return POLLIN;
}

static void said_ready(struct loop_source *s, short events)
{
	(void)events;
	stdio_read_said(container_of(s, struct stdio_upstream, said));
}

static void look_after(struct stdio_upstream *u);

static void watch_ready(struct loop_source *s, short events)
{
	struct stdio_upstream *u = container_of(s, struct stdio_upstream, watch);

	(void)events;
	if (!child_has_ended(&u->child))
		return;
	loop_remove(&u->watch);
	life_stop(u, "its command ended", STDIO_REST_MS);
	look_after(u);
}

static void add_source(struct stdio_upstream *u, struct loop_source *s, int fd)
{
	s->fd = fd;
	if (fd >= 0)
		loop_add(u->o.loop, s);
}

static void shut(struct loop_source *s, int *fd)
{
	loop_remove(s);
	close_fdp(fd);
	s->fd = -1;
}

/* ---- starting --------------------------------------------------------------------------------------------------------------------- */
static void fail(struct stdio_upstream *u, const char *what, const char *which)
{
	u->phase = STDIO_FAILED;
	(void)snprintf(u->failure, sizeof(u->failure), "%s%s", what, which);
	log_error("upstream.failed", "backend=%s why=%s", u->o.backend->name, u->failure);
	loop_timer_set(u->o.loop, &u->kick, 0);
}

static void replay_begin(struct stdio_upstream *u);

void life_start(struct stdio_upstream *u)
{
	const struct config_list *argv = &u->o.backend->command;
	char **copy = xcalloc(argv->n + 1, sizeof(*copy));
	struct child_command command = { .argv = copy, .envp = u->envp, .cwd = u->o.backend->cwd };
	struct problem why = { 0 };

	memcpy(copy, argv->v, argv->n * sizeof(*copy));
	enum err e = child_start(&command, &u->child, &why);
	free(copy);
	if (e != OK) {
		fail(u, why.text, "");
		return;
	}
	log_info("upstream.start", "backend=%s pid=%d", u->o.backend->name, (int)u->child.pid);
	u->phase = STDIO_UP;
	u->was_signalled = u->has_complained = u->was_probed = u->has_spoken = false;
	add_source(u, &u->to, u->child.to);
	add_source(u, &u->from, u->child.from);
	add_source(u, &u->said, u->child.said);
	add_source(u, &u->watch, u->child.watch);
	if (u->opening.len > 0)
		replay_begin(u);
}

/* ---- the session, anew ------------------------------------------------------------------------------------------------------------ */
void life_opened(struct stdio_upstream *u, const struct jsonrpc *request, const struct jsonrpc *response)
{
	u->has_batches = json_string_is(json_get(response->result, "protocolVersion"), "2025-03-26");
	setup_opened(&u->setup, response, u->is_replaying ? SETUP_RESTARTED : SETUP_FIRST, &u->o.events);
	if (u->is_replaying)
		return;
	buf_clear(&u->opening);
	if (!buf_append_span(&u->opening, request->params.text))
		log_warn("upstream.session", "backend=%s why=\"initialize is too long to be kept: no restart will be possible\"",
			u->o.backend->name);
}

static void replay_failed(struct stdio_upstream *u)
{
	life_stop(u, "its command did not take the session up again", STDIO_STOP_MS);
}

static void replay_send(struct stdio_upstream *u, void (*done)(struct delivery *, const struct delivery_end *))
{
	struct delivery *d = &u->replay.delivery;
	int64_t limit_ms = u->o.backend->timeout_ms;

	jsonrpc_read(buf_span(&u->replay.body), &u->replay.message);
	d->body = buf_span(&u->replay.body);
	d->message = &u->replay.message;
	d->timeout_ms = limit_ms > 0 && limit_ms < HANDSHAKE_MS ? limit_ms : HANDSHAKE_MS;
	d->done = done;
	stdio_send_own(u, d);
}

static void replay_over(struct stdio_upstream *u)
{
	u->is_replaying = false;
	log_info("upstream.session", "backend=%s why=\"the session goes on with the new process\"", u->o.backend->name);
}

static bool write_request(struct stdio_upstream *u, const char *method, struct span params)
{
	char id[48];

	(void)snprintf(id, sizeof(id), "\"aegis:restart:%u\"", ++u->replays);
	buf_clear(&u->replay.body);
	return jsonrpc_write_call(&u->replay.body, (struct json_value){ JSON_STRING, span_of(id) }, method, params);
}

static void setup_done(struct delivery *d, const struct delivery_end *end);

/* All that wait go after it, as they did the first time. */
static void replay_setup(struct stdio_upstream *u)
{
	const char *method, *params;

	if (!setup_next(&u->setup, &method, &params))
		replay_over(u);
	else if (write_request(u, method, span_of(params)))
		replay_send(u, setup_done);
	else
		replay_failed(u);
}

static void setup_done(struct delivery *d, const struct delivery_end *end)
{
	struct stdio_upstream *u = container_of(d, struct stdio_upstream, replay.delivery);

	if (u->phase != STDIO_UP)
		return;
	if (end->fate == FATE_ANSWERED) {
		replay_setup(u);
		return;
	}
	log_warn("upstream.session", "backend=%s method=%s why=\"not set up again: %s\"", u->o.backend->name, u->replay.message.method, end->cause);
	replay_over(u);                 /* one that does not answer would hold up the session for each of them */
}

static void initialized_done(struct delivery *d, const struct delivery_end *end)
{
	struct stdio_upstream *u = container_of(d, struct stdio_upstream, replay.delivery);

	if (end->fate != FATE_ACCEPTED) {
		replay_failed(u);
		return;
	}
	setup_begin(&u->setup);
	replay_setup(u);
}

static void initialize_answered(struct delivery *d, const struct jsonrpc *response)
{
	container_of(d, struct stdio_upstream, replay.delivery)->replay.is_answered = response->kind == JSONRPC_RESULT;
}

static void initialize_done(struct delivery *d, const struct delivery_end *end)
{
	struct stdio_upstream *u = container_of(d, struct stdio_upstream, replay.delivery);

	(void)end;
	buf_clear(&u->replay.body);
	if (u->replay.is_answered &&
		jsonrpc_write_call(&u->replay.body, (struct json_value){ 0 }, "notifications/initialized", (struct span){ 0 }))
		replay_send(u, initialized_done);
	else
		replay_failed(u);
}

static void replay_begin(struct stdio_upstream *u)
{
	u->is_replaying = true;
	u->replay.is_answered = false;
	u->replay.delivery = (struct delivery){ .answered = initialize_answered };
	if (write_request(u, "initialize", buf_span(&u->opening)))
		replay_send(u, initialize_done);
	else
		replay_failed(u);
}

/* ---- death ------------------------------------------------------------------------------------------------------------------------ */
void life_stop(struct stdio_upstream *u, const char *reason, int64_t budget_ms)
{
	if (u->phase != STDIO_UP)
		return;
	u->phase = STDIO_STOPPING;
	u->reason = reason;
	u->step = 0;
	u->budget_ms = budget_ms;
	shut(&u->to, &u->child.to);
	u->writing = NULL;
	u->written = 0;
	buf_release(&u->line);
	loop_timer_set(u->o.loop, &u->pace, budget_ms / 2);
}

void life_output_ended(struct stdio_upstream *u)
{
	shut(&u->from, &u->child.from);
	life_stop(u, "its command closed its output", STDIO_STOP_MS);
	look_after(u);
}

void life_errors_ended(struct stdio_upstream *u)
{
	shut(&u->said, &u->child.said);
}

static void write_cause(struct stdio_upstream *u)
{
	int status = u->child.status;

	if (u->was_signalled)
		(void)snprintf(u->cause, sizeof(u->cause), "%s", u->reason);
	else if (WIFSIGNALED(status))
		(void)snprintf(u->cause, sizeof(u->cause), "its command was ended by signal %d", WTERMSIG(status));
	else
		(void)snprintf(u->cause, sizeof(u->cause), "its command ended with exit code %d", WEXITSTATUS(status));
	log_info("upstream.exit", "backend=%s why=%s", u->o.backend->name, u->cause);
}

static bool may_restart(struct stdio_upstream *u)
{
	int64_t now_us = clock_mono_us();
	size_t old = 0;

	while (old < u->restarts_n && now_us - u->restarts_us[old] >= WINDOW_US)
		old++;
	u->restarts_n -= old;
	memmove(u->restarts_us, u->restarts_us + old, u->restarts_n * sizeof(*u->restarts_us));
	if (u->restarts_n >= (size_t)u->o.backend->max_restarts)
		return false;
	u->restarts_us[u->restarts_n++] = now_us;
	return true;
}

static int64_t pause_ms(const struct stdio_upstream *u)
{
	int64_t ms = PAUSE_MS;

	for (size_t i = 1; i < u->restarts_n && ms < MAX_PAUSE_MS; i++)
		ms *= 2;
	return ms < MAX_PAUSE_MS ? ms : MAX_PAUSE_MS;
}

/* Some servers of the older revisions end at any request before initialize, and so at server/discover, which says that much. What followed
 * was not read. */
static bool has_ended_at_a_probe(struct stdio_upstream *u)
{
	bool is_so = u->was_probed && !u->has_spoken && !u->was_signalled && !u->was_forgiven && !u->is_ending;

	u->was_forgiven |= is_so;
	return is_so;
}

/* A session that was open is taken up by itself; otherwise the next delivery starts a new child, not before the pause. */
static void decide_what_next(struct stdio_upstream *u)
{
	u->phase = STDIO_DOWN;
	u->is_replaying = false;
	if (u->is_ending) {
		return;
	} else if (has_ended_at_a_probe(u)) {
		outgoing_write_again(u, "initialize");
		loop_timer_set(u->o.loop, &u->kick, 0);
	} else if (u->o.backend->on_exit == ON_EXIT_FAIL) {
		fail(u, u->cause, " and is not started again (on_exit: fail)");
	} else if (!may_restart(u)) {
		fail(u, u->cause, " and was started again too often (max_restarts)");
	} else {
		u->is_pausing = true;
		loop_timer_set(u->o.loop, &u->pace, pause_ms(u));
		log_warn("upstream.restart", "backend=%s in_ms=%lld why=%s", u->o.backend->name, (long long)pause_ms(u), u->cause);
	}
}

static void over(struct stdio_upstream *u)
{
	write_cause(u);
	loop_timer_clear(&u->pace);
	stdio_read_last_words(u);
	shut(&u->said, &u->child.said);
	shut(&u->watch, &u->child.watch);
	child_release(&u->child);
	lines_release(&u->in);
	lines_release(&u->err);
	decide_what_next(u);
	stdio_void_asked(u);
	while (u->forgotten_n > 0)
		outgoing_forget(list_first(&u->forgotten, struct outgoing, node));
	outgoing_finish_all(&u->own, FATE_NOT_SENT, u->cause);
	outgoing_finish_all(&u->open, FATE_UNKNOWN, u->cause);
	life_tell_ended(u);
}

/* Over when it is reaped and all that it wrote is read. */
static void look_after(struct stdio_upstream *u)
{
	if (u->phase == STDIO_STOPPING && u->child.from < 0 && child_has_ended(&u->child))
		over(u);
}

/* Whoever still holds its stdout has left the group, and is not waited for. */
static void read_the_rest(struct stdio_upstream *u)
{
	stdio_read(u);
	if (u->child.from >= 0 && stdio_may_read(u))
		shut(&u->from, &u->child.from);
}

static void stop_on(struct stdio_upstream *u)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	bool has_ended = child_has_ended(&u->child);

	if (u->step < (int)ARRAY_LEN(signals)) {
		u->was_signalled |= !has_ended;
		child_signal(&u->child, signals[u->step++]);
		loop_timer_set(u->o.loop, &u->pace, u->step == 1 ? u->budget_ms / 3 : AGAIN_MS);
	} else {
		loop_timer_set(u->o.loop, &u->pace, AGAIN_MS);
		read_the_rest(u);
	}
	look_after(u);
}

static void on_pace(struct loop_timer *t)
{
	struct stdio_upstream *u = container_of(t, struct stdio_upstream, pace);

	if (u->phase == STDIO_STOPPING) {
		stop_on(u);
		return;
	}
	u->is_pausing = false;
	if (u->opening.len > 0 || u->waiting_n > 0)
		life_start(u);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------------- */
void life_end(struct stdio_upstream *u, int64_t budget_ms)
{
	u->is_ending = true;
	if (u->phase == STDIO_UP)
		life_stop(u, "the session ended", budget_ms);
	else if (u->phase == STDIO_DOWN)
		loop_timer_clear(&u->pace);
}

void life_tell_ended(struct stdio_upstream *u)
{
	void (*ended)(void *arg) = u->ended;

	if (!ended || u->phase == STDIO_UP || u->phase == STDIO_STOPPING)
		return;
	u->ended = NULL;
	ended(u->ended_arg);
}

void life_init(struct stdio_upstream *u)
{
	int64_t max_restarts = u->o.backend->max_restarts;

	u->to = (struct loop_source){ .fd = -1, .want = want_to, .ready = to_ready };
	u->from = (struct loop_source){ .fd = -1, .want = want_from, .ready = from_ready };
	u->said = (struct loop_source){ .fd = -1, .want = want_input, .ready = said_ready };
	u->watch = (struct loop_source){ .fd = -1, .want = want_input, .ready = watch_ready };
	u->restarts_us = xcalloc(max_restarts > 0 ? (size_t)max_restarts : 1, sizeof(*u->restarts_us));
	loop_timer_init(&u->pace, on_pace);
	setup_init(&u->setup);
	buf_init(&u->opening, MAX_OPENING_BYTES);
	buf_init(&u->replay.body, MAX_OPENING_BYTES + 256);
	child_init(&u->child);
}

void life_release(struct stdio_upstream *u)
{
	loop_remove(&u->to);
	loop_remove(&u->from);
	loop_remove(&u->said);
	loop_remove(&u->watch);
	loop_timer_clear(&u->pace);
	child_release(&u->child);
	buf_release(&u->opening);
	buf_release(&u->replay.body);
	setup_release(&u->setup);
	free(u->restarts_us);
}
