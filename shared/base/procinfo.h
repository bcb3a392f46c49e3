/* procinfo - what a process costs, as the kernel says. -1: not known here, or not ours to see. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procinfo {
	int64_t resident_bytes;
	int64_t share_bytes;               /* PSS: its own pages, and its share of those it shares; only Linux tells */
};
/* False: there is no such process, or it runs another program (its name is compared as far as the kernel keeps it): a number that was
 * given to somebody else meanwhile, or one of another pid namespace. */
bool procinfo_of(pid_t pid, const char *program, struct procinfo *out);

struct procinfo_self {
	int64_t resident_bytes, virtual_bytes, cpu_us, started_at_ms, open_fds, max_fds;   /* started_at: wall */
};
void procinfo_self(struct procinfo_self *out);
