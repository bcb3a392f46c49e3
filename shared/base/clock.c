/* clock - the only place that reads clocks. */
#include "base/clock.h"
#include <assert.h>
#include <stdbool.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#define LAST_MS_OF_YEAR_9999 INT64_C(253402300799999)

static int64_t read_ns(clockid_t id)
{
	struct timespec t;
	int failed = clock_gettime(id, &t);

	assert(!failed);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_boot_us(void)
{
#ifdef __APPLE__
	return read_ns(CLOCK_MONOTONIC_RAW) / 1000; /* mach_continuous_time in ns */
#else
	return read_ns(CLOCK_BOOTTIME) / 1000;
#endif
}

int64_t clock_boot_ms(void)
{
	return clock_boot_us() / 1000;
}

int64_t clock_mono_us(void)
{
	return read_ns(CLOCK_MONOTONIC) / 1000;
}

#ifdef __APPLE__
void clock_boot_name(char *out, size_t size)
{
	char id[64] = "";
	size_t n = sizeof(id) - 1;

	if (sysctlbyname("kern.bootsessionuuid", id, &n, NULL, 0) != 0)
		id[0] = '\0';
	snprintf(out, size, "%s:0", id);
}
#else
static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Reads a small file of /proc as text. False: it is not there. */
static bool read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;

	if (fd >= 0)
		close(fd);
	out[n > 0 ? (size_t)n : 0] = '\0';
	return fd >= 0;
}

/* time_namespaces(7): lines of a clock, seconds and nanoseconds. It speaks of the namespace of our children: ours, too, but for one
 * that unshared it without exec. Before Linux 5.6 there are none. */
static bool namespace_offset_ms(int64_t *out)
{
	static const char clock[] = "boottime";
	char text[256];

	*out = 0;
	if (!read_text("/proc/self/timens_offsets", text, sizeof(text)))
		return inode_of("/proc/self/ns/time") == 0;
	char *at = strstr(text, clock);
	if (!at || inode_of("/proc/self/ns/time") != inode_of("/proc/self/ns/time_for_children"))
		return false;
	int64_t seconds = strtoll(at + strlen(clock), &at, 10);
	*out = seconds * 1000 + strtoll(at, NULL, 10) / 1000000;
	return true;
}

void clock_boot_name(char *out, size_t size)
{
	char id[64];
	int64_t ahead_ms;

	(void)read_text("/proc/sys/kernel/random/boot_id", id, sizeof(id));
	id[strcspn(id, "\n")] = '\0';
	if (namespace_offset_ms(&ahead_ms))
		snprintf(out, size, "%s:%lld", id, (long long)ahead_ms);
	else
		snprintf(out, size, "%s:ns%llu", id, (unsigned long long)inode_of("/proc/self/ns/time"));
}
#endif

void clock_format_utc(int64_t wall_ms, char *out, size_t size)
{
	int64_t ms = wall_ms < 0                      ? 0
		     : wall_ms > LAST_MS_OF_YEAR_9999 ? LAST_MS_OF_YEAR_9999
						      : wall_ms;
	time_t seconds = (time_t)(ms / 1000);
	struct tm t;
	size_t n = gmtime_r(&seconds, &t) ? strftime(out, size, "%Y-%m-%dT%H:%M:%S", &t) : 0;

	assert(n + 6 <= size);
	snprintf(out + n, size - n, ".%03dZ", (int)(ms % 1000));
}
