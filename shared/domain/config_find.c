#include "domain/config_find.h"
#include <unistd.h>
#include "base/path.h"
#include "base/xalloc.h"
#include "data/yaml.h"
#include "domain/config_file.h"

#define ENFORCED_STATE_DIR "/var/lib/aegis"

static void hear_nothing(void *arg, const struct problem *problem)
{
	(void)arg;
	(void)problem;
}

/* A file that cannot be understood may well be an enforced one, so it counts as such: loading it then says what is wrong. */
static bool text_is_enforced(struct span text)
{
	struct yaml_tree *tree = NULL;
	enum err e = yaml_tree_read(text, hear_nothing, NULL, &tree);
	const struct yaml_node *mode = tree ? yaml_get(yaml_tree_root(tree), "mode") : NULL;
	bool is_enforced = e != OK || (mode && strcmp(mode->text, "cooperative") != 0);

	yaml_tree_free(tree);
	return is_enforced;
}

/* The agent's own user must not be able to read the rules of enforced mode: a file that is there but closed is one. */
static bool system_is_enforced(const char *path)
{
	struct config_file f;
	struct buf text;

	buf_init(&text, CONFIG_MAX_BYTES);
	enum err e = config_file_read(path, 0, &text, &f);
	bool is_enforced = e == OK ? text_is_enforced(buf_span(&text)) : e != ERR_NOT_FOUND;
	buf_release(&text);
	return is_enforced;
}

static bool is_same_file(const char *a, const char *b)
{
	CLEANUP(free_charp) char *real_a = path_real(a);
	CLEANUP(free_charp) char *real_b = path_real(b);

	return strcmp(real_a ? real_a : a, real_b ? real_b : b) == 0;
}

static char *user_path(void)
{
	CLEANUP(free_charp) char *home = path_config_home();

	return home ? path_join(home, "aegis/aegis.yaml") : NULL;
}

static const char *from_environment(void)
{
	const char *path = getenv("AEGIS_CONFIG");

	return path && *path ? path : NULL;
}

static enum err find_enforced(
	const char *system_path, const char *given, char **out, struct problem *why)
{
	CLEANUP(free_charp) char *own = user_path();
	const char *variable = from_environment();

	if (given && !is_same_file(given, system_path)) {
		problem_set(why,
			"--config is refused: on this machine the rules are those of %s alone (mode: enforced)",
			system_path);
		return ERR_INVALID;
	}
	if (variable && !is_same_file(variable, system_path)) {
		problem_set(why,
			"$AEGIS_CONFIG is refused: on this machine the rules are those of %s alone (mode: enforced)",
			system_path);
		return ERR_INVALID;
	}
	if (own && access(own, F_OK) == 0)
		problem_set(why,
			"%s is not used: on this machine the rules are those of %s alone (mode: enforced)",
			own, system_path);
	*out = xstrdup(system_path);
	return OK;
}

enum err config_find_beside(
	const char *system_path, const char *given, char **out, struct problem *why)
{
	CLEANUP(free_charp) char *own = user_path();
	const char *variable = from_environment();

	*out = NULL;
	*why = (struct problem){ 0 };
	if (system_is_enforced(system_path))
		return find_enforced(system_path, given, out, why);
	if (given || variable)
		*out = xstrdup(given ? given : variable);
	else if (own && access(own, F_OK) == 0)
		*out = xstrdup(own);
	else if (access(system_path, F_OK) == 0)
		*out = xstrdup(system_path);
	if (*out)
		return OK;
	problem_set(why,
		"there is no configuration: neither %s nor %s exists; `aegisctl config init` writes a first one",
		own ? own : "$XDG_CONFIG_HOME/aegis/aegis.yaml", system_path);
	return ERR_NOT_FOUND;
}

enum err config_find(const char *given, char **out, struct problem *why)
{
	return config_find_beside(CONFIG_SYSTEM_PATH, given, out, why);
}

char *config_state_dir(const struct config *c, const char *given)
{
	CLEANUP(free_charp) char *home = NULL;

	if (given && c->mode != MODE_ENFORCED)
		return xstrdup(given);
	if (c->state_dir[0])
		return xstrdup(c->state_dir);
	if (c->mode == MODE_ENFORCED)
		return xstrdup(ENFORCED_STATE_DIR);
	home = path_state_home();
	return home ? path_join(home, "aegis") : NULL;
}
