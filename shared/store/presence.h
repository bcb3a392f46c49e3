/* presence - who is alive, by kernel locks: process number N holds a POSIX write lock on byte N of run/alive (F_GETLK asks).
 * The file is opened once per process and never closed: closing any descriptor of it would drop the lock. The lock dies with the
 * process. Do not fork without exec. Watching: every process keeps a FIFO run/N.life open; a watcher's read end hangs up when that
 * process dies, within a few ms, also from inside another pid namespace, and any number of watchers costs the watched nothing.
 * The length of run/alive is one more than the highest number ever taken. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "domain/config.h"

#define PRESENCE_BYTE_INSIDE 0                    /* the byte of run/alive that is held by who is inside the write gate */

struct presence;
MUST_USE enum err presence_open(const char *state_dir, struct presence **out);   /* makes run/, opens run/alive; takes nothing yet */
void presence_forget(struct presence *p);                                        /* removes run/N.life, frees the memory; the descriptors stay open on purpose */
MUST_USE enum err presence_reopen(struct presence *p);                           /* run/alive was replaced: opens the new one, takes nothing there */
MUST_USE enum err presence_take(struct presence *p, uint32_t number);            /* our own byte; ERR_STORE_BUSY: another process has it */
MUST_USE enum err presence_listen(struct presence *p);                           /* run/N.life, from the first real request on; again: makes it anew */
bool presence_is_alive(struct presence *p, uint32_t number, pid_t *pid);         /* true for ourselves; pid 0 when of another pid namespace; may be NULL */
bool presence_is_stopped(pid_t pid);                                             /* /proc/PID/stat T or t; macOS kinfo_proc SSTOP */
/* fd that becomes readable (hang-up) at its death; when it has no FIFO, after 1 s: ask presence_is_alive. -1 when it is dead. Caller closes */
int presence_watch(struct presence *p, uint32_t number);
/* Folder for sockets: state_dir/run, or $XDG_RUNTIME_DIR/aegis-<hash> when sun_path would be too long. Owned. ERR_TOO_LARGE: neither fits. */
MUST_USE enum err presence_socket_folder(const char *state_dir, char **out);
/* Where aegis-broker listens for operators: server.admin_socket, else admin.sock in that folder, in enforced mode /run/aegis/admin.sock.
 * c may be NULL: no rules. Owned. Errors as above. */
MUST_USE enum err presence_admin_socket(const struct config *c, const char *state_dir, char **out);
/* Removes the FIFOs and sockets of dead processes. */
void presence_sweep(struct presence *p);

/* For the gate. */
bool presence_is_listening(const struct presence *p);
int presence_fd(const struct presence *p);                                       /* run/alive; never close it */
bool presence_is_current(const struct presence *p);                              /* run/alive is still the file we hold */
uint32_t presence_highest(const struct presence *p);                             /* number ever taken here; 0 = none */
