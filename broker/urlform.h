/* urlform - a body of application/x-www-form-urlencoded (URL Standard, 5.1), read strictly: every escape whole, no NUL. Pure. */
#pragma once
#include "base/buf.h"

enum urlform_answer {
	URLFORM_FOUND,
	URLFORM_ABSENT,
	URLFORM_BROKEN,                  /* an escape is none, a NUL, the field stands there twice, or out's cap was passed */
};
/* The decoded value of the field of that name, appended. */
enum urlform_answer urlform_field(struct span body, const char *name, struct buf *out);
/* Is this Content-Type it, whatever its parameters? NULL: no. */
bool urlform_is_type(const char *content_type);
