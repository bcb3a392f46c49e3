/* upstream_stdio - deliveries to a child: what waits, what is written, what is open, how it ends. See upstream_stdio.h. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/host.h"
#include "shim/upstream_stdio.h"

#define KEY_BYTES       (8 * JSONRPC_MAX_ID_BYTES)  /* escaping makes an id longer */
#define MAX_FORGOTTEN   1024
#define KEPT_LINE_BYTES (1024 * 1024)
#define CANCELLED       "it was cancelled"

static void kick(struct stdio_upstream *u)
{
	loop_timer_set(u->o.loop, &u->kick, 0);
}

/* ---- one delivery -------------------------------------------------------------------------------------------------------------- */
static void no_answer_in_time(struct loop_timer *t)
{
	outgoing_finish(container_of(t, struct outgoing, timer), FATE_UNKNOWN, "no answer came in time", true);
}

static struct outgoing *outgoing_new(struct stdio_upstream *u, struct delivery *d)
{
	struct outgoing *x = xcalloc(1, sizeof(*x));

	x->u = u;
	x->d = d;
	x->is_request = d->message->kind == JSONRPC_REQUEST;
	buf_init(&x->key, KEY_BYTES);
	list_init(&x->node);
	loop_timer_init(&x->timer, no_answer_in_time);
	d->transfer = x;
	return x;
}

static void outgoing_free(struct outgoing *x)
{
	struct stdio_upstream *u = x->u;

	if (u->writing == x)
		u->writing = NULL;
	if (x->key.len > 0 && map_get(u->by_id, buf_span(&x->key)) == x)
		map_remove(u->by_id, buf_span(&x->key));
	loop_timer_clear(&x->timer);
	list_remove(&x->node);
	buf_release(&x->key);
	free(x);
}

void outgoing_forget(struct outgoing *x)
{
	assert(x); /* who counts forgotten ones finds one */
	x->u->forgotten_n--;
	outgoing_free(x);
}

/* Its answer may still come, and must not be taken for that to another request. */
static void keep_forgotten(struct outgoing *x)
{
	struct stdio_upstream *u = x->u;

	if (u->writing == x)
		u->writing = NULL;
	loop_timer_clear(&x->timer);
	list_remove(&x->node);
	list_append(&u->forgotten, &x->node);
	if (++u->forgotten_n > MAX_FORGOTTEN)
		outgoing_forget(list_first(&u->forgotten, struct outgoing, node));
}

void outgoing_finish(struct outgoing *x, enum fate fate, const char *cause, bool has_timed_out)
{
	struct delivery *d = x->d;
	struct delivery_end end = { .fate = fate, .retry_after_ms = -1, .has_timed_out = has_timed_out,
		.is_large_result = x->is_large_result, .cause = cause };

	d->transfer = NULL;
	x->d = NULL;
	if (fate == FATE_UNKNOWN && x->key.len > 0 && x->u->phase == STDIO_UP)
		keep_forgotten(x);
	else
		outgoing_free(x);
	d->done(d, &end);
}

void outgoing_finish_all(struct list *among, enum fate fate, const char *cause)
{
	struct list all = *among;

	if (list_is_empty(among))
		return;
	all.next->prev = all.prev->next = &all;
	list_init(among);
	while (!list_is_empty(&all))
		outgoing_finish(list_first(&all, struct outgoing, node), fate, cause, false);
}

void outgoing_write_again(struct stdio_upstream *u, const char *method)
{
	list_for_each(x, &u->open, struct outgoing, node) {
		if (!x->d || x->d == &u->replay.delivery || strcmp(x->d->message->method, method) != 0)
			continue;
		map_remove(u->by_id, buf_span(&x->key));
		loop_timer_clear(&x->timer);
		list_remove(&x->node);
		list_append(u->waiting.next, &x->node);
		u->waiting_n++;
	}
}

static struct outgoing *first_cancelled(const struct list *among)
{
	list_for_each(x, among, struct outgoing, node)
		if (x->is_cancelled)
			return x;
	return NULL;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------- */
static struct outgoing *next_to_write(const struct stdio_upstream *u)
{
	struct outgoing *own = list_first(&u->own, struct outgoing, node);

	return own || u->is_replaying ? own : list_first(&u->waiting, struct outgoing, node);
}

static void leave_queue(struct outgoing *x)
{
	if (x->d != &x->u->replay.delivery)
		x->u->waiting_n--;
}

static void drop(struct outgoing *x, enum fate fate, const char *cause)
{
	leave_queue(x);
	outgoing_finish(x, fate, cause, false);
}

static bool is_answer(const struct outgoing *x)
{
	return x->d->message->kind == JSONRPC_RESULT || x->d->message->kind == JSONRPC_ERROR;
}

/* An answer to a request of the child before this one would be taken for an answer to a request of this one. */
static bool is_stale(const struct outgoing *x)
{
	return is_answer(x) && !stdio_has_asked(x->u, x->d->message->id);
}

static bool write_body(struct stdio_upstream *u, const struct outgoing *x)
{
	struct json_value body = x->d->message->root;

	buf_clear(&u->line);
	return json_append_line(body, &u->line) && buf_append_char(&u->line, '\n');
}

/* Its line stands in u->line, not a byte of it is written. False: it ended here. */
static bool prepare(struct outgoing *x)
{
	struct stdio_upstream *u = x->u;

	buf_clear(&x->key);
	if (x->is_cancelled)
		drop(x, FATE_NOT_SENT, CANCELLED);
	else if (x->is_request && (!jsonrpc_id_key(x->d->message->id, &x->key) || map_get(u->by_id, buf_span(&x->key))))
		drop(x, FATE_NOT_SENT, "a request with this id was sent before, and its answer may still come");
	else if (!write_body(u, x))
		drop(x, FATE_NOT_SENT, "the message is too long");
	else if (x->d->may_leave && !x->d->may_leave(x->d))
		drop(x, FATE_NOT_SENT, "it was held back at the last moment");
	else if (is_stale(x))
		drop(x, FATE_ACCEPTED, "");
	else
		return true;
	return false;
}

static void first_byte_left(struct outgoing *x)
{
	struct stdio_upstream *u = x->u;

	leave_queue(x);
	list_remove(&x->node);
	list_append(&u->open, &x->node);
	u->writing = x;
	u->was_probed |= strcmp(x->d->message->method, "server/discover") == 0;
	if (x->is_request)
		map_set(u->by_id, buf_span(&x->key), x);
	else if (is_answer(x))
		stdio_was_answered(u, x->d->message->id);
}

static void line_left(struct stdio_upstream *u)
{
	struct outgoing *x = u->writing;

	u->writing = NULL;
	u->written = 0;
	buf_clear(&u->line);
	if (u->line.room > KEPT_LINE_BYTES)
		buf_release(&u->line);
	if (!x)
		return;
	struct delivery *d = x->d;
	if (d->left)
		d->left(d);
	if (!x->is_request)
		outgoing_finish(x, FATE_ACCEPTED, "", false);
	else if (d->timeout_ms > 0)
		loop_timer_set(u->o.loop, &x->timer, d->timeout_ms);
}

/* What the pipe takes now. False: nothing more. */
static bool write_some(struct stdio_upstream *u)
{
	ssize_t n;

	do
		n = write(u->child.to, u->line.data + u->written, u->line.len - u->written);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		life_stop(u, "its command reads no more", STDIO_STOP_MS);
	if (n <= 0)
		return false;
	if (u->written == 0)
		first_byte_left(next_to_write(u));
	u->written += (size_t)n;
	if (u->written == u->line.len)
		line_left(u);
	return true;
}

bool stdio_may_write(const struct stdio_upstream *u)
{
	return u->phase == STDIO_UP && (u->written > 0 || next_to_write(u));
}

void stdio_write(struct stdio_upstream *u)
{
	while (stdio_may_write(u)) {
		if (u->written == 0 && !prepare(next_to_write(u)))
			continue;
		if (!write_some(u))
			return;
	}
}

/* ---- work for the next turn -------------------------------------------------------------------------------------------------------- */
/* Looked for anew after each one: done may send and cancel others. */
static void settle_cancelled(struct stdio_upstream *u)
{
	struct outgoing *x;

	while ((x = first_cancelled(&u->waiting)))
		drop(x, FATE_NOT_SENT, CANCELLED);
	while ((x = first_cancelled(&u->open)))
		outgoing_finish(x, FATE_UNKNOWN, CANCELLED, false);
}

static void on_kick(struct loop_timer *t)
{
	struct stdio_upstream *u = container_of(t, struct stdio_upstream, kick);

	settle_cancelled(u);
	if (u->phase == STDIO_DOWN && u->waiting_n > 0 && !u->is_pausing)
		life_start(u);
	if (u->phase == STDIO_FAILED) {
		u->waiting_n = 0;
		outgoing_finish_all(&u->waiting, FATE_NOT_SENT, u->failure);
	}
	if (u->phase == STDIO_UP || u->phase == STDIO_STOPPING)
		stdio_read(u);
	life_tell_ended(u);
}

/* ---- what upstream.c calls ---------------------------------------------------------------------------------------------------------- */
static struct stdio_upstream *of(struct upstream *base)
{
	return container_of(base, struct stdio_upstream, base);
}

static void send_in_turn(struct upstream *base, struct delivery *d)
{
	struct stdio_upstream *u = of(base);
	struct outgoing *x = outgoing_new(u, d);

	list_append(&u->waiting, &x->node);
	u->waiting_n++;
	if (u->phase == STDIO_DOWN || u->phase == STDIO_FAILED)
		kick(u);
}

void stdio_send_own(struct stdio_upstream *u, struct delivery *d)
{
	struct outgoing *x = outgoing_new(u, d);

	list_append(&u->own, &x->node);
}

static void cancel(struct upstream *base, struct delivery *d)
{
	struct outgoing *x = d->transfer;

	x->is_cancelled = true;
	kick(of(base));
}

static void resume(struct upstream *base)
{
	kick(of(base));
}

static void end(struct upstream *base, int64_t budget_ms, void (*ended)(void *arg), void *arg)
{
	struct stdio_upstream *u = of(base);

	u->ended = ended;
	u->ended_arg = arg;
	life_end(u, budget_ms);
	kick(u);               /* when there was nothing to end */
}

static void free_all(struct list *among)
{
	list_for_each(x, among, struct outgoing, node)
		outgoing_free(x);
}

static void release(struct upstream *base)
{
	struct stdio_upstream *u = of(base);

	life_release(u);
	free_all(&u->own);
	free_all(&u->waiting);
	free_all(&u->open);
	free_all(&u->forgotten);
	map_free(u->by_id, NULL);
	map_free(u->asked, NULL);
	lines_release(&u->in);
	lines_release(&u->err);
	buf_release(&u->line);
	loop_timer_clear(&u->kick);
	env_free(u->envp);
	free(u);
}

static size_t max_line_bytes(const struct config_backend *b)
{
	return (b->max_body_bytes > HOST_MAX_LINE_BYTES ? (size_t)b->max_body_bytes : HOST_MAX_LINE_BYTES) + 1;
}

static enum err new(const struct upstream_options *o, struct upstream **out, struct problem *why)
{
	struct stdio_upstream *u;
	char **envp = NULL;
	enum err e = env_new(o, &envp, why);

	if (e != OK)
		return e;
	u = xcalloc(1, sizeof(*u));
	u->base.kind = &upstream_stdio;
	u->o = *o;
	u->envp = envp;
	u->by_id = map_new();
	u->asked = map_new();
	list_init(&u->own);
	list_init(&u->waiting);
	list_init(&u->open);
	list_init(&u->forgotten);
	buf_init(&u->line, max_line_bytes(o->backend));
	lines_init(&u->in, (size_t)o->backend->max_body_bytes);
	lines_init(&u->err, 4096);
	loop_timer_init(&u->kick, on_kick);
	life_init(u);
	*out = &u->base;
	return OK;
}

/* Bytes that still lie in the pipe nobody has read. Where the kernel does not say, they count as read. */
static bool has_read(const struct upstream *base)
{
	const struct stdio_upstream *u = (const struct stdio_upstream *)base;
	int unread = 0;

	if (u->phase == STDIO_FAILED)
		return true;
	if (u->phase != STDIO_UP || u->written > 0 || u->waiting_n > 0)
		return false;
	return ioctl(u->child.to, FIONREAD, &unread) != 0 || unread == 0;
}

const struct upstream_kind upstream_stdio = { new, release, send_in_turn, cancel, resume, end, has_read };
