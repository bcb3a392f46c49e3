#include "broker/audit_time.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool read_fraction(const char **at, int64_t *ms)
{
	int64_t part = 100;

	if (**at != '.')
		return true;
	for (++*at; **at >= '0' && **at <= '9'; ++*at, part /= 10)
		*ms += (**at - '0') * part;
	return (*at)[-1] != '.';
}

static bool read_zone(const char *at, int64_t *ms)
{
	int hours = 0, minutes = 0, n = 0;

	if (strcmp(at, "Z") == 0)
		return true;
	if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 5 || at[6] != '\0')
		return false;
	*ms -= (*at == '-' ? -1 : 1) * (hours * 60LL + minutes) * 60000;
	return hours < 24 && minutes < 60;
}

bool audit_time_parse(const char *text, int64_t *out)
{
	struct tm tm = { 0 };
	char *end;

	if (*text && strspn(text, "0123456789") == strlen(text) && strlen(text) >= 9 && strlen(text) <= 15) {
		*out = strtoll(text, NULL, 10);
		return true;
	}
	if (!(end = strptime(text, "%Y-%m-%d", &tm)))
		return false;
	const char *at = end;
	if (*at == 'T' && !(at = strptime(at, "T%H:%M:%S", &tm)))
		return false;
	*out = (int64_t)timegm(&tm) * 1000;
	return *end == '\0' || (read_fraction(&at, out) && read_zone(at, out));
}
