#include "broker/options.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "domain/config.h"

static const char HELP[] =
	"usage: aegis-broker [options] [FILE]\n"
	"\n"
	"Carries approvals to people and their answers back, serves API, metrics and pages, expires and tidies up. It enforces nothing:\n"
	"rules hold without it, and killing it loses nothing.\n"
	"\n"
	"  FILE, --config FILE  the rules; default: $AEGIS_CONFIG, ~/.config/aegis/aegis.yaml, /etc/aegis/aegis.yaml\n"
	"  --state-dir DIR      where approvals and audit live; default: state_dir of the rules, ~/.local/state/aegis\n"
	"  --log-level LEVEL    error, warn, info or debug; default: log.level of the rules\n"
	"  --foreground         what it does anyway: it stays the process that was started, with its log on stderr. A service\n"
	"                       manager keeps it (systemd Type=notify is spoken), or a shell does: aegis-broker &\n"
	"  --auto-started       for aegis-shim, which starts a broker when an approval needs one (broker.autostart): it ends after\n"
	"                       broker.idle_exit with nothing to do, and keeps its log, state_dir/broker.log, below 1 MiB\n"
	"  --version            print the version\n"
	"  --help               print this\n"
	"\n"
	"There is one broker for a state folder: a second one says so and ends with exit code 0.\n"
	"SIGHUP reads the rules again (a changed file is seen within a second anyway; one with errors changes nothing).\n"
	"SIGTERM and SIGINT end it; what it had not delivered yet, the next one does.\n"
	"\n"
	"exit codes: 0 ended, or another one is there already; 64 wrong usage; 70 internal failure; 78 rules missing or invalid\n";

enum { OPT_CONFIG = 256, OPT_STATE_DIR, OPT_LOG_LEVEL, OPT_FOREGROUND, OPT_AUTO_STARTED, OPT_VERSION, OPT_HELP };

static const struct option LONG[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "auto-started", no_argument, NULL, OPT_AUTO_STARTED },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static enum options_answer wrong(const char *what, const char *which)
{
	fprintf(stderr, "aegis-broker: %s%s; see aegis-broker --help\n", what, which);
	return OPTIONS_WRONG;
}

static enum options_answer check(int argc, char **argv, struct options *o)
{
	enum log_level level;

	if (optind < argc && o->config)
		return wrong("the rules are named twice: ", argv[optind]);
	if (optind < argc)
		o->config = argv[optind++];
	if (optind < argc)
		return wrong("unexpected argument ", argv[optind]);
	if (o->log_level && !log_level_parse(o->log_level, &level))
		return wrong("--log-level must be error, warn, info or debug, not ", o->log_level);
	return OPTIONS_RUN;
}

enum options_answer options_read(int argc, char **argv, struct options *out)
{
	int c;

	*out = (struct options){ 0 };
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", LONG, NULL)) != -1) {
		switch (c) {
		case OPT_CONFIG:       out->config = optarg; break;
		case OPT_STATE_DIR:    out->state_dir = optarg; break;
		case OPT_LOG_LEVEL:    out->log_level = optarg; break;
		case OPT_FOREGROUND:   out->is_foreground = true; break;
		case OPT_AUTO_STARTED: out->is_auto_started = true; break;
		case OPT_VERSION:      puts("aegis-broker " AEGIS_VERSION); return OPTIONS_DONE;
		case OPT_HELP:         fputs(HELP, stdout); return OPTIONS_DONE;
		case ':':              return wrong("a value is missing after ", argv[optind - 1]);
		default:               return wrong("unknown option ", argv[optind - 1]);
		}
	}
	return check(argc, argv, out);
}

void options_setup_log(const struct options *o, const struct config *c)
{
	struct log_options log = { .program = "aegis-broker", .level = LOG_INFO, .fd = STDERR_FILENO };
	const char *level = o->log_level ? o->log_level : c ? c->log_level : "";

	(void)log_level_parse(level, &log.level);        /* not one: stays INFO */
	if (c && strcmp(c->log_format, "json") == 0)
		log.format = LOG_JSON;
	log_setup(&log);
}
