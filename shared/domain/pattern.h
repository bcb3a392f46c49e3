/* pattern - globs for tool, resource and prompt names: * ? [a-z] [!a-z], the whole name, byte-wise and case-sensitive.
 * No escape character: a literal *, ? or [ is written [*], [?], [[]. Linear in practice, never exponential. */
#pragma once
#include "base/span.h"

bool pattern_is_valid(const char *glob, size_t *column);      /* column of the fault, from 0; may be NULL */
bool pattern_is_glob(const char *text);                       /* has *, ? or [ */
bool pattern_match(const char *glob, struct span name);

/* The first of n globs that matches, or NULL. */
const char *pattern_match_any(char *const *globs, size_t n, struct span name);
