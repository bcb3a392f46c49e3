/* page_writer - what the parts of a page are written with: the first thing that does not fit ends it. */
#pragma once
#include "base/attr.h"
#include "broker/html.h"
#include "broker/page.h"

struct page {
	struct buf *b;
	bool ok;
};
void page_put(struct page *p, const char *html);                              /* our own words */
void page_put_f(struct page *p, const char *fmt, ...) PRINTF_LIKE(2, 3);      /* numbers, ids, tokens: nothing that needs escaping */
void page_put_text(struct page *p, const char *text);                         /* foreign */
void page_put_span(struct page *p, struct span text);
void page_put_duration(struct page *p, int64_t ms);                           /* "9 min 41 s" */
void page_put_time(struct page *p, int64_t wall_ms);                          /* "2026-11-21 16:32:10 UTC" */

/* ---- the parts, in their order ---- */
void page_put_head(struct page *p, const char *title, const char *id, int64_t refresh_s, struct span style);
void page_put_arguments(struct page *p, const struct page_facts *f);          /* page_body.c: with what changed since the previous call */
void page_put_details(struct page *p, const struct page_facts *f);            /* page_details.c */
void page_put_decision(struct page *p, const struct page_facts *f);
bool page_is_open(const struct approval *a);                             /* it waits for a decision */

/* page_style.c: the style sheet, with a bar of the time left (0 = none), of which `part` is left of the whole; and the header that allows
 * exactly this style. */
struct page_bar { int64_t left_s; double part; };
MUST_USE bool page_style(struct buf *b, const struct page_bar *bar);
MUST_USE bool page_csp(struct buf *b, struct span style);
