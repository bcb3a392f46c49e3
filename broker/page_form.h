/* page_form - what a browser sends from our form: application/x-www-form-urlencoded (WHATWG URL, section 5.1), read strictly. Pure. */
#pragma once
#include <stdbool.h>
#include "base/attr.h"
#include "base/span.h"

#define PAGE_FORM_REASON_MAX 1000        /* bytes, as in a ballot */

struct page_form {
	char token[512];
	bool is_approving;
	char reason[PAGE_FORM_REASON_MAX + 1];   /* UTF-8 on one line; "" = none */
	bool is_reason_too_long, is_reason_odd;  /* odd: not UTF-8, or with characters that do not show; reason is "" then */
};
/* Is it what our form sends? type: of Content-Type, may be NULL. */
bool page_form_is_type(const char *type);
/* False: not our form: a field missing, given twice or unknown, or an escape that is none. */
MUST_USE bool page_form_read(struct span body, struct page_form *out);
