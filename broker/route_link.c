/* route_link - GET /callback/approval?id=&action=&token=: the link of the Go predecessor, which decides on a plain GET. Only what was signed for
 * that (approve_url and reject_url of the generic payload, for programs), while approval.generic.get_decides is true. A browser that
 * fetches ahead, or whoever makes previews of links, decides nothing. */
#include <stdio.h>
#include <strings.h>
#include "base/xalloc.h"
#include "broker/ballot.h"
#include "broker/handlers.h"
#include "broker/links.h"
#include "broker/page_reply.h"

/* ---- who fetches what nobody clicked ---- */

static bool starts_with(const char *value, const char *word)
{
	return value && strncasecmp(value, word, strlen(word)) == 0;
}

/* Purpose: old Chrome and Safari. Sec-Purpose: Fetch, "prefetch" or "prefetch;prerender". X-Moz: old Firefox. X-Purpose: old Safari. */
static bool is_ahead(const struct httpd_request *h)
{
	return starts_with(httpd_header(h, "Purpose"), "prefetch") || starts_with(httpd_header(h, "Sec-Purpose"), "prefetch") ||
	       starts_with(httpd_header(h, "X-Moz"), "prefetch") || starts_with(httpd_header(h, "X-Purpose"), "preview");
}

/* What those call themselves who fetch every link of a message to show what is behind it. */
static bool is_previewer(const char *agent)
{
	static const char *const names[] = {
		"Slackbot", "facebookexternalhit", "Twitterbot", "Discordbot", "TelegramBot", "WhatsApp", "LinkedInBot", "SkypeUriPreview",
		"Google-PageRenderer", "GoogleImageProxy", "Iframely", "Embedly", "Larkbot", "Mattermost", "Zulip", "Synapse",
	};

	for (size_t i = 0; agent && i < ARRAY_LEN(names); i++)
		if (strstr(agent, names[i]))
			return true;
	return false;
}

/* ---- the query ---- */

struct query { const char *id, *action, *token; };

static const char **field_of(struct query *q, const char *name)
{
	if (strcmp(name, "id") == 0)
		return &q->id;
	if (strcmp(name, "action") == 0)
		return &q->action;
	return strcmp(name, "token") == 0 ? &q->token : NULL;
}

/* False: given twice, or without a value. */
static bool take(void *arg, const char *name, const char *value)
{
	const char **field = field_of(arg, name);

	if (!field)
		return true;
	bool is_first = !*field && value;
	*field = value;
	return is_first;
}

static bool read_query(struct request *r, struct query *q)
{
	*q = (struct query){ 0 };
	bool is_read = httpd_query_each(r->http, take, q);
	return is_read && q->id && q->token && q->action && (strcmp(q->action, "approve") == 0 || strcmp(q->action, "reject") == 0);
}

/* ---- deciding ---- */

struct deciding {
	struct ballot ballot;
	struct request *request;
};

static void say(struct request *r, const struct ballot *b)
{
	if (b->err != OK) {
		page_reply_plain(r, 503, "Not decided", b->said);
		return;
	}
	switch (b->answer) {
	case VOTE_DECIDED:     page_reply_plain(r, 200, b->is_approving ? "Approved" : "Rejected", b->said); return;
	case VOTE_COUNTED:     page_reply_plain(r, 200, "Counted", b->said); return;
	case VOTE_SECOND:
	case VOTE_REPLAYED:    page_reply_plain(r, 409, "Decided before", b->said); return;
	case VOTE_TOO_LATE:    page_reply_plain(r, 410, "Too late", b->said); return;
	case VOTE_NO_SUCH:     page_reply_plain(r, 404, "Unknown", b->said); return;
	case VOTE_NOT_ALLOWED: page_reply_plain(r, 403, "Not decided", b->said); return;
	}
}

static void decided(struct ballot *b)
{
	struct deciding *d = container_of(b, struct deciding, ballot);

	say(d->request, b);
	ballot_release(b);
	free(d);
}

static void cast(struct request *r, const struct approval *a, bool is_approving)
{
	struct deciding *d = xcalloc(1, sizeof *d);
	struct ballot *b = &d->ballot;

	d->request = r;
	b->broker = r->broker;
	b->is_approving = is_approving;
	b->has_args_hash = true;                 /* the link is bound to them */
	b->done = decided;
	snprintf(b->approval, sizeof b->approval, "%s", a->id);
	memcpy(b->args_hash, a->args_hash, sizeof b->args_hash);
	voter_of_link(r->http->address, &b->voter);
	b->voter.means = "link";
	ballot_cast(b);
}

static void prove(struct request *r, const struct query *q)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	bool is_approving = strcmp(q->action, "approve") == 0;
	struct store *s = broker_store(r->broker);
	char id[ID_SIZE] = "";

	bool has_shape = links_id(q->token, id) && strcmp(id, q->id) == 0;
	enum err e = !has_shape ? OK : s ? store_approval_look(s, id, &a) : ERR_STORE_BUSY;
	bool is_proven = links_check(r->broker->links, is_approving ? LINK_APPROVE : LINK_REJECT, q->token, &a);
	if (e == ERR_NOT_FOUND)
		page_reply_plain(r, 404, "Unknown", "There is no such approval.");
	else if (e != OK)
		page_reply_no_store(r);
	else if (!has_shape || !is_proven)
		page_reply_plain(r, 403, "Not decided", "Invalid or missing token: this link decides nothing.");
	else
		cast(r, &a, is_approving);
}

void route_link(struct request *r)
{
	const struct httpd_request *h = r->http;
	struct query q;

	if (!r->broker->config->approval.generic.get_decides)
		page_reply_plain(r, 403, "Not decided", "Links that decide when they are fetched are switched off (approval.generic.get_decides).");
	else if (!read_query(r, &q))
		page_reply_plain(r, 400, "Not decided", "This link needs id, token and action=approve or action=reject, each once.");
	else if (strcmp(h->method, "GET") != 0 || is_ahead(h) || is_previewer(httpd_header(h, "User-Agent")))
		page_reply_plain(r, 403, "Not decided", "Only a plain GET decides, not a look ahead or a preview.");
	else
		prove(r, &q);
}
