/* aegisctl - the operators' hand. */
#include "broker/ctl/commands.h"
#include "broker/ctl/complete.h"

static enum ctl_exit run(const struct ctl *c)
{
	if (c->wants_version)
		return cmd_version(c);
	if (c->wants_help) {
		ctl_print_help(stdout, c);
		return CTL_OK;
	}
	if (!c->command) {
		ctl_print_help(stderr, c);
		return CTL_USAGE;
	}
	return c->command->run(c);
}

int main(int argc, char **argv)
{
	struct ctl c = { 0 };

	if (argc > 2 && strcmp(argv[1], COMPLETE_WORD) == 0)
		return (int)complete((const char *const *)argv + 2, argc - 2);
	if (!ctl_parse(&c, argc, argv))
		return CTL_USAGE;
	enum ctl_exit code = run(&c);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("aegisctl: stdout");
		return CTL_BROKEN;
	}
	return (int)code;
}
