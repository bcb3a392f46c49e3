/* path - files and folders: joining, the user's own folders, safe reading. Paths are UTF-8 C strings; char * results are owned. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

char *path_join(const char *folder, const char *name);   /* name alone when it is absolute */
char *path_folder_of(const char *path);                  /* "." when there is none */
char *path_config_home(void);                            /* $XDG_CONFIG_HOME or ~/.config; NULL without a home */
char *path_state_home(void);                             /* $XDG_STATE_HOME or ~/.local/state */
char *path_real(const char *path);                       /* realpath(3), or NULL */

MUST_USE enum err path_make_private_folder(const char *path);   /* mkdir -p; the last one 0700; must be ours, not a link */
MUST_USE enum err path_read_file(const char *path, size_t cap_bytes, struct buf *out);  /* appends; ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_PERMISSION, ERR_INVALID (no regular file), ERR_IO */
MUST_USE enum err path_write_private_file(const char *path, struct span bytes);  /* temp + fsync + rename, 0600 */
bool path_is_on_network(const char *path);               /* statfs says NFS, SMB, 9p, FUSE of a share ... */
