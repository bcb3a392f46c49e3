/* stdio_probe - the fixture of the tests of upstream_stdio: a shell script as the MCP server. It finds $DIR, a folder of its own. */
#pragma once
#include <errno.h>
#include <signal.h>
#include "unit/scratch.h"
#include "unit/upstream_probe.h"

static char *dir;
static char *argv[] = { "sh", "-c", NULL };
static struct config_named_secret dir_variable;

static inline void stdio_setup(void)
{
	setup();
	(void)signal(SIGPIPE, SIG_IGN); /* as main does */
	dir = scratch_new();
	dir_variable = (struct config_named_secret){ .name = "DIR", .value = { .source = SECRET_PLAIN, .text = dir } };
	backend.url = "";
	backend.cwd = "";
	backend.max_restarts = 5;
	backend.env = (struct config_secrets){ .v = &dir_variable, .n = 1 };
}

static inline void stdio_teardown(void)
{
	teardown();
	scratch_remove(dir);
}

static inline void server_is(const char *script)
{
	static char *words[3];
	struct problem why;
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend,
		.events = { .message = on_message, .forgot = on_forgot, .has_room = room } };

	memcpy(words, argv, sizeof(words));
	words[2] = (char *)(uintptr_t)script;
	backend.command = (struct config_list){ .v = words, .n = 3, .is_set = true };
	ck_assert_int_eq(upstream_new(&o, &u, &why), OK);
}

/* What stands in a file of $DIR; "" when it is not there. Valid until the next call. */
static inline const char *file_text(const char *name)
{
	static char text[8192];
	char *path = path_join(dir, name);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		(void)fclose(f);
	free(path);
	return text;
}

/* Lets the script go on that waits for this file. */
static inline void file_make(const char *name)
{
	char *path = path_join(dir, name);
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	free(path);
}

static inline bool process_is_gone(const char *file)
{
	long pid = strtol(file_text(file), NULL, 10);

	return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

#define AWAIT(name) "while [ ! -e $DIR/" name " ]; do sleep 0.01; done; "

/* Answers every request, notes every line in $DIR/seen. INITIALIZE is answered as 2025-11-25. */
#define SERVES                                                                                                               \
	"echo $$ >> $DIR/pids; while IFS= read -r line; do printf '%s\\n' \"$line\" >> $DIR/seen; "                           \
	"id=${line#*'\"id\":'}; id=${id%%[,\\}]*}; case $line in *'\"method\":\"initialize\"'*) "                             \
	"echo '{\"jsonrpc\":\"2.0\",\"id\":'$id',\"result\":{\"protocolVersion\":\"2025-11-25\"}}';; "                        \
	"*'\"die\"'*) exit 3;; *'\"id\"'*) echo '{\"jsonrpc\":\"2.0\",\"id\":'$id',\"result\":{}}';; esac; done"
