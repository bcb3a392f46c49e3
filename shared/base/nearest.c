#include "base/nearest.h"
#include <stdbool.h>

#define MAX_WORD 64

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows of the usual table, so that a swap can look two rows up. */
static size_t distance(struct span a, struct span b)
{
	size_t rows[3][MAX_WORD + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b.len; j++)
		above[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t change = a.at[i - 1] != b.at[j - 1];
			row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + change);
			if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
				a.at[i - 2] == b.at[j - 1])
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
		size_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[b.len];
}

const char *nearest_word(struct span typed, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t limit = typed.len < 6 ? 1 : typed.len / 3;

	if (typed.len == 0 || typed.len > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct span word = span_of(candidates[i]);
		if (word.len > MAX_WORD)
			continue;
		size_t d = distance(typed, word);
		if (d < limit || (d == limit && !best)) {
			best = candidates[i];
			limit = d;
		}
	}
	return best;
}
