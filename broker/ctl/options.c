/* options - argv into a struct ctl. Options may stand before, between and after words; "--" ends
 * them. getopt_long is only ever asked for one option at a time ("+"), because C libraries differ
 * in how they permute. */
#include "broker/ctl/ctl.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/nearest.h"

enum { OPT_COMMON = 1000, OPT_OF_COMMAND = 2000 };  /* + its number in the list; above every character */

#define MAX_LONG (8 + CTL_MAX_OPTIONS + 1)

static size_t add_options(struct option *out, size_t n, const struct ctl_option *list, int first)
{
	for (int i = 0; list && list[i].name; i++) {
		assert(n + 1 < MAX_LONG);
		out[n++] = (struct option){ list[i].name, list[i].value ? required_argument : no_argument, NULL, first + i };
	}
	return n;
}

static size_t long_options(const struct command *command, struct option out[MAX_LONG])
{
	size_t n = add_options(out, 0, ctl_common, OPT_COMMON);

	if (command)
		n = add_options(out, n, command->options, OPT_OF_COMMAND);
	out[n] = (struct option){ NULL, 0, NULL, 0 };
	return n;
}

/* "--limti=3" -> "limti" */
static struct span option_name(const char *given)
{
	while (*given == '-')
		given++;
	return (struct span){ given, strcspn(given, "=") };
}

static void refuse_option(const char *given, const struct option *all, size_t n)
{
	const char *names[MAX_LONG];
	struct span name = option_name(given);

	for (size_t i = 0; i < n; i++)
		names[i] = all[i].name;
	const char *near = nearest_word(name, names, n);
	if (near)
		ctl_say("unknown option %s; did you mean --%s?", given, near);
	else
		ctl_say("unknown option %s; see aegisctl --help", given);
}

static void take_common(struct ctl *c, const char *name, const char *value)
{
	if (strcmp(name, "config") == 0)
		c->config = value;
	else if (strcmp(name, "state-dir") == 0)
		c->state_dir = value;
	c->is_json |= strcmp(name, "json") == 0;
	c->is_plain |= strcmp(name, "no-color") == 0;
	c->wants_help |= strcmp(name, "help") == 0;
	c->wants_version |= strcmp(name, "version") == 0;
}

static bool take_option(struct ctl *c, int argc, char **argv)
{
	struct option all[MAX_LONG];
	size_t n = long_options(c->command, all);
	const char *given = argv[optind];

	opterr = 0;
	int which = getopt_long(argc, argv, "+:h", all, NULL);
	switch (which) {
	case 'h': c->wants_help = true; return true;
	case ':': ctl_say("option %s needs a value", given); return false;
	case '?': refuse_option(given, all, n); return false;
	default: break;
	}
	if (which >= OPT_OF_COMMAND)
		c->values[which - OPT_OF_COMMAND] = optarg ? optarg : "";
	else
		take_common(c, ctl_common[which - OPT_COMMON].name, optarg);
	return true;
}

bool ctl_begins_with(const struct command *row, struct span word)
{
	return strlen(row->name) > word.len && strncmp(row->name, word.at, word.len) == 0 &&
	       row->name[word.len] == ' ';
}

/* Refuses what was typed, naming the nearest command or the commands that begin so. */
static void refuse_command(const char *typed)
{
	const char *names[64];
	size_t n = 0;

	for (const struct command *row = commands; row->name && n < ARRAY_LEN(names); row++)
		names[n++] = row->name;
	const char *near = nearest_word(span_of(typed), names, n);
	if (near)
		ctl_say("unknown command '%s'; did you mean '%s'?", typed, near);
	else
		ctl_say("unknown command '%s'; see aegisctl help", typed);
}

const struct command *ctl_find(const char *first, const char *second, bool *wants_more)
{
	char typed[80];

	assert(first);
	int n = second ? snprintf(typed, sizeof typed, "%s %s", first, second)
		       : snprintf(typed, sizeof typed, "%s", first);

	*wants_more = false;
	for (const struct command *row = commands; row->name; row++) {
		if (strcmp(row->name, typed) == 0)
			return row;
		*wants_more |= !second && ctl_begins_with(row, span_of(first));
	}
	if (!*wants_more)
		refuse_command(n < (int)sizeof typed ? typed : first);
	return NULL;
}

/* A word while no command is found yet is its name, or the first half of it. */
static bool take_word(struct ctl *c, char *word)
{
	bool wants_more = false;

	if (c->command) {
		c->words[c->words_n++] = word;
		return true;
	}
	c->command = ctl_find(c->half ? c->half : word, c->half ? word : NULL, &wants_more);
	c->half = word;
	return c->command || wants_more;
}

static bool check_words(const struct ctl *c)
{
	const struct command *row = c->command;

	if (!row && c->half) {
		ctl_say("'%s' wants a second word; see aegisctl help %s", c->half, c->half);
		return false;
	}
	if (!row || (c->words_n >= row->words_min && c->words_n <= row->words_max))
		return true;
	ctl_say("usage: aegisctl %s %s", row->name, row->synopsis);
	return false;
}

bool ctl_parse(struct ctl *c, int argc, char **argv)
{
	bool is_ended = false;

	c->program = argv[0];
	c->words = argv +
		   1; /* a word never moves to the right, so this overwrites only what was read */
	while (optind < argc) {
		const char *at = argv[optind];
		if (!is_ended && strcmp(at, "--") == 0) {
			is_ended = true;
			optind++;
		} else if (!is_ended && at[0] == '-' && at[1] != '\0') {
			if (!take_option(c, argc, argv))
				return false;
		} else if (!take_word(c, argv[optind++])) {
			return false;
		}
	}
	return c->wants_help || c->wants_version || check_words(c);
}

bool ctl_is_coloured(const struct ctl *c)
{
	const char *unwanted = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return !c->is_json && !c->is_plain && !(unwanted && *unwanted) && terminal && *terminal && strcmp(terminal, "dumb") != 0 &&
	       isatty(STDOUT_FILENO);
}

const char *ctl_value(const struct ctl *c, const char *option)
{
	const struct ctl_option *o = c->command->options;

	for (int i = 0; o && o[i].name; i++)
		if (strcmp(o[i].name, option) == 0)
			return c->values[i];
	return NULL;
}

bool ctl_number(
	const struct ctl *c, const char *option, long low, long high, long fallback, long *out)
{
	const char *text = ctl_value(c, option);
	char *end = NULL;

	*out = fallback;
	if (!text)
		return true;
	errno = 0;
	*out = strtol(text, &end, 10);
	if (end != text && *end == '\0' && errno == 0 && *out >= low && *out <= high)
		return true;
	ctl_say("--%s wants a whole number from %ld to %ld, not '%s'", option, low, high, text);
	return false;
}
