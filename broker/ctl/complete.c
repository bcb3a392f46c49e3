#include "broker/ctl/complete.h"
#include <assert.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/path.h"
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/term.h"
#include "domain/channels.h"

/* A command line up to the word at the cursor. */
struct line {
	const struct command *row;
	const char *half;                      /* the first word of a command of two */
	const char *last;                      /* the last plain word; NULL: none */
	const struct ctl_option *waiting;      /* the option whose value comes next */
	int words_n;
	bool is_ended;                         /* by "--" */
	const char *config, *state_dir;
	const char *word;                      /* at the cursor, as far as it counts */
	const char *lead;                      /* stands before every candidate: "--agent=" */
	int lead_n;
};

static void offer(const struct line *l, const char *candidate, const char *about)
{
	CLEANUP(free_charp) char *shown = term_text(about);

	if (strncmp(candidate, l->word, strlen(l->word)) == 0)
		printf("%.*s%s%s%s\n", l->lead_n, l->lead, candidate, *shown ? "\t" : "", shown);
}

/* ---- values ---- */

typedef void values_fn(const struct line *l, const struct place *p);

static void offer_agents(const struct line *l, const struct place *p)
{
	for (size_t i = 0; p->config && i < p->config->agents_n; i++)
		offer(l, p->config->agents[i].name, p->config->agents[i].display_name);
}

static void offer_backends(const struct line *l, const struct place *p)
{
	for (size_t i = 0; p->config && i < p->config->backends_n; i++)
		offer(l, p->config->backends[i].name, "backend");
}

static void offer_rooms(const struct line *l, const struct place *p)
{
	for (size_t i = 0; p->config && i < p->config->rooms_n; i++)
		offer(l, p->config->rooms[i].name, p->config->rooms[i].repository);
}

static bool offer_approval(void *arg, const struct approval *a)
{
	CLEANUP(free_charp) char *about = xasprintf("%s for %s", a->tool, a->agent);

	if (a->state == APPROVAL_PENDING)
		offer(arg, a->short_id, about);
	return true;
}

static void offer_approvals(const struct line *l, const struct place *p)
{
	struct approval_filter pending = { .is_live_only = true };
	struct line copy = *l;

	if (p->store)
		(void)!store_approval_list(p->store, &pending, offer_approval, &copy);
}

static bool offer_unknown(void *arg, const struct unknown_row *u)
{
	CLEANUP(free_charp) char *about = xasprintf("%s by %s", u->tool, u->agent);

	offer(arg, u->call, about);
	return true;
}

static void offer_unknowns(const struct line *l, const struct place *p)
{
	struct line copy = *l;

	if (p->store)
		(void)!store_unknown_list(p->store, true, offer_unknown, &copy);
}

static bool offer_token(void *arg, const struct token *t)
{
	offer(arg, t->name, t->role);
	return true;
}

static void offer_tokens(const struct line *l, const struct place *p)
{
	struct line copy = *l;

	if (p->store)
		(void)!store_token_list(p->store, true, offer_token, &copy);
}

static void offer_people(const struct line *l, const struct place *p)
{
	for (size_t i = 0; p->config && i < p->config->people_n; i++)
		offer(l, p->config->people[i].name, "");
}

static void offer_channels(const struct line *l, const struct place *p)
{
	const char *names[CHANNELS_MAX];
	size_t n = p->config ? channels_of(p->config, names) : 0;

	for (size_t i = 0; i < n; i++)
		offer(l, names[i], "");
}

/* By what help calls a value, or struct command's takes. */
static const struct {
	const char *kind, *fixed;              /* fixed: ":files" and ":folders" are the shell's, others are "this|that" */
	values_fn *offer;
	bool wants_store;
} kinds[] = {
	{ "FILE", ":files", NULL, false },
	{ "DIR", ":folders", NULL, false },
	{ "ROLE", "viewer|operator|approver|superuser", NULL, false },
	{ "A", NULL, offer_agents, false },
	{ "AGENT", NULL, offer_agents, false },
	{ "B", NULL, offer_backends, false },
	{ "R", NULL, offer_rooms, false },
	{ "P", NULL, offer_people, false },
	{ "CHANNEL", NULL, offer_channels, false },
	{ "APPROVAL", NULL, offer_approvals, true },
	{ "UNKNOWN", NULL, offer_unknowns, true },
	{ "TOKEN", NULL, offer_tokens, true },
};

/* Opening the store makes its folder. */
static bool has_database(const struct place *p)
{
	CLEANUP(free_charp) char *path = path_join(p->state_dir, "aegis.db");

	return access(path, F_OK) == 0;
}

static void offer_from(const struct line *l, values_fn *fn, bool wants_store)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct ctl c = { .config = l->config, .state_dir = l->state_dir };

	fflush(stdout);                        /* what was offered stays, however this ends */
	enum ctl_exit code = wants_store ? place_find_state(&c, &place) : place_find_rules(&c, &place);
	if (code == CTL_OK && wants_store && has_database(&place))
		code = place_open_store(&place);
	if (code == CTL_OK)
		fn(l, &place);
}

/* "done|not_done" */
static void offer_choices(const struct line *l, const char *choices)
{
	CLEANUP(free_charp) char *copy = xstrdup(choices);
	char *rest = copy, *one;

	while ((one = strsep(&rest, "|")))
		offer(l, one, "");
}

static void offer_values(const struct line *l, const char *kind)
{
	for (size_t i = 0; kind && i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		if (kinds[i].offer)
			offer_from(l, kinds[i].offer, kinds[i].wants_store);
		else if (kinds[i].fixed[0] == ':')
			puts(kinds[i].fixed);
		else
			offer_choices(l, kinds[i].fixed);
		return;
	}
	if (kind && strchr(kind, '|') && !strchr(kind, '@'))     /* "done|not_done", not "JSON|@FILE|-" */
		offer_choices(l, kind);
}

/* ---- commands and options ---- */

/* First words are offered once each. What it is: of a family, those that belong to it. */
static void offer_first_words(const struct line *l)
{
	size_t before_n = 0;
	const char *before = "";

	for (const struct command *row = commands; row->name; row++) {
		size_t n = strcspn(row->name, " ");
		CLEANUP(free_charp) char *word = xasprintf("%.*s", (int)n, row->name);
		if (n != before_n || strncmp(before, word, n) != 0)
			offer(l, word, row->name[n] ? "" : row->help);
		before = row->name;
		before_n = n;
	}
}

static void offer_second_words(const struct line *l, const char *first)
{
	for (const struct command *row = commands; row->name; row++)
		if (ctl_begins_with(row, span_of(first)))
			offer(l, row->name + strlen(first) + 1, row->help);
}

static void offer_options(const struct line *l, const struct ctl_option *list)
{
	for (const struct ctl_option *o = list; o && o->name; o++) {
		CLEANUP(free_charp) char *word = xasprintf("--%s", o->name);
		offer(l, word, o->help);
	}
}

static const struct ctl_option *find_option(const struct ctl_option *list, struct span name)
{
	for (const struct ctl_option *o = list; o && o->name; o++)
		if (strlen(o->name) == name.len && memcmp(o->name, name.at, name.len) == 0)
			return o;
	return NULL;
}

/* "--agent=cl": its row, and how long "--agent=" is (0: there is no "="). */
static const struct ctl_option *option_of(const struct line *l, const char *word, int *lead_n)
{
	size_t n = strcspn(word, "=");
	struct span name = { word + 2, n > 2 ? n - 2 : 0 };

	*lead_n = word[n] ? (int)n + 1 : 0;
	if (strncmp(word, "--", 2) != 0)
		return NULL;
	const struct ctl_option *o = l->row ? find_option(l->row->options, name) : NULL;
	return o ? o : find_option(ctl_common, name);
}

/* ---- the line ---- */

static void take_value(struct line *l, const struct ctl_option *o, const char *value)
{
	if (strcmp(o->name, "config") == 0)
		l->config = value;
	else if (strcmp(o->name, "state-dir") == 0)
		l->state_dir = value;
}

static void take_plain(struct line *l, const char *word)
{
	const struct command *row = commands;

	l->last = word;
	if (l->row) {
		l->words_n++;
		return;
	}
	for (; row->name; row++) {
		size_t n = l->half ? strlen(l->half) : 0;
		bool is_second = n > 0 && ctl_begins_with(row, span_of(l->half)) && strcmp(row->name + n + 1, word) == 0;
		if (is_second || (n == 0 && strcmp(row->name, word) == 0))
			break;
	}
	l->row = row->name ? row : NULL;
	l->half = word;
}

static void take_word(struct line *l, const char *word)
{
	int lead_n = 0;

	if (l->waiting && strcmp(word, "=") == 0)
		return;
	if (l->waiting) {
		take_value(l, l->waiting, word);
		l->waiting = NULL;
	} else if (l->is_ended || word[0] != '-' || word[1] == '\0') {
		take_plain(l, word);
	} else if (strcmp(word, "--") == 0) {
		l->is_ended = true;
	} else {
		const struct ctl_option *o = option_of(l, word, &lead_n);
		if (o && o->value && lead_n > 0)
			take_value(l, o, word + lead_n);
		else if (o && o->value)
			l->waiting = o;
	}
}

static void offer_plain(const struct line *l)
{
	bool is_command = l->row && l->row->takes[0] && strcmp(l->row->takes[0], "COMMAND") == 0;

	const char *first = is_command ? l->last : l->half;

	if (is_command ? l->words_n == 0 : !l->row && !first)
		offer_first_words(l);
	else if (is_command ? l->words_n == 1 : !l->row)
		offer_second_words(l, first);
	else if (l->words_n < (int)ARRAY_LEN(l->row->takes))
		offer_values(l, l->row->takes[l->words_n]);
}

static void offer_word(struct line *l)
{
	if (l->waiting && strcmp(l->word, "=") == 0)
		l->word = "";
	if (l->waiting) {
		offer_values(l, l->waiting->value);
	} else if (!l->is_ended && l->word[0] == '-') {
		const struct ctl_option *o = option_of(l, l->word, &l->lead_n);
		l->lead = l->word;
		l->word += l->lead_n;
		if (l->lead_n == 0)
			offer_options(l, l->row ? l->row->options : NULL);
		if (l->lead_n == 0)
			offer_options(l, ctl_common);
		else if (o && o->value)
			offer_values(l, o->value);
	} else {
		offer_plain(l);
	}
}

/* ---- life ---- */

static void give_up(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

static void limit_time(void)
{
	struct itimerval limit = { .it_value = { .tv_usec = COMPLETE_LIMIT_MS * 1000 } };
	struct sigaction end = { .sa_handler = give_up };

	sigemptyset(&end.sa_mask);
	if (sigaction(SIGALRM, &end, NULL) != 0 || setitimer(ITIMER_REAL, &limit, NULL) != 0)
		_exit(0);
}

enum ctl_exit complete(const char *const *words, int n)
{
	struct line l = { .word = words[n - 1], .lead = "" };

	limit_time();
	if (!freopen("/dev/null", "w", stderr))
		return CTL_OK;
	for (int i = 0; i < n - 1; i++)
		take_word(&l, words[i]);
	offer_word(&l);
	return fflush(stdout) == 0 ? CTL_OK : CTL_BROKEN;
}

enum ctl_exit cmd_completion(const struct ctl *c)
{
	static const char *const shells[] = { "bash", "fish", "zsh" };

	assert(complete_scripts_n == (int)ARRAY_LEN(shells));
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (strcmp(c->words[0], shells[i]) != 0)
			continue;
		fputs(complete_scripts[i], stdout);
		return CTL_OK;
	}
	ctl_say("completion is made for bash, zsh and fish, not for '%s'", c->words[0]);
	return CTL_USAGE;
}
