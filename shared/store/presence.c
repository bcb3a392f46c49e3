/* presence - who is alive, by kernel locks. */
#include "store/presence.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif
#include "base/id.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "store/bell.h"
#include "store/bytelock.h"
#include "store/private_file.h"

#define LOOK_AGAIN_MS 1000
#define HASH_SHOWN    8                  /* bytes of it in the name of the short folder */
#define ENFORCED_SOCKET "/run/aegis/admin.sock"
#define LONGEST_NAME  "/4294967295.wake" /* of what processes make in the socket folder */

struct presence {
	char *state_dir, *folder, *path; /* state_dir/run, run/alive */
	int alive, life;                 /* life -1: nobody can watch us yet */
	struct file_identity identity;
	uint32_t number;
};

static char *life_path(const struct presence *p, uint32_t number)
{
	return xasprintf("%s/%" PRIu32 ".life", p->folder, number);
}

/* ---- our own byte ---- */
static void presence_free(struct presence *p)
{
	free(p->state_dir);
	free(p->folder);
	free(p->path);
	free(p);
}

enum err presence_open(const char *state_dir, struct presence **out)
{
	struct presence *p = xcalloc(1, sizeof *p);
	enum err e;

	p->state_dir = xstrdup(state_dir);
	p->folder = path_join(state_dir, "run");
	p->path = path_join(p->folder, "alive");
	p->life = -1;
	e = path_make_private_folder(p->folder);
	if (!e)
		e = private_file_open(p->path, &p->alive, &p->identity);
	if (e)
		presence_free(p);
	else
		*out = p;
	return e;
}

static void hide(struct presence *p)
{
	CLEANUP(free_charp) char *path = life_path(p, p->number);

	if (p->life >= 0)
		(void)unlink(path);
}

void presence_forget(struct presence *p)
{
	if (p == NULL)
		return;
	hide(p);
	presence_free(p);
}

/* The descriptor keeps its number: a locker that was left behind may still use it. */
enum err presence_reopen(struct presence *p)
{
	CLEANUP(close_fdp) int fd = -1;
	enum err e = path_make_private_folder(p->folder);

	if (!e)
		e = private_file_open(p->path, &fd, &p->identity);
	if (e)
		return e;
	if (dup2(fd, p->alive) < 0 || fcntl(p->alive, F_SETFD, FD_CLOEXEC) != 0)
		return private_file_failed("presence.reopen", p->path);
	return OK;
}

enum err presence_take(struct presence *p, uint32_t number)
{
	struct stat st;

	if (!bytelock_take(p->alive, number))
		return ERR_STORE_BUSY;
	p->number = number;
	if (fstat(p->alive, &st) != 0)
		return private_file_err(errno);
	if (st.st_size <= number && ftruncate(p->alive, (off_t)number + 1) != 0)
		return private_file_err(errno);
	return OK;
}

enum err presence_listen(struct presence *p)
{
	CLEANUP(free_charp) char *path = life_path(p, p->number);

	close_fdp(&p->life);
	(void)unlink(path); /* the number is ours, and so is what lies there */
	if (mkfifo(path, 0600) != 0)
		return private_file_failed("presence.listen", path);
	/* Both ends: a write end alone cannot be opened before there is a reader. */
	p->life = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return p->life < 0 ? private_file_failed("presence.listen", path) : OK;
}

bool presence_is_listening(const struct presence *p)
{
	return p->life >= 0;
}

int presence_fd(const struct presence *p)
{
	return p->alive;
}

bool presence_is_current(const struct presence *p)
{
	return private_file_is(p->path, &p->identity);
}

uint32_t presence_highest(const struct presence *p)
{
	struct stat st;

	if (fstat(p->alive, &st) != 0 || st.st_size <= 1)
		return 0;
	return st.st_size > UINT32_MAX ? UINT32_MAX : (uint32_t)(st.st_size - 1);
}

/* ---- others ---- */
bool presence_is_alive(struct presence *p, uint32_t number, pid_t *pid)
{
	if (number != p->number)
		return number != 0 && bytelock_owner(p->alive, number, pid);
	if (pid)
		*pid = getpid();
	return number != 0;
}

#ifdef __APPLE__
bool presence_is_stopped(pid_t pid)
{
	int name[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, pid };
	struct kinfo_proc info = { 0 };
	size_t size = sizeof info;

	return sysctl(name, ARRAY_LEN(name), &info, &size, NULL, 0) == 0 && size == sizeof info &&
	       info.kp_proc.p_stat == SSTOP;
}
#else
bool presence_is_stopped(pid_t pid)
{
	char path[32], text[512];

	if (pid <= 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	const char *end = strrchr(text, ')'); /* the program's name before it may hold anything */
	return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}
#endif

/* A FIFO without a writer never hangs up for who opens it too late: therefore the second question
 * after the opening. One that is readable while its owner lives would be readable for ever. */
static int open_life(struct presence *p, uint32_t number)
{
	CLEANUP(free_charp) char *path = life_path(p, number);
	CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct pollfd look = { .fd = fd, .events = POLLIN };
	struct stat st;
	int given;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode) || poll(&look, 1, 0) != 0)
		return -1;
	given = fd;
	fd = -1;
	return given;
}

int presence_watch(struct presence *p, uint32_t number)
{
	if (!presence_is_alive(p, number, NULL))
		return -1;
	CLEANUP(close_fdp) int fd = open_life(p, number);
	if (fd < 0) {
		fd = bell_open();
		bell_set(fd, LOOK_AGAIN_MS);
	}
	if (!presence_is_alive(p, number, NULL))
		return -1;
	int given = fd;
	fd = -1;
	return given;
}

/* ---- folders ---- */
static bool fits_socket(const char *folder)
{
	return strlen(folder) + sizeof LONGEST_NAME <= sizeof((struct sockaddr_un *)0)->sun_path;
}

static char *short_folder(const char *real)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char hex[2 * HASH_SHOWN + 1];
	uint8_t digest[32];
	struct hash hash;

	if (runtime == NULL || runtime[0] != '/')
		return NULL;
	hash_init(&hash);
	hash_add(&hash, real, strlen(real));
	hash_done(&hash, digest);
	hex_encode(hex, digest, HASH_SHOWN);
	return xasprintf("%s/aegis-%s", runtime, hex);
}

/* The real path decides, so that all who mean the same folder by other names meet. */
enum err presence_socket_folder(const char *state_dir, char **out)
{
	CLEANUP(free_charp) char *real = path_real(state_dir);
	if (real == NULL)
		return private_file_failed("presence.folder", state_dir);
	CLEANUP(free_charp) char *folder = path_join(real, "run");
	if (!fits_socket(folder)) {
		free(folder);
		folder = short_folder(real);
	}
	if (folder == NULL || !fits_socket(folder))
		return ERR_TOO_LARGE;
	enum err e = path_make_private_folder(folder);
	if (e)
		return e;
	*out = folder;
	folder = NULL;
	return OK;
}

enum err presence_admin_socket(const struct config *c, const char *state_dir, char **out)
{
	CLEANUP(free_charp) char *folder = NULL;
	const char *given = c && *c->server.admin_socket ? c->server.admin_socket : NULL;

	if (!given && c && c->mode == MODE_ENFORCED)
		given = ENFORCED_SOCKET;
	if (given && strlen(given) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return ERR_TOO_LARGE;
	enum err e = given ? OK : presence_socket_folder(state_dir, &folder);
	if (e == OK)
		*out = given ? xstrdup(given) : path_join(folder, "admin.sock");
	return e;
}

/* "17.life", "17.wake" */
static bool parse_name(const char *name, uint32_t *number)
{
	uint64_t n = 0;
	const char *c = name;

	for (; *c >= '0' && *c <= '9' && n <= UINT32_MAX; c++)
		n = n * 10 + (uint64_t)(*c - '0');
	if (c == name || n > UINT32_MAX || (strcmp(c, ".life") != 0 && strcmp(c, ".wake") != 0))
		return false;
	*number = (uint32_t)n;
	return true;
}

static void sweep_folder(struct presence *p, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	uint32_t number;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (parse_name(entry->d_name, &number) && !presence_is_alive(p, number, NULL))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
}

void presence_sweep(struct presence *p)
{
	CLEANUP(free_charp) char *sockets = NULL;

	if (!presence_is_current(p))
		return; /* whoever is alive by the file that took its place would look dead */
	sweep_folder(p, p->folder);
	if (presence_socket_folder(p->state_dir, &sockets) != OK || sockets == NULL)
		return;
	if (strcmp(sockets, p->folder) != 0)
		sweep_folder(p, sockets);
}
