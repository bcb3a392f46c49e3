#include "broker/runner.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/readfd.h"
#include "base/utf8.h"
#include "base/xalloc.h"

#define RUNNER_KILL_MS  2000
#define RUNNER_LOOK_MS  100              /* where the kernel cannot tell a death (child.h) */
#define RUNNER_LINE_MAX 1024

/* ---- its environment ---------------------------------------------------------------------------------------------------------- */

static const char *const passed_on[] = { "HOME", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "DISPLAY",
	"WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME" };

static char **environment_new(void)
{
	char **envp = xcalloc(ARRAY_LEN(passed_on) + 1, sizeof(*envp));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
		const char *value = getenv(passed_on[i]);
		if (value)
			envp[n++] = xasprintf("%s=%s", passed_on[i], value);
	}
	return envp;
}

static void environment_free(char **envp)
{
	for (size_t i = 0; envp && envp[i]; i++)
		free(envp[i]);
	free(envp);
}

/* ---- its end ----------------------------------------------------------------------------------------------------------------------- */

static void runner_let_go(struct runner *r)
{
	if (!r->is_running)
		return;
	r->is_running = false;
	loop_remove(&r->to);
	loop_remove(&r->from);
	loop_remove(&r->err);
	loop_remove(&r->end);
	loop_timer_clear(&r->timer);
	loop_timer_clear(&r->pulse);
	loop_timer_clear(&r->finish);
	child_release(&r->child);
	buf_release(&r->input);
	buf_release(&r->line);
	environment_free(r->envp);
	r->envp = NULL;
}

void runner_cancel(struct runner *r)
{
	runner_let_go(r);
}

/* The first line, whole characters, what cannot be seen as "?". */
static void keep_line(struct runner *r)
{
	size_t n = 0, end = r->line.len ? span_line_length(buf_span(&r->line)) : 0;

	for (size_t i = 0; i < end;) {
		uint32_t code = 0;
		size_t k = utf8_decode(r->line.data + i, end - i, &code);
		bool is_shown = k > 0 && !utf8_is_hidden(code);
		if (n + (is_shown ? k : 1) >= sizeof(r->said))
			break;
		memcpy(r->said + n, is_shown ? r->line.data + i : "?", is_shown ? k : 1);
		n += is_shown ? k : 1;
		i += k ? k : 1;
	}
	r->said[n] = '\0';
}

/* What it said last may not have been read yet. */
static void read_line(struct runner *r)
{
	while (r->child.said >= 0 && readfd_step(r->child.said, &r->line) == READFD_MORE)
		;
}

static void finish(struct loop_timer *t)
{
	struct runner *r = container_of(t, struct runner, finish);

	runner_let_go(r);
	r->done(r);
}

static void look_for_end(struct runner *r)
{
	if (!r->is_running || !child_has_ended(&r->child))
		return;
	r->exit_code = WIFEXITED(r->child.status) ? WEXITSTATUS(r->child.status) : -1;
	read_line(r);
	keep_line(r);
	loop_timer_clear(&r->timer);
	loop_timer_clear(&r->pulse);
	loop_remove(&r->end);
	loop_timer_set(r->broker->loop, &r->finish, 0);
}

/* Its time is over: asked first, then ended. */
static void limit_reached(struct loop_timer *t)
{
	struct runner *r = container_of(t, struct runner, timer);

	child_signal(&r->child, r->has_timed_out ? SIGKILL : SIGTERM);
	r->has_timed_out = true;
	loop_timer_set(r->broker->loop, t, RUNNER_KILL_MS);
}

static void pulse(struct loop_timer *t)
{
	struct runner *r = container_of(t, struct runner, pulse);

	loop_timer_set(r->broker->loop, t, RUNNER_LOOK_MS);
	look_for_end(r);
}

/* ---- its three descriptors ---------------------------------------------------------------------------------------------------------- */

static short wants_in(struct loop_source *s)
{
	(void)s;
	return POLLIN;
}

static short wants_out(struct loop_source *s)
{
	(void)s;
	return POLLOUT;
}

static void shut(struct loop_source *s, int *fd)
{
	loop_remove(s);
	s->fd = -1;
	close_fdp(fd);
}

/* A program that does not read its stdin is none the worse for it. */
static void to_ready(struct loop_source *s, short events)
{
	struct runner *r = container_of(s, struct runner, to);
	ssize_t n = r->input.len ? write(s->fd, r->input.data, r->input.len) : 0;

	(void)events;
	if (n > 0)
		buf_consume(&r->input, (size_t)n);
	if (r->input.len == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(s, &r->child.to);
}

static bool is_at_end(ssize_t n)
{
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void from_ready(struct loop_source *s, short events)
{
	struct runner *r = container_of(s, struct runner, from);
	char thrown_away[4096];

	(void)events;
	if (is_at_end(read(s->fd, thrown_away, sizeof(thrown_away))))
		shut(s, &r->child.from);
}

static void err_ready(struct loop_source *s, short events)
{
	struct runner *r = container_of(s, struct runner, err);
	char bytes[4096];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));

	(void)events;
	if (n > 0)
		(void)!buf_append(&r->line, bytes, (size_t)n < r->line.cap_bytes - r->line.len ? (size_t)n : r->line.cap_bytes - r->line.len);
	if (is_at_end(n))
		shut(s, &r->child.said);
}

static void end_ready(struct loop_source *s, short events)
{
	(void)events;
	look_for_end(container_of(s, struct runner, end));
}

/* ---- its beginning ----------------------------------------------------------------------------------------------------------------- */

static void watch_all(struct runner *r)
{
	struct loop *l = r->broker->loop;

	r->to = (struct loop_source){ .fd = r->child.to, .want = wants_out, .ready = to_ready };
	r->from = (struct loop_source){ .fd = r->child.from, .want = wants_in, .ready = from_ready };
	r->err = (struct loop_source){ .fd = r->child.said, .want = wants_in, .ready = err_ready };
	r->end = (struct loop_source){ .fd = r->child.watch, .want = wants_in, .ready = end_ready };
	loop_add(l, &r->to);
	loop_add(l, &r->from);
	loop_add(l, &r->err);
	loop_add(l, &r->end);
	loop_timer_set(l, &r->timer, RUNNER_LIMIT_MS);
	if (r->child.watch < 0)
		loop_timer_set(l, &r->pulse, RUNNER_LOOK_MS);
}

void runner_start(struct runner *r)
{
	struct child_command c = { .argv = r->argv, .cwd = "/" };
	struct problem why;

	r->is_running = true;
	r->has_timed_out = false;
	r->exit_code = -1;
	r->said[0] = '\0';
	r->envp = environment_new();
	c.envp = r->envp;
	buf_init(&r->line, RUNNER_LINE_MAX);
	loop_timer_init(&r->timer, limit_reached);
	loop_timer_init(&r->pulse, pulse);
	loop_timer_init(&r->finish, finish);
	r->has_started = child_start(&c, &r->child, &why) == OK;
	if (r->has_started) {
		watch_all(r);
		return;
	}
	(void)snprintf(r->said, sizeof(r->said), "%.190s", why.text);
	r->to.fd = r->from.fd = r->err.fd = r->end.fd = -1;
	loop_timer_set(r->broker->loop, &r->finish, 0);
}
