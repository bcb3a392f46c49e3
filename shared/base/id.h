/* id - sortable 128-bit ids (UUIDv7, RFC 9562 section 5.7) as 32 lower-case hex digits, and random bytes. */
#pragma once
#include <stdint.h>
#include <stddef.h>
#include "base/attr.h"

#define ID_SIZE 33 /* with the NUL */

void id_new(char out[ID_SIZE], int64_t wall_ms);   /* later ones of one process sort later, also within a ms */
void random_bytes(void *out, size_t n);            /* getentropy; aborts if the kernel refuses */
void hex_encode(char *out, const void *bytes, size_t n); /* out holds 2n + 1 */
