/* screen - the terminal as a program with keys uses it: raw, on the alternate screen, nothing wraps. However the process ends, the
 * terminal is as it was: every signal that would end it restores first. One at a time; the state stands in screen.c because signal
 * handlers have no argument. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/attr.h"
#include "base/span.h"

/* False: stdin or stdout is no terminal. */
MUST_USE bool screen_open(void);
void screen_close(void);                         /* again: nothing */
void screen_size(int *rows, int *columns);
void screen_write(struct span frame);
bool screen_was_disturbed(void);                 /* resized, or back from being stopped, since it was asked last: draw again */

enum screen_key { KEY_NONE = 0, KEY_ESCAPE = 27, KEY_ENTER = 13, KEY_ERASE = 127,
                  KEY_UP = 0x110000, KEY_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_END_OF_INPUT };
#define SCREEN_MAX_KEYS 64
/* What was typed, as characters (Unicode) and the above; none is there: waits. Returns how many. Bytes that are no UTF-8 are passed over. */
size_t screen_keys(int keys[SCREEN_MAX_KEYS]);
