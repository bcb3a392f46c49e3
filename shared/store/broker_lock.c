#include "store/broker_lock.h"
#include <fcntl.h>
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "store/bytelock.h"

#define ATTEMPTS 3

static char *path_of(const char *state_dir)
{
	CLEANUP(free_charp) char *folder = path_join(state_dir, "run");
	return path_join(folder, "broker.lock");
}

static enum err make_folder(const char *state_dir)
{
	CLEANUP(free_charp) char *folder = path_join(state_dir, "run");
	enum err e = path_make_private_folder(state_dir);
	return e == OK ? path_make_private_folder(folder) : e;
}

static enum err open_and_take(struct broker_lock *l, pid_t *holder)
{
	enum err e = private_file_open(l->path, &l->fd, &l->file);

	if (e != OK)
		return e;
	for (int i = 0; i < ATTEMPTS; i++) {
		if (bytelock_take(l->fd, 0))
			return OK;
		if (bytelock_owner(l->fd, 0, holder))    /* else it has just ended */
			return ERR_STORE_BUSY;
	}
	log_error("broker.lock", "path=%s: the kernel gives no lock", l->path);
	return ERR_IO;
}

enum err broker_lock_take(struct broker_lock *l, const char *state_dir, pid_t *holder)
{
	*l = (struct broker_lock){ .path = path_of(state_dir), .fd = -1 };
	*holder = 0;
	enum err e = make_folder(state_dir);
	return e == OK ? open_and_take(l, holder) : e;
}

enum err broker_lock_keep(struct broker_lock *l, pid_t *holder)
{
	if (private_file_is(l->path, &l->file))
		return OK;
	close_fdp(&l->fd);
	*holder = 0;
	return open_and_take(l, holder);
}

void broker_lock_release(struct broker_lock *l)
{
	close_fdp(&l->fd);
	free(l->path);
	*l = (struct broker_lock){ .fd = -1 };
}

bool broker_lock_is_held(const char *state_dir)
{
	CLEANUP(free_charp) char *path = path_of(state_dir);
	CLEANUP(close_fdp) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && bytelock_owner(fd, 0, NULL);
}
