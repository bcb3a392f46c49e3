/* cmd_repair - aegisctl repair: a database that cannot be used is put aside, and a new one takes what can be read of it. */
#include "base/xalloc.h"
#include <unistd.h>
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"

static bool is_yes(const char *line)
{
	return line[0] == 'y' || line[0] == 'Y';
}

/* Asked on the terminal; without one, --yes must say it. */
static bool is_agreed(const struct ctl *c, const struct place *place)
{
	char line[16] = "";

	if (ctl_value(c, "yes"))
		return true;
	if (!isatty(STDIN_FILENO)) {
		ctl_say("repair changes the database of %s; confirm with --yes", place->state_dir);
		return false;
	}
	fprintf(stderr,
		"If the database of %s is damaged or missing, what is left of it is put aside, a new one takes over\n"
		"what can be read, and every limit counts as full for one window. A sound one stays. Go on? [y/N] ",
		place->state_dir);
	return fgets(line, sizeof line, stdin) && is_yes(line);
}

static enum ctl_exit print_json(struct span lost)
{
	struct buf out CLEANUP(buf_release);

	buf_init(&out, lost.len * 8 + 64);
	if (!buf_printf(&out, "{\"repaired\":%s,\"lost\":", lost.len ? "true" : "false") || !json_quote(&out, lost))
		return CTL_BROKEN;
	printf("%s}\n", out.data);
	return CTL_OK;
}

enum ctl_exit cmd_repair(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct buf lost CLEANUP(buf_release);
	struct problem why = { 0 };

	buf_init(&lost, 1024u * 1024);
	enum ctl_exit code = place_find_state(c, &place);
	if (code != CTL_OK)
		return code;
	if (!is_agreed(c, &place))
		return CTL_USAGE;
	enum err e = store_repair(place.state_dir, &lost, &why);
	if (e != OK) {
		ctl_say("not repaired: %s", why.text[0] ? why.text : err_text(e));
		return CTL_BROKEN;
	}
	if (c->is_json)
		return print_json(buf_span(&lost));
	if (lost.len == 0)
		puts("nothing was wrong, nothing was changed");
	term_print(stdout, buf_span(&lost), TERM_KEEP_LINES);
	return CTL_OK;
}
