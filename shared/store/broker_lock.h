/* broker_lock - there is one aegis-broker for a state folder: who holds the POSIX lock on run/broker.lock. A process opens the file once and
 * keeps it open, for closing any descriptor of it would drop the lock; the lock ends with the process and passes to no child. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "store/private_file.h"

struct broker_lock { char *path; int fd; struct file_identity file; };

/* ERR_STORE_BUSY: another process has it; *holder is its pid, 0 when it is of another pid namespace. Others: of the folder, logged. */
MUST_USE enum err broker_lock_take(struct broker_lock *l, const char *state_dir, pid_t *holder);
/* Its file was removed or replaced: takes the one that stands there now. Errors as above. Costs a stat. */
MUST_USE enum err broker_lock_keep(struct broker_lock *l, pid_t *holder);
void broker_lock_release(struct broker_lock *l);
/* Asked by others; takes nothing. Must not be called by the process that holds it. */
bool broker_lock_is_held(const char *state_dir);
