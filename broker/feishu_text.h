/* feishu_text - foreign text in a Feishu or Lark card: cut where it grows too long, and what cannot be seen is shown as \u{202E}. Nothing of it
 * is markup: plain_text has none, and of lark_md every character that could begin some is written as an entity ("<at id=all></at>"
 * would call everybody). Pure. */
#pragma once
#include <stdint.h>
#include "base/buf.h"

enum feishu_markup { FEISHU_PLAIN, FEISHU_LARK_MD };

/* Appends text, at most cap_bytes of what comes out; of what is longer as many whole characters as fit, and "…". Line ends stay in
 * FEISHU_PLAIN and are shown in FEISHU_LARK_MD. *taken: how many bytes of text stand there now; text.len when all of it.
 * False: b's own cap was passed. */
MUST_USE bool feishu_text(struct buf *b, struct span text, enum feishu_markup markup, size_t cap_bytes, size_t *taken);
