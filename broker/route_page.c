/* route_page - GET and POST /a/{}: an approval to look at, and the form that decides it. The link is the proof that brought the reader here; it
 * names nobody. What is forged and what was never there get the same answer. */
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ballot.h"
#include "broker/handlers.h"
#include "broker/links.h"
#include "broker/page.h"
#include "broker/page_form.h"
#include "broker/page_reply.h"
#include "broker/verdict.h"

#define LISTS_CAP    (256 * 1024)
#define TOKEN_CAP    512
#define SESSIONS_MAX 8

_Static_assert(PAGE_FORM_REASON_MAX == BALLOT_REASON_MAX, "what the form takes must fit into a ballot");

/* ---- what a page shows besides the approval ---- */

struct showing {
	struct buf votes, sessions, token;
	struct approval previous;
	char user[80], host[128];
	const char *agent;
	unsigned sessions_n;
};

static void showing_release(struct showing *s)
{
	buf_release(&s->votes);
	buf_release(&s->sessions);
	buf_release(&s->token);
	approval_release(&s->previous);
}

static bool add_vote(void *arg, const struct vote_row *v)
{
	return page_vote(&((struct showing *)arg)->votes, v);
}

static bool add_session(void *arg, const struct session_row *row)
{
	struct showing *s = arg;
	bool waits = row->approvals > 0 && strcmp(row->agent, s->agent) == 0;

	s->sessions_n += waits;
	return !waits || (s->sessions_n <= SESSIONS_MAX && page_session(&s->sessions, row));
}

static void name_places(struct showing *s, uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	snprintf(s->user, sizeof s->user, "%s", user ? user->pw_name : "a user without a name");
	if (gethostname(s->host, sizeof s->host - 1) != 0)
		snprintf(s->host, sizeof s->host, "this machine");
}

/* ERR_NOT_FOUND of the previous one only means that there is none. */
static enum err gather(struct request *r, const struct approval *a, struct showing *s)
{
	struct store *store = broker_store(r->broker);

	s->agent = a->agent;
	buf_init(&s->votes, LISTS_CAP);
	buf_init(&s->sessions, LISTS_CAP);
	buf_init(&s->token, TOKEN_CAP);
	name_places(s, a->uid);
	enum err e = store_approval_previous(store, a->id, &s->previous);
	if (e == OK || e == ERR_NOT_FOUND)
		e = store_approval_votes(store, a->id, add_vote, s);
	if (e == OK)
		e = store_session_list(store, add_session, s);
	return e;
}

/* ---- showing it ---- */

struct note { unsigned status; enum page_tone tone; const char *text, *reason; };

static void show(struct request *r, const struct approval *a, const struct note *n)
{
	CLEANUP(showing_release) struct showing s = { 0 };
	CLEANUP(buf_release) struct buf page = { 0 };
	CLEANUP(buf_release) struct buf csp = { 0 };
	const struct config *c = r->broker->config;
	const struct config_agent *agent = config_agent(c, a->agent);
	struct voter reader;

	if (gather(r, a, &s) != OK) {
		page_reply_no_store(r);
		return;
	}
	voter_of_link(r->http->address, &reader);
	bool may_decide = voter_may_decide(c, &reader, a) && links_form_token(r->broker->links, a, &s.token);
	struct page_facts f = {
		.approval = a, .previous = s.previous.id[0] ? &s.previous : NULL,
		.agent_name = agent ? agent->display_name : "", .user = s.user, .host = s.host,
		.votes = buf_span(&s.votes), .sessions = buf_span(&s.sessions), .wall_ms = clock_wall_ms(),
		.form_token = may_decide ? s.token.data : NULL, .why_not = reader.why,
		.tone = n->tone, .notice = n->text, .reason = n->reason ? n->reason : "",
	};
	buf_init(&page, PAGE_MAX);
	buf_init(&csp, PAGE_CSP_MAX);
	if (page_write(&page, &csp, &f))
		page_reply(r, n->status, &page, &csp);
	else
		page_reply_plain(r, 500, "This page cannot be made", "The approval is too large for a page. On the machine aegisctl approvals shows it.");
}

/* The approval the link in the path belongs to, with its arguments. False: answered. */
static bool find(struct request *r, struct approval *out)
{
	struct store *s = broker_store(r->broker);
	char id[ID_SIZE] = "";

	*out = (struct approval){ 0 };
	bool has_shape = links_id(r->args[0], id);
	enum err e = !has_shape ? ERR_NOT_FOUND : s ? store_approval_get(s, id, out) : ERR_STORE_BUSY;
	if (e != OK && e != ERR_NOT_FOUND) {
		page_reply_no_store(r);
		return false;
	}
	if (links_check(r->broker->links, LINK_PAGE, r->args[0], out))
		return true;
	approval_release(out);
	page_reply_plain(r, 404, "No such link", "This link belongs to no approval. It may have been cut, or be older than the keys that sign links.");
	return false;
}

static bool is_gone(const struct approval *a)
{
	return a->is_overdue || a->state == APPROVAL_EXPIRED || a->state == APPROVAL_CANCELLED;
}

void route_page(struct request *r)
{
	CLEANUP(approval_release) struct approval a = { 0 };

	if (find(r, &a))
		show(r, &a, &(struct note){ .status = is_gone(&a) ? 410 : 200 });
}

/* ---- deciding ---- */

struct deciding {
	struct ballot ballot;
	struct request *request;
};

static void deciding_free(struct deciding *d)
{
	ballot_release(&d->ballot);
	free(d);
}

/* As in RFC 9110: 409 somebody was first, 410 it is over, 403 a link may not. */
static unsigned status_of(const struct ballot *b)
{
	if (b->err != OK)
		return 503;
	switch (b->answer) {
	case VOTE_DECIDED:
	case VOTE_COUNTED:     return 200;
	case VOTE_SECOND:
	case VOTE_REPLAYED:    return 409;
	case VOTE_TOO_LATE:    return 410;
	case VOTE_NO_SUCH:     return 404;
	case VOTE_NOT_ALLOWED: return 403;
	}
	return 500;
}

static void decided(struct ballot *b)
{
	struct deciding *d = container_of(b, struct deciding, ballot);
	CLEANUP(approval_release) struct approval a = { 0 };
	struct store *s = broker_store(b->broker);
	struct note n = { .status = status_of(b), .tone = PAGE_SAYS_BAD, .text = b->said, .reason = b->reason };

	if (n.status == 200)
		n.tone = PAGE_SAYS_GOOD;
	if (b->err != OK || !s || store_approval_get(s, b->approval, &a) != OK)
		page_reply_plain(d->request, n.status, n.status == 200 ? "Decided" : "Not decided", b->said);
	else
		show(d->request, &a, &n);
	deciding_free(d);
}

static void cast(struct request *r, const struct approval *a, const struct page_form *f)
{
	struct deciding *d = xcalloc(1, sizeof *d);
	struct ballot *b = &d->ballot;

	d->request = r;
	b->broker = r->broker;
	b->is_approving = f->is_approving;
	b->has_args_hash = true;                 /* the form's token is bound to them */
	b->done = decided;
	snprintf(b->approval, sizeof b->approval, "%s", a->id);
	snprintf(b->reason, sizeof b->reason, "%s", f->reason);
	memcpy(b->args_hash, a->args_hash, sizeof b->args_hash);
	voter_of_link(r->http->address, &b->voter);
	ballot_cast(b);
}

/* NULL: it may be cast. Else why not. */
static const char *fault_of(const struct request *r, const struct approval *a, const struct page_form *f, unsigned *status)
{
	*status = 403;
	if (!links_form_check(r->broker->links, a, f->token))
		return "nothing was decided: the form was not the one of this page. Here is a new one";
	if (f->is_approving && page_cuts(a))
		return "nothing was decided: not all arguments fit on this page, so it cannot approve";
	*status = 400;
	if (f->is_reason_too_long)
		return "nothing was decided: the reason is too long. 1000 bytes are the most";
	if (f->is_reason_odd)
		return "nothing was decided: the reason has characters that do not show";
	return NULL;
}

void route_page_decide(struct request *r)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	struct page_form f = { .token = "" };
	struct note n = { .status = 400, .tone = PAGE_SAYS_BAD, .text = "nothing was decided: what came is not the form of this page" };

	if (!page_form_is_type(httpd_header(r->http, "Content-Type"))) {
		page_reply_plain(r, 415, "Not a form", "Only the form of this page decides: application/x-www-form-urlencoded.");
		return;
	}
	if (!find(r, &a))
		return;
	if (page_form_read(r->http->body, &f))
		n.text = fault_of(r, &a, &f, &n.status);
	n.reason = f.reason;
	if (n.text)
		show(r, &a, &n);
	else
		cast(r, &a, &f);
}
