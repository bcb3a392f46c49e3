#include "broker/ctl/place.h"
#include "base/xalloc.h"
#include "broker/ctl/term.h"

void place_release(struct place *p)
{
	store_close(p->store);
	config_free(p->config);
	free(p->state_dir);
	*p = (struct place){ 0 };
}

static void say_report(const struct config_report *report)
{
	struct buf text CLEANUP(buf_release);

	buf_init(&text, 1024u * 1024);
	if (config_report_write(report, &text))
		term_print(stderr, buf_span(&text), TERM_KEEP_LINES);
	else
		ctl_say("%zu problems in %s", report->n, report->path);
}

static enum err load_rules(const struct ctl *c, struct place *out, struct problem *why)
{
	struct config_report report CLEANUP(config_report_release) = { 0 };
	CLEANUP(free_charp) char *path = NULL;

	enum err e = config_find(c->config, &path, why);
	if (e != OK)
		return e;
	e = config_load(path, &out->config, &report);
	if (e == ERR_INVALID) {
		say_report(&report);
		problem_set(why, "the rules have errors");
	} else if (e == ERR_NOT_FOUND) {
		problem_set(why, "%s is not there; `aegisctl config init` writes an example", path);
	} else if (e != OK) {
		problem_set(why, "%s: %s", path, err_text(e));
	}
	return e;
}

static enum ctl_exit find_folder(const struct ctl *c, struct place *out)
{
	if (c->state_dir && out->config && out->config->mode == MODE_ENFORCED) {
		ctl_say("--state-dir is refused: %s says mode: enforced", out->config->path);
		return CTL_BROKEN;
	}
	out->state_dir = out->config ? config_state_dir(out->config, c->state_dir) : xstrdup(c->state_dir);
	if (out->state_dir)
		return CTL_OK;
	ctl_say("no state folder: there is no home directory; give --state-dir");
	return CTL_BROKEN;
}

enum ctl_exit place_find_rules(const struct ctl *c, struct place *out)
{
	struct problem why = { 0 };

	if (load_rules(c, out, &why) == OK)
		return find_folder(c, out);
	ctl_say("%s", why.text);
	return CTL_BROKEN;
}

enum ctl_exit place_find_state(const struct ctl *c, struct place *out)
{
	struct problem why = { 0 };

	if (load_rules(c, out, &why) == OK || (c->state_dir && !c->config))
		return find_folder(c, out);
	ctl_say("%s", why.text);
	return CTL_BROKEN;
}

static enum err try_as(struct place *p, bool is_reader, struct problem *why)
{
	struct store_options o = { .state_dir = p->state_dir, .is_reader = is_reader };

	if (p->config)
		o.durability = p->config->durability;
	enum err e = store_open(&o, &p->store, why);
	if (e != OK)
		p->store = NULL;
	if (e != OK && !why->text[0])
		problem_set(why, "%s", err_text(e));
	return e;
}

static enum ctl_exit open_as(struct place *p, bool is_reader)
{
	struct problem why = { 0 };

	enum err e = try_as(p, is_reader, &why);
	if (e == ERR_NOT_FOUND)
		ctl_say("nothing is stored in %s yet", p->state_dir);
	if (e == OK || e == ERR_NOT_FOUND)
		return CTL_OK;
	ctl_say("%s: %s", p->state_dir, why.text);
	return CTL_BROKEN;
}

enum ctl_exit place_open_store(struct place *p)
{
	return open_as(p, true);
}

enum ctl_exit place_open_to_write(struct place *p)
{
	return open_as(p, false);
}

void place_try_store(struct place *p, struct problem *why)
{
	if (try_as(p, true, why) == ERR_NOT_FOUND)
		*why = (struct problem){ 0 };
}

void place_look_again(struct place *p)
{
	struct config_report report CLEANUP(config_report_release) = { 0 };
	struct store_options o = { .state_dir = p->state_dir, .is_reader = true };
	struct config *now = NULL;
	struct problem why = { 0 };

	if (p->config && config_load(p->config->path, &now, &report) == OK) {
		config_free(p->config);
		p->config = now;
	}
	if (!p->store && store_open(&o, &p->store, &why) != OK)
		p->store = NULL;
}
