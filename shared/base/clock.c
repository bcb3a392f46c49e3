/* clock - the only place that reads clocks. */
#include "base/clock.h"
#include <assert.h>
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

int64_t clock_boot_ms(void)
{
#ifdef __APPLE__
	return read_ns(CLOCK_MONOTONIC_RAW) / 1000000; /* mach_continuous_time in ns */
#else
	return read_ns(CLOCK_BOOTTIME) / 1000000;
#endif
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
void clock_boot_name(char *out, size_t size)
{
	char id[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, id, sizeof(id) - 1) : 0;
	struct stat st;

	if (fd >= 0)
		close(fd);
	id[n > 0 ? (size_t)n : 0] = '\0';
	id[strcspn(id, "\n")] = '\0';
	if (stat("/proc/self/ns/time", &st) != 0) /* no time namespaces before Linux 5.6 */
		st.st_ino = 0;
	snprintf(out, size, "%s:%llu", id, (unsigned long long)st.st_ino);
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
