#include "base/peer.h"
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
enum err peer_uid(int fd, uid_t *out)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.pid == 0)
		return ERR_IO;                  /* pid 0: not a UNIX socket, or of another pid namespace */
	*out = who.uid;
	return OK;
}
#else
enum err peer_uid(int fd, uid_t *out)
{
	gid_t group;

	return getpeereid(fd, out, &group) == 0 ? OK : ERR_IO;
}
#endif
