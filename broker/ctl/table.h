/* table - rows of text under headings, aligned for a terminal. Cells are made visible (term.h) as they are added. */
#pragma once
#include <stdio.h>
#include "base/attr.h"
#include "broker/ctl/term.h"

#define TABLE_MAX_COLUMNS 12

struct table {
	size_t columns, cells_n;
	char **cells;            /* owned, row by row */
	unsigned char *colours;  /* of each cell; only used when is_coloured */
	bool is_coloured;        /* the caller says: ctl_is_coloured */
};
void table_init(struct table *t, const char *const *headings, size_t columns);
void table_release(struct table *t);
void table_add(struct table *t, const char *cell);                          /* the next one of the row */
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_colour(struct table *t, enum term_colour colour);                /* of the cell added last */
void table_print(const struct table *t, FILE *to);
