/* html - foreign text in a page. */
#pragma once
#include "base/buf.h"

/* Appends text for the inside of an element. Escapes & < > " ' and shows what cannot be seen or told from a blank (control, bidi,
 * zero-width, odd blanks) as \u{202E} and bytes that are no UTF-8 as \x{FF}, in a <span class=odd>. False, leaving b as it was, when its
 * cap would be passed. */
MUST_USE bool html_text(struct buf *b, struct span text);
