/* options - the command line of aegis-shim. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/attr.h"

struct options {               /* all borrowed from argv; NULL = not given */
	const char *agent, *config, *backend, *state_dir, *log_level;
	char **command;            /* what stands behind --, with a NULL at its end; command_n words */
	size_t command_n;
};

enum options_answer { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads argv. DONE: --help or --version was printed. WRONG: a sentence stands on stderr. */
MUST_USE enum options_answer options_read(int argc, char **argv, struct options *out);
