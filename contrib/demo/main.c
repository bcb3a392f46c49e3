/* aegis-demo-server - a small MCP server to try Aegis against: `./contrib/try.sh` starts it. */
#include "contrib/demo/demo.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>

static const char usage[] =
	"usage: aegis-demo-server [--port N] [--with-slow]\n"
	"       aegis-demo-server --stdio\n\n"
	"An MCP server (Streamable HTTP, 127.0.0.1 only) with the tools echo, get_weather, list_posts,\n"
	"publish_post and admin_reset. Says where it listens, and ends on SIGTERM or SIGINT.\n"
	"GET /stats tells in JSON how many calls of each tool arrived.\n\n"
	"  --port N      listen there; 0 (default) takes a free port\n"
	"  --with-slow   offers slow(seconds) too, which reports its progress\n"
	"  --stdio       serves whoever started it, on stdin and stdout, until stdin ends\n"
	"  --help, --version\n";

struct arguments {
	uint16_t port;
	bool has_port, with_slow, is_stdio;
};

static bool parse_port(const char *text, uint16_t *port)
{
	char *end = NULL;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || text[0] == '-' || value > 65535)
		return false;
	*port = (uint16_t)value;
	return true;
}

static bool take(int which, struct arguments *out)
{
	out->has_port |= which == 'p';
	out->with_slow |= which == 's';
	out->is_stdio |= which == 'i';
	return which == 'p' ? parse_port(optarg, &out->port) : which == 's' || which == 'i';
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *out)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "with-slow", no_argument, NULL, 's' },
		{ "stdio", no_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int which;

	while ((which = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (take(which, out))
			continue;
		if (which == 'h')
			fputs(usage, stdout);
		else if (which == 'v')
			puts("aegis-demo-server " AEGIS_VERSION);
		else
			fputs(usage, stderr);
		return which == 'h' || which == 'v' ? 0 : 2;
	}
	if (optind == argc && !(out->is_stdio && (out->has_port || out->with_slow)))
		return -1;
	fputs(usage, stderr);
	return 2;
}

void demo_init(struct demo *d)
{
	pthread_mutex_init(&d->lock, NULL);
	d->sessions = map_new();
}

void demo_release(struct demo *d)
{
	posts_clear(d);
	map_free(d->sessions, NULL);
	pthread_mutex_destroy(&d->lock);
}

/* Blocked before the first thread starts, so that only serve() meets them. */
static void block_signals(sigset_t *ends)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(ends);
	sigaddset(ends, SIGTERM);
	sigaddset(ends, SIGINT);
	sigaddset(ends, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ends, NULL);
}

static int serve(struct demo *d, uint16_t port)
{
	sigset_t ends;
	int got = 0;

	block_signals(&ends);
	struct http *h = http_start(d, port);
	if (!h) {
		fprintf(stderr, "aegis-demo-server: cannot listen on port %u: %s\n", port, strerror(errno));
		return 1;
	}
	printf("listening on http://127.0.0.1:%u/mcp\n", http_port(h));
	fflush(stdout);
	sigwait(&ends, &got);
	atomic_store(&d->is_stopping, true);
	http_stop(h);
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int code = parse(argc, argv, &arguments);

	if (code >= 0)
		return code;
	struct demo demo = { .is_slow_offered = arguments.with_slow };
	demo_init(&demo);
	code = arguments.is_stdio ? stdio_serve(&demo) : serve(&demo, arguments.port);
	demo_release(&demo);
	return code;
}
