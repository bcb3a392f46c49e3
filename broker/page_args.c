#include "broker/page_args.h"
#include <stdlib.h>
#include "base/utf8.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

#define BAR "\342\224\202 "              /* U+2502, a blank */

struct printer {
	struct page_args *out;
	const char *upto;                /* of the JSON: shown so far */
	bool is_full;
};

static void begin_line(struct printer *p, int depth, const char *mark)
{
	struct page_args *a = p->out;

	if (p->is_full)
		return;
	if (a->n % 64 == 0)
		a->lines = xreallocarray(a->lines, a->n + 64, sizeof *a->lines);
	a->lines[a->n++] = (struct page_line){ .at = a->text.len };
	p->is_full = !buf_printf(&a->text, "%*s%s", 2 * depth, "", mark);
}

/* As many whole characters of it as there is room for. */
static size_t that_fits(const struct buf *b, struct span text)
{
	size_t room = b->cap_bytes - b->len, n = 0;
	uint32_t code;

	if (text.len <= room)
		return text.len;
	for (size_t step; n < text.len; n += step) {
		step = utf8_decode(text.at + n, text.len - n, &code);
		step = step ? step : 1;
		if (n + step > room)
			break;
	}
	return n;
}

/* Bytes of the JSON itself. */
static void put(struct printer *p, struct span text)
{
	struct page_args *a = p->out;

	if (p->is_full)
		return;
	size_t n = that_fits(&a->text, text);
	p->is_full = n < text.len || !buf_append_span(&a->text, text);
	if (p->is_full && n > 0 && !buf_append(&a->text, text.at, n))
		n = 0;
	p->upto = text.at + n;
	a->lines[a->n - 1].len = a->text.len - a->lines[a->n - 1].at;
}

/* What the JSON has too, but not at a place worth remembering. */
static void put_between(struct printer *p, const char *text)
{
	struct page_args *a = p->out;

	p->is_full = p->is_full || !buf_append_text(&a->text, text);
	a->lines[a->n - 1].len = a->text.len - a->lines[a->n - 1].at;
}

/* How many bytes of a string go into this line: up to and with the first \n in it that more text follows. */
static size_t piece_of(struct span string)
{
	for (size_t i = 0; i + 1 < string.len; i++) {
		if (string.at[i] != '\\')
			continue;
		i++;
		if (string.at[i] == 'n' && i + 2 < string.len)
			return i + 1;
	}
	return string.len;
}

static void put_string(struct printer *p, struct span string, int depth)
{
	while (string.len > 0 && !p->is_full) {
		size_t n = piece_of(string);
		put(p, (struct span){ string.at, n });
		string.at += n;
		string.len -= n;
		if (string.len > 0)
			begin_line(p, depth + 1, BAR);
	}
}

static void put_key(struct printer *p, struct span key)
{
	if (key.len == 0)
		return;
	put(p, key);
	p->out->lines[p->out->n - 1].key = p->out->lines[p->out->n - 1].len;
	put_between(p, ": ");
}

static void print(struct printer *p, struct json_value v, int depth);

static void print_members(struct printer *p, struct json_value v, int depth)
{
	struct json_iter it = json_iter(v);
	struct json_value member;
	struct span key;
	bool has_any = false;

	put(p, (struct span){ v.text.at, 1 });
	while (!p->is_full && json_next(&it, &key, &member)) {
		if (has_any)
			put_between(p, ",");
		begin_line(p, depth + 1, "");
		put_key(p, it.is_object ? key : (struct span){ 0 });
		print(p, member, depth + 1);
		has_any = true;
	}
	if (has_any)
		begin_line(p, depth, "");
	put(p, (struct span){ v.text.at + v.text.len - 1, 1 });
}

static void print(struct printer *p, struct json_value v, int depth)
{
	if (v.kind == JSON_OBJECT || v.kind == JSON_ARRAY)
		print_members(p, v, depth);
	else if (v.kind == JSON_STRING)
		put_string(p, v.text, depth);
	else
		put(p, v.text);
}

bool page_args_make(struct page_args *out, struct span json, size_t cap_bytes)
{
	struct json_value root;
	struct printer p = { .out = out, .upto = json.at };

	*out = (struct page_args){ 0 };
	if (jsonscan_check(json, &root, NULL) != JSONSCAN_OK)
		return false;
	buf_init(&out->text, cap_bytes);
	begin_line(&p, 0, "");
	print(&p, root, 0);
	out->left_bytes = p.is_full ? (size_t)(json.at + json.len - p.upto) : 0;
	return true;
}

void page_args_release(struct page_args *a)
{
	buf_release(&a->text);
	free(a->lines);
	*a = (struct page_args){ 0 };
}
