/* page_reply - pages as answers. Each answers and frees r. */
#pragma once
#include "broker/page.h"
#include "broker/routes.h"

void page_reply(struct request *r, unsigned status, const struct buf *page, const struct buf *csp);
void page_reply_plain(struct request *r, unsigned status, const char *title, const char *sentence);   /* page_write_plain */
void page_reply_no_store(struct request *r);     /* 503 and Retry-After */
