#include "broker/ctl/watch.h"
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/xalloc.h"

#define EVERY_MS 1000
#define CLEAR_SCREEN "\033[H\033[2J"

struct view {
	char *text, *gist;
	size_t text_bytes, gist_bytes;
};

static void view_release(struct view *v)
{
	free(v->text);
	free(v->gist);
	*v = (struct view){ 0 };
}

static enum ctl_exit view_draw(struct view *v, watch_draw_fn *draw, void *arg)
{
	FILE *text = open_memstream(&v->text, &v->text_bytes), *gist = open_memstream(&v->gist, &v->gist_bytes);
	enum ctl_exit code = CTL_BROKEN;

	if (text && gist)
		code = draw(arg, text, gist);
	if (text && fclose(text) != 0)
		code = CTL_BROKEN;
	if (gist && fclose(gist) != 0)
		code = CTL_BROKEN;
	return code;
}

static bool is_same(const struct view *a, const struct view *b, bool is_terminal)
{
	const char *one = is_terminal ? a->text : a->gist, *other = is_terminal ? b->text : b->gist;

	return one && other && strcmp(one, other) == 0;
}

/* False: nobody reads. */
static bool show(const struct view *v, bool is_terminal)
{
	if (is_terminal)
		fputs(CLEAR_SCREEN, stdout);
	fputs(v->text, stdout);
	return fflush(stdout) == 0;
}

/* Waits, and sees at once when the other end of a pipe is closed. */
static bool is_left(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, EVERY_MS) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

enum ctl_exit watch_once(watch_draw_fn *draw, void *arg)
{
	struct view v CLEANUP(view_release) = { 0 };
	enum ctl_exit code = view_draw(&v, draw, arg);

	if (code == CTL_OK)
		fputs(v.text, stdout);
	return code;
}

enum ctl_exit watch_run(watch_draw_fn *draw, void *arg)
{
	bool is_terminal = isatty(STDOUT_FILENO), is_over = false;
	struct view shown CLEANUP(view_release) = { 0 };
	enum ctl_exit code = CTL_OK;

	while (code == CTL_OK && !is_over) {
		struct view next CLEANUP(view_release) = { 0 };
		code = view_draw(&next, draw, arg);
		if (code == CTL_OK && !is_same(&next, &shown, is_terminal)) {
			is_over = !show(&next, is_terminal);
			view_release(&shown);
			shown = next;
			next = (struct view){ 0 };
		}
		is_over = is_over || (code == CTL_OK && is_left());
	}
	return code;
}
