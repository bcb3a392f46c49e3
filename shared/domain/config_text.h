/* config_text - how values are written in aegis.yaml: yes-or-no, numbers, durations, sizes, words; and the forms of texts. Pure.
 * Readers return false and say in `why` what was expected, with a hint where the slip is a common one. */
#pragma once
#include "base/shown.h"
#include "domain/config_table.h"

/* A value of the types CONFIG_BOOL to CONFIG_SIZE, into the field. */
MUST_USE bool config_text_read(const struct config_key *key, const char *text, bool is_quoted, void *field, struct problem *why);

/* "1h30m", "250ms", "1.5h", "1w", "0s". */
MUST_USE bool config_text_duration(const char *text, int64_t *ms, struct problem *why);
/* "64KiB", "10MiB", "512B". */
MUST_USE bool config_text_size(const char *text, int64_t *bytes, struct problem *why);

/* The same value, written so that it reads back equal. */
MUST_USE bool config_text_write_duration(struct buf *b, int64_t ms);
MUST_USE bool config_text_write_size(struct buf *b, int64_t bytes);

/* Is it a text of that form? Whether a name exists is not asked here. */
MUST_USE bool config_text_has_form(enum config_form form, const char *text, struct problem *why);
