/* bytelock - POSIX write locks on single bytes of a file. They belong to the process (not to the thread or the descriptor), end
 * with it, and end when it closes any descriptor of that file. A process never sees its own locks: ask only about others. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

bool bytelock_take(int fd, int64_t at);           /* false: another process has it */
bool bytelock_wait(int fd, int64_t at);           /* blocks; false: the kernel has no memory for locks, or fears a deadlock */
void bytelock_drop(int fd, int64_t at);
bool bytelock_owner(int fd, int64_t at, pid_t *pid);   /* of another process; pid 0 when it is of another pid namespace; may be NULL */

struct bytelock_found { int64_t at; pid_t pid; };
bool bytelock_find(int fd, int64_t from, int64_t n, struct bytelock_found *found);   /* one that is locked of those n bytes, any */
