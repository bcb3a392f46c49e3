#include "domain/pattern.h"

/* The length of the class that starts at glob[0] == '[', brackets included; 0 when it is never closed. */
static size_t class_length(const char *glob)
{
	size_t i = 1;

	if (glob[i] == '!')
		i++;
	if (glob[i] == ']') /* a bracket that comes first stands for itself */
		i++;
	while (glob[i] && glob[i] != ']')
		i++;
	return glob[i] ? i + 1 : 0;
}

static bool class_has(const char *glob, size_t len, unsigned char c)
{
	bool is_negated = glob[1] == '!';
	bool found = false;
	size_t i = is_negated ? 2 : 1;

	while (i < len - 1) {
		unsigned char low = (unsigned char)glob[i], high = low;
		if (i + 2 < len - 1 && glob[i + 1] == '-') {
			high = (unsigned char)glob[i + 2];
			i += 2;
		}
		if (c >= low && c <= high)
			found = true;
		i++;
	}
	return found != is_negated;
}

bool pattern_is_valid(const char *glob, size_t *column)
{
	for (size_t i = 0; glob[i];) {
		size_t step = glob[i] == '[' ? class_length(glob + i) : 1;
		if (step == 0) {
			if (column)
				*column = i;
			return false;
		}
		i += step;
	}
	return glob[0] != '\0';
}

bool pattern_is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

/* Does the single element at glob match c? *len: the length of that element. */
static bool element_matches(const char *glob, unsigned char c, size_t *len)
{
	*len = 1;
	switch (*glob) {
	case '\0': return false;
	case '?': return true;
	case '[':
		*len = class_length(glob);
		return *len != 0 && class_has(glob, *len, c);
	default: return (unsigned char)*glob == c;
	}
}

bool pattern_match(const char *glob, struct span name)
{
	const char *after_star = NULL; /* only the last star needs to be tried again */
	size_t star_at = 0, i = 0, len = 0;

	while (i < name.len) {
		if (*glob == '*') {
			after_star = ++glob;
			star_at = i;
		} else if (element_matches(glob, (unsigned char)name.at[i], &len)) {
			glob += len;
			i++;
		} else if (after_star) {
			glob = after_star;
			i = ++star_at;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

const char *pattern_match_any(char *const *globs, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (pattern_match(globs[i], name))
			return globs[i];
	return NULL;
}
