/* config_load - from the bytes of a file to checked rules (config.h). */
#include "base/path.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "domain/config_file.h"
#include "domain/config_find.h"
#include "domain/config_loader.h"

static void remark(struct config_report *r, bool is_error, const char *text)
{
	struct problem p = { 0 };

	problem_set(&p, "%s", text);
	config_report_add(r, is_error, &p);
}

static void hear_yaml(void *arg, const struct problem *problem)
{
	config_report_add(arg, true, problem);
}

static void yaml_tree_freep(struct yaml_tree **y)
{
	yaml_tree_free(*y);
}

static void config_freep(struct config **c)
{
	config_free(*c);
}

static char *real_or_same(const char *path)
{
	char *real = path_real(path);

	return real ? real : xstrdup(path);
}

/* What the file says about itself: only the one system file can put the machine into enforced mode. */
static void check_mode(struct loader *l, const struct place *root)
{
	CLEANUP(free_charp) char *system_path = real_or_same(CONFIG_SYSTEM_PATH);
	struct place mode = place_of(root, "mode");

	if (l->config->mode == MODE_ENFORCED && strcmp(l->config->path, system_path) != 0)
		loader_error(l, &mode,
			"enforced is only possible in %s, which belongs to the system",
			CONFIG_SYSTEM_PATH);
}

static void load_tree(struct config *c, const struct yaml_node *root, struct config_report *report)
{
	CLEANUP(free_charp) char *folder = path_folder_of(c->path);
	struct loader l = { .config = c, .report = report, .root = root, .folder = folder };
	struct place at = { .node = root };

	if (!root)
		remark(report, true,
			"the file is empty; `aegisctl config init -` prints one to start from");
	else if (loader_wants_map(&l, &at, "keys such as backends: and agents:"))
		loader_table(&l, &at, &config_root, c);
	check_mode(&l, &at);
}

static void hash_text(struct span text, uint8_t out[32])
{
	struct hash h;

	hash_init(&h);
	hash_add(&h, text.at, text.len);
	hash_done(&h, out);
}

static void report_begin(struct config_report *r, const char *path)
{
	*r = (struct config_report){ .path = xstrdup(path) };
}

static enum err parse(
	const char *path, struct span text, struct config **out, struct config_report *report)
{
	CLEANUP(yaml_tree_freep) struct yaml_tree *tree = NULL;
	CLEANUP(config_freep) struct config *c = xcalloc(1, sizeof *c);
	enum err e = yaml_tree_read(text, hear_yaml, report, &tree);

	c->path = real_or_same(path);
	hash_text(text, c->hash);
	if (tree)
		load_tree(c, yaml_tree_root(tree), report);
	if (e == OK && config_report_errors(report) > 0)
		e = ERR_INVALID;
	if (e)
		return e;
	*out = c;
	c = NULL;
	return OK;
}

enum err config_parse(
	const char *path, struct span text, struct config **out, struct config_report *report)
{
	*out = NULL;
	report_begin(report, path);
	return parse(path, text, out, report);
}

/* Who may write the rules makes them; who may read them reads the secrets in them. */
static void check_access(const struct config_file *f, struct config_report *report)
{
	if (f->is_owned_by_others)
		remark(report, true,
			"belongs to another user, who could change the rules: chown it");
	if (f->is_writable_by_others)
		remark(report, true, "others can write it and so change the rules: chmod go-w");
	else if (f->is_readable_by_others)
		remark(report, false,
			"others can read it, with the secrets that stand in it: chmod go-r");
}

enum err config_load(const char *path, struct config **out, struct config_report *report)
{
	struct config_file f;
	struct buf text;

	*out = NULL;
	report_begin(report, path);
	buf_init(&text, CONFIG_MAX_BYTES);
	enum err e = config_file_read(path, 0, &text, &f);
	if (e) {
		remark(report, true, f.why);
	} else {
		check_access(&f, report);
		e = parse(path, buf_span(&text), out, report);
	}
	if (text.data)
		secret_wipe(text.data, text.len);
	buf_release(&text);
	return e;
}
