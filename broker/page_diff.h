/* page_diff - what changed between two texts of lines: the shortest way from one to the other (Myers, "An O(ND) difference algorithm",
 * 1986), with three lines around each change. A comma at a line's end is JSON's and not compared. Pure. */
#pragma once
#include "broker/page_args.h"

#define PAGE_DIFF_MAX 400                /* lines gone and new together */

enum diff_kind { DIFF_SAME, DIFF_GONE, DIFF_NEW, DIFF_SKIPPED };
struct diff_row {
	enum diff_kind kind;
	size_t at;                       /* SAME, NEW: line of after; GONE: of before; SKIPPED: how many lines are the same */
};
struct page_diff {
	struct diff_row *rows;
	size_t n;
};
/* False: more than PAGE_DIFF_MAX; out holds nothing then. Equal texts have no rows. */
MUST_USE bool page_diff_make(struct page_diff *out, const struct page_args *before, const struct page_args *after);
void page_diff_release(struct page_diff *d);     /* legal on a zeroed one */
