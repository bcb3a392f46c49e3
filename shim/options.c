#include "shim/options.h"
#include <getopt.h>
#include <stdio.h>
#include "base/log.h"

static const char HELP[] =
	"usage: aegis-shim --agent NAME [options] [-- COMMAND [ARGUMENT]...]\n"
	"\n"
	"The stdio MCP server of one agent: every tools/call goes to the real backend only through the rules.\n"
	"Start it from the MCP client's configuration: command aegis-shim, args [\"--agent\", \"NAME\"].\n"
	"\n"
	"  --agent NAME      which agent of the rules this is (required)\n"
	"  --backend NAME    only this backend; without it all that the agent may use, as one server\n"
	"  --config FILE     the rules; default: $AEGIS_CONFIG, ~/.config/aegis/aegis.yaml, /etc/aegis/aegis.yaml\n"
	"  --state-dir DIR   where limits and audit live; default: state_dir of the rules, ~/.local/state/aegis\n"
	"  --log-level LEVEL error, warn, info or debug, on stderr; default: log.level of the rules\n"
	"  -- COMMAND ...    the stdio MCP server to start in place of the backend's own url or command, with this environment;\n"
	"                    the backend's grants, limits and queue apply\n"
	"  --version         print the version\n"
	"  --help            print this\n"
	"\n"
	"exit codes: 0 end of input or signal, 64 wrong usage, 70 internal failure, 78 rules missing, invalid or without this agent\n";

enum { OPT_AGENT = 256, OPT_CONFIG, OPT_BACKEND, OPT_STATE_DIR, OPT_LOG_LEVEL, OPT_VERSION, OPT_HELP };

static const struct option LONG[] = {
	{ "agent", required_argument, NULL, OPT_AGENT },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static enum options_answer wrong(const char *what, const char *which)
{
	fprintf(stderr, "aegis-shim: %s%s; see aegis-shim --help\n", what, which);
	return OPTIONS_WRONG;
}

/* getopt has stopped behind "--", or at the first word that is no option. */
static enum options_answer check(int argc, char **argv, struct options *o)
{
	bool has_command = strcmp(argv[optind - 1], "--") == 0;
	enum log_level level;

	if (optind < argc && !has_command)
		return wrong("unexpected argument ", argv[optind]);
	if (optind == argc && has_command)
		return wrong("say which command to start behind --", "");
	if (has_command) {
		o->command = argv + optind;
		o->command_n = (size_t)(argc - optind);
	}
	if (!o->agent || !*o->agent)
		return wrong("say which agent this is with --agent NAME", "");
	if (o->log_level && !log_level_parse(o->log_level, &level))
		return wrong("--log-level must be error, warn, info or debug, not ", o->log_level);
	return OPTIONS_RUN;
}

enum options_answer options_read(int argc, char **argv, struct options *out)
{
	int c;

	*out = (struct options){ 0 };
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:", LONG, NULL)) != -1) {
		switch (c) {
		case OPT_AGENT:     out->agent = optarg; break;
		case OPT_CONFIG:    out->config = optarg; break;
		case OPT_BACKEND:   out->backend = optarg; break;
		case OPT_STATE_DIR: out->state_dir = optarg; break;
		case OPT_LOG_LEVEL: out->log_level = optarg; break;
		case OPT_VERSION:   puts("aegis-shim " AEGIS_VERSION); return OPTIONS_DONE;
		case OPT_HELP:      fputs(HELP, stdout); return OPTIONS_DONE;
		case ':':           return wrong("a value is missing after ", argv[optind - 1]);
		default:            return wrong("unknown option ", argv[optind - 1]);
		}
	}
	return check(argc, argv, out);
}
