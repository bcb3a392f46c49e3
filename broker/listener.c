#include "broker/listener.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"

#define BACKLOG 256

static int new_socket(int family)
{
	CLEANUP(close_fdp) int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	int made = fd;
	fd = -1;
	return made;
}

/* ---- UNIX --------------------------------------------------------------------------------------------------------------------------- */

/* False: something lies there that is no socket. */
static bool clear_place(const char *path, struct problem *why)
{
	struct stat at;

	if (lstat(path, &at) != 0)
		return true;
	if (S_ISSOCK(at.st_mode)) {
		(void)unlink(path);
		return true;
	}
	problem_set(why, "%s is no socket: move it away, the broker listens there", path);
	return false;
}

static bool open_to_group(const char *path)
{
	const struct group *g = getgrnam(LISTENER_GROUP);

	if (g && chown(path, (uid_t)-1, g->gr_gid) == 0)
		return chmod(path, 0660) == 0;
	log_warn("listener.group", "socket=%s why=%s", path, g ? strerror(errno) : "there is no group " LISTENER_GROUP);
	return true;
}

enum err listener_open_local(const char *path, bool is_for_group, int *fd, struct listener_file *file, struct problem *why)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat made;
	CLEANUP(close_fdp) int s = new_socket(AF_UNIX);

	if (strlen(path) >= sizeof(at.sun_path)) {
		problem_set(why, "%s: too long for a socket", path);
		return ERR_TOO_LARGE;
	}
	if (!clear_place(path, why))
		return ERR_INVALID;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (s >= 0)
		(void)fchmod(s, 0600);          /* Linux: the file has this mode from its first moment */
	if (s < 0 || bind(s, (const void *)&at, sizeof(at)) != 0 || chmod(path, 0600) != 0 || (is_for_group && !open_to_group(path)) ||
	    lstat(path, &made) != 0 || listen(s, BACKLOG) != 0) {
		problem_set(why, "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	*file = (struct listener_file){ made.st_dev, made.st_ino };
	*fd = s;
	s = -1;
	return OK;
}

void listener_remove_local(const char *path, const struct listener_file *file)
{
	struct stat at;

	if (lstat(path, &at) == 0 && at.st_dev == file->dev && at.st_ino == file->ino)
		(void)unlink(path);
}

/* ---- TCP -------------------------------------------------------------------------------------------------------------------------------- */

struct target { char host[256], port[8]; };

static void split(const char *address, struct target *t)
{
	const char *colon = strrchr(address, ':');
	size_t n = (size_t)(colon - address);

	snprintf(t->port, sizeof(t->port), "%s", colon + 1);
	if (n > 1 && address[0] == '[')
		snprintf(t->host, sizeof(t->host), "%.*s", (int)n - 2, address + 1);
	else
		snprintf(t->host, sizeof(t->host), "%.*s", (int)n, address);
}

/* -1: errno says why. */
static int open_one(const struct addrinfo *a, bool takes_4_too)
{
	CLEANUP(close_fdp) int fd = new_socket(a->ai_family);
	const int yes = 1;
	int only_6 = !takes_4_too;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (a->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_6, sizeof(only_6));
	if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
		return -1;
	int made = fd;
	fd = -1;
	return made;
}

static void close_all(int fds[LISTENER_MAX], size_t *n)
{
	while (*n > 0)
		close_fdp(&fds[--*n]);
}

static void say_why(const char *address, int error_number, struct problem *why)
{
	if (error_number == EADDRINUSE)
		problem_set(why, "%s is taken by another program; the broker tries again", address);
	else
		problem_set(why, "%s: %s", address, strerror(error_number));
}

union address {
	struct sockaddr_storage any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static void keep_port(struct addrinfo *a, int fd)
{
	union address first;
	socklen_t size = sizeof(first);

	memset(&first, 0, sizeof(first));
	if (getsockname(fd, (void *)&first, &size) != 0)
		return;
	in_port_t port = first.any.ss_family == AF_INET6 ? first.six.sin6_port : first.four.sin_port;
	if (a->ai_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_port = port;
	else
		((struct sockaddr_in *)(void *)a->ai_addr)->sin_port = port;
}

/* One address the machine does not have, such as ::1, is no fault while another one works. */
static enum err open_each(const char *address, struct addrinfo *list, int fds[LISTENER_MAX], size_t *n, struct problem *why)
{
	int fault = 0;

	for (struct addrinfo *a = list; a && *n < LISTENER_MAX; a = a->ai_next) {
		if (*n > 0)
			keep_port(a, fds[0]);
		int fd = open_one(a, false);
		if (fd >= 0)
			fds[(*n)++] = fd;
		else if (fault == 0 || (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT))
			fault = errno;
	}
	if (*n > 0 && (fault == 0 || fault == EADDRNOTAVAIL || fault == EAFNOSUPPORT))
		return OK;
	close_all(fds, n);
	say_why(address, fault ? fault : EADDRNOTAVAIL, why);
	return ERR_IO;
}

/* All addresses: one socket for both families, or IPv4's where there is no IPv6. */
static enum err open_any(const char *address, const struct target *t, int fds[LISTENER_MAX], size_t *n, struct problem *why)
{
	const in_port_t port = htons((uint16_t)strtoul(t->port, NULL, 10));
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_any };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = port };
	struct addrinfo a6 = { .ai_family = AF_INET6, .ai_addr = (void *)&six, .ai_addrlen = sizeof(six) };
	struct addrinfo a4 = { .ai_family = AF_INET, .ai_addr = (void *)&four, .ai_addrlen = sizeof(four) };

	int fd = open_one(&a6, true);
	if (fd < 0 && errno != EADDRINUSE)
		fd = open_one(&a4, false);
	if (fd < 0) {
		say_why(address, errno, why);
		return ERR_IO;
	}
	fds[(*n)++] = fd;
	return OK;
}

static const char *resolve(const struct target *t, bool is_localhost, struct addrinfo **out)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };

	if (is_localhost)               /* whatever a hosts file says */
		hints.ai_flags |= AI_NUMERICHOST;
	int fault = getaddrinfo(is_localhost ? "127.0.0.1" : t->host, t->port, &hints, out);
	if (fault == 0 && is_localhost && getaddrinfo("::1", t->port, &hints, &(*out)->ai_next) != 0)
		(*out)->ai_next = NULL;
	return fault == 0 ? NULL : gai_strerror(fault);
}

enum err listener_open_tcp(const char *address, int fds[LISTENER_MAX], size_t *n, struct problem *why)
{
	struct addrinfo *list = NULL;
	struct target t;

	*n = 0;
	split(address, &t);
	if (t.host[0] == '\0')
		return open_any(address, &t, fds, n, why);
	const char *fault = resolve(&t, strcmp(t.host, "localhost") == 0, &list);
	if (fault) {
		problem_set(why, "%s: %s", address, fault);
		return ERR_NOT_FOUND;
	}
	enum err e = open_each(address, list, fds, n, why);
	freeaddrinfo(list);
	return e;
}

void listener_name(int fd, char *out, size_t size)
{
	struct sockaddr_storage at = { 0 };
	socklen_t n = sizeof(at);
	char host[64] = "?", port[8] = "0";

	if (getsockname(fd, (void *)&at, &n) == 0)
		(void)getnameinfo((const void *)&at, n, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}
