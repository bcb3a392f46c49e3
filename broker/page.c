#include "broker/page.h"
#include <inttypes.h>
#include "broker/page_writer.h"
#include "broker/verdict.h"

#define STYLE_CAP (32 * 1024)
#define DAY_S     86400
#define SOON_S    5                      /* a page that waits for the end of a call looks again */
#define FOLLOW_MS (15 * 60 * 1000)       /* ... for so long */

bool page_is_open(const struct approval *a)
{
	return a->state == APPROVAL_PENDING && !a->is_overdue;
}

static int64_t seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

static struct page_bar bar_of(const struct approval *a)
{
	bool runs = page_is_open(a) && !a->is_frozen && a->expires_in_ms > 0;

	if (!runs)
		return (struct page_bar){ 0 };
	return (struct page_bar){ seconds(a->expires_in_ms), (double)a->expires_in_ms / (double)(a->expires_in_ms + a->waited_ms) };
}

/* Looks again when that shows something new and takes nothing away: at the end of the asking, and while an approved call is on its way. */
static int64_t refresh_s(const struct page_facts *f)
{
	const struct approval *a = f->approval;
	bool is_under_way = a->state == APPROVAL_APPROVED || (a->state == APPROVAL_CONSUMED && !*a->outcome);

	int64_t left_s = bar_of(a).left_s;

	if (left_s > 0)
		return left_s < DAY_S ? left_s + 1 : 0;
	return is_under_way && f->wall_ms - a->decided_at_ms < FOLLOW_MS ? SOON_S : 0;
}

void page_put_head(struct page *p, const char *title, const char *id, int64_t again_s, struct span style)
{
	page_put_f(p, "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">"
		"<meta name=color-scheme content=\"light dark\"><meta name=robots content=\"noindex,nofollow\"><title>%s</title>", title);
	if (again_s > 0)
		page_put_f(p, "<meta http-equiv=refresh content=%" PRId64 ">", again_s);
	page_put(p, "<style>");
	p->ok = p->ok && buf_append_span(p->b, style);
	page_put_f(p, "</style></head><body><header><b>Aegis</b><span>%s</span></header><main>", id);
}

/* ---- the top: how it stands ---- */

struct pill { const char *tone, *text; };

static struct pill pill_of(const struct approval *a)
{
	if (a->is_overdue)
		return (struct pill){ "", "Expired" };
	switch (a->state) {
	case APPROVAL_PENDING:   return (struct pill){ "wait", "Waits for a decision" };
	case APPROVAL_APPROVED:  return (struct pill){ "good", "Approved" };
	case APPROVAL_REJECTED:  return (struct pill){ "bad", "Rejected" };
	case APPROVAL_EXPIRED:   return (struct pill){ "", "Expired" };
	case APPROVAL_CANCELLED: return (struct pill){ "", "Cancelled" };
	case APPROVAL_CONSUMED:  return (struct pill){ "good", "Approved and used" };
	}
	return (struct pill){ "", "" };
}

static void put_time_left(struct page *p, const struct page_facts *f)
{
	const struct approval *a = f->approval;

	page_put(p, "<p class=soft>Asked ");
	page_put_duration(p, a->waited_ms);
	page_put(p, " ago. ");
	if (a->is_frozen) {
		page_put(p, "Calls are paused: the clock stands still, ");
		page_put_duration(p, a->expires_in_ms);
		page_put(p, " are left.</p>");
		return;
	}
	page_put(p, "Expires ");
	page_put_time(p, f->wall_ms + a->expires_in_ms);
	page_put(p, ", in <b>");
	page_put_duration(p, a->expires_in_ms);
	page_put(p, "</b>.</p>");
	if (bar_of(a).left_s > 0)
		page_put(p, "<div class=bar aria-hidden=true><i></i></div>");
}

static void put_standing(struct page *p, const struct approval *a)
{
	CLEANUP(buf_release) struct buf said = { 0 };

	buf_init(&said, 64 * 1024);
	p->ok = p->ok && verdict_write_standing(&said, a);
	page_put(p, "<p>");
	page_put_span(p, buf_span(&said));
	page_put(p, ".</p>");
}

static void put_top(struct page *p, const struct page_facts *f)
{
	const struct approval *a = f->approval;
	struct pill pill = pill_of(a);

	page_put_f(p, "<div class=top><p class=\"state %s\">%s</p><h1>", pill.tone, pill.text);
	page_put_text(p, a->agent);
	page_put(p, page_is_open(a) ? " wants to call <code>" : " wanted to call <code>");
	page_put_text(p, a->tool);
	page_put(p, "</code></h1>");
	if (page_is_open(a)) {
		put_time_left(p, f);
		page_put(p, "<p class=jump><a href=\"#yours\">To your decision</a></p>");
	} else {
		put_standing(p, a);
	}
	page_put(p, "</div>");
}

static void put_notice(struct page *p, const struct page_facts *f)
{
	if (f->tone == PAGE_SAYS_NOTHING)
		return;
	page_put_f(p, "<p class=\"note %s\" role=status>", f->tone == PAGE_SAYS_GOOD ? "good" : "bad");
	page_put_text(p, f->notice);
	page_put(p, "</p>");
}

/* ---- documents ---- */

static void put_foot(struct page *p)
{
	page_put(p, "</main><footer>Only what is sent from this page by a button decides. Opening it decides nothing.</footer></body></html>");
}

bool page_write(struct buf *out, struct buf *csp, const struct page_facts *f)
{
	CLEANUP(buf_release) struct buf style = { 0 };
	struct page p = { out, true };
	char title[64];
	struct page_bar bar = bar_of(f->approval);

	buf_init(&style, STYLE_CAP);
	if (!page_style(&style, &bar) || !page_csp(csp, buf_span(&style)))
		return false;
	snprintf(title, sizeof title, "%s &middot; Aegis", f->approval->short_id);
	page_put_head(&p, title, f->approval->short_id, refresh_s(f), buf_span(&style));
	put_notice(&p, f);
	put_top(&p, f);
	page_put_arguments(&p, f);
	page_put_details(&p, f);
	page_put_decision(&p, f);
	put_foot(&p);
	return p.ok;
}

bool page_write_plain(struct buf *out, struct buf *csp, const char *title, const char *sentence)
{
	CLEANUP(buf_release) struct buf style = { 0 };
	struct page p = { out, true };

	buf_init(&style, STYLE_CAP);
	if (!page_style(&style, &(struct page_bar){ 0 }) || !page_csp(csp, buf_span(&style)))
		return false;
	page_put_head(&p, title, "", 0, buf_span(&style));
	page_put_f(&p, "<div class=top><h1>%s</h1><p>", title);
	page_put_text(&p, sentence);
	page_put(&p, "</p></div></main></body></html>");
	return p.ok;
}
