#include "broker/jsonput.h"
#include <stdio.h>
#include "base/clock.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"

struct jsonput jsonput_begin(struct buf *b)
{
	return (struct jsonput){ .b = b, .ok = true };
}

bool jsonput_end(struct jsonput *p)
{
	return p->ok;
}

/* Keys are our own words. */
static void put_key(struct jsonput *p, const char *key)
{
	p->ok = p->ok && (!p->has_member || buf_append_char(p->b, ',')) &&
	        (!key || (buf_append_char(p->b, '"') && buf_append_text(p->b, key) && buf_append(p->b, "\":", 2)));
	p->has_member = true;
}

void put_open(struct jsonput *p, const char *key, char bracket)
{
	put_key(p, key);
	p->ok = p->ok && buf_append_char(p->b, bracket);
	p->has_member = false;
}

void put_close(struct jsonput *p, char bracket)
{
	p->ok = p->ok && buf_append_char(p->b, bracket);
	p->has_member = true;
}

void put_json(struct jsonput *p, const char *key, struct span json)
{
	put_key(p, key);
	p->ok = p->ok && term_json(p->b, json);
}

void put_null(struct jsonput *p, const char *key)
{
	put_json(p, key, SPAN("null"));
}

/* Nothing in it could hide: most text, and it need not be looked through twice. */
static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < 0x20 || (unsigned char)text.at[i] >= 0x7f)
			return false;
	return true;
}

void put_span(struct jsonput *p, const char *key, struct span text)
{
	CLEANUP(buf_release) struct buf quoted = { 0 };

	put_key(p, key);
	if (is_ascii(text)) {
		p->ok = p->ok && json_quote(p->b, text);
		return;
	}
	buf_init(&quoted, 6 * text.len + 2);
	p->ok = p->ok && json_quote(&quoted, text) && term_json(p->b, buf_span(&quoted));
}

void put_text(struct jsonput *p, const char *key, const char *text)
{
	if (text)
		put_span(p, key, span_of(text));
	else
		put_null(p, key);
}

void put_name(struct jsonput *p, const char *key, const char *name)
{
	put_span(p, key, (struct span){ name, strnlen(name, JSONPUT_NAME_MOST) });
}

void put_arguments(struct jsonput *p, struct span json)
{
	char note[64];

	if (json.len <= JSONPUT_ARGUMENTS_MOST && p->b->len <= JSONPUT_LIST_MOST) {
		put_span(p, "arguments", json);
		return;
	}
	snprintf(note, sizeof(note), "(%zu bytes, left out here)", json.len);
	put_text(p, "arguments", note);
	put_bool(p, "arguments_left_out", true);
}

void put_number(struct jsonput *p, const char *key, int64_t n)
{
	put_key(p, key);
	p->ok = p->ok && buf_append_int(p->b, n);
}

void put_bool(struct jsonput *p, const char *key, bool is_true)
{
	put_json(p, key, is_true ? SPAN("true") : SPAN("false"));
}

void put_time(struct jsonput *p, const char *key, int64_t wall_ms)
{
	char at[32];

	if (wall_ms > 0)
		clock_format_utc(wall_ms, at, sizeof(at));
	put_text(p, key, wall_ms > 0 ? at : NULL);
}

void put_hash(struct jsonput *p, const char *key, const uint8_t hash[32])
{
	char hex[65];

	hex_encode(hex, hash, 32);
	put_text(p, key, hex);
}
