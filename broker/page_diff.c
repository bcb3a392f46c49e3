#include "broker/page_diff.h"
#include <stdlib.h>
#include "base/xalloc.h"

#define AROUND 3

/* furthest[d] holds, for each diagonal k = -d, -d + 2, ... d, how far into `before` d changes lead. */
struct search {
	const struct page_args *before, *after;
	size_t head;                     /* lines that are the same at the beginning: not searched */
	long n, m;                       /* lines searched in each */
	long *furthest[PAGE_DIFF_MAX + 1];
	int d;                           /* changes it takes */
};

static bool is_same(const struct search *s, long i, long j)
{
	struct span a = page_args_line(s->before, s->head + (size_t)i), b = page_args_line(s->after, s->head + (size_t)j);

	a.len -= a.len > 0 && a.at[a.len - 1] == ',';
	b.len -= b.len > 0 && b.at[b.len - 1] == ',';
	return span_equal(a, b);
}

/* The head and the tail that are the same leave the middle to be searched. */
static void find_middle(struct search *s)
{
	s->n = (long)s->before->n;
	s->m = (long)s->after->n;
	while (s->n > 0 && s->m > 0 && is_same(s, 0, 0)) {
		s->head++;
		s->n--;
		s->m--;
	}
	while (s->n > 0 && s->m > 0 && is_same(s, s->n - 1, s->m - 1)) {
		s->n--;
		s->m--;
	}
}

static long at(const struct search *s, int d, int k)
{
	return s->furthest[d][(k + d) / 2];
}

/* Does diagonal k of d changes come from above (a new line), or from the left (one gone)? */
static bool comes_by_new(const struct search *s, int d, int k)
{
	return k == -d || (k != d && at(s, d - 1, k - 1) < at(s, d - 1, k + 1));
}

static long start_of(const struct search *s, int d, int k)
{
	if (d == 0)
		return 0;
	return comes_by_new(s, d, k) ? at(s, d - 1, k + 1) : at(s, d - 1, k - 1) + 1;
}

static bool step(struct search *s, int d)
{
	s->furthest[d] = xcalloc((size_t)d + 1, sizeof(long));
	for (int k = -d; k <= d; k += 2) {
		long x = start_of(s, d, k);
		while (x < s->n && x - k < s->m && x - k >= 0 && is_same(s, x, x - k))
			x++;
		s->furthest[d][(k + d) / 2] = x;
		if (k == s->n - s->m && x >= s->n)
			return true;
	}
	return false;
}

/* ---- the way back, as rows from the end to the beginning ---- */

static void push(struct page_diff *out, enum diff_kind kind, size_t line)
{
	if (out->n % 64 == 0)
		out->rows = xreallocarray(out->rows, out->n + 64, sizeof *out->rows);
	out->rows[out->n++] = (struct diff_row){ kind, line };
}

static void walk_back(const struct search *s, struct page_diff *out)
{
	int k = (int)(s->n - s->m);
	long x = s->n;

	for (size_t i = s->after->n; i-- > s->head + (size_t)s->m;)
		push(out, DIFF_SAME, i);
	for (int d = s->d; d >= 0; d--) {
		bool by_new = d > 0 && comes_by_new(s, d, k);
		for (long from = start_of(s, d, k); x > from; x--)
			push(out, DIFF_SAME, s->head + (size_t)(x - 1 - k));
		if (d == 0)
			break;
		if (by_new)
			push(out, DIFF_NEW, s->head + (size_t)(x - k - 1));
		else
			push(out, DIFF_GONE, s->head + (size_t)(x - 1));
		x -= !by_new;
		k += by_new ? 1 : -1;
	}
	for (size_t i = s->head; i-- > 0;)
		push(out, DIFF_SAME, i);
}

static void turn_around(struct page_diff *d)
{
	for (size_t i = 0; i < d->n / 2; i++) {
		struct diff_row swap = d->rows[i];
		d->rows[i] = d->rows[d->n - 1 - i];
		d->rows[d->n - 1 - i] = swap;
	}
}

/* ---- lines far from any change ---- */

/* How many rows from i on are the same. */
static size_t same_run(const struct page_diff *d, size_t i)
{
	size_t n = 0;

	while (i + n < d->n && d->rows[i + n].kind == DIFF_SAME)
		n++;
	return n;
}

static void keep_rows(struct page_diff *to, const struct diff_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		push(to, rows[i].kind, rows[i].at);
}

static void fold(struct page_diff *d)
{
	struct page_diff folded = { 0 };

	for (size_t i = 0, run; i < d->n; i += run ? run : 1) {
		run = same_run(d, i);
		size_t keep = i == 0 ? 0 : AROUND, more = i + run == d->n ? 0 : AROUND;
		if (run > keep + more + 1) {
			keep_rows(&folded, d->rows + i, keep);
			push(&folded, DIFF_SKIPPED, run - keep - more);
			keep_rows(&folded, d->rows + i + run - more, more);
		} else {
			keep_rows(&folded, d->rows + i, run ? run : 1);
		}
	}
	free(d->rows);
	*d = folded;
}

bool page_diff_make(struct page_diff *out, const struct page_args *before, const struct page_args *after)
{
	struct search s = { .before = before, .after = after };
	bool is_found = false;

	*out = (struct page_diff){ 0 };
	find_middle(&s);
	if (s.n == 0 && s.m == 0)
		return true;
	for (s.d = 0; s.d <= PAGE_DIFF_MAX && !is_found; s.d++)
		is_found = step(&s, s.d);
	s.d--;
	if (is_found) {
		walk_back(&s, out);
		turn_around(out);
		fold(out);
	}
	for (int d = 0; d <= s.d; d++)
		free(s.furthest[d]);
	return is_found;
}

void page_diff_release(struct page_diff *d)
{
	free(d->rows);
	*d = (struct page_diff){ 0 };
}
