/* aegis-shim - the MCP server that an agent's client starts: everything it may do goes through here. */
#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>
#include "base/log.h"
#include "data/secret.h"
#include "shim/shim.h"
#include "shim/start.h"

static void setup_log(const char *level, const char *format)
{
	struct log_options o = { .program = "aegis-shim", .level = LOG_INFO, .fd = STDERR_FILENO };

	if (level && *level)
		(void)log_level_parse(level, &o.level);
	if (format && strcmp(format, "json") == 0)
		o.format = LOG_JSON;
	log_setup(&o);
}

static int refuse(struct start *start)
{
	(void)signal(SIGPIPE, SIG_IGN);
	start_refuse(start, STDIN_FILENO, STDOUT_FILENO);
	start_release(start);
	return EX_CONFIG;
}

static int run(struct start *start)
{
	struct shim shim;
	struct problem why = { 0 };
	enum err e = shim_init(&shim, start, &why);

	if (e == OK)
		shim_run(&shim);
	shim_release(&shim);
	if (e == OK)
		return EXIT_SUCCESS;
	log_error("start", "%s", why.text);
	start->code = -32603;
	snprintf(start->why, sizeof(start->why), "%s", why.text);
	return refuse(start);
}

int main(int argc, char **argv)
{
	struct options options;
	struct start start;

	switch (options_read(argc, argv, &options)) {
	case OPTIONS_DONE:  return EXIT_SUCCESS;
	case OPTIONS_WRONG: return EX_USAGE;
	case OPTIONS_RUN:   break;
	}
	setup_log(options.log_level, NULL);
	if (secret_setup() != OK || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return EX_SOFTWARE;
	if (!start_prepare(&start, &options))
		return refuse(&start);
	setup_log(options.log_level ? options.log_level : start.config->log_level, start.config->log_format);
	return run(&start);
}
