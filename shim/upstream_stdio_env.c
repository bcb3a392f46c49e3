/* upstream_stdio_env - the environment of a command: little of ours, and what is configured. See upstream_stdio.h. */
#include "base/xalloc.h"
#include "data/secret.h"
#include "shim/upstream_stdio.h"

extern char **environ;

static const char *const passed_on[] = { "PATH", "HOME", "LANG", "TMPDIR" };

struct env {
	char **v;
	size_t n;
};

/* text: NAME=value, owned from here on. Takes the place of one of the same name. */
static void set(struct env *e, char *text)
{
	size_t name_len = strcspn(text, "=") + 1;

	for (size_t i = 0; i < e->n; i++) {
		if (strncmp(e->v[i], text, name_len) != 0)
			continue;
		secret_free(e->v[i]);
		e->v[i] = text;
		return;
	}
	e->v = xreallocarray(e->v, e->n + 2, sizeof(*e->v));
	e->v[e->n++] = text;
	e->v[e->n] = NULL;
}

/* Ours are for the shim: tokens among them. */
static void inherit_all(struct env *e)
{
	for (char **at = environ; *at; at++)
		if (strncmp(*at, "AEGIS_", 6) != 0 && strchr(*at, '='))
			set(e, xstrdup(*at));
}

static void inherit_some(struct env *e)
{
	for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
		const char *value = getenv(passed_on[i]);
		if (value)
			set(e, xasprintf("%s=%s", passed_on[i], value));
	}
}

static enum err set_configured(struct env *e, const struct upstream_options *o, struct problem *why)
{
	for (size_t i = 0; i < o->backend->env.n; i++) {
		const struct config_named_secret *s = &o->backend->env.v[i];
		char *value = NULL;
		enum err err = config_secret_read(o->config, &s->value, &value, why);
		if (err != OK)
			return err;
		set(e, xasprintf("%s=%s", s->name, value));
		secret_free(value);
	}
	return OK;
}

enum err env_new(const struct upstream_options *o, char ***out, struct problem *why)
{
	struct env e = { .v = xcalloc(1, sizeof(*e.v)) };

	if (o->inherits_environment)
		inherit_all(&e);
	else
		inherit_some(&e);
	enum err err = set_configured(&e, o, why);
	if (err != OK)
		env_free(e.v);
	else
		*out = e.v;
	return err;
}

void env_free(char **envp)
{
	for (char **at = envp; at && *at; at++)
		secret_free(*at);
	free(envp);
}
