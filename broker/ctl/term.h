/* term - foreign text on an operator's terminal: everything it would obey or hide is made visible, so that a tool's name cannot
 * move the cursor, hide a word or reverse a line. Line end, tab and carriage return become \n, \t, \r; other controls, bidirectional
 * and zero-width characters <U+202E>; bytes that are no UTF-8 <0xFF>. */
#pragma once
#include <stdio.h>
#include "base/buf.h"

enum term_lines { TERM_ONE_LINE, TERM_KEEP_LINES };  /* KEEP: \n and \t pass */

MUST_USE bool term_append(struct buf *b, struct span text, enum term_lines lines);
char *term_text(const char *text);                   /* one line, owned */
void term_print(FILE *to, struct span text, enum term_lines lines);

/* "2d 3h", "9m 12s", "0s": the two largest units, rounded up to seconds. */
#define TERM_SPAN 32
void term_span(char out[TERM_SPAN], int64_t ms);

enum term_colour { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW };
void term_paint(FILE *to, enum term_colour colour, const char *text);            /* text as it is */
size_t term_width(const char *text);                 /* characters of text that went through term_append */

/* The same for JSON, which stays JSON and means the same: what does not show becomes \u escapes. json was checked, or quoted by us. */
MUST_USE bool term_json(struct buf *b, struct span json);
MUST_USE bool term_quote(struct buf *b, const char *text);   /* text as a JSON string */
