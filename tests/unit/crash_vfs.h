/* crash_vfs - what a power failure could leave of a database. A SQLite VFS over the machine's own remembers every write, truncation and
 * sync of aegis.db and its WAL, and makes of them the files as they may stand after the power went at any of these moments: what was
 * synced is there; of the rest nothing, all, or some of it in any order, torn at sectors. Creation and removal of the files themselves
 * count as durable at once. The store's own fdatasync of the WAL is seen too (on Linux). One recording at a time; one test process. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crash_loss { CRASH_LOSES_ALL, CRASH_LOSES_SOME, CRASH_LOSES_NOTHING, CRASH_LOSSES };

void crash_install(void);                             /* as the default VFS; before any database is opened */
void crash_remove(void);                              /* after all are closed; forgets the recording */
/* From now on, as the files of this folder stand: they are taken to be on disk. */
void crash_record(const char *folder);
void crash_stop(void);                                /* what follows is not recorded */
size_t crash_now(void);                               /* events so far: what is known to be committed now is in every image made later */
/* The next moment after that one at which something is about to be synced; false: none. */
bool crash_next_sync(size_t *at);
/* The two files as they could stand had the power gone after `at` events, put into a folder in the place of what is there. */
void crash_image(size_t at, enum crash_loss loss, uint64_t seed, const char *folder);
bool crash_sees_every_sync(void);                     /* false: durability of what was not asked to be FULL cannot be judged here */
