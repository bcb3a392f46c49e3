/* cmd_api - aegisctl api: any route of the broker, over its socket. The kernel tells the broker who asks. */
#include <unistd.h>
#include "base/path.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/local.h"

#define MAX_DATA (1024 * 1024)          /* what the broker takes (HTTPD_MAX_BODY) */

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

/* "post" is POST. NULL: none of HTTP's. */
static const char *method_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcasecmp(word, methods[i]) == 0)
			return methods[i];
	ctl_say("'%s' is no method; there are GET, HEAD, POST, PUT, PATCH and DELETE", word);
	return NULL;
}

static bool is_path(const char *path)
{
	if (path[0] == '/' && strpbrk(path, " \t\r\n#") == NULL)
		return true;
	ctl_say("'%s' is no path: it begins with / and has no blanks (%%20), such as /api/v1/approvals/pending", path);
	return false;
}

static bool read_stdin(struct buf *out)
{
	char part[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, part, sizeof part)) > 0)
		if (!buf_append(out, part, (size_t)n))
			return false;
	return n == 0;
}

/* --data TEXT, @FILE or - */
static bool read_data(const char *data, struct buf *out)
{
	bool fits = true;

	if (strcmp(data, "-") == 0)
		fits = read_stdin(out);
	else if (data[0] != '@')
		fits = buf_append_text(out, data);
	else if (path_read_file(data + 1, MAX_DATA, out) != OK) {
		ctl_say("%s cannot be read, or is longer than 1 MiB", data + 1);
		return false;
	}
	if (!fits)
		ctl_say("--data: it cannot be read, or is longer than 1 MiB");
	return fits;
}

static bool print_part(void *arg, struct span bytes)
{
	(void)arg;
	return fwrite(bytes.at, 1, bytes.len, stdout) == bytes.len && fflush(stdout) == 0;
}

static enum ctl_exit exit_of(int status)
{
	if (status >= 200 && status < 300)
		return status == 202 ? CTL_WAITING : CTL_OK;
	if (status == 401 || status == 403)
		return CTL_DENIED;
	return status >= 500 ? CTL_BROKEN : CTL_FAILED;
}

static void say_unheard(const struct ctl *c, enum err e, const struct problem *why)
{
	ctl_say("%s", why->text);
	if (e == ERR_NOT_FOUND)
		ctl_say("start it: aegis-broker%s%s%s%s &", c->config ? " --config " : "", c->config ? c->config : "",
			c->state_dir ? " --state-dir " : "", c->state_dir ? c->state_dir : "");
}

enum ctl_exit cmd_api(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct local_answer answer CLEANUP(local_answer_release) = { 0 };
	struct buf data CLEANUP(buf_release) = { 0 };
	const char *method = method_of(c->words[0]), *given = ctl_value(c, "data");
	struct problem why = { 0 };

	buf_init(&data, MAX_DATA);
	if (!method || !is_path(c->words[1]) || (given && !read_data(given, &data)))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, &place);
	if (code != CTL_OK)
		return code;
	const struct local_request r = { .method = method, .path = c->words[1], .body = { given && !data.data ? "" : data.data, data.len },
		.limit_ms = -1, .take = print_part };
	enum err e = local_ask(&place, &r, &answer, &why);
	if (e != OK) {
		say_unheard(c, e, &why);
		return CTL_BROKEN;
	}
	if (answer.status < 200 || answer.status >= 300)
		ctl_say("HTTP status %d", answer.status);
	return exit_of(answer.status);
}
