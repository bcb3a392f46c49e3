#include "shim/start.h"
#include <poll.h>
#include <unistd.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "data/jsonrpc.h"
#include "domain/acl.h"
#include "shim/merge_names.h"
#include "shim/refusal.h"

#define LINE_CAP   (1024 * 1024)
#define ANSWER_CAP (16 * 1024)

static bool wrong(struct start *s, enum refusal_reason reason, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool wrong(struct start *s, enum refusal_reason reason, const char *fmt, ...)
{
	va_list ap;

	s->code = refusal_code(reason);
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	log_error("start", "%s", s->why);
	return false;
}

/* ---- rules ----------------------------------------------------------------------------------------------------------------------- */
static bool invalid_rules(struct start *s, const struct config_report *report)
{
	size_t errors = config_report_errors(report);
	const struct config_remark *first = report->v;
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, CONFIG_MAX_BYTES);
	if (config_report_write(report, &text) && text.len > 0)
		(void)!write(STDERR_FILENO, text.data, text.len);
	while (first < report->v + report->n && !first->is_error)
		first++;
	wrong(s, REFUSED_CONFIG, "%s:%d:%d: %.400s", report->path, first->problem.line, first->problem.column, first->problem.text);
	if (errors > 1)
		snprintf(s->why + strlen(s->why), sizeof(s->why) - strlen(s->why), " (and %zu more)", errors - 1);
	return false;
}

static void print_warnings(const struct config_report *report)
{
	for (size_t i = 0; i < report->n; i++)
		log_warn("rules.warning", "%s:%d:%d: %s", report->path, report->v[i].problem.line, report->v[i].problem.column,
		         report->v[i].problem.text);
}

static bool load_rules(struct start *s)
{
	struct rulebook_found found;
	enum err e = rulebook_find(s->options->config, &found);
	bool ok = e == OK;

	s->config = found.config;
	s->mark = found.mark;
	if (ok)
		print_warnings(&found.report);
	else
		ok = found.why.text[0] ? wrong(s, REFUSED_CONFIG, "%s", found.why.text) : invalid_rules(s, &found.report);
	config_report_release(&found.report);
	return ok;
}

/* ---- who, and where to ------------------------------------------------------------------------------------------------------------ */
static struct acl_answer may_use(const struct start *s, const char *backend)
{
	struct acl_subject who = { s->options->agent, backend, (int64_t)getuid() };
	return acl_backend(s->config, &who);
}

static bool pick_given(struct start *s, const char *name)
{
	const struct config_backend *b = config_backend(s->config, name);

	if (!b)
		return wrong(s, REFUSED_CONFIG, "%s has no backend %s; --backend must name one of its backends", s->config->path, name);
	if (may_use(s, b->name).verdict != ACL_ALLOWED)
		return wrong(s, REFUSED_DENIED, "agent %s may not use backend %s; agents.%s.backends.%s.allowed must be true",
		             s->options->agent, name, s->options->agent, name);
	s->backends[s->backends_n++] = b->name;
	return true;
}

/* A tool that several backends could mean would be judged by one and meant for the other. */
static bool check_names(struct start *s)
{
	for (size_t i = 0; i < s->backends_n; i++)
		for (size_t j = 0; j < s->backends_n; j++)
			if (i != j && merge_names_clash(s->backends[i], s->backends[j]))
				return wrong(s, REFUSED_CONFIG, "the names of backends %s and %s cannot be told apart in front of a tool's; rename "
				             "one, or start one shim for each with --backend NAME", s->backends[i], s->backends[j]);
	return true;
}

static bool pick_all(struct start *s)
{
	char names[300] = "";
	size_t n = 0;

	for (size_t i = 0; i < s->config->backends_n; i++) {
		const char *name = s->config->backends[i].name;
		if (may_use(s, name).verdict != ACL_ALLOWED || n++ >= MERGE_MAX_PARTS)
			continue;
		s->backends[s->backends_n++] = name;
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", n > 1 ? ", " : "", name);
	}
	if (n == 0)
		return wrong(s, REFUSED_DENIED, "agent %s may use no backend; set agents.%s.backends.NAME.allowed to true in %s",
		             s->options->agent, s->options->agent, s->config->path);
	if (n > 1 && s->options->command)
		return wrong(s, REFUSED_CONFIG, "agent %s may use several backends (%s); say with --backend NAME whose rules the command is "
		             "under", s->options->agent, names);
	if (n > MERGE_MAX_PARTS)
		return wrong(s, REFUSED_CONFIG, "agent %s may use %zu backends, more than the %d that one shim can serve; say which with "
		             "--backend NAME", s->options->agent, n, MERGE_MAX_PARTS);
	return check_names(s);
}

static bool check_agent(struct start *s)
{
	const char *agent = s->options->agent;

	if (!config_agent(s->config, agent))
		return wrong(s, REFUSED_UNKNOWN_AGENT, "%s has no agent %s; add it under agents, or correct --agent", s->config->path,
		             agent);
	for (size_t i = 0; i < s->config->backends_n; i++)
		if (may_use(s, s->config->backends[i].name).verdict == ACL_WRONG_USER)
			return wrong(s, REFUSED_UNKNOWN_AGENT, "this user may not be agent %s; principals in %s says who may", agent,
			             s->config->path);
	return true;
}

static bool check_mode(struct start *s)
{
	if (s->config->mode != MODE_COOPERATIVE && s->options->command)
		return wrong(s, REFUSED_CONFIG, "%s says mode: enforced, where no command may stand on the command line; a backend's command: may",
		             s->config->path);
	if (s->config->mode != MODE_COOPERATIVE)
		return wrong(s, REFUSED_CONFIG, "%s says mode: enforced, which this version of Aegis cannot carry out", s->config->path);
	return true;
}

static bool find_state(struct start *s)
{
	s->state_dir = config_state_dir(s->config, s->options->state_dir);
	if (!s->state_dir)
		return wrong(s, REFUSED_CONFIG, "there is no home directory to keep limits and audit in; set state_dir or --state-dir");
	return true;
}

bool start_prepare(struct start *s, const struct options *o)
{
	*s = (struct start){ .options = o };
	return load_rules(s) && check_mode(s) && check_agent(s) && (o->backend ? pick_given(s, o->backend) : pick_all(s)) &&
	       find_state(s);
}

void start_release(struct start *s)
{
	config_free(s->config);
	free(s->state_dir);
	*s = (struct start){ 0 };
}

/* ---- saying no ------------------------------------------------------------------------------------------------------------------- */
static bool write_all(int fd, struct span text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.at, text.len);
		if (n <= 0)
			return false;
		text.at += n;
		text.len -= (size_t)n;
	}
	return true;
}

/* True: the client knows now. A probe before initialize (server/discover) is told to go on. */
static bool answer_line(const struct start *s, struct span line, int out_fd)
{
	struct jsonrpc rpc;
	bool is_probe;
	CLEANUP(buf_release) struct buf out = { 0 };

	jsonrpc_read(line, &rpc);
	if (rpc.kind != JSONRPC_REQUEST)
		return false;
	is_probe = strcmp(rpc.method, "server/discover") == 0;
	buf_init(&out, ANSWER_CAP);
	if (!jsonrpc_write_error(&out, rpc.id, is_probe ? -32601 : s->code, span_of(s->why), (struct span){ 0 }) ||
	    !buf_append_char(&out, '\n'))
		return true;
	return !write_all(out_fd, buf_span(&out)) || !is_probe;
}

static bool answer_lines(const struct start *s, struct buf *in, int out_fd)
{
	char *end;

	while (in->len > 0 && (end = memchr(in->data, '\n', in->len)) != NULL) {
		size_t n = (size_t)(end - in->data);
		if (answer_line(s, (struct span){ in->data, n }, out_fd))
			return true;
		buf_consume(in, n + 1);
	}
	return false;
}

void start_refuse(const struct start *s, int in_fd, int out_fd)
{
	CLEANUP(buf_release) struct buf in = { 0 };

	if (isatty(in_fd))
		return;                         /* a person has read it on stderr */
	buf_init(&in, LINE_CAP);
	for (;;) {
		char *at = buf_reserve(&in, 4096);
		ssize_t n = at ? read(in_fd, at, 4096) : 0;
		if (n <= 0)
			return;
		buf_added(&in, (size_t)n);
		if (answer_lines(s, &in, out_fd))
			return;
	}
}
