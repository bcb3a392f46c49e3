/* nearest - "did you mean": the word of a list that a mistyped one comes closest to. Pure. */
#pragma once
#include <stddef.h>
#include "base/span.h"

/* The candidate at the smallest edit distance (insert, delete, replace, swap of neighbours), if that is at most a third of the
 * typed word's length, at least 1. NULL when none is near. Words above 64 bytes are near nothing. */
const char *nearest_word(struct span typed, const char *const *candidates, size_t n);
