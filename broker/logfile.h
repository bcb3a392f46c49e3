/* logfile - the log of a broker that a shim has started: state_dir/broker.log in the place of stderr, 0600, a second one (broker.log.1) kept
 * when it has reached 1 MiB. */
#pragma once
#include "base/err.h"

#define LOGFILE_MAX_BYTES (1024 * 1024)

struct logfile { char *path, *old_path; };

/* stdout and stderr go there from now on. ERR_*: they stay what they were. */
MUST_USE enum err logfile_open(struct logfile *l, const char *state_dir);
void logfile_keep(struct logfile *l);    /* once in a while: rotates; begins anew when the file was removed */
void logfile_release(struct logfile *l);
