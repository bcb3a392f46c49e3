/* help - what aegisctl says of itself, made from the table of commands. */
#include <stdarg.h>
#include "base/buf.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/term.h"

static const char exit_codes[] =
	"Exit codes:\n"
	"  0  done; call: executed with a good answer\n"
	"  1  call: executed, the tool answered with an error; else: what was asked for is not so\n"
	"  2  usage\n"
	"  3  call: refused by a rule (-32001); else: you may not\n"
	"  4  call: refused by a rate limit (-32002)\n"
	"  5  call: waits for approval or queue (-32003, -32004); approve: others must agree too\n"
	"  6  call: backend unreachable (-32005) or outcome unknown (-32006)\n"
	"  7  configuration, state folder or Aegis itself\n";

void ctl_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("aegisctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void print_options(FILE *to, const struct ctl_option *options)
{
	for (const struct ctl_option *o = options; o && o->name; o++) {
		char left[40];
		snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
			o->value ? o->value : "");
		fprintf(to, "  %-18s %s\n", left, o->help);
	}
}

static void print_overview(FILE *to, const char *first)
{
	fputs("usage: aegisctl [OPTION ...] COMMAND ...\n", to);
	fputs("\nCommands:\n", to);
	for (const struct command *row = commands; row->name; row++)
		if (!first || ctl_begins_with(row, span_of(first)))
			fprintf(to, "  %-18s %s\n", row->name, row->help);
	fputs("\nOptions, before or after the command:\n", to);
	print_options(to, ctl_common);
	fprintf(to, "\n%s\nMore about one: aegisctl help COMMAND\n", exit_codes);
}

static void print_command(FILE *to, const struct command *row)
{
	fprintf(to, "usage: aegisctl %s%s%s\n\n%s\n", row->name, *row->synopsis ? " " : "",
		row->synopsis, row->help);
	if (row->details)
		fprintf(to, "\n%s\n", row->details);
	fputs("\nOptions:\n", to);
	print_options(to, row->options);
	print_options(to, ctl_common);
	if (!row->details || !strstr(row->details, "xit code"))
		fputs("\nExit codes: 0 done; 1 what was asked for is not so; 2 usage; 7 rules, state folder or Aegis itself.\n", to);
	fputs("\nAll exit codes: aegisctl --help\n", to);
}

void ctl_print_help(FILE *to, const struct ctl *c)
{
	if (c->command)
		print_command(to, c->command);
	else
		print_overview(to, c->half);
}

/* For programs: the rows of the table that were asked for. */
static void print_json(const struct ctl *about)
{
	size_t n = 0;

	fputs("[", stdout);
	for (const struct command *row = commands; row->name; row++) {
		if (about->command ? row != about->command : about->half && !ctl_begins_with(row, span_of(about->half)))
			continue;
		struct buf b CLEANUP(buf_release);
		buf_init(&b, 64u * 1024);
		if (buf_append_text(&b, "{\"name\":") && term_quote(&b, row->name) && buf_append_text(&b, ",\"synopsis\":") &&
		    term_quote(&b, row->synopsis) && buf_append_text(&b, ",\"help\":") && term_quote(&b, row->help) && buf_append_char(&b, '}'))
			printf("%s\n%s", n++ ? "," : "", b.data);
	}
	fputs("\n]\n", stdout);
}

enum ctl_exit cmd_help(const struct ctl *c)
{
	struct ctl about = { 0 };
	bool wants_more = false;

	if (c->words_n > 0) {
		about.half = c->words[0];
		about.command =
			ctl_find(c->words[0], c->words_n > 1 ? c->words[1] : NULL, &wants_more);
		if (!about.command && !wants_more)
			return CTL_USAGE;
	}
	if (c->is_json)
		print_json(&about);
	else
		ctl_print_help(stdout, &about);
	return CTL_OK;
}

enum ctl_exit cmd_version(const struct ctl *c)
{
	if (c->is_json)
		puts("{\"program\":\"aegisctl\",\"version\":\"" AEGIS_VERSION "\"}");
	else
		puts("aegisctl " AEGIS_VERSION);
	return CTL_OK;
}
