/* rules - the configuration in force, as this process knows it (DESIGN.md section 8). The file is looked at (stat) before each
 * commit point; new content that validates is offered to the store, which makes it the next generation for every process. A file
 * that does not validate changes nothing here, unless another process has already gone on to a generation we cannot load. */
#pragma once
#include <sys/stat.h>
#include "store/store.h"

struct shim;

struct ruleset {                             /* immutable; calls keep the one they were judged by */
	struct config *config;
	uint64_t generation;                 /* 0 = the store was not asked yet */
	unsigned users;
};
struct ruleset *ruleset_keep(struct ruleset *r);
void ruleset_drop(struct ruleset *r);        /* legal on NULL */

struct rules_mark { dev_t dev; ino_t ino; off_t size; struct timespec changed, modified; };
void rules_mark_read(const char *path, struct rules_mark *out);   /* a file that is not there has an empty mark */

struct rules {
	struct shim *shim;
	char *path;
	struct ruleset *current, *offered;
	struct rules_mark seen;              /* of the file when it was read last */
	bool must_read;                      /* the store names a generation that is not ours */
	bool is_behind;                      /* ... and the file does not hold it */
	char why[500];                       /* is_behind: what is wrong with the file */
	struct op op;
	struct config_put put;
	enum err put_err;                    /* the store could not be asked; said once */
	unsigned lost_races;
};

/* Takes over config. seen: the mark read before the file was. */
void rules_init(struct rules *r, struct shim *shim, struct config *config, const struct rules_mark *seen);
void rules_release(struct rules *r);

/* READY: current is what counts as far as this process can know. WAIT: the store is being asked; calls are marked when it has
 * answered. BEHIND: refuse, why says it. FAILED: the store could not be asked. Without a store the rules stay as they are. */
enum rules_answer { RULES_READY, RULES_WAIT, RULES_BEHIND, RULES_FAILED };
enum rules_answer rules_look(struct rules *r);
void rules_moved_on(struct rules *r);        /* a commit said that another generation is in force */
