/* run - starts a program and takes what it says on stdout, for short helpers such as a password manager. Blocks; no shell.
 * The program gets /dev/null as stdin, our stderr, default signals and a process group of its own, which ends with it.
 * SIGCHLD must not be ignored, and nobody else may reap. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define RUN_NO_EXIT (-1)               /* it was ended by a signal */

/* argv ends with NULL; argv[0] is looked up in PATH. stdout is appended to out, up to its cap.
 * OK: *exit_code is the program's, or RUN_NO_EXIT. ERR_NOT_FOUND: no such program. ERR_TOO_LARGE: it said more than fits.
 * ERR_UNSUPPORTED: not done after limit_ms. ERR_IO. After an error the whole group has been killed. */
MUST_USE enum err run_capture(char *const *argv, int64_t limit_ms, struct buf *out, int *exit_code);
