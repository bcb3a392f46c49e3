#include "base/shown.h"
#include <stddef.h>

#define MOST_BYTES 40

struct shown shown_of(const char *text)
{
	struct shown s;
	size_t n = 0;

	for (; n < MOST_BYTES && text[n]; n++)
		s.text[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	for (int i = 0; text[n] && i < 3; i++)
		s.text[MOST_BYTES + i] = '.';
	s.text[text[n] ? MOST_BYTES + 3 : n] = '\0';
	return s;
}
