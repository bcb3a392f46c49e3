#include "domain/config_out.h"
#include <inttypes.h>
#include "data/jsonscan.h"

static void put(struct out *o, const char *text)
{
	o->has_failed = o->has_failed || !buf_append_text(o->b, text);
}

static void put_quoted(struct out *o, const char *text)
{
	o->has_failed = o->has_failed || !json_quote(o->b, span_of(text));
}

static bool is_plain_key(const char *name)
{
	return *name &&
	       name[strspn(
		       name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
		       '\0' &&
	       name[0] != '-';
}

static void put_line(struct out *o)
{
	put(o, "\n");
	for (int i = 0; i < o->depth; i++)
		put(o, "  ");
}

static void put_name(struct out *o, const char *name)
{
	if (!o->as_json && is_plain_key(name))
		put(o, name);
	else
		put_quoted(o, name);
	put(o, ":");
}

static void begin_item(struct out *o, const char *name)
{
	if (o->as_json && !o->is_first)
		put(o, ",");
	if (!o->is_after_dash && (o->as_json || o->b->len > 0))
		put_line(o);
	o->is_after_dash = false;
	if (name)
		put_name(o, name);
	else if (!o->as_json)
		put(o, "-");
	o->is_first = false;
}

static void begin_value(struct out *o, const char *name)
{
	begin_item(o, name);
	if (name || !o->as_json)
		put(o, " ");
}

static void open_level(struct out *o, const char *name, const char *json)
{
	if (o->as_json) {
		begin_value(o, name);
		put(o, json);
	} else {
		begin_item(o, name);
	}
	o->depth++;
	o->is_first = true;
}

static void close_level(struct out *o, const char *empty, const char *json)
{
	bool was_empty = o->is_first;

	o->depth--;
	o->is_first = false;
	if (o->as_json) {
		if (!was_empty)
			put_line(o);
		put(o, json);
	} else if (was_empty) {
		put(o, o->is_after_dash ? empty + 1 : empty);
		o->is_after_dash = false;
	}
}

struct out out_begin(struct buf *b, bool as_json)
{
	struct out o = { .b = b, .as_json = as_json, .is_first = true, .depth = as_json };

	if (as_json)
		put(&o, "{");
	return o;
}

bool out_end(struct out *o)
{
	put(o, o->as_json ? "\n}\n" : "\n");
	return !o->has_failed;
}

void out_open_map(struct out *o, const char *name)
{
	open_level(o, name, "{");
	if (!name && !o->as_json) {
		put(o, " ");
		o->is_after_dash = true;
	}
}

void out_close_map(struct out *o)
{
	close_level(o, " {}", "}");
}

void out_open_list(struct out *o, const char *name)
{
	open_level(o, name, "[");
}

void out_close_list(struct out *o)
{
	close_level(o, " []", "]");
}

void out_text(struct out *o, const char *name, const char *text)
{
	begin_value(o, name);
	put_quoted(o, text);
}

void out_raw(struct out *o, const char *name, const char *text)
{
	begin_value(o, name);
	put(o, text);
}

void out_number(struct out *o, const char *name, int64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, n);
	out_raw(o, name, text);
}

void out_bool(struct out *o, const char *name, bool is_true)
{
	out_raw(o, name, is_true ? "true" : "false");
}
