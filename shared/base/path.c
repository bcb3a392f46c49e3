/* path - files and folders. */
#include "base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/mount.h>
#else
#include <sys/vfs.h>
#endif
#include "base/id.h"
#include "base/log.h"
#include "base/readfd.h"
#include "base/xalloc.h"

char *path_join(const char *folder, const char *name)
{
	size_t len = strlen(folder);

	if (name[0] == '/' || len == 0)
		return xstrdup(name);
	return xasprintf("%s%s%s", folder, folder[len - 1] == '/' ? "" : "/", name);
}

char *path_folder_of(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	if (len == 0)
		return xstrdup(".");
	while (len > 1 && path[len - 1] == '/')
		len--;
	return xstrndup(path, len);
}

/* The XDG specification has relative paths ignored. */
static char *home_folder(const char *variable, const char *below_home)
{
	const char *set = getenv(variable), *home = getenv("HOME");

	if (set && set[0] == '/')
		return xstrdup(set);
	return home && home[0] == '/' ? path_join(home, below_home) : NULL;
}

char *path_config_home(void)
{
	return home_folder("XDG_CONFIG_HOME", ".config");
}

char *path_state_home(void)
{
	return home_folder("XDG_STATE_HOME", ".local/state");
}

char *path_real(const char *path)
{
	return realpath(path, NULL);
}

/* Says errno in our words; what nobody expects is logged. */
static enum err failed(const char *what, const char *path)
{
	int number = errno;

	if (number == ENOENT || number == ENOTDIR)
		return ERR_NOT_FOUND;
	if (number == EACCES || number == EPERM || number == ELOOP)
		return ERR_PERMISSION;
	log_error(what, "path=%s error=%s", path, strerror(number));
	return ERR_IO;
}

static enum err refused(const char *path, const char *why)
{
	log_error("path.folder", "path=%s error=%s", path, why);
	return ERR_PERMISSION;
}

static enum err make_folder(const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return OK;
	if (errno != ENOENT)
		return failed("path.mkdir", path);
	CLEANUP(free_charp) char *parent = path_folder_of(path);
	enum err e = make_folder(parent);
	if (e)
		return e;
	return mkdir(path, 0700) == 0 || errno == EEXIST ? OK : failed("path.mkdir", path);
}

static enum err check_private(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return failed("path.stat", path);
	if (st.st_uid != geteuid())
		return refused(path, "the folder belongs to another user");
	if ((st.st_mode & 077) && fchmod(fd, 0700) != 0)
		return failed("path.chmod", path);
	return OK;
}

enum err path_make_private_folder(const char *path)
{
	CLEANUP(close_fdp) int fd = -1;
	CLEANUP(free_charp) char *bare = xstrdup(path);

	for (size_t n = strlen(bare); n > 1 && bare[n - 1] == '/'; n--)
		bare[n - 1] = '\0'; /* "link/" would follow the link */
	enum err e = make_folder(bare);
	if (e)
		return e;
	fd = open(bare, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return refused(bare, "it is a link or no folder");
	return fd < 0 ? failed("path.open", bare) : check_private(fd, bare);
}

static enum err read_all(int fd, struct buf *out, const char *path)
{
	enum readfd got;

	do
		got = readfd_step(fd, out);
	while (got == READFD_MORE);
	if (got == READFD_FAILED)
		return failed("path.read", path);
	return got == READFD_FULL ? ERR_TOO_LARGE : OK;
}

enum err path_read_file(const char *path, size_t cap_bytes, struct buf *out)
{
	CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t own_cap = out->cap_bytes;
	struct stat st;

	if (fd < 0)
		return failed("path.open", path);
	if (fstat(fd, &st) != 0)
		return failed("path.stat", path);
	if (!S_ISREG(st.st_mode))
		return ERR_INVALID;
	if (cap_bytes < own_cap - out->len)
		out->cap_bytes = out->len + cap_bytes;
	enum err e = read_all(fd, out, path);
	out->cap_bytes = own_cap;
	return e;
}

static enum err write_all(int fd, struct span bytes, const char *path)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n < 0 && errno != EINTR)
			return failed("path.write", path);
		if (n > 0)
			bytes = (struct span){ bytes.at + n, bytes.len - (size_t)n };
	}
	return fsync(fd) == 0 ? OK : failed("path.fsync", path);
}

static enum err fsync_folder_of(const char *path)
{
	CLEANUP(free_charp) char *folder = path_folder_of(path);
	CLEANUP(close_fdp) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? OK : failed("path.fsync", folder);
}

enum err path_write_private_file(const char *path, struct span bytes)
{
	char id[ID_SIZE];
	unsigned char random[8];

	random_bytes(random, sizeof(random));
	hex_encode(id, random, sizeof(random));
	CLEANUP(free_charp) char *temp = xasprintf("%s.%s.tmp", path, id);
	CLEANUP(close_fdp)
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed("path.create", temp);
	enum err e = write_all(fd, bytes, temp);
	if (e == OK && rename(temp, path) != 0)
		e = failed("path.rename", path);
	if (e) {
		unlink(temp);
		return e;
	}
	return fsync_folder_of(path);
}

#ifdef __APPLE__
static bool is_on_network(const struct statfs *fs)
{
	return !(fs->f_flags & MNT_LOCAL);
}
#else
/* linux/magic.h and statfs(2). FUSE stands here because one cannot know what is behind it. */
static bool is_on_network(const struct statfs *fs)
{
	static const unsigned magic[] = {
		0x6969,     /* NFS */
		0x517B,     /* SMB */
		0xFE534D42, /* SMB2 */
		0xFF534D42, /* CIFS */
		0x564C,     /* NCP */
		0x01021997, /* 9P */
		0x73757245, /* Coda */
		0x5346414F, /* AFS */
		0x6B414653, /* kAFS */
		0x00C36400, /* Ceph */
		0x01161970, /* GFS2 */
		0x7461636F, /* OCFS2 */
		0x0BD00BD0, /* Lustre */
		0x65735546, /* FUSE */
	};

	for (size_t i = 0; i < ARRAY_LEN(magic); i++)
		if ((unsigned)fs->f_type == magic[i])
			return true;
	return false;
}
#endif

bool path_is_on_network(const char *path)
{
	CLEANUP(free_charp) char *at = xstrdup(path);
	struct statfs fs;

	while (statfs(at, &fs) != 0) { /* what does not exist yet will lie where its folder lies */
		char *folder = path_folder_of(at);
		bool is_top = strcmp(folder, at) == 0;

		free(at);
		at = folder;
		if (is_top)
			return false;
	}
	return is_on_network(&fs);
}
