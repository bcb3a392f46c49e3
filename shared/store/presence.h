/* presence - who is alive, by kernel locks: process number N holds a POSIX write lock on byte N of run/alive (F_GETLK asks).
 * The file is opened once per process and never closed: closing any descriptor of it would drop the lock. The lock dies with the
 * process. Do not fork without exec. Watching: every process listens on run/N.sock (stream, never accepted); a watcher's
 * connection hangs up when that process dies, within a few ms, also from inside another pid namespace. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

struct presence;
MUST_USE enum err presence_open(const char *state_dir, struct presence **out);   /* opens run/alive; takes nothing yet */
void presence_forget(struct presence *p);                                        /* frees the memory; the descriptor stays open on purpose */
MUST_USE enum err presence_take(struct presence *p, uint32_t number);            /* our own byte */
MUST_USE enum err presence_listen(struct presence *p);                           /* run/N.sock, from the first real request on */
bool presence_is_alive(struct presence *p, uint32_t number, pid_t *pid);         /* true for ourselves; pid 0 when of another pid namespace; may be NULL */
bool presence_is_stopped(pid_t pid);                                             /* /proc/PID/stat T or t; macOS kinfo_proc SSTOP */
int presence_watch(struct presence *p, uint32_t number);                         /* fd that becomes readable (hang-up) at its death; -1 when it is dead. Caller closes */
/* Folder for sockets: state_dir/run, or $XDG_RUNTIME_DIR/aegis-<hash> when sun_path would be too long. Owned. ERR_TOO_LARGE: neither fits. */
MUST_USE enum err presence_socket_folder(const char *state_dir, char **out);
/* Removes the sockets of dead processes. */
void presence_sweep(struct presence *p);
