/* page_args - arguments as lines that people can read and compare: indented JSON; inside a string, text goes on in a new line behind each
 * \n, after a bar that JSON does not have. Pure. */
#pragma once
#include <stddef.h>
#include "base/buf.h"

struct page_line {
	size_t at, key, len;             /* in text; its first `key` bytes are indentation and the member's name */
};
struct page_args {
	struct buf text;
	struct page_line *lines;
	size_t n;
	size_t left_bytes;               /* of the JSON, behind what cap_bytes of text could show */
};
/* json: canonical, as the store keeps it. False: it is no JSON; out holds nothing then. */
MUST_USE bool page_args_make(struct page_args *out, struct span json, size_t cap_bytes);
void page_args_release(struct page_args *a);     /* legal on a zeroed one */
static inline struct span page_args_line(const struct page_args *a, size_t i)
{
	return (struct span){ a->text.data + a->lines[i].at, a->lines[i].len };
}
