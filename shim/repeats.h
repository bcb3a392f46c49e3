/* repeats - what is refused or asked again and again, so that a looping agent cannot fill the disk: the first of a kind is a row of its
 * own, those that follow are counted and become one row a minute. Pure: time is told. Memory is bounded: what finds no place is counted
 * together. */
#pragma once
#include "base/map.h"
#include "domain/evidence.h"

#define REPEATS_MAX       256
#define REPEATS_EVERY_MS  (60 * 1000)

/* Texts are borrowed; "" = many together. A call's method is "". */
struct repeat_kind { enum evidence_kind kind; const char *method, *target, *verdict; };

struct repeat {
	struct repeat_kind of;               /* its texts are owned here */
	uint64_t count;                      /* since the last row */
	int64_t first_at_ms, last_at_ms, row_at_ms;
};

struct repeats { struct map *by_kind; };

void repeats_init(struct repeats *r);
void repeats_release(struct repeats *r);

/* True: this one is a row of its own. Give targets that nobody listed as "", so that invented ones fill nothing. */
bool repeats_is_first(struct repeats *r, const struct repeat_kind *of, int64_t now_ms);

/* Hands out, one a call, what is to be written: counts older than a minute, or all when the session ends; kinds that fell silent are
 * forgotten. NULL = nothing more. The entry is valid until the next call of this module; its count is reset by the next. */
struct repeat *repeats_due(struct repeats *r, int64_t now_ms, bool is_end);
void repeats_written(struct repeat *one, int64_t now_ms);
bool repeats_is_waiting(const struct repeats *r);    /* something is counted or remembered */
