/* ctl - aegisctl: the table of commands, what a command is given, and how it ends.
 * A command is a row of commands.c; help, usage, option parsing and completion all come from that
 * row. Data goes to stdout, all else to stderr. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/attr.h"
#include "base/span.h"

/* Exit codes; `aegisctl --help` prints this table, so it is part of the interface. */
enum ctl_exit {
	CTL_OK = 0,             /* done; call: executed, with a good answer */
	CTL_FAILED = 1,         /* call: executed, the tool answered with an error; else: what was asked for is not so */
	CTL_USAGE = 2,
	CTL_DENIED = 3,         /* call: refused by a rule (-32001) */
	CTL_LIMITED = 4,        /* call: rate limit (-32002) */
	CTL_WAITING = 5,        /* call: approval or queue (-32003, -32004) */
	CTL_UNREACHABLE = 6,    /* call: backend unreachable (-32005) or outcome unknown (-32006) */
	CTL_BROKEN = 7,         /* configuration, state folder or Aegis itself */
};

#define CTL_MAX_OPTIONS 16

struct ctl_option {             /* a long option of one command */
	const char *name;       /* without dashes; NULL ends the list */
	const char *value;      /* what help calls its value, e.g. "N"; NULL = a flag */
	const char *help;
};

struct ctl;
struct command {
	const char *name;       /* one or two words: "limits", "audit list" */
	const char *synopsis;   /* what follows the name, e.g. "AGENT TOOL ['{json}'|-]" */
	const char *help;       /* one line */
	const char *details;    /* further lines of `help NAME`, or NULL */
	const struct ctl_option *options;  /* or NULL */
	const char *takes[2];   /* what its words are, for completion: a kind that complete.c knows, or "this|that" */
	int words_min, words_max;
	enum ctl_exit (*run)(const struct ctl *c);
};
extern const struct command commands[];         /* ends with name NULL */
extern const struct ctl_option ctl_common[];    /* options of every command; ends with name NULL */

struct ctl {                    /* all borrowed from argv */
	const char *program;    /* argv[0] */
	const char *config;     /* --config, or NULL */
	const char *state_dir;  /* --state-dir, or NULL */
	bool is_json, is_plain; /* is_plain: --no-color */
	bool wants_help, wants_version;
	const struct command *command;  /* NULL while none was found */
	const char *half;       /* the first word of a command of two, while the second is missing */
	const char *values[CTL_MAX_OPTIONS];
	char **words;           /* what follows the command's name; rearranged argv */
	int words_n;
};

/* The value of an option of the command's row; "" for a flag that was given, NULL when it was not. */
const char *ctl_value(const struct ctl *c, const char *option);
/* A whole number in [low, high]; fallback when the option was not given. False: it is none, said on stderr. */
MUST_USE bool ctl_number(const struct ctl *c, const char *option, long low, long high, long fallback, long *out);

/* May stdout be coloured? */
bool ctl_is_coloured(const struct ctl *c);

/* Fills c from argv. False: a sentence was printed, exit with CTL_USAGE. */
MUST_USE bool ctl_parse(struct ctl *c, int argc, char **argv);

/* "aegisctl: sentence" on stderr. */
void ctl_say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* About c->command, else the overview (of the commands that begin with c->half, if that is set). */
void ctl_print_help(FILE *to, const struct ctl *c);

/* The row of that name; second may be NULL. NULL: unknown (said on stderr), or *wants_more: first begins commands of two words. */
const struct command *ctl_find(const char *first, const char *second, bool *wants_more);

bool ctl_begins_with(const struct command *row, struct span word);  /* its first word of two */
