/* cmd_call - aegisctl call: one governed call, or the list of tools, through a shim of its own. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ctl/client.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/outcome.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"

#define MAX_ARGUMENTS (8u * 1024 * 1024)
#define MAX_TEXT      (16u * 1024 * 1024)
#define MAX_PAGES     1000 /* of tools/list: a backend that never ends its list */

static void print_text(FILE *to, struct json_value text)
{
	struct buf plain CLEANUP(buf_release);

	buf_init(&plain, MAX_TEXT);
	if (json_unescape(text, &plain))
		term_print(to, buf_span(&plain), TERM_KEEP_LINES);
	fputc('\n', to);
}

/* "... message", as servers mean it for people; those that say no more than numbers: "... 3 of 10". */
static void show_progress(const struct jsonrpc *notification)
{
	struct json_value message = json_get(notification->params, "message");
	struct json_value total = json_get(notification->params, "total");

	if (strcmp(notification->method, "notifications/progress") != 0)
		return;
	fputs("... ", stderr);
	if (message.kind == JSON_STRING) {
		print_text(stderr, message);
		return;
	}
	term_print(stderr, json_get(notification->params, "progress").text, TERM_ONE_LINE);
	if (total.kind == JSON_NUMBER) {
		fputs(" of ", stderr);
		term_print(stderr, total.text, TERM_ONE_LINE);
	}
	fputc('\n', stderr);
}

/* ---- a session -------------------------------------------------------------------------------- */
static enum err open_session(struct client *shim, struct jsonrpc *answer, struct problem *why)
{
	static const char hello[] =
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"
		"\"clientInfo\":{\"name\":\"aegisctl\",\"version\":\"" AEGIS_VERSION "\"}}";

	enum err e = client_request(shim, "initialize", SPAN(hello), answer, why);
	if (e == OK && answer->kind == JSONRPC_RESULT)
		e = client_notify(shim, "notifications/initialized", why);
	return e;
}

static enum ctl_exit fail(const struct problem *why)
{
	ctl_say("%s", why->text);
	return CTL_BROKEN;
}

static void stop(struct client **shim)
{
	client_stop(*shim);
}

/* Starts a shim and opens its session. shim is owned by the caller, whatever comes back. */
static enum err begin(const struct ctl *c, struct client **shim, struct jsonrpc *hello, struct problem *why)
{
	struct client_options o = { c, c->words[0], ctl_value(c, "backend"), c->is_json ? NULL : show_progress };

	enum err e = client_start(&o, shim, why);
	return e == OK ? open_session(*shim, hello, why) : e;
}

/* ---- one call --------------------------------------------------------------------------------- */
static bool read_stdin(struct buf *out)
{
	char bytes[4096];
	size_t n;

	while ((n = fread(bytes, 1, sizeof bytes, stdin)) > 0)
		if (!buf_append(out, bytes, n))
			return false;
	return !ferror(stdin);
}

/* The arguments as given, checked to be one JSON object. */
static bool take_arguments(const struct ctl *c, struct buf *out, struct json_value *object)
{
	const char *given = c->words_n > 2 ? c->words[2] : "{}";
	size_t at = 0;

	if (!(strcmp(given, "-") == 0 ? read_stdin(out) : buf_append_text(out, given))) {
		ctl_say("the arguments cannot be read, or are larger than 8 MiB");
		return false;
	}
	enum jsonscan_fault fault = jsonscan_check(buf_span(out), object, &at);
	if (fault != JSONSCAN_OK) {
		ctl_say("the arguments are not JSON: %s at byte %zu", jsonscan_fault_text(fault), at);
		return false;
	}
	if (object->kind != JSON_OBJECT)
		ctl_say("the arguments must be a JSON object, like '{\"city\": \"Tokyo\"}'");
	return object->kind == JSON_OBJECT;
}

static enum err call_tool(const struct ctl *c, struct client *shim, struct json_value arguments,
	struct jsonrpc *answer, struct problem *why)
{
	struct buf params CLEANUP(buf_release);

	buf_init(&params, MAX_ARGUMENTS + 64u * 1024);
	if (!buf_append_text(&params, "{\"name\":") || !json_quote(&params, span_of(c->words[1])) ||
		!buf_append_text(&params, ",\"arguments\":") || !buf_append_span(&params, arguments.text) ||
		!buf_append_text(&params, ",\"_meta\":{\"progressToken\":\"aegisctl\"}}")) {
		problem_set(why, "the call is too large");
		return ERR_TOO_LARGE;
	}
	return client_request(shim, "tools/call", buf_span(&params), answer, why);
}

static void show_content(struct json_value result)
{
	struct json_iter items = json_iter(json_get(result, "content"));
	struct json_value item;
	struct span key;

	while (json_next(&items, &key, &item))
		if (json_string_is(json_get(item, "type"), "text")) {
			print_text(stdout, json_get(item, "text"));
		} else {
			term_print(stdout, item.text, TERM_KEEP_LINES);
			fputc('\n', stdout);
		}
}

static void show_answer(const struct jsonrpc *answer, const struct outcome *o, int64_t us)
{
	if (answer->kind == JSONRPC_RESULT)
		show_content(answer->result);
	else
		print_text(stdout, json_get(answer->error, "message"));
	fprintf(stdout, "-- %s", o->sentence);
	if (answer->kind == JSONRPC_ERROR) {
		fputs(" (", stdout);
		term_print(stdout, json_get(answer->error, "code").text, TERM_ONE_LINE);
		fputs(")", stdout);
	}
	fprintf(stdout, ", %lld.%lld ms\n", (long long)(us / 1000), (long long)(us / 100 % 10));
}

static void print_json(const struct jsonrpc *answer, const struct outcome *o, int64_t us)
{
	bool is_result = answer->kind == JSONRPC_RESULT;
	struct span body = is_result ? answer->result.text : answer->error.text;

	printf("{\"outcome\":\"%s\",\"exit_code\":%d,\"ms\":%lld.%03lld,\"%s\":%.*s}\n", o->name, (int)o->exit,
		(long long)(us / 1000), (long long)(us % 1000), is_result ? "result" : "error", SPAN_ARGS(body));
}

static enum ctl_exit tell(const struct ctl *c, const struct jsonrpc *answer, struct outcome o, int64_t us)
{
	if (c->is_json)
		print_json(answer, &o, us);
	else
		show_answer(answer, &o, us);
	return o.exit;
}

static enum ctl_exit call(const struct ctl *c)
{
	struct client *shim CLEANUP(stop) = NULL;
	struct buf arguments CLEANUP(buf_release);
	struct json_value object;
	struct jsonrpc answer;
	struct problem why = { 0 };
	int64_t start_us = clock_mono_us();

	buf_init(&arguments, MAX_ARGUMENTS);
	if (!take_arguments(c, &arguments, &object))
		return CTL_USAGE;
	if (begin(c, &shim, &answer, &why) != OK)
		return fail(&why);
	if (answer.kind == JSONRPC_ERROR)
		return tell(c, &answer, outcome_of_start(&answer), clock_mono_us() - start_us);
	start_us = clock_mono_us();
	enum err e = call_tool(c, shim, object, &answer, &why);
	if (e == ERR_IO) {
		ctl_say("%s; whether the call was executed, `aegisctl audit list` tells", why.text);
		return CTL_UNREACHABLE;
	}
	if (e != OK)
		return fail(&why);
	return tell(c, &answer, outcome_of(&answer), clock_mono_us() - start_us);
}

/* ---- the list of tools ------------------------------------------------------------------------ */
struct listing {
	struct table table;
	struct buf json;         /* the tools as they came, joined */
	struct buf params;       /* of the next tools/list */
};

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->json);
	buf_release(&l->params);
}

static void add_cell(struct table *t, struct json_value text)
{
	CLEANUP(free_charp) char *plain = json_text(text, 64u * 1024);

	table_add(t, plain ? plain : "");
}

static bool take_page(struct listing *l, struct json_value result)
{
	struct json_iter tools = json_iter(json_get(result, "tools"));
	struct json_value tool;
	struct span key;

	while (json_next(&tools, &key, &tool)) {
		add_cell(&l->table, json_get(tool, "name"));
		add_cell(&l->table, json_get(tool, "description"));
		if ((l->json.len && !buf_append_text(&l->json, ",\n")) || !buf_append_span(&l->json, tool.text))
			return false;
	}
	buf_clear(&l->params);
	struct json_value cursor = json_get(result, "nextCursor");
	return cursor.kind != JSON_STRING || (buf_append_text(&l->params, "{\"cursor\":") &&
						     buf_append_span(&l->params, cursor.text) &&
						     buf_append_char(&l->params, '}'));
}

/* answer: of the last page. */
static enum err list_pages(struct client *shim, struct listing *l, struct jsonrpc *answer, struct problem *why)
{
	for (int i = 0; i < MAX_PAGES; i++) {
		enum err e = client_request(shim, "tools/list", buf_span(&l->params), answer, why);
		if (e != OK || answer->kind == JSONRPC_ERROR)
			return e;
		if (!take_page(l, answer->result))
			break;
		if (l->params.len == 0)
			return OK;
	}
	problem_set(why, "the list of tools is too long");
	return ERR_TOO_LARGE;
}

static enum ctl_exit list(const struct ctl *c)
{
	static const char *const headings[] = { "tool", "description" };
	struct client *shim CLEANUP(stop) = NULL;
	struct listing l CLEANUP(listing_release) = { 0 };
	struct jsonrpc answer;
	struct problem why = { 0 };
	const int64_t start_us = clock_mono_us();

	table_init(&l.table, headings, ARRAY_LEN(headings));
	buf_init(&l.json, MAX_TEXT);
	buf_init(&l.params, 64u * 1024);
	if (begin(c, &shim, &answer, &why) != OK)
		return fail(&why);
	if (answer.kind == JSONRPC_ERROR)
		return tell(c, &answer, outcome_of_start(&answer), clock_mono_us() - start_us);
	if (list_pages(shim, &l, &answer, &why) != OK)
		return fail(&why);
	if (answer.kind == JSONRPC_ERROR)
		return tell(c, &answer, outcome_of(&answer), clock_mono_us() - start_us);
	if (c->is_json)
		printf("{\"tools\":[%s]}\n", l.json.len ? l.json.data : "");
	else
		table_print(&l.table, stdout);
	return CTL_OK;
}

enum ctl_exit cmd_call(const struct ctl *c)
{
	bool is_list = ctl_value(c, "list") != NULL;

	if (is_list == (c->words_n == 1))
		return is_list ? list(c) : call(c);
	ctl_say("usage: aegisctl call %s", c->command->synopsis);
	return CTL_USAGE;
}
