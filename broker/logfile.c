#include "broker/logfile.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"

/* Not private_file_open: whoever starts us has this file open already, and it is never read. */
static enum err begin(const struct logfile *l)
{
	CLEANUP(close_fdp) int fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || fchmod(fd, 0600) != 0)
		return ERR_PERMISSION;
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		return ERR_IO;
	return OK;
}

enum err logfile_open(struct logfile *l, const char *state_dir)
{
	*l = (struct logfile){ .path = path_join(state_dir, "broker.log"), .old_path = path_join(state_dir, "broker.log.1") };
	enum err e = begin(l);
	if (e != OK)
		log_warn("log.open", "path=%s: %s", l->path, err_text(e));
	return e;
}

void logfile_keep(struct logfile *l)
{
	struct stat ours, there;
	bool is_there;

	if (!l->path || fstat(STDERR_FILENO, &ours) != 0)
		return;
	is_there = lstat(l->path, &there) == 0 && there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
	if (is_there && ours.st_size < LOGFILE_MAX_BYTES)
		return;
	if (is_there && rename(l->path, l->old_path) != 0)
		return;
	(void)!begin(l);
}

void logfile_release(struct logfile *l)
{
	free(l->path);
	free(l->old_path);
	*l = (struct logfile){ 0 };
}
