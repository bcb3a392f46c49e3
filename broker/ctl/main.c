/* aegisctl - the operators' hand. */
#include "broker/ctl/ctl.h"

static enum ctl_exit run(const struct ctl *c)
{
	if (c->wants_version) {
		puts("aegisctl " AEGIS_VERSION);
		return CTL_OK;
	}
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

	if (!ctl_parse(&c, argc, argv))
		return CTL_USAGE;
	enum ctl_exit code = run(&c);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("aegisctl: stdout");
		return CTL_BROKEN;
	}
	return (int)code;
}
