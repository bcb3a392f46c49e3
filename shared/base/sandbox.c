#include "base/sandbox.h"
#ifndef __APPLE__
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INIT_PID_NS 0xEFFFFFFCu          /* inode of the first pid namespace: linux/nsfs.h, PID_NS_INIT_INO */

static bool inode_of(const char *path, ino_t *out)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	*out = st.st_ino;
	return true;
}

static bool is_same_inode(const char *a, const char *b)
{
	ino_t of_a, of_b;
	return inode_of(a, &of_a) && inode_of(b, &of_b) && of_a == of_b;
}

/* ns/net of another user's process may not be looked at; its /proc/PID/net may, whose inodes differ from namespace to namespace. */
static bool is_net_of_pid_1(void)
{
	ino_t ours, first;

	if (inode_of("/proc/self/ns/net", &ours) && inode_of("/proc/1/ns/net", &first))
		return ours == first;
	return is_same_inode("/proc/self/net/dev", "/proc/1/net/dev");
}

/* NSpid names our pid in every namespace from that of this /proc down to ours. */
static bool is_proc_of_our_pids(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		for (const char *at = line + 6; *at; at++)
			n += at[0] >= '0' && at[0] <= '9' && (at[-1] < '0' || at[-1] > '9');
	}
	if (f)
		fclose(f);
	return n == 1;
}

/* Not the first one of the machine: a sandbox is begun by its user, while pid 1 of a container or of WSL is somebody else's. */
static bool is_lasting_pid_namespace(void)
{
	ino_t ours;
	struct stat first;

	if (!inode_of("/proc/self/ns/pid", &ours))
		return false;
	return ours == INIT_PID_NS || (stat("/proc/1", &first) == 0 && first.st_uid != getuid());
}

bool sandbox_is_private(void)
{
	return !is_proc_of_our_pids() || !is_lasting_pid_namespace() || !is_net_of_pid_1();
}
#else
bool sandbox_is_private(void)
{
	return false;
}
#endif
