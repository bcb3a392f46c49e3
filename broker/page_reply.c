#include "broker/page_reply.h"

#define PLAIN_CAP (64 * 1024)

void page_reply(struct request *r, unsigned status, const struct buf *page, const struct buf *csp)
{
	const struct httpd_field fields[] = {
		{ "Content-Security-Policy", csp->data },
		{ status == 503 ? "Retry-After" : NULL, "2" },
		{ NULL, NULL },
	};

	reply_html(r, status, page, fields);
}

void page_reply_plain(struct request *r, unsigned status, const char *title, const char *sentence)
{
	CLEANUP(buf_release) struct buf page = { 0 };
	CLEANUP(buf_release) struct buf csp = { 0 };

	buf_init(&page, PLAIN_CAP);
	buf_init(&csp, PAGE_CSP_MAX);
	if (page_write_plain(&page, &csp, title, sentence))
		page_reply(r, status, &page, &csp);
	else
		reply_error(r, 500, "this page cannot be made");
}

void page_reply_no_store(struct request *r)
{
	page_reply_plain(r, 503, "Not now", "The store cannot be asked at the moment, so nothing was decided. The link stays good: try again in a moment.");
}
