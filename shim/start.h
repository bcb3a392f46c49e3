/* start - what must be right before a session can begin: rules that load, an agent they know, a backend it may use. When something is
 * not, the client still gets an answer it can show: initialize fails with the sentence. */
#pragma once
#include "shim/merge.h"
#include "shim/options.h"
#include "store/rulebook.h"

struct start {
	const struct options *options;
	struct config *config;               /* owned until shim_init takes it over */
	struct rulebook_mark mark;
	const char *backends[MERGE_MAX_PARTS];   /* config's, in its order */
	size_t backends_n;
	char *state_dir;                     /* owned until shim_init takes it over */
	int code;                            /* of the refusal */
	char why[700];
};

/* False: why and code say what is wrong; every error of the file stands on stderr. */
MUST_USE bool start_prepare(struct start *s, const struct options *o);
void start_release(struct start *s);

/* Answers the client's initialize with the refusal and waits for no more. */
void start_refuse(const struct start *s, int in_fd, int out_fd);
