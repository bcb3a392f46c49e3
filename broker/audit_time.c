#include "broker/audit_time.h"
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

/* Two digits; -1: they are none. */
static int two_digits(const char *at)
{
	bool are_digits = at[0] >= '0' && at[0] <= '9' && at[1] >= '0' && at[1] <= '9';

	return are_digits ? (at[0] - '0') * 10 + (at[1] - '0') : -1;
}

/* "Z", or how far ahead of UTC: "+01:00" */
static bool read_zone(const char *at, int64_t *ms)
{
	if (strcmp(at, "Z") == 0)
		return true;
	if ((*at != '+' && *at != '-') || strlen(at) != 6 || at[3] != ':')
		return false;
	int hours = two_digits(at + 1), minutes = two_digits(at + 4);
	*ms -= (*at == '-' ? -1 : 1) * (hours * 60LL + minutes) * 60000;
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
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
