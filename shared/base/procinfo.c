#include "base/procinfo.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"

#ifdef __APPLE__
#include <libproc.h>

#define NAME_CHARS 31

static bool read_name(pid_t pid, char *out, size_t size)
{
	return proc_name(pid, out, (uint32_t)size) > 0;
}

static void read_memory(pid_t pid, struct procinfo *out)
{
	struct proc_taskinfo info;

	if (proc_pidinfo(pid, PROC_PIDTASKINFO, 0, &info, sizeof info) == (int)sizeof info)
		out->resident_bytes = (int64_t)info.pti_resident_size;
}

static void read_self(struct procinfo_self *out)
{
	struct proc_taskinfo task;
	struct proc_bsdinfo info;
	int fds = proc_pidinfo(getpid(), PROC_PIDLISTFDS, 0, NULL, 0);

	if (proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &task, sizeof task) == (int)sizeof task) {
		out->resident_bytes = (int64_t)task.pti_resident_size;
		out->virtual_bytes = (int64_t)task.pti_virtual_size;
	}
	if (proc_pidinfo(getpid(), PROC_PIDTBSDINFO, 0, &info, sizeof info) == (int)sizeof info)
		out->started_at_ms = (int64_t)info.pbi_start_tvsec * 1000 + (int64_t)info.pbi_start_tvusec / 1000;
	if (fds > 0)
		out->open_fds = fds / (int)PROC_PIDLISTFD_SIZE;
}

#else

#define NAME_CHARS 15                    /* TASK_COMM_LEN without its end */

/* The beginning of a small file of /proc, as text; "" when it cannot be read. */
static void read_proc(const char *path, char *out, size_t size)
{
	CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
}

static bool read_name(pid_t pid, char *out, size_t size)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	read_proc(path, out, size);
	out[strcspn(out, "\n")] = '\0';
	return *out != '\0';
}

/* "Pss:       1234 kB" on a line of its own. */
static int64_t field_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? (int64_t)strtoll(at + strlen(name), NULL, 10) * 1024 : -1;
}

/* smaps_rollup only shows what is ours, statm what is anybody's. */
static void read_memory(pid_t pid, struct procinfo *out)
{
	char path[40], text[2048];
	const char *second;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	read_proc(path, text, sizeof text);
	out->resident_bytes = field_bytes(text, "\nRss:");
	out->share_bytes = field_bytes(text, "\nPss:");
	if (out->resident_bytes >= 0)
		return;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	read_proc(path, text, sizeof text);
	second = strchr(text, ' ');
	if (second)
		out->resident_bytes = (int64_t)strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE);
}

/* Of a line of /proc/self/stat, behind the name: the n-th field of the whole (proc(5)). */
static int64_t stat_field(const char *text, int n)
{
	const char *at = strrchr(text, ')');

	for (int i = 2; at && i < n; i++)
		at = strchr(at + 1, ' ');
	return at ? (int64_t)strtoll(at + 1, NULL, 10) : -1;
}

static int64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = -1;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 2 ? n - 2 : -1;         /* without ".", ".." and the folder's own */
}

static void read_self(struct procinfo_self *out)
{
	char text[1024];
	int64_t ticks = sysconf(_SC_CLK_TCK);

	read_proc("/proc/self/stat", text, sizeof text);
	out->virtual_bytes = stat_field(text, 23);
	out->resident_bytes = stat_field(text, 24) * sysconf(_SC_PAGESIZE);
	if (ticks > 0)
		out->started_at_ms = clock_wall_ms() - (clock_boot_ms() - stat_field(text, 22) * 1000 / ticks);
	out->open_fds = count_fds();
}
#endif

bool procinfo_of(pid_t pid, const char *program, struct procinfo *out)
{
	char name[64];

	*out = (struct procinfo){ -1, -1 };
	if (pid <= 0 || !read_name(pid, name, sizeof name) || strncmp(name, program, NAME_CHARS) != 0)
		return false;
	read_memory(pid, out);
	return true;
}

void procinfo_self(struct procinfo_self *out)
{
	struct rusage used;
	struct rlimit fds;

	*out = (struct procinfo_self){ -1, -1, -1, -1, -1, -1 };
	read_self(out);
	if (getrusage(RUSAGE_SELF, &used) == 0)
		out->cpu_us = ((int64_t)used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0 && fds.rlim_cur != RLIM_INFINITY)
		out->max_fds = (int64_t)fds.rlim_cur;
}
