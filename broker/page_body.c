/* page_body - the arguments, whole, and what changed in them since the previous call of that tool. */
#include "broker/page_args.h"
#include "broker/page_diff.h"
#include "broker/page_writer.h"

static void put_line(struct page *p, const struct page_args *a, size_t i)
{
	const struct page_line *line = &a->lines[i];
	struct span text = page_args_line(a, i);
	size_t indent = 0;

	while (indent < line->key && text.at[indent] == ' ')
		indent++;
	if (line->key > indent) {
		page_put_span(p, (struct span){ text.at, indent });
		page_put(p, "<bdi class=k>");
		page_put_span(p, (struct span){ text.at + indent, line->key - indent });
		page_put(p, "</bdi>");
	}
	page_put_span(p, (struct span){ text.at + line->key, text.len - line->key });
}

static void put_lines(struct page *p, const struct page_args *a)
{
	page_put(p, "<pre>");
	for (size_t i = 0; i < a->n && p->ok; i++) {
		page_put(p, i > 0 ? "\n" : "");
		put_line(p, a, i);
	}
	page_put(p, "</pre>");
}

/* ---- what changed ---- */

static void put_row(struct page *p, const struct diff_row *row, const struct page_args *before, const struct page_args *after)
{
	static const struct { const char *begin, *spoken; } kinds[] = {
		[DIFF_SAME] = { "<span class=row>&nbsp; ", "" },
		[DIFF_GONE] = { "<span class=\"row gone\">&minus; ", "" },
		[DIFF_NEW] = { "<span class=\"row new\">+ ", "" },
		[DIFF_SKIPPED] = { "<span class=\"row skip\">", "" },
	};

	page_put(p, kinds[row->kind].begin);
	if (row->kind == DIFF_SKIPPED)
		page_put_f(p, "&hellip; %zu line%s the same", row->at, row->at == 1 ? " is" : "s are");
	else
		put_line(p, row->kind == DIFF_GONE ? before : after, row->at);
	page_put(p, "</span>");
}

static void put_rows(struct page *p, const struct page_diff *d, const struct page_args *before, const struct page_args *after)
{
	page_put(p, "<pre>");
	for (size_t i = 0; i < d->n && p->ok; i++)
		put_row(p, &d->rows[i], before, after);
	page_put(p, "</pre>");
}

static void put_changes(struct page *p, const struct page_args *before, const struct page_args *after)
{
	CLEANUP(page_diff_release) struct page_diff d = { 0 };

	if (before->left_bytes > 0 || after->left_bytes > 0)
		page_put(p, "<p>They are too large to be compared here.</p>");
	else if (!page_diff_make(&d, before, after)) {
		page_put_f(p, "<p>More than %d lines are different. These were the previous arguments:</p>", PAGE_DIFF_MAX);
		put_lines(p, before);
	} else if (d.n == 0)
		page_put(p, "<p>The arguments are the same.</p>");
	else
		put_rows(p, &d, before, after);
}

static void put_previous(struct page *p, const struct approval *previous, const struct page_args *after)
{
	CLEANUP(page_args_release) struct page_args before = { 0 };

	page_put_f(p, "<p class=soft>%s, approved by ", previous->short_id);
	page_put_text(p, previous->decided_by);
	page_put(p, ", ");
	page_put_time(p, previous->decided_at_ms);
	page_put(p, "</p>");
	if (page_args_make(&before, span_of(previous->args), PAGE_ARGS_MAX))
		put_changes(p, &before, after);
}

/* ---- both ---- */

static void put_rest(struct page *p, const struct page_facts *f, size_t left_bytes)
{
	const char *id = f->approval->short_id;

	if (left_bytes == 0)
		return;
	page_put_f(p, "<p><b>%zu more bytes</b> do not fit on this page, so it cannot approve this call. <code>aegisctl approvals show %s</code> shows "
		"all of them, <code>aegisctl approvals approve %s</code> approves.</p>", left_bytes, id, id);
}

void page_put_arguments(struct page *p, const struct page_facts *f)
{
	CLEANUP(page_args_release) struct page_args args = { 0 };
	bool is_json = page_args_make(&args, span_of(f->approval->args), PAGE_ARGS_MAX);

	page_put_f(p, "<section aria-labelledby=args><h2 id=args>Arguments <small>%zu bytes</small></h2>", strlen(f->approval->args));
	if (is_json)
		put_lines(p, &args);
	put_rest(p, f, args.left_bytes);
	page_put(p, "</section><section aria-labelledby=diff><h2 id=diff>Since the previous call</h2>");
	if (f->previous)
		put_previous(p, f->previous, &args);
	else
		page_put(p, "<p>This is the first call of this tool by this agent: no earlier one was approved and used.</p>");
	page_put(p, "</section>");
}

bool page_cuts(const struct approval *a)
{
	CLEANUP(page_args_release) struct page_args args = { 0 };

	return !page_args_make(&args, span_of(a->args), PAGE_ARGS_MAX) || args.left_bytes > 0;
}
