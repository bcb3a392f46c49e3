/* sockets - the descriptors libcurl opened for one destination, so that a pooled connection can be looked at right before it is used.
 * libcurl looks too, but 7.88 does not see a reset, and it tells CURLOPT_PREREQFUNCTION no descriptor, only ports. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <curl/curl.h>

struct sockets {                       /* zeroed to begin with */
	struct socket_seen { int fd, port; } *v;  /* port 0 = not asked yet; an entry may outlive its socket */
	size_t n, room;
};
void sockets_release(struct sockets *s);         /* closes nothing */

/* For CURLOPT_OPENSOCKETFUNCTION; arg is a struct sockets. */
curl_socket_t sockets_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to);

/* Is the connection with this local port as an idle one should be: open, and no byte waiting that nobody asked for? True when it
 * cannot be found. */
bool sockets_is_quiet(struct sockets *s, int local_port);
