/* html - foreign text in a page. */
#pragma once
#include "base/buf.h"

/* Escapes & < > " ' and shows what cannot be seen (control, bidi, zero-width, invalid UTF-8) as \u{202E} in a <span class=odd>. */
MUST_USE bool html_text(struct buf *b, struct span text);
