/* page_details - who asks, from where, under which rule, and who has a say; then the reader's own. */
#include <inttypes.h>
#include "base/id.h"
#include "broker/page_writer.h"

/* ---- who and where ---- */

static const char *level_text(int level)
{
	switch (level) {
	case 0:  return "named by its client alone, nothing proves it";
	case 1:  return "its user is proven by the kernel, its name is its client's word";
	case 2:  return "proven by a token";
	case 4:  return "proven by the kernel: this user is this agent";
	default: return "of a kind this program does not know";
	}
}

static void begin(struct page *p, const char *label)
{
	page_put_f(p, "<dt>%s</dt><dd>", label);
}

static void end(struct page *p)
{
	page_put(p, "</dd>");
}

static void row(struct page *p, const char *label, const char *text)
{
	if (!*text)
		return;
	begin(p, label);
	page_put_text(p, text);
	end(p);
}

static void put_agent(struct page *p, const struct page_facts *f)
{
	const struct approval *a = f->approval;

	begin(p, "Agent");
	page_put_text(p, a->agent);
	if (*f->agent_name && strcmp(f->agent_name, a->agent) != 0) {
		page_put(p, " (");
		page_put_text(p, f->agent_name);
		page_put(p, ")");
	}
	page_put_f(p, "<br><span class=soft>%s (level %d)</span>", level_text(a->level), a->level);
	end(p);
	row(p, "Tenant", a->tenant);
	row(p, "Client", *a->client ? a->client : "did not say");
	begin(p, "Runs as");
	page_put_text(p, f->user);
	page_put_f(p, " (uid %u) on ", (unsigned)a->uid);
	page_put_text(p, f->host);
	end(p);
}

static void put_waiting(struct page *p, const struct page_facts *f)
{
	const struct approval *a = f->approval;

	if (!page_is_open(a))
		return;
	begin(p, "Waiting");
	if (a->waiting == 0)
		page_put(p, "nobody at the moment: if you approve, it runs when the agent makes the same call again");
	else
		page_put_f(p, "%" PRIu32 " call%s", a->waiting, a->waiting == 1 ? "" : "s");
	if (f->sessions.len > 0) {
		page_put(p, "<ul>");
		p->ok = p->ok && buf_append_span(p->b, f->sessions);
		page_put(p, "</ul>");
	}
	end(p);
}

bool page_session(struct buf *items, const struct session_row *s)
{
	struct page p = { items, true };

	page_put(&p, "<li>");
	page_put_text(&p, *s->client ? s->client : "a session");
	page_put(&p, *s->client_version ? " " : "");
	page_put_text(&p, s->client_version);
	page_put_f(&p, ", process %ld, since ", (long)s->pid);
	page_put_time(&p, s->started_at_ms);
	page_put(&p, "</li>");
	return p.ok;
}

/* ---- who has a say ---- */

static void put_quorum(struct page *p, const struct page_facts *f)
{
	const struct approval *a = f->approval;

	begin(p, "Needs");
	if (a->quorum > 1)
		page_put_f(p, "%" PRIu32 " persons; %" PRIu32 " %s agreed. One refusal ends it", a->quorum, a->votes, a->votes == 1 ? "has" : "have");
	else
		page_put(p, a->is_auth_required ? "one person the rules know by name" : "one decision");
	end(p);
	if (f->votes.len == 0)
		return;
	begin(p, "Votes");
	page_put(p, "<ul>");
	p->ok = p->ok && buf_append_span(p->b, f->votes);
	page_put(p, "</ul>");
	end(p);
}

bool page_vote(struct buf *items, const struct vote_row *v)
{
	struct page p = { items, true };

	page_put(&p, "<li>");
	page_put_text(&p, v->voter);
	page_put(&p, v->is_approving ? " approved (" : " refused (");
	page_put_text(&p, v->means);
	page_put(&p, "), ");
	page_put_time(&p, v->at_ms);
	page_put(&p, v->is_late ? ", too late" : "");
	page_put(&p, *v->reason ? ": " : "");
	page_put_text(&p, v->reason);
	page_put(&p, "</li>");
	return p.ok;
}

void page_put_details(struct page *p, const struct page_facts *f)
{
	const struct approval *a = f->approval;
	char hash[65];

	hex_encode(hash, a->args_hash, 32);
	page_put(p, "<section aria-labelledby=more><h2 id=more>Who asks, and why you are asked</h2><dl>");
	put_agent(p, f);
	row(p, "Backend", a->backend);
	row(p, "Rule", a->rule);
	put_quorum(p, f);
	put_waiting(p, f);
	begin(p, "Asked");
	page_put_time(p, a->created_at_ms);
	end(p);
	page_put_f(p, "<dt>Approval</dt><dd>%s <span class=\"id soft\">%s</span></dd>", a->short_id, a->id);
	page_put_f(p, "<dt>Arguments</dt><dd class=soft>BLAKE2b <span class=id>%s</span></dd></dl></section>", hash);
}

/* ---- the reader's own ---- */

static void begin_form(struct page *p, const char *token, const char *decision)
{
	page_put_f(p, "<form method=post autocomplete=off><input type=hidden name=token value=\"%s\"><input type=hidden name=decision value=%s>", token, decision);
}

static void put_approve(struct page *p, const struct page_facts *f)
{
	begin_form(p, f->form_token, "approve");
	page_put(p, "<button class=approve>Approve this call</button><p class=soft>It may then run once, with exactly these arguments.</p></form>");
}

static void put_reject(struct page *p, const struct page_facts *f)
{
	begin_form(p, f->form_token, "reject");
	page_put(p, "<label for=reason>Reason <span class=soft>(the agent is told; may be empty)</span></label>"
		"<textarea id=reason name=reason rows=2 maxlength=500>");
	page_put_text(p, f->reason);
	page_put(p, "</textarea><button class=reject>Reject</button></form>");
}

static void put_why_not(struct page *p, const struct page_facts *f)
{
	const char *id = f->approval->short_id;

	page_put(p, "<p><b>This page cannot decide:</b> ");
	page_put_text(p, f->why_not);
	page_put_f(p, ".</p><p class=soft>On the machine: <code>aegisctl approvals approve %s</code> or <code>aegisctl approvals reject %s</code></p>", id, id);
}

void page_put_decision(struct page *p, const struct page_facts *f)
{
	if (!page_is_open(f->approval))
		return;
	page_put(p, "<section aria-labelledby=yours><h2 id=yours>Your decision</h2>");
	if (!f->form_token) {
		put_why_not(p, f);
	} else {
		if (!page_cuts(f->approval))
			put_approve(p, f);
		put_reject(p, f);
	}
	page_put(p, "</section>");
}
