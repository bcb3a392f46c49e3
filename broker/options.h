/* options - the command line of aegis-broker. */
#pragma once
#include <stdbool.h>
#include "base/attr.h"

struct options {               /* all borrowed from argv; NULL = not given */
	const char *config, *state_dir, *log_level;
	bool is_foreground;        /* accepted for who expects it: it never becomes a daemon by itself, who starts it decides */
	bool is_auto_started;      /* by a shim (broker.autostart): ends by itself after broker.idle_exit, keeps its log within bounds */
};

enum options_answer { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads argv. DONE: --help or --version was printed. WRONG: a sentence stands on stderr. */
MUST_USE enum options_answer options_read(int argc, char **argv, struct options *out);

struct config;
void options_setup_log(const struct options *o, const struct config *c);         /* NULL: not read yet. Again when the rules changed */
