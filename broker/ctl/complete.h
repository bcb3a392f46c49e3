/* complete - what may come next on a command line of aegisctl, for the shells (contrib/completions/): `aegisctl __complete WORDS...`, the
 * last word being the one at the cursor, maybe "". Answered from the table of commands, the rules and the store; it changes nothing, says
 * nothing on stderr, and ends within COMPLETE_LIMIT_MS whatever it waits for.
 *
 * One candidate a line, a tab and what it is behind it; or ":files", ":folders" alone: the shell knows them better. bash splits
 * --option=value into three words, the others do not; both are understood. */
#pragma once
#include "broker/ctl/ctl.h"

#define COMPLETE_WORD     "__complete"
#define COMPLETE_LIMIT_MS 500

enum ctl_exit complete(const char *const *words, int n);

extern const char *const complete_scripts[];     /* for bash, fish, zsh: in the order of their names */
extern const int complete_scripts_n;
