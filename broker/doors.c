#include "broker/doors.h"
#include <stdio.h>
#include <sys/resource.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/auth.h"
#include "broker/listener.h"
#include "broker/routes.h"
#include "store/presence.h"

#define RETRY_MS    5000
#define GRACE_MS    1000          /* an answer may be on its way through a listener that ends */
#define WANTED_FDS  4096          /* connections of both servers, and what the broker has open besides */

struct doors {
	struct broker *broker;
	struct auth *auth;
	struct httpd *local, *tcp[LISTENER_MAX];
	struct httpd *retired[LISTENER_MAX + 1];        /* until grace is over */
	struct loop_timer grace;
	struct listener_file socket_file;
	char *socket_path, *listen;      /* listen: as the rules said when it was tried; "" = nowhere */
	char address[80], trouble[480];
	struct loop_timer timer;         /* rules changed, or a port is tried again */
	struct list waits;               /* of struct request_wait */
};

static void handle(void *arg, struct httpd_request *r)
{
	routes_handle(arg, r);
}

static enum err serve(struct doors *d, int fd, bool is_local, struct httpd **out)
{
	const struct config *c = d->broker->config;
	struct httpd_options o = {
		.loop = d->broker->loop,
		.fd = fd,
		.is_local = is_local,
		.read_timeout_ms = c->server.read_timeout_ms,
		.write_timeout_ms = c->server.write_timeout_ms,
		.handle = handle,
		.arg = d->broker,
	};

	return httpd_new(&o, out);
}

/* ---- listeners that end ------------------------------------------------------------------------------------------------------------ */

static void free_retired(struct doors *d)
{
	loop_timer_clear(&d->grace);
	for (size_t i = 0; i < ARRAY_LEN(d->retired); i++) {
		httpd_free(d->retired[i]);
		d->retired[i] = NULL;
	}
}

static void grace_over(struct loop_timer *t)
{
	free_retired(container_of(t, struct doors, grace));
}

static void retire(struct doors *d, struct httpd **h)
{
	if (!*h)
		return;
	for (size_t i = 0; i < ARRAY_LEN(d->retired); i++) {
		if (d->retired[i])
			continue;
		httpd_quiet(*h);
		d->retired[i] = *h;
		*h = NULL;
		break;
	}
	httpd_free(*h);                         /* no room: moved again and again */
	*h = NULL;
	loop_timer_set(d->broker->loop, &d->grace, GRACE_MS);
}

/* ---- the admin socket -------------------------------------------------------------------------------------------------------------- */

static enum err open_local(struct doors *d, struct problem *why)
{
	const struct config *c = d->broker->config;
	CLEANUP(free_charp) char *path = NULL;
	int fd = -1;

	enum err e = presence_admin_socket(c, d->broker->state_dir, &path);
	if (e != OK) {
		problem_set(why, "the admin socket has no place: the path of %s is too long for sockets, and so is $XDG_RUNTIME_DIR", d->broker->state_dir);
		return e;
	}
	e = listener_open_local(path, c->mode == MODE_ENFORCED, &fd, &d->socket_file, why);
	if (e == OK)
		e = serve(d, fd, true, &d->local);
	if (e != OK)
		return e;
	free(d->socket_path);
	d->socket_path = path;
	path = NULL;
	log_info("doors.open", "socket=%s", d->socket_path);
	return OK;
}

static void close_local(struct doors *d)
{
	if (d->local)
		listener_remove_local(d->socket_path, &d->socket_file);
	retire(d, &d->local);
}

/* ---- TCP -------------------------------------------------------------------------------------------------------------------------------- */

static void close_tcp(struct doors *d)
{
	for (size_t i = 0; i < LISTENER_MAX; i++)
		retire(d, &d->tcp[i]);
	d->address[0] = '\0';
}

static bool has_tcp(const struct doors *d)
{
	return d->tcp[0] != NULL;
}

/* Said once, however often it is tried. */
static void say_trouble(struct doors *d, const char *text)
{
	if (strcmp(d->trouble, text) != 0)
		log_warn("doors.closed", "listen=%s why=%s", d->listen, text);
	snprintf(d->trouble, sizeof(d->trouble), "%s", text);
}

static bool serve_all(struct doors *d, int *fds, size_t n)
{
	bool is_good = true;

	for (size_t i = 0; i < n; i++) {
		if (is_good)
			is_good = serve(d, fds[i], false, &d->tcp[i]) == OK;
		else
			close_fdp(&fds[i]);
	}
	return is_good;
}

static void try_tcp(struct doors *d)
{
	int fds[LISTENER_MAX];
	struct problem why = { 0 };
	size_t n = 0;

	if (!d->listen[0] || has_tcp(d))
		return;
	enum err e = listener_open_tcp(d->listen, fds, &n, &why);
	if (e == OK) {
		listener_name(fds[0], d->address, sizeof(d->address));
		if (!serve_all(d, fds, n)) {
			problem_set(&why, "the server could not be started");
			e = ERR_IO;
		}
	}
	if (e == OK) {
		log_info("doors.open", "listen=%s", d->address);
		d->trouble[0] = '\0';
		return;
	}
	close_tcp(d);
	say_trouble(d, why.text);
	loop_timer_set(d->broker->loop, &d->timer, RETRY_MS);
}

/* ---- rules ------------------------------------------------------------------------------------------------------------------------------ */

static void take_timeouts(struct doors *d)
{
	const struct config *c = d->broker->config;

	if (d->local)
		httpd_set_timeouts(d->local, c->server.read_timeout_ms, c->server.write_timeout_ms);
	for (size_t i = 0; i < LISTENER_MAX && d->tcp[i]; i++)
		httpd_set_timeouts(d->tcp[i], c->server.read_timeout_ms, c->server.write_timeout_ms);
}

static void move_local(struct doors *d)
{
	CLEANUP(free_charp) char *path = NULL;
	struct problem why = { 0 };

	bool is_same = presence_admin_socket(d->broker->config, d->broker->state_dir, &path) == OK && strcmp(path, d->socket_path) == 0;
	if (d->local && is_same)
		return;
	close_local(d);
	if (open_local(d, &why) == OK)
		return;
	log_error("doors.closed", "why=%s", why.text);
	loop_timer_set(d->broker->loop, &d->timer, RETRY_MS);
}

static void look(struct loop_timer *t)
{
	struct doors *d = container_of(t, struct doors, timer);
	const struct config *c = d->broker->config;

	move_local(d);
	if (strcmp(d->listen, c->server.listen) != 0) {
		close_tcp(d);
		if (d->listen[0])
			log_info("doors.moved", "from=%s to=%s", d->listen, c->server.listen[0] ? c->server.listen : "nowhere");
		free(d->listen);
		d->listen = xstrdup(c->server.listen);
		d->trouble[0] = '\0';
	}
	take_timeouts(d);
	try_tcp(d);
}

void doors_rules_changed(struct broker *b)
{
	auth_read_token(b->doors->auth, b->config->server.listen[0] != '\0');
	loop_timer_set(b->loop, &b->doors->timer, 0);   /* the request that asked for it may have come through what is closed now */
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------------- */

static void raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= WANTED_FDS)
		return;
	r.rlim_cur = r.rlim_max < WANTED_FDS ? r.rlim_max : WANTED_FDS;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

enum err doors_open(struct broker *b, struct problem *why)
{
	struct doors *d = xcalloc(1, sizeof(*d));

	raise_descriptors();
	b->doors = d;
	d->broker = b;
	d->auth = auth_new(b);
	d->listen = xstrdup(b->config->server.listen);
	loop_timer_init(&d->timer, look);
	loop_timer_init(&d->grace, grace_over);
	list_init(&d->waits);
	enum err e = open_local(d, why);
	if (e != OK)
		return e;
	auth_read_token(d->auth, d->listen[0] != '\0');
	try_tcp(d);
	return OK;
}

bool doors_is_busy(const struct broker *b)
{
	const struct doors *d = b->doors;
	bool is_busy = d->local && httpd_is_busy(d->local);

	for (size_t i = 0; i < LISTENER_MAX && d->tcp[i]; i++)
		is_busy |= httpd_is_busy(d->tcp[i]);
	return is_busy;
}

void doors_stop(struct broker *b)
{
	struct request_wait *w;

	if (!b->doors)
		return;
	auth_answer_held(b->doors->auth);
	while ((w = list_first(&b->doors->waits, struct request_wait, node))) {
		request_wait_end(w);
		w->end(w);
	}
}

void doors_close(struct broker *b)
{
	struct doors *d = b->doors;

	if (!d)
		return;
	doors_stop(b);
	loop_timer_clear(&d->timer);
	close_tcp(d);
	close_local(d);
	free_retired(d);
	auth_free(d->auth);
	free(d->socket_path);
	free(d->listen);
	free(d);
	b->doors = NULL;
}

bool doors_has_listener(const struct broker *b)
{
	return b->doors && has_tcp(b->doors);
}

const char *doors_address(const struct broker *b)
{
	return b->doors ? b->doors->address : "";
}

const char *doors_trouble(const struct broker *b)
{
	return b->doors ? b->doors->trouble : "";
}

struct list *doors_waits(const struct broker *b)
{
	return &b->doors->waits;
}

struct auth *doors_auth(const struct broker *b)
{
	return b->doors->auth;
}
