#include "broker/ctl/client.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#define SHIM         "aegis-shim"
#define PATIENCE_MS  2000
#define MAX_ARGV     16
#define READ_SIZE    ((size_t)64 * 1024)

extern char **environ;

struct client {
	pid_t pid;
	int to, from;            /* its stdin and stdout */
	struct buf in;           /* what was read and not yet taken */
	size_t taken;            /* bytes of in that the last message holds */
	int64_t last_id;
	void (*seen)(const struct jsonrpc *notification);
};

/* ---- finding and starting it ------------------------------------------------------------------ */
static bool own_path(char *out, size_t size)
{
#ifdef __APPLE__
	uint32_t room = (uint32_t)size;
	return _NSGetExecutablePath(out, &room) == 0;
#else
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
#endif
}

/* Owned: the one beside us, or the bare name, which posix_spawnp looks up in PATH. */
static char *shim_path(void)
{
	char self[4096];

	if (!own_path(self, sizeof self))
		return xstrdup(SHIM);
	CLEANUP(free_charp) char *folder = path_folder_of(self);
	CLEANUP(free_charp) char *beside = path_join(folder, SHIM);
	return access(beside, X_OK) == 0 ? xstrdup(beside) : xstrdup(SHIM);
}

struct argv {
	const char *v[MAX_ARGV];
	size_t n;
};

static void argv_add(struct argv *a, const char *option, const char *value)
{
	if (!value)
		return;
	a->v[a->n++] = option;
	a->v[a->n++] = value;
}

static bool pipe_new(int ends[2])
{
	if (pipe(ends) != 0)
		return false;
	(void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return true;
}

/* 0 or errno. */
static int spawn(struct client *c, const char *program, const struct argv *argv)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	posix_spawn_file_actions_t actions;

	if (!pipe_new(in) || !pipe_new(out)) {
		int why = errno;
		close_fdp(&in[0]);
		close_fdp(&in[1]);
		return why;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	int result = posix_spawnp(&c->pid, program, &actions, NULL, (char *const *)(uintptr_t)argv->v, environ);
	posix_spawn_file_actions_destroy(&actions);
	close_fdp(&in[0]);
	close_fdp(&out[1]);
	c->to = in[1];
	c->from = out[0];
	return result;
}

enum err client_start(const struct client_options *o, struct client **out, struct problem *why)
{
	CLEANUP(free_charp) char *program = shim_path();
	struct client *c = xcalloc(1, sizeof *c);
	struct argv argv = { .v = { SHIM }, .n = 1 };

	argv_add(&argv, "--agent", o->agent);
	argv_add(&argv, "--backend", o->backend);
	argv_add(&argv, "--config", o->ctl->config);
	argv_add(&argv, "--state-dir", o->ctl->state_dir);
	argv_add(&argv, "--log-level", "warn");
	buf_init(&c->in, CLIENT_MAX_LINE + READ_SIZE);
	c->seen = o->seen;
	c->to = c->from = -1;
	signal(SIGPIPE, SIG_IGN);
	int result = spawn(c, program, &argv);
	if (result == 0) {
		*out = c;
		return OK;
	}
	problem_set(why, "%s cannot be started: %s", program, strerror(result));
	c->pid = 0;
	client_stop(c);
	return result == ENOENT ? ERR_NOT_FOUND : ERR_IO;
}

/* ---- its end ---------------------------------------------------------------------------------- */
static bool has_ended(struct client *c, int64_t patience_ms)
{
	const int64_t until_us = clock_mono_us() + patience_ms * 1000;

	while (waitpid(c->pid, NULL, WNOHANG) == 0) {
		if (clock_mono_us() >= until_us)
			return false;
		(void)poll(NULL, 0, 1);
	}
	return true;
}

void client_stop(struct client *c)
{
	if (!c)
		return;
	close_fdp(&c->to);
	if (c->pid > 0 && !has_ended(c, PATIENCE_MS)) {
		kill(c->pid, SIGTERM);
		if (!has_ended(c, PATIENCE_MS)) {
			kill(c->pid, SIGKILL);
			(void)waitpid(c->pid, NULL, 0);
		}
	}
	close_fdp(&c->from);
	buf_release(&c->in);
	free(c);
}

/* ---- messages --------------------------------------------------------------------------------- */
static enum err send_line(struct client *c, struct buf *line, struct problem *why)
{
	if (!buf_append_char(line, '\n')) {
		problem_set(why, "the message is too large");
		return ERR_TOO_LARGE;
	}
	for (size_t at = 0; at < line->len;) {
		ssize_t n = write(c->to, line->data + at, line->len - at);
		if (n < 0 && errno != EINTR) {
			problem_set(why, SHIM " has ended");
			return ERR_IO;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return OK;
}

static enum err send_call(struct client *c, struct json_value id, const char *method, struct span params,
	struct problem *why)
{
	struct buf line CLEANUP(buf_release);

	buf_init(&line, CLIENT_MAX_LINE);
	if (jsonrpc_write_call(&line, id, method, params))
		return send_line(c, &line, why);
	problem_set(why, "the message is too large");
	return ERR_TOO_LARGE;
}

/* Waits for the next line; it stands at the start of c->in until the next call. */
static enum err next_line(struct client *c, struct span *line, struct problem *why)
{
	size_t searched = 0;

	buf_consume(&c->in, c->taken);
	c->taken = 0;
	for (;;) {
		const char *end = c->in.len > searched
		                          ? memchr(c->in.data + searched, '\n', c->in.len - searched) : NULL;
		if (end) {
			*line = (struct span){ c->in.data, (size_t)(end - c->in.data) };
			c->taken = line->len + 1;
			return OK;
		}
		searched = c->in.len;
		char *room = buf_reserve(&c->in, READ_SIZE);
		ssize_t n = room ? read(c->from, room, READ_SIZE) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			problem_set(why, room ? SHIM " ended without an answer" : SHIM " sent a line without end");
			return ERR_IO;
		}
		buf_added(&c->in, (size_t)n);
	}
}

/* A backend may ask us things; we offer nothing but ping. */
static enum err answer_request(struct client *c, const struct jsonrpc *request, struct problem *why)
{
	struct buf line CLEANUP(buf_release);

	buf_init(&line, 4096);
	bool is_whole = strcmp(request->method, "ping") == 0
	                        ? jsonrpc_write_result(&line, request->id, SPAN("{}"))
	                        : jsonrpc_write_error(&line, request->id, -32601,
					  SPAN("method not found"), (struct span){ 0 });
	return is_whole ? send_line(c, &line, why) : OK;
}

static bool is_response_to(const struct jsonrpc *message, int64_t id)
{
	int64_t got = 0;

	return (message->kind == JSONRPC_RESULT || message->kind == JSONRPC_ERROR) &&
	       message->id.kind == JSON_NUMBER && json_to_i64(message->id, &got) && got == id;
}

enum err client_request(struct client *c, const char *method, struct span params, struct jsonrpc *response,
	struct problem *why)
{
	struct span line;
	char id[24];

	snprintf(id, sizeof id, "%lld", (long long)++c->last_id);
	enum err e = send_call(c, (struct json_value){ JSON_NUMBER, span_of(id) }, method, params, why);
	while (e == OK && (e = next_line(c, &line, why)) == OK) {
		jsonrpc_read(line, response);
		if (is_response_to(response, c->last_id))
			return OK;
		if (response->kind == JSONRPC_NOTIFICATION && c->seen)
			c->seen(response);
		else if (response->kind == JSONRPC_REQUEST)
			e = answer_request(c, response, why);
	}
	return e;
}

enum err client_notify(struct client *c, const char *method, struct problem *why)
{
	return send_call(c, (struct json_value){ 0 }, method, (struct span){ 0 }, why);
}
