/* config_secret - from where a secret stands to its text (config.h). Nothing of the text is ever said. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/path.h"
#include "base/run.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "domain/config.h"
#include "domain/config_file.h"

#define MAX_SECRET_BYTES (64 * 1024)
#define COMMAND_LIMIT_MS 10000

static enum err read_file(
	const char *path, bool must_be_closed, struct buf *out, struct problem *why)
{
	struct config_file f;
	enum err e = config_file_read(path, O_NOFOLLOW, out, &f);

	if (e)
		problem_set(why, "the secret file %s %s", path, f.why);
	else if (must_be_closed && f.is_owned_by_others)
		problem_set(why, "the secret file %s belongs to another user", path);
	else if (must_be_closed && f.is_open_to_others)
		problem_set(why, "the secret file %s is open to others: chmod 600 it", path);
	else
		return OK;
	return e ? e : ERR_PERMISSION;
}

static enum err read_variable(const char *name, struct buf *out, struct problem *why)
{
	const char *value = getenv(name);

	if (value && buf_append_text(out, value))
		return OK;
	problem_set(why, "the environment variable %s %s", name,
		value ? "is too long for a secret" : "is not set");
	return value ? ERR_TOO_LARGE : ERR_NOT_FOUND;
}

/* The service manager made that folder for us alone; the mode of its files is its own affair. */
static enum err read_credential(const char *name, struct buf *out, struct problem *why)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (!folder || !*folder) {
		problem_set(why,
			"the credential %s is not there: $CREDENTIALS_DIRECTORY is not set (systemd LoadCredential=)",
			name);
		return ERR_NOT_FOUND;
	}
	CLEANUP(free_charp) char *path = path_join(folder, name);
	return read_file(path, false, out, why);
}

static enum err read_command(
	const struct config_list *command, struct buf *out, struct problem *why)
{
	char **argv = xcalloc(command->n + 1, sizeof *argv);
	int exit_code;

	for (size_t i = 0; i < command->n; i++)
		argv[i] = command->v[i];
	enum err e = run_capture(argv, COMMAND_LIMIT_MS, out, &exit_code);
	free(argv);
	if (e == ERR_UNSUPPORTED)
		problem_set(why, "the command %s for a secret took longer than %d s", command->v[0],
			COMMAND_LIMIT_MS / 1000);
	else if (e)
		problem_set(
			why, "the command %s for a secret failed: %s", command->v[0], err_text(e));
	else if (exit_code == RUN_NO_EXIT)
		problem_set(
			why, "the command %s for a secret was ended by a signal", command->v[0]);
	else if (exit_code != 0)
		problem_set(why, "the command %s for a secret ended with code %d", command->v[0],
			exit_code);
	else
		return OK;
	return e ? e : ERR_IO;
}

static enum err fetch(const struct config_secret *s, struct buf *out, struct problem *why)
{
	switch (s->source) {
	case SECRET_NONE: break;
	case SECRET_PLAIN: return buf_append_text(out, s->text) ? OK : ERR_TOO_LARGE;
	case SECRET_FILE: return read_file(s->text, true, out, why);
	case SECRET_ENV: return read_variable(s->text, out, why);
	case SECRET_CREDENTIAL: return read_credential(s->text, out, why);
	case SECRET_COMMAND: return read_command(&s->argv, out, why);
	}
	return OK;
}

static void drop_line_end(struct buf *b)
{
	if (b->len > 0 && b->data[b->len - 1] == '\n')
		b->data[--b->len] = '\0';
	if (b->len > 0 && b->data[b->len - 1] == '\r')
		b->data[--b->len] = '\0';
}

/* An empty secret would be a door without a lock, and one with a NUL would be cut where nobody expects it. */
static enum err check(const struct buf *b, struct problem *why)
{
	if (b->len == 0)
		problem_set(why, "a secret is empty where it is kept");
	else if (memchr(b->data, '\0', b->len))
		problem_set(why, "a secret holds a NUL byte");
	else
		return OK;
	return ERR_INVALID;
}

/* The growing buffer would leave copies of a secret behind, so it is made as large as it may become. */
static void buf_init_whole(struct buf *b)
{
	buf_init(b, MAX_SECRET_BYTES);
	(void)!buf_reserve(b, MAX_SECRET_BYTES);
}

enum err config_secret_read(
	const struct config *c, const struct config_secret *s, char **out, struct problem *why)
{
	struct buf b;

	(void)c; /* paths were made absolute when the file was loaded */
	*out = NULL;
	*why = (struct problem){ 0 };
	buf_init_whole(&b);
	enum err e = fetch(s, &b, why);
	drop_line_end(&b);
	if (e == OK && s->source != SECRET_NONE)
		e = check(&b, why);
	if (e == OK)
		*out = span_dup(buf_span(&b));
	secret_wipe(b.data, b.len);
	buf_release(&b);
	return e;
}

bool config_secret_is_missing(const struct config_secret *s)
{
	return s->source == SECRET_FILE && access(s->text, F_OK) != 0 && errno == ENOENT;
}
