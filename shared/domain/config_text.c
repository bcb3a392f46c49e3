#include "domain/config_text.h"
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <strings.h>
#include "base/nearest.h"
#include "domain/limits.h"

static bool is_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool is_word(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(text, *words) == 0)
			return true;
	return false;
}

/* ---- numbers with units ---------------------------------------------------------------------- */
struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit time_units[] = {
	{ "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
static const struct unit size_units[] = {
	{ "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 },
};

/* Takes digits with at most 6 after a point, as *whole and *part / *scale. False: no digits, or too many. */
static bool take_number(const char **at, int64_t *whole, int64_t *part, int64_t *scale)
{
	const char *p = *at;

	*whole = *part = 0;
	*scale = 1;
	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(*whole, 10, whole) ||
			__builtin_add_overflow(*whole, *p - '0', whole))
			return false;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p) && *scale < 1000000; p++) {
			*part = *part * 10 + (*p - '0');
			*scale *= 10;
		}
	*at = p;
	return p[-1] != '.';
}

static const struct unit *take_unit(const char **at, const struct unit *units, size_t n)
{
	size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len && strncmp(*at, units[i].name, len) == 0) {
			*at += len;
			return &units[i];
		}
	return NULL;
}

/* One number with its unit, added to *sum. */
static bool take_measure(const char **at, const struct unit *units, size_t n, int64_t *sum)
{
	int64_t whole, part, scale, value;

	if (!take_number(at, &whole, &part, &scale))
		return false;
	const struct unit *u = take_unit(at, units, n);
	if (!u || part * u->factor % scale != 0)
		return false;
	return !__builtin_mul_overflow(whole, u->factor, &value) &&
	       !__builtin_add_overflow(value, part * u->factor / scale, &value) &&
	       !__builtin_add_overflow(*sum, value, sum);
}

static void refuse_duration(const char *text, struct problem *why)
{
	struct shown shown = shown_of(text);
	const char *hint = "";

	if (is_digits(text))
		hint = strcmp(text, "0") == 0 ? ": write 0s"
					      : ": a number needs a unit, 30s for half a minute";
	else if (text[0] == '-')
		hint = ": it cannot be negative";
	else if (strstr(text, "us") || strstr(text, "ns") || strstr(text, "\xC2\xB5s"))
		hint = ": nothing finer than a millisecond";
	problem_set(why, "expected a duration such as 250ms, 30s, 5m, 1h30m, 1d or 1w, not %s%s",
		shown.text, hint);
}

bool config_text_duration(const char *text, int64_t *ms, struct problem *why)
{
	const char *at = text;
	int64_t sum = 0;
	bool is_good = *at != '\0';

	while (is_good && *at)
		is_good = take_measure(&at, time_units, ARRAY_LEN(time_units), &sum);
	if (is_good)
		*ms = sum;
	else
		refuse_duration(text, why);
	return is_good;
}

bool config_text_size(const char *text, int64_t *bytes, struct problem *why)
{
	const char *at = text;
	int64_t sum = 0;

	if (take_measure(&at, size_units, ARRAY_LEN(size_units), &sum) && *at == '\0') {
		*bytes = sum;
		return true;
	}
	problem_set(why, "expected a size such as 64KiB or 10MiB, not %s%s", shown_of(text).text,
		is_digits(text) ? ": a number needs a unit" : "");
	return false;
}

bool config_text_write_duration(struct buf *b, int64_t ms)
{
	return ms == 0 ? buf_append_text(b, "0s") : limit_write_duration(b, ms);
}

bool config_text_write_size(struct buf *b, int64_t bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(size_units); i++)
		if (bytes > 0 && bytes % size_units[i].factor == 0)
			return buf_printf(b, "%" PRId64 "%s", bytes / size_units[i].factor,
				size_units[i].name);
	return buf_printf(b, "%" PRId64 "B", bytes);
}

/* ---- plain values ---------------------------------------------------------------------------- */
static bool read_bool(const char *text, bool is_quoted, bool *out, struct problem *why)
{
	static const char *const yes[] = { "true", "yes", "on", "y", "1", NULL };
	static const char *const no[] = { "false", "no", "off", "n", "0", NULL };

	*out = strcmp(text, "true") == 0;
	if (!is_quoted && (*out || strcmp(text, "false") == 0))
		return true;
	const char *meant = is_word(text, yes) ? "true" : is_word(text, no) ? "false" : NULL;
	if (meant)
		problem_set(why, "expected true or false, not %s: write %s%s", shown_of(text).text,
			meant, is_quoted ? " without quotes" : "");
	else
		problem_set(why, "expected true or false, not %s", shown_of(text).text);
	return false;
}

static const char *int_hint(const char *text, bool is_quoted)
{
	if (is_quoted && is_digits(text))
		return ": write it without quotes";
	if (text[0] == '0' && is_digits(text))
		return ": write it without leading zeros";
	if (strncasecmp(text, "0x", 2) == 0 || strncasecmp(text, "0o", 2) == 0)
		return ": write it in decimal";
	if (strpbrk(text, "_,'") && text[strspn(text, "0123456789_,'")] == '\0')
		return ": write the digits together";
	return "";
}

static bool read_int(const char *text, bool is_quoted, int64_t *out, struct problem *why)
{
	const char *digits = text + (*text == '-');
	bool is_plain = !is_quoted && is_digits(digits) && (digits[0] != '0' || digits[1] == '\0');

	if (is_plain && strlen(digits) <= 18) {
		*out = strtoll(text, NULL, 10);
		return true;
	}
	problem_set(why, "expected a whole number, not %s%s", shown_of(text).text,
		int_hint(text, is_quoted));
	return false;
}

static void refuse_word(const char *const *words, size_t n, const char *text, struct problem *why)
{
	char all[120] = "";
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const char *comma = i == 0 ? "" : i + 1 == n ? " or " : ", ";
		used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", comma, words[i]);
	}
	const char *near = nearest_word(span_of(text), words, n);
	problem_set(why, "expected %s, not %s%s%s%s", all, shown_of(text).text,
		near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static bool read_word(const char *const *words, const char *text, int *out, struct problem *why)
{
	int n = 0;

	for (; words[n]; n++)
		if (strcmp(words[n], text) == 0) {
			*out = n;
			return true;
		}
	refuse_word(words, (size_t)n, text, why);
	return false;
}

static bool int_is_within(const struct config_key *key, int64_t n, struct problem *why)
{
	if (n >= key->min && n <= key->max)
		return true;
	problem_set(why, "must be from %" PRId64 " to %" PRId64, key->min, key->max);
	return false;
}

typedef bool write_fn(struct buf *b, int64_t value);

static bool measure_is_within(
	const struct config_key *key, int64_t n, write_fn *write, struct problem *why)
{
	struct buf b;

	if (n >= key->min && n <= key->max)
		return true;
	buf_init(&b, 100);
	if (buf_append_text(&b, "must be from ") && write(&b, key->min) &&
		buf_append_text(&b, " to ") && write(&b, key->max))
		problem_set(why, "%s", b.data);
	buf_release(&b);
	return false;
}

static bool read_duration(
	const struct config_key *key, const char *text, int64_t *out, struct problem *why)
{
	if ((key->flags & KEY_AUTO) && strcmp(text, "auto") == 0) {
		*out = CONFIG_AUTO;
		return true;
	}
	return config_text_duration(text, out, why) &&
	       measure_is_within(key, *out, config_text_write_duration, why);
}

bool config_text_read(const struct config_key *key, const char *text, bool is_quoted, void *field,
	struct problem *why)
{
	int64_t n = 0;
	int which = 0;
	bool is_true = false, is_good = false;

	switch (key->type) {
	case CONFIG_BOOL: is_good = read_bool(text, is_quoted, &is_true, why); break;
	case CONFIG_SWITCH:
	case CONFIG_WORD: is_good = read_word(key->words, text, &which, why); break;
	case CONFIG_INT:
	case CONFIG_COUNT:
		is_good = read_int(text, is_quoted, &n, why) && int_is_within(key, n, why);
		break;
	case CONFIG_DURATION: is_good = read_duration(key, text, &n, why); break;
	case CONFIG_SIZE:
		is_good = config_text_size(text, &n, why) &&
			  measure_is_within(key, n, config_text_write_size, why);
		break;
	default: assert(false && "a type without a scalar reader");
	}
	if (!is_good)
		return false;
	switch (key->type) {
	case CONFIG_BOOL: *(bool *)field = is_true; break;
	case CONFIG_SWITCH: *(bool *)field = which == 1; break;
	case CONFIG_WORD: memcpy(field, &which, sizeof which); break;
	case CONFIG_COUNT: *(uint32_t *)field = (uint32_t)n; break;
	default: *(int64_t *)field = n;
	}
	return true;
}
