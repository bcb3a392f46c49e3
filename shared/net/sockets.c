/* sockets - see sockets.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "base/xalloc.h"
#include "net/sockets.h"

void sockets_release(struct sockets *s)
{
	free(s->v);
	*s = (struct sockets){ 0 };
}

/* The kernel gives the lowest free number: one seen before is a new socket now. */
static struct socket_seen *entry_for(struct sockets *s, int fd)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].fd == fd)
			return &s->v[i];
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 8;
		s->v = xreallocarray(s->v, s->room, sizeof(*s->v));
	}
	return &s->v[s->n++];
}

curl_socket_t sockets_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	int fd = socket(to->family, to->socktype, to->protocol);

	(void)purpose;
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		close_fdp(&fd);
		return CURL_SOCKET_BAD;
	}
	*entry_for(arg, fd) = (struct socket_seen){ .fd = fd };
	return fd;
}

static int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	} at = { .room = { 0 } };
	socklen_t n = sizeof(at);

	if (getsockname(fd, &at.any, &n) < 0)
		return 0;
	if (at.any.sa_family == AF_INET)
		return ntohs(at.v4.sin_port);
	return at.any.sa_family == AF_INET6 ? ntohs(at.v6.sin6_port) : 0;
}

static bool is_quiet(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool sockets_is_quiet(struct sockets *s, int local_port)
{
	for (size_t i = 0; i < s->n; i++) {
		struct socket_seen *seen = &s->v[i];

		if (seen->port == 0)
			seen->port = port_of(seen->fd);
		if (seen->port != local_port)
			continue;
		seen->port = port_of(seen->fd); /* it may have been closed, and its number given away */
		if (seen->port == local_port)
			return is_quiet(seen->fd);
	}
	return true;
}
