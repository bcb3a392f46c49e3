/* repeats - refusals of one tool and reason, so that a looping agent cannot fill the disk: the first is a row of its own, those that
 * follow are counted and become one row a minute. Pure: time is told. Memory is bounded: what finds no place is counted together. */
#pragma once
#include "base/map.h"
#include "shim/refusal.h"

#define REPEATS_MAX       256
#define REPEATS_EVERY_MS  (60 * 1000)

struct repeat {
	char *tool;                          /* "" = many tools together */
	enum refusal_reason reason;
	uint64_t count;                      /* since the last row */
	int64_t first_at_ms, last_at_ms, row_at_ms;
};

struct repeats { struct map *by_kind; };

void repeats_init(struct repeats *r);
void repeats_release(struct repeats *r);

/* True: this one is a row of its own. is_known_tool: names nobody listed are one kind, so that invented ones fill nothing. */
bool repeats_is_first(struct repeats *r, const char *tool, bool is_known_tool, enum refusal_reason reason, int64_t now_ms);

/* Hands out, one a call, what is to be written: counts older than a minute, or all when the session ends; kinds that fell silent are
 * forgotten. NULL = nothing more. The entry is valid until the next call of this module; its count is reset by the next. */
struct repeat *repeats_due(struct repeats *r, int64_t now_ms, bool is_end);
void repeats_written(struct repeat *one, int64_t now_ms);
bool repeats_is_waiting(const struct repeats *r);    /* something is counted or remembered */
