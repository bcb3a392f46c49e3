/* httpd_guard - is a request framed beyond doubt? Pure. */
#pragma once
#include <stdbool.h>
#include "base/span.h"

struct framing {                         /* counted over the headers of one request */
	unsigned hosts, lengths, encodings;
	bool is_chunked;                 /* the one Transfer-Encoding says exactly that */
	bool has_bad_name, has_bad_value;
};
void framing_note(struct framing *f, struct span name, struct span value);
/* NULL: it is; else why not, for the answer. */
const char *framing_fault(const struct framing *f);
/* The request target as it was sent: no NUL by %00, no control characters or blanks, begins with '/'. */
bool framing_target_is_plain(struct span target);
