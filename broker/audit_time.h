/* audit_time - moments as people and programs write them. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* "2026-11-20", "2026-11-20T10:15:30Z", with fractions or an offset (+01:00), or ms since 1970. False: none of these. */
bool audit_time_parse(const char *text, int64_t *out);
