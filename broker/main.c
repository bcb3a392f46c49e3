/* aegis-broker - the operators' side: carries approvals to people and their answers back. */
#include <curl/curl.h>
#include <sysexits.h>
#include <unistd.h>
#include "base/log.h"
#include "broker/broker.h"
#include "data/secret.h"

#define REPORT_MAX_BYTES (1024 * 1024)

/* Every error and warning, as file:line:col. */
static void print_report(const struct config_report *report)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, REPORT_MAX_BYTES);
	if (config_report_write(report, &text) && text.len > 0)
		(void)!write(STDERR_FILENO, text.data, text.len);
}

static int run(const struct options *options, struct rulebook_found *found)
{
	struct broker broker;
	struct problem why = { 0 };
	enum err e = broker_init(&broker, options, found, &why);

	if (e == OK)
		broker_run(&broker);
	else if (e == ERR_STORE_BUSY)
		log_info("start", "%s", why.text);
	else
		log_error("start", "%s", why.text);
	broker_release(&broker);
	return e == OK || e == ERR_STORE_BUSY ? EXIT_SUCCESS : EX_SOFTWARE;
}

int main(int argc, char **argv)
{
	struct options options;
	struct rulebook_found found;
	enum err e;

	switch (options_read(argc, argv, &options)) {
	case OPTIONS_DONE:  return EXIT_SUCCESS;
	case OPTIONS_WRONG: return EX_USAGE;
	case OPTIONS_RUN:   break;
	}
	options_setup_log(&options, NULL);
	if (secret_setup() != OK || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return EX_SOFTWARE;
	e = rulebook_find(options.config, &found);
	print_report(&found.report);
	config_report_release(&found.report);
	if (e != OK) {
		if (found.why.text[0])
			log_error("start", "%s", found.why.text);
		return EX_CONFIG;
	}
	options_setup_log(&options, found.config);
	return run(&options, &found);
}
