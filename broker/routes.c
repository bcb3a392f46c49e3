/* routes - what may be asked over HTTP, by whom. Read the table top down; the first row that fits counts. */
#include "broker/routes.h"
#include <stdio.h>
#include <string.h>
#include "base/xalloc.h"
#include "broker/auth.h"
#include "broker/doors.h"
#include "broker/handlers.h"
#include "broker/origin.h"

const struct route routes[] = {
	{ "GET",    "/health",                            OWN,       route_health },
	{ "GET",    "/metrics",                           VIEWER,    route_metrics },
	{ "GET",    "/api/v1/agents",                     VIEWER,    route_agents },
	{ "GET",    "/api/v1/agents/{}/rate-limits",      VIEWER,    route_agent_limits },
	{ "GET",    "/api/v1/approvals/pending",          VIEWER,    route_approvals_pending },
	{ "GET",    "/api/v1/approvals/{}",               VIEWER,    route_approval },
	{ "POST",   "/api/v1/approvals/{}/approve",       APPROVER,  route_approve },
	{ "POST",   "/api/v1/approvals/{}/reject",        APPROVER,  route_reject },
	{ "POST",   "/api/v1/approvals/{}/cancel",        OPERATOR,  route_cancel },
	{ "GET",    "/api/v1/audit/logs",                 VIEWER,    route_audit_logs },
	{ "GET",    "/api/v1/channels",                   VIEWER,    route_channels },
	{ "POST",   "/api/v1/channels/{}/test",           OPERATOR,  route_channel_test },
	{ "GET",    "/api/v1/config",                     OPERATOR,  route_config },
	{ "POST",   "/api/v1/config/reload",              OPERATOR,  route_config_reload },
	{ "GET",    "/api/v1/events",                     VIEWER,    route_events },
	{ "GET",    "/api/v1/messages/dead",              VIEWER,    route_messages_dead },
	{ "POST",   "/api/v1/messages/again",             OPERATOR,  route_messages_again },
	{ "GET",    "/api/v1/queue/status",               VIEWER,    route_queue_status },
	{ "GET",    "/api/v1/status",                     VIEWER,    route_status },
	{ "POST",   "/callback/feishu",                   OWN,       route_feishu },      /* signed by the platform */
	{ "GET",    "/callback/slack",                    OWN,       route_slack_probe },
	{ "POST",   "/callback/slack",                    OWN,       route_slack },       /* likewise */
	{ "GET",    "/agents/{}/mcp",                     OWN,       route_mcp_gone },    /* the predecessor's endpoint */
	{ "POST",   "/agents/{}/mcp",                     OWN,       route_mcp_gone },
	{ "DELETE", "/agents/{}/mcp",                     OWN,       route_mcp_gone },
	{ "GET",    "/a/{}",                              OWN,       route_page },        /* an approval; its link is the proof */
	{ "POST",   "/a/{}",                              OWN,       route_page_decide },
	{ "GET",    "/callback/approval",                 OWN,       route_link },        /* decides on a plain GET: links made for programs */
	{ NULL, NULL, OWN, NULL },
};

/* ---- finding the row ---------------------------------------------------------------------------------------------------------------- */

static struct span next_part(const char **at)
{
	struct span part = { *at, strcspn(*at, "/") };

	*at += part.len + ((*at)[part.len] == '/');
	return part;
}

/* Part by part: {} takes one that is not empty. */
static bool path_fits(const char *pattern, const char *path, char args[ROUTE_MAX_ARGS][160])
{
	size_t n = 0;

	while (*pattern && *path) {
		bool was_last = !strchr(pattern, '/'), is_last = !strchr(path, '/');
		struct span want = next_part(&pattern), got = next_part(&path);
		if (was_last != is_last)
			return false;
		if (!span_is(want, "{}") ? !span_equal(want, got) : got.len == 0 || got.len >= 160 || n == ROUTE_MAX_ARGS)
			return false;
		if (span_is(want, "{}"))
			snprintf(args[n++], 160, "%.*s", SPAN_ARGS(got));
	}
	return *pattern == *path;
}

static bool method_fits(const char *row, const char *asked)
{
	return strcmp(row, asked) == 0 || (strcmp(row, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

/* Its methods, as an Allow header says them. */
struct found {
	const struct route *route;       /* NULL: no row of that path has the method */
	bool has_path, is_own;           /* is_own: all rows of the path are OWN */
	char allow[64];
};

static void allow_also(struct found *f, const char *method)
{
	size_t n = strlen(f->allow);

	snprintf(f->allow + n, sizeof(f->allow) - n, "%s%s%s", n ? ", " : "", method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

/* A proxy in front of us may or may not take away the path of callback_base_url. */
static const char *path_below_base(const struct config *c, const char *path)
{
	const char *mark = strstr(c->approval.callback_base_url, "://"), *base = mark ? strchr(mark + 3, '/') : NULL;
	size_t n = base ? strlen(base) : 0;

	while (n > 0 && base[n - 1] == '/')
		n--;
	return n > 0 && strncmp(path, base, n) == 0 && path[n] == '/' ? path + n : path;
}

static struct found find_path(struct request *r, const char *path)
{
	struct found f = { .is_own = true };

	for (const struct route *row = routes; row->method; row++) {
		char args[ROUTE_MAX_ARGS][160] = { "" };
		if (!path_fits(row->path, path, args))
			continue;
		f.has_path = true;
		f.is_own &= row->authority == OWN;
		allow_also(&f, row->method);
		if (f.route || !method_fits(row->method, r->http->method))
			continue;
		f.route = row;
		memcpy(r->args, args, sizeof(args));
	}
	return f;
}

/* As it came first: the path of the base may begin as one of ours does. */
static struct found find(struct request *r)
{
	struct found f = find_path(r, r->http->path);

	return f.has_path ? f : find_path(r, path_below_base(r->broker->config, r->http->path));
}

/* ---- may they? ------------------------------------------------------------------------------------------------------------------------- */

static const struct { unsigned bit; const char *name; } roles[] = {
	[VIEWER] = { ROLE_VIEWER, "viewer" },
	[OPERATOR] = { ROLE_OPERATOR, "operator" },
	[APPROVER] = { ROLE_APPROVER, "approver" },
	[SUPERUSER] = { ROLE_SUPERUSER, "superuser" },
};

static void refuse_role(struct request *r, enum authority needed)
{
	const struct voter *v = &r->voter;

	reply_error(r, 403, "this needs the role %s; %s has %s%s", roles[needed].name, v->name[0] ? v->name : "this token",
		v->roles ? "the role " : "none", v->roles ? role_text(v->roles) : "");
}

static bool changes_state(const struct httpd_request *r)
{
	return strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0;
}

/* False: answered. Only browsers need it, and they cannot reach the socket. */
static bool origin_is_good(struct request *r)
{
	const struct httpd_request *h = r->http;
	const struct config *c = r->broker->config;
	struct origin_facts f = {
		.host = httpd_header(h, "Host"),
		.origin = httpd_header(h, "Origin"),
		.fetch_site = httpd_header(h, "Sec-Fetch-Site"),
		.origins = httpd_header_count(h, "Origin"),
		.fetch_sites = httpd_header_count(h, "Sec-Fetch-Site"),
	};

	if (h->is_local)
		return true;
	if (!origin_host_is_ours(c, f.host, h->here)) {
		reply_error(r, 421, "this is no host name of ours; server.allowed_hosts of the rules names more");
		return false;
	}
	const char *fault = changes_state(h) ? origin_fault(c, &f) : NULL;
	if (fault)
		reply_error(r, 403, "%s", fault);
	return fault == NULL;
}

static void refuse_caller(struct request *r, enum auth_answer answer)
{
	if (answer == AUTH_UNPROVEN)
		auth_refuse(doors_auth(r->broker), r);
	else if (answer == AUTH_NOBODY)
		reply_error(r, 403, "%s", r->voter.why[0] ? r->voter.why : "the rules give you no role");
	else
		reply_no_store(r);
}

static void go_on(struct request *r, const struct found *f)
{
	const struct httpd_field allow[] = { { "Allow", f->allow }, { NULL, NULL } };

	if (!f->has_path)
		reply_error(r, 404, "there is nothing here; the paths of the API begin with /api/v1/");
	else if (!f->route)
		reply_error_with(r, 405, allow, "this path knows the methods %s", f->allow);
	else if (f->route->authority != OWN && !(r->voter.roles & roles[f->route->authority].bit))
		refuse_role(r, f->route->authority);
	else
		f->route->handle(r);
}

void request_wait_begin(struct request *r, struct request_wait *w)
{
	list_append(doors_waits(r->broker), &w->node);
}

void request_wait_end(struct request_wait *w)
{
	if (w->node.next)
		list_remove(&w->node);
}

void routes_handle(struct broker *b, struct httpd_request *http)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->broker = b;
	r->http = http;
	if (b->is_ending) {
		reply_error(r, 503, "the broker is ending");
		return;
	}
	if (!origin_is_good(r))
		return;
	struct found f = find(r);
	bool needs_nobody = f.has_path && (f.route ? f.route->authority == OWN : f.is_own);
	enum auth_answer answer = needs_nobody ? AUTH_OK : auth_check(doors_auth(b), r);
	if (answer == AUTH_OK)
		go_on(r, &f);
	else
		refuse_caller(r, answer);
}
