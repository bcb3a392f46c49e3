/* wake - "look again", by a byte to the other process's UNIX datagram socket. */
#include "store/wake.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/xalloc.h"
#include "store/presence.h"
#include "store/private_file.h"

#define DRAIN_MOST 256 /* a flood leaves the descriptor readable; the loop comes back */

struct wake {
	char *folder;
	uint32_t number;
	int fd;
};

static struct sockaddr_un address_in(const char *folder, uint32_t number)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof at.sun_path, "%s/%" PRIu32 ".wake", folder, number);
	return at;
}

static struct sockaddr_un address_of(const struct wake *w, uint32_t number)
{
	return address_in(w->folder, number);
}

static int unnamed_socket(void)
{
	CLEANUP(close_fdp) int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	int made = fd;
	fd = -1;
	return made;
}

static int make_socket(const struct sockaddr_un *at)
{
	CLEANUP(close_fdp) int fd = unnamed_socket();

	if (fd < 0)
		return -1;
	(void)unlink(at->sun_path); /* the number is ours: what lies there is rubbish */
	if (bind(fd, (const struct sockaddr *)at, sizeof *at) != 0 ||
		chmod(at->sun_path, 0600) != 0)
		return -1;
	int made = fd;
	fd = -1;
	return made;
}

enum err wake_open(const char *state_dir, uint32_t number, struct wake **out)
{
	CLEANUP(free_charp) char *folder = NULL;
	enum err e = presence_socket_folder(state_dir, &folder);
	if (e)
		return e;
	struct wake *w = xcalloc(1, sizeof *w);
	w->number = number;
	w->folder = folder;
	folder = NULL;
	struct sockaddr_un at = address_of(w, number);
	w->fd = make_socket(&at);
	if (w->fd < 0) {
		e = private_file_failed("wake.open", at.sun_path);
		free(w->folder);
		free(w);
		return e;
	}
	*out = w;
	return OK;
}

void wake_close(struct wake *w)
{
	if (w == NULL)
		return;
	struct sockaddr_un at = address_of(w, w->number);

	(void)unlink(at.sun_path);
	close_fdp(&w->fd);
	free(w->folder);
	free(w);
}

int wake_fd(const struct wake *w)
{
	return w->fd;
}

void wake_drain(struct wake *w)
{
	char byte;

	for (int i = 0; i < DRAIN_MOST && recv(w->fd, &byte, 1, 0) >= 0; i++)
		;
}

/* Nobody there, or its queue is full and it is about to look anyway: both are fine. */
void wake_send(struct wake *w, uint32_t number)
{
	struct sockaddr_un at = address_of(w, number);

	(void)sendto(w->fd, "", 1, 0, (const struct sockaddr *)&at, sizeof at);
}

void wake_ring(const char *state_dir, const uint32_t *numbers, size_t n)
{
	CLEANUP(free_charp) char *folder = NULL;

	if (n == 0 || presence_socket_folder(state_dir, &folder) != OK)
		return;
	CLEANUP(close_fdp) int fd = unnamed_socket();
	for (size_t i = 0; i < n && fd >= 0; i++) {
		struct sockaddr_un at = address_in(folder, numbers[i]);
		(void)sendto(fd, "", 1, 0, (const struct sockaddr *)&at, sizeof at);
	}
}
