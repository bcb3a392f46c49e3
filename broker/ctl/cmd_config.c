/* aegisctl config: what is wrong with the rules, what is in force, and a file to start from. */
#include <errno.h>
#include <unistd.h>
#include "base/path.h"
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/term.h"
#include "domain/config.h"
#include "domain/config_out.h"

#define MAX_OUTPUT_BYTES (64u << 20)

static void config_freep(struct config **c)
{
	config_free(*c);
}

static enum ctl_exit fail(const char *what, const char *why)
{
	CLEANUP(free_charp) char *shown = term_text(what);

	ctl_say("%s: %s", shown, why);
	return CTL_BROKEN;
}

/* What was made goes to stdout as it is: it is a file, or JSON. */
static enum ctl_exit print(const struct buf *b, bool fits)
{
	if (!fits)
		return fail("output", "more than 64 MiB");
	fwrite(b->data, 1, b->len, stdout);
	return CTL_OK;
}

/* The FILE of the command line, else the file whose rules count. NULL: said why there is none. */
static char *path_of(const struct ctl *c)
{
	struct problem why = { 0 };
	char *path = NULL;

	if (c->words_n > 0)
		return xstrdup(c->words[0]);
	if (config_find(c->config, &path, &why) != OK || why.text[0])
		ctl_say("%s", why.text);
	return path;
}

/* ---- check ----------------------------------------------------------------------------------- */
static bool write_json(const char *path, const struct config *config,
	const struct config_report *report, struct buf *b)
{
	struct out o = out_begin(b, true);

	out_text(&o, "file", path);
	out_bool(&o, "ok", config != NULL);
	out_open_list(&o, "remarks");
	for (size_t i = 0; i < report->n; i++) {
		const struct config_remark *m = &report->v[i];
		out_open_map(&o, NULL);
		out_text(&o, "severity", m->is_error ? "error" : "warning");
		out_number(&o, "line", m->problem.line);
		out_number(&o, "column", m->problem.column);
		out_text(&o, "text", m->problem.text);
		out_close_map(&o);
	}
	out_close_list(&o);
	return out_end(&o);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static bool write_text(const char *path, const struct config *config,
	const struct config_report *report, struct buf *b)
{
	if (!config_report_write(report, b))
		return false;
	return !config ||
	       buf_printf(b, "%s: ok, %zu backend%s, %zu agent%s\n", path, config->backends_n,
		       plural(config->backends_n), config->agents_n, plural(config->agents_n));
}

static enum ctl_exit say_result(
	const struct ctl *c, const struct config *config, const struct config_report *report)
{
	struct buf b CLEANUP(buf_release);

	buf_init(&b, MAX_OUTPUT_BYTES);
	if (c->is_json)
		return print(&b, write_json(report->path, config, report, &b));
	bool fits = write_text(report->path, config, report, &b);
	if (fits)
		term_print(stdout, buf_span(&b), TERM_KEEP_LINES);
	return fits ? CTL_OK : fail("output", "more than 64 MiB");
}

enum ctl_exit cmd_config_check(const struct ctl *c)
{
	struct config_report report CLEANUP(config_report_release) = { 0 };
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(free_charp) char *path = path_of(c);

	if (!path)
		return CTL_BROKEN;
	enum err e = config_load(path, &config, &report);
	enum ctl_exit code = say_result(c, config, &report);
	if (code != CTL_OK || e == OK)
		return code;
	return e == ERR_INVALID || e == ERR_TOO_LARGE ? CTL_FAILED : CTL_BROKEN;
}

/* ---- show and schema ------------------------------------------------------------------------- */
enum ctl_exit cmd_config_show(const struct ctl *c)
{
	struct config_report report CLEANUP(config_report_release) = { 0 };
	struct buf b CLEANUP(buf_release), said CLEANUP(buf_release);
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(free_charp) char *path = path_of(c);

	buf_init(&b, MAX_OUTPUT_BYTES);
	buf_init(&said, MAX_OUTPUT_BYTES);
	if (!path)
		return CTL_BROKEN;
	if (config_load(path, &config, &report) == OK)
		return print(&b, config_show(config, c->is_json, &b));
	if (config_report_write(&report, &said))
		term_print(stderr, buf_span(&said), TERM_KEEP_LINES);
	return CTL_BROKEN;
}

enum ctl_exit cmd_config_schema(const struct ctl *c)
{
	struct buf b CLEANUP(buf_release);

	(void)c;
	buf_init(&b, MAX_OUTPUT_BYTES);
	return print(&b, config_schema(&b));
}

/* ---- init ------------------------------------------------------------------------------------ */
static char *usual_path(void)
{
	CLEANUP(free_charp) char *home = path_config_home();
	CLEANUP(free_charp) char *folder = home ? path_join(home, "aegis") : NULL;

	if (!folder || path_make_private_folder(folder) != OK)
		return NULL;
	return path_join(folder, "aegis.yaml");
}

/* Written beside it and linked into place, so that the file is there whole or not at all, and nobody's file is replaced. */
static enum ctl_exit create(const char *path, struct span text)
{
	CLEANUP(free_charp) char *draft = xasprintf("%s.new-%ld", path, (long)getpid());
	enum err e = path_write_private_file(draft, text);

	if (e)
		return fail(path, err_text(e));
	int number = link(draft, path) == 0 ? 0 : errno;
	unlink(draft);
	if (number == EEXIST) {
		fail(path,
			"is there already and is left alone; give another FILE, or - for stdout");
		return CTL_FAILED;
	}
	return number ? fail(path, strerror(number)) : CTL_OK;
}

static enum ctl_exit say_file(const char *path)
{
	struct buf b CLEANUP(buf_release);

	buf_init(&b, MAX_OUTPUT_BYTES);
	struct out o = out_begin(&b, true);
	out_text(&o, "file", path);
	return print(&b, out_end(&o));
}

/* FILE and --config FILE say the same here. */
static enum ctl_exit init_file(const struct ctl *c, struct span text)
{
	const char *given = c->words_n > 0 ? c->words[0] : c->config;
	CLEANUP(free_charp) char *path = given ? xstrdup(given) : usual_path();

	if (!path) {
		ctl_say("no folder for the file could be made; give a FILE, or - for stdout");
		return CTL_BROKEN;
	}
	enum ctl_exit code = create(path, text);
	CLEANUP(free_charp) char *shown = term_text(path);
	if (code == CTL_OK && c->is_json)
		return say_file(path);
	if (code == CTL_OK)
		printf("%s: written; set the url of your backend in it, then: aegisctl config check%s%s\n", shown,
			given ? " " : "", given ? shown : "");
	return code;
}

enum ctl_exit cmd_config_init(const struct ctl *c)
{
	struct buf b CLEANUP(buf_release);
	bool to_stdout = c->words_n > 0 && strcmp(c->words[0], "-") == 0;

	buf_init(&b, MAX_OUTPUT_BYTES);
	bool fits = config_example(&b);
	return to_stdout || !fits ? print(&b, fits) : init_file(c, buf_span(&b));
}
