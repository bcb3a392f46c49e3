/* page - an approval as an HTML page, for a browser without scripts. Pure: all it shows is given; whoever is untrusted among those who
 * wrote it (agent, client, voters) shows as text. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

#define PAGE_ARGS_MAX (1024 * 1024)      /* bytes of arguments shown, indented; where that cuts them, the page cannot approve */
#define PAGE_CSP_MAX  512
#define PAGE_MAX      (24 * 1024 * 1024) /* bytes of a page: invisible characters take thirty each */

enum page_tone { PAGE_SAYS_NOTHING, PAGE_SAYS_GOOD, PAGE_SAYS_BAD };

struct page_facts {                      /* all borrowed; texts may be "" but not NULL, unless said */
	const struct approval *approval, *previous;      /* with arguments; previous: NULL = none on record */
	const char *agent_name;          /* its display name */
	const char *user, *host;         /* of the agent's uid; this machine */
	struct span votes, sessions;     /* list items, made by page_vote and page_session */
	int64_t wall_ms;
	const char *form_token;          /* NULL: this page cannot decide */
	const char *why_not;             /* then: a sentence */
	enum page_tone tone;             /* what became of what the reader just did */
	const char *notice;
	const char *reason;              /* as it was typed, to go on with */
};
/* The whole document. csp: for the Content-Security-Policy header. False: a cap was passed. */
MUST_USE bool page_write(struct buf *out, struct buf *csp, const struct page_facts *f);
/* A document that only says something: no approval is known, or the store cannot be asked. */
MUST_USE bool page_write_plain(struct buf *out, struct buf *csp, const char *title, const char *sentence);

MUST_USE bool page_vote(struct buf *items, const struct vote_row *v);
MUST_USE bool page_session(struct buf *items, const struct session_row *s);
/* Do the arguments not fit on a page? */
bool page_cuts(const struct approval *a);
