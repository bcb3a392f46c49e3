#include "broker/ctl/table.h"
#include <assert.h>
#include <stdarg.h>
#include "base/buf.h"
#include "base/xalloc.h"
#include "broker/ctl/term.h"

void table_init(struct table *t, const char *const *headings, size_t columns)
{
	assert(columns > 0 && columns <= TABLE_MAX_COLUMNS);
	*t = (struct table){ .columns = columns };
	for (size_t i = 0; i < columns; i++)
		table_add(t, headings[i]);
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->cells_n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->colours);
	*t = (struct table){ 0 };
}

void table_add(struct table *t, const char *cell)
{
	if (t->cells_n % 64 == 0) {
		t->cells = xreallocarray(t->cells, t->cells_n + 64, sizeof *t->cells);
		t->colours = xreallocarray(t->colours, t->cells_n + 64, sizeof *t->colours);
	}
	t->colours[t->cells_n] = TERM_PLAIN;
	t->cells[t->cells_n++] = term_text(cell);
}

void table_colour(struct table *t, enum term_colour colour)
{
	t->colours[t->cells_n - 1] = (unsigned char)colour;
}

void table_addf(struct table *t, const char *fmt, ...)
{
	struct buf cell CLEANUP(buf_release);
	va_list ap;

	buf_init(&cell, 4096);
	va_start(ap, fmt);
	bool is_whole = buf_vprintf(&cell, fmt, ap);
	va_end(ap);
	table_add(t, is_whole && cell.len ? cell.data : "");
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < t->cells_n; i += t->columns)
		if (term_width(t->cells[i]) > widest)
			widest = term_width(t->cells[i]);
	return widest;
}

void table_print(const struct table *t, FILE *to)
{
	size_t widths[TABLE_MAX_COLUMNS];

	assert(t->columns > 0);
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = column_width(t, i);
	for (size_t i = 0; i < t->cells_n; i++) {
		size_t column = i % t->columns;
		bool is_last = column + 1 == t->columns;
		term_paint(to, t->is_coloured ? (enum term_colour)t->colours[i] : TERM_PLAIN, t->cells[i]);
		if (is_last)
			fputc('\n', to);
		else
			fprintf(to, "%*s", (int)(widths[column] - term_width(t->cells[i]) + 2), "");
	}
}
