/* cmd_status - aegisctl status: how it all stands, on one screen. */
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/status.h"
#include "broker/ctl/watch.h"

#define MAX_JSON_BYTES (64u * 1024 * 1024)
#define LEAST_ROWS     5                 /* of a list; more where the terminal is higher than 24 lines */

struct view {
	const struct ctl *ctl;
	struct place *place;
	bool is_watched;
	enum ctl_exit code;              /* of the last look */
};

/* A list may have what is left of the terminal, so that a large one still shows everything. */
static size_t rows_of_terminal(void)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return SIZE_MAX;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 24)
		return LEAST_ROWS;
	return LEAST_ROWS + (size.ws_row - 24u) / 2;
}

static bool print_json(const struct status *s, bool is_watched, FILE *to)
{
	struct buf b CLEANUP(buf_release);

	buf_init(&b, MAX_JSON_BYTES);
	if (!status_write_json(s, &b))
		return false;
	for (size_t i = 0; is_watched && i + 1 < b.len; i++)      /* one line a look; inside strings it is written \n */
		b.data[i] = b.data[i] == '\n' ? ' ' : b.data[i];
	fwrite(b.data, 1, b.len, to);
	return true;
}

static void open_store(struct view *v, struct problem *why)
{
	if (v->place->store)
		place_look_again(v->place);
	else
		place_try_store(v->place, why);
}

static enum ctl_exit draw(void *arg, FILE *text, FILE *gist)
{
	struct status s CLEANUP(status_release) = { 0 };
	struct problem why = { 0 };
	struct view *v = arg;
	bool is_whole = true;

	open_store(v, &why);
	status_look(&s, v->place, why.text);
	if (v->ctl->is_json)
		is_whole = print_json(&s, v->is_watched, text);
	else
		status_print(&s, text, ctl_is_coloured(v->ctl), rows_of_terminal());
	status_print_gist(&s, gist);
	v->code = !is_whole || s.store_why[0] ? CTL_BROKEN : CTL_OK;
	if (s.store_why[0]) {            /* looked at anew, from the beginning */
		store_close(v->place->store);
		v->place->store = NULL;
	}
	return CTL_OK;
}

enum ctl_exit cmd_status(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	enum ctl_exit code = place_find_state(c, &place);

	if (code != CTL_OK)
		return code;
	struct view v = { c, &place, ctl_value(c, "watch") != NULL, CTL_OK };
	code = v.is_watched ? watch_run(draw, &v) : watch_once(draw, &v);
	return code == CTL_OK ? v.code : code;
}
