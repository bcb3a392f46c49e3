/* rulebook - the configuration in force, as this process knows it (DESIGN.md section 8). The file is looked at (stat): by shims before each
 * commit point, by the broker once a second, by all when they are woken. New content that validates is offered to the store, which makes
 * it the next generation for every process and wakes them. A file that does not validate changes nothing here, unless another process
 * has already gone on to a generation we cannot load. */
#pragma once
#include <sys/stat.h>
#include "store/store.h"

struct ruleset {                             /* immutable; calls keep the one they were judged by */
	struct config *config;
	uint64_t generation;                 /* 0 = the store was not asked yet */
	unsigned users;
};
struct ruleset *ruleset_keep(struct ruleset *r);
void ruleset_drop(struct ruleset *r);        /* legal on NULL */

struct rulebook_mark { dev_t dev; ino_t ino; off_t size; struct timespec changed, modified; };
void rulebook_mark_read(const char *path, struct rulebook_mark *out);   /* a file that is not there has an empty mark */

struct rulebook {
	void (*changed)(struct rulebook *r);    /* current is another now; the caller fills in both */
	void (*answered)(struct rulebook *r);   /* the store was asked and has answered: look again */
	char *path;
	struct ruleset *current, *offered;
	struct rulebook_mark seen;              /* of the file when it was read last */
	bool is_reread;                      /* ... and it is to be read again whatever its mark says */
	bool must_read;                      /* the store names a generation that is not ours */
	bool is_behind;                      /* ... and the file does not hold it */
	char why[500];                       /* is_behind: what is wrong with the file */
	struct op op;
	struct config_put put;
	enum err put_err;                    /* the store could not be asked; said once */
	unsigned lost_races;
};

/* Finds and loads the rules as a program does at its start: config_find, the mark, config_load. ERR_INVALID: the report says why when it has
 * errors, else why does; others: why. report: the caller releases it, and prints what it has of warnings. */
struct rulebook_found { struct config *config; struct rulebook_mark mark; struct config_report report; struct problem why; };
MUST_USE enum err rulebook_find(const char *given, struct rulebook_found *out);

/* Takes over config. seen: the mark read before the file was. */
void rulebook_init(struct rulebook *r, struct config *config, const struct rulebook_mark *seen);
void rulebook_release(struct rulebook *r);

/* READY: current is what counts as far as this process can know. WAIT: the store is being asked; calls are marked when it has
 * answered. BEHIND: refuse, why says it. FAILED: the store could not be asked. Without a store the rules stay as they are. */
enum rulebook_answer { RULES_READY, RULES_WAIT, RULES_BEHIND, RULES_FAILED };
enum rulebook_answer rulebook_look(struct rulebook *r, struct store *store);      /* NULL: not open */
void rulebook_moved_on(struct rulebook *r);        /* a commit said that another generation is in force */

/* An operator wants the file read now. report is filled in; OK: the next rulebook_look goes on with what it holds. */
MUST_USE enum err rulebook_reread(struct rulebook *r, struct config_report *report);
