/* utf8 - strict decoding (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF), and what must not reach a terminal. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* Length of the character at the start of at[0..left), 1 to 4, and its code; 0 when it is none. left > 0. */
size_t utf8_decode(const char *at, size_t left, uint32_t *code);

/* Controls (C0, DEL, C1), line and paragraph separators, bidirectional controls, zero-width characters, fillers, tags: all of Unicode's
 * Default_Ignorable_Code_Point besides. */
bool utf8_is_hidden(uint32_t code);
