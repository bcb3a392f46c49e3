#include "broker/ctl/operator.h"
#include <unistd.h>

bool operator_find(const struct place *p, struct voter *out)
{
	const char *terminal = ttyname(STDIN_FILENO);
	bool is_known = voter_of_uid(p->config, p->state_dir, getuid(), out);

	snprintf(out->origin, sizeof out->origin, "uid %u%s%s", (unsigned)out->uid, terminal ? " " : "", terminal ? terminal : "");
	return is_known;
}
