/* listener - sockets that the broker listens on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

#define LISTENER_MAX   4                         /* sockets of one address: localhost is two */
#define LISTENER_GROUP "aegis-admin"             /* who may ask in enforced mode */

struct listener_file { dev_t dev; ino_t ino; };  /* the socket file that is ours */

/* A UNIX socket there, 0600; for a group 0660 and LISTENER_GROUP's, 0600 where there is no such group (logged). A socket that lies there is
 * replaced: the caller is the only broker of this state folder. Anything else that lies there is left alone. */
MUST_USE enum err listener_open_local(const char *path, bool is_for_group, int *fd, struct listener_file *file, struct problem *why);
/* Takes the socket file away, unless another one lies there by now: that of a broker that came after us. */
void listener_remove_local(const char *path, const struct listener_file *file);

/* "host:port", "[::1]:port", ":port" for all addresses of the machine; port 0: the kernel chooses one. localhost is 127.0.0.1 and ::1 of
 * one port, where the machine has both. why: what is wrong, such as a port that is taken. */
MUST_USE enum err listener_open_tcp(const char *address, int fds[LISTENER_MAX], size_t *n, struct problem *why);
void listener_name(int fd, char *out, size_t size);      /* "127.0.0.1:18070", "[::1]:18070" */
