#include "base/xalloc.h"
#include "domain/config_loader.h"

#define MAX_REMARKS 200 /* no file needs more to be repaired, and none may take more memory */

static bool stands_before(const struct problem *a, const struct problem *b)
{
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Kept sorted by insertion; of equal places the first said stays first. When it is full, an error drives out the last warning. */
void config_report_add(struct config_report *r, bool is_error, const struct problem *problem)
{
	if (r->n == MAX_REMARKS) {
		size_t last = r->n;
		while (last > 0 && r->v[last - 1].is_error)
			last--;
		if (!is_error || last == 0)
			return;
		memmove(&r->v[last - 1], &r->v[last], (r->n - last) * sizeof(*r->v));
		r->n--;
	}
	if (r->n % 16 == 0)
		r->v = xreallocarray(r->v, r->n + 16, sizeof(*r->v));
	size_t i = r->n++;
	for (; i > 0 && stands_before(problem, &r->v[i - 1].problem); i--)
		r->v[i] = r->v[i - 1];
	r->v[i] = (struct config_remark){ is_error, *problem };
}

void config_report_release(struct config_report *r)
{
	free(r->v);
	free(r->path);
	*r = (struct config_report){ 0 };
}

size_t config_report_errors(const struct config_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->v[i].is_error;
	return n;
}

static bool write_remark(const char *path, const struct config_remark *m, struct buf *b)
{
	const char *kind = m->is_error ? "error" : "warning";
	const struct problem *p = &m->problem;

	if (p->line == 0)
		return buf_printf(b, "%s: %s: %s\n", path, kind, p->text);
	return buf_printf(b, "%s:%d:%d: %s: %s\n", path, p->line, p->column, kind, p->text);
}

bool config_report_write(const struct config_report *r, struct buf *b)
{
	for (size_t i = 0; i < r->n; i++)
		if (!write_remark(r->path ? r->path : "", &r->v[i], b))
			return false;
	return r->n < MAX_REMARKS ||
	       buf_printf(b, "%s: error: more than %d remarks, the rest is not shown\n",
		       r->path ? r->path : "", MAX_REMARKS);
}
