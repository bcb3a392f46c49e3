/* jsonwrite - canonical form, quoting, one line for stdio. */
#include <assert.h>
#include "base/utf8.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"
#include "data/jsontext.h"
#include "data/secret.h"

/* ---- escapes -------------------------------------------------------------------------------- */

/* The shortest escape of a code below U+10000, lower-case digits. Returns its length. */
static size_t write_escape(char *to, uint32_t code)
{
	static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";
	static const char hex[] = "0123456789abcdef";

	to[0] = '\\';
	for (const char *s = shorts; *s; s += 2) {
		if (code == (unsigned char)s[0]) {
			to[1] = s[1];
			return 2;
		}
	}
	to[1] = 'u';
	for (int i = 0; i < 4; i++)
		to[2 + i] = hex[code >> (12 - 4 * i) & 15];
	return 6;
}

/* One character of text that is not surely plain. */
static bool quote_char(struct buf *b, const char *at, const char *end, size_t *len)
{
	char escape[6];
	uint32_t code;

	*len = utf8_decode(at, (size_t)(end - at), &code);
	if (*len == 0) {
		*len = 1;
		return buf_append(b, "\xef\xbf\xbd", 3);
	}
	if (code >= 0x20 && code != 0x7f && code != '"' && code != '\\')
		return buf_append(b, at, *len);
	return buf_append(b, escape, write_escape(escape, code));
}

bool json_quote(struct buf *b, struct span text)
{
	size_t before = b->len, n;
	bool fits = buf_append_char(b, '"');

	for (const char *at = text.at, *end = at + text.len; fits && at < end; at += n) {
		const char *stop = jsontext_skip(at, end, true);
		const char *del = memchr(at, 0x7f, (size_t)(stop - at));

		n = (size_t)((del ? del : stop) - at);
		fits = n ? buf_append(b, at, n) : quote_char(b, at, end, &n);
	}
	fits = fits && buf_append_char(b, '"');
	if (!fits)
		buf_truncate(b, before);
	return fits;
}

bool json_append_line(struct json_value v, struct buf *b)
{
	size_t before = b->len;
	struct span rest = v.text;

	while (rest.len > 0) {
		size_t n = span_line_length(rest);

		if (!buf_append(b, rest.at, n)) {
			buf_truncate(b, before);
			return false;
		}
		n += n < rest.len; /* the break itself */
		rest = (struct span){ rest.at + n, rest.len - n };
	}
	return true;
}

/* ---- canonical form ------------------------------------------------------------------------- */

/* Every value is written where it stands, in one walk; when an object is complete its members are
 * put in order. The form is never longer than the text: room is made once, before. */
struct canon {
	char *start, *to;
	const char *end;        /* of the text */
	struct member *members; /* of the open objects */
	size_t members_n, members_room;
};

/* A hostile text is little else but these: they are small, and what is sorted is smaller still. */
struct member {
	uint32_t at, len; /* of `"key":value` in the output, from canon.start */
	uint32_t key_len : 31, is_key_escaped : 1;
};

static void canon_put(struct canon *c, const char *bytes, size_t n)
{
	memcpy(c->to, bytes, n);
	c->to += n;
}

static void canon_escape(struct canon *c, const char *at, size_t *len)
{
	uint32_t code = jsontext_escape(at, c->end, len);

	if (code < 0x20 || code == '"' || code == '\\' || jsontext_is_high(code) ||
		jsontext_is_low(code))
		c->to += write_escape(c->to, code);
	else
		c->to += jsontext_encode(code, c->to);
}

/* at: the opening quote, also below. */
static const char *canon_string(struct canon *c, const char *at, bool *is_escaped)
{
	const char *from = at++;

	for (;;) {
		size_t n;

		at = jsontext_skip(at, c->end, false);
		if (*at == '"')
			break;
		*is_escaped = true;
		canon_put(c, from, (size_t)(at - from));
		canon_escape(c, at, &n);
		at += n;
		from = at;
	}
	canon_put(c, from, (size_t)(at + 1 - from));
	return at + 1;
}

/* The order of the unescaped bytes. */
static int compare_escaped_keys(struct span a, struct span b)
{
	const char *at_a = a.at, *end_a = at_a + a.len, *at_b = b.at, *end_b = at_b + b.len;
	struct span rest_a = SPAN(""), rest_b = SPAN("");
	char room_a[4], room_b[4];

	for (;;) {
		if (rest_a.len == 0 && at_a < end_a)
			rest_a = jsontext_piece(&at_a, end_a, room_a);
		if (rest_b.len == 0 && at_b < end_b)
			rest_b = jsontext_piece(&at_b, end_b, room_b);
		size_t n = rest_a.len < rest_b.len ? rest_a.len : rest_b.len;
		int order =
			n ? memcmp(rest_a.at, rest_b.at, n) : (rest_a.len > 0) - (rest_b.len > 0);
		if (order || n == 0)
			return order;
		rest_a = (struct span){ rest_a.at + n, rest_a.len - n };
		rest_b = (struct span){ rest_b.at + n, rest_b.len - n };
	}
}

/* base: where the output, or a copy of it, begins. */
static struct span key_of(const struct member *m, const char *base)
{
	return (struct span){ base + m->at + 1, m->key_len };
}

static bool is_before(const struct member *a, const struct member *b, const char *base)
{
	struct span x = key_of(a, base), y = key_of(b, base);

	if (a->is_key_escaped || b->is_key_escaped)
		return compare_escaped_keys(x, y) < 0;
	int order = memcmp(x.at, y.at, x.len < y.len ? x.len : y.len);
	return order ? order < 0 : x.len < y.len;
}

/* Merges the sorted halves of v; the first has been copied to spare. */
static void merge_halves(const struct member *members, const char *base, uint32_t *v, size_t n,
	const uint32_t *spare)
{
	size_t half = n / 2, left = 0, right = half, to = 0;

	while (left < half)
		v[to++] = right < n && is_before(&members[v[right]], &members[spare[left]], base)
				  ? v[right++]
				  : spare[left++];
}

/* spare: room for half of n. Depth: the logarithm of n. */
static void sort_indexes(const struct member *members, const char *base, uint32_t *v, size_t n,
	uint32_t *spare)
{
	if (n < 2)
		return;
	sort_indexes(members, base, v, n / 2, spare);
	sort_indexes(members, base, v + n / 2, n - n / 2, spare);
	memcpy(spare, v, n / 2 * sizeof(*v));
	merge_halves(members, base, v, n, spare);
}

/* The n last members, which fill the output from the first one's place, commas between. */
static void canon_sort(struct canon *c, const struct member *members, size_t n)
{
	size_t in_order = 1;

	while (in_order < n && is_before(&members[in_order - 1], &members[in_order], c->start))
		in_order++;
	if (in_order >= n)
		return;
	char *first = c->start + members[0].at;
	size_t len = (size_t)(c->to - first);
	char *copy = xmalloc(len);
	uint32_t *order = xreallocarray(NULL, n + n / 2, sizeof(*order));
	memcpy(copy, first, len);
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	sort_indexes(members, c->start, order, n, order + n); /* the output is still as it was */
	c->to = first;
	for (size_t i = 0; i < n; i++) {
		const struct member *m = &members[order[i]];
		if (i)
			*c->to++ = ',';
		canon_put(c, copy + (m->at - members[0].at), m->len);
	}
	free(order);
	free(copy);
}

static void canon_add(struct canon *c, struct member m)
{
	if (c->members_n == c->members_room) {
		c->members_room = c->members_room ? c->members_room * 2 : 16;
		c->members = xreallocarray(c->members, c->members_room, sizeof(*c->members));
	}
	c->members[c->members_n++] = m;
}

static const char *canon_value(struct canon *c, const char *at);

/* A key and its value. */
static const char *canon_member(struct canon *c, const char *at)
{
	struct member m = { .at = (uint32_t)(c->to - c->start) };
	bool is_escaped = false;
	const char *behind = canon_string(c, at, &is_escaped);

	m.is_key_escaped = is_escaped;
	m.key_len = (uint32_t)(c->to - c->start - m.at - 2) & INT32_MAX;
	at = jsontext_skip_blanks(behind, c->end) + 1; /* the colon */
	*c->to++ = ':';
	at = canon_value(c, at);
	m.len = (uint32_t)(c->to - c->start) - m.at;
	canon_add(c, m);
	return at;
}

static const char *canon_container(struct canon *c, const char *at)
{
	bool is_object = *at == '{';
	size_t first = c->members_n;

	*c->to++ = *at;
	at = jsontext_skip_blanks(at + 1, c->end);
	while (*at != '}' && *at != ']') {
		at = is_object ? canon_member(c, at) : canon_value(c, at);
		at = jsontext_skip_blanks(at, c->end);
		if (*at == ',') {
			*c->to++ = ',';
			at = jsontext_skip_blanks(at + 1, c->end);
		}
	}
	if (is_object && c->members_n > first)
		canon_sort(c, c->members + first, c->members_n - first);
	c->members_n = first;
	*c->to++ = *at;
	return at + 1;
}

/* Calls itself through the containers, JSONSCAN_MAX_DEPTH deep at most. */
static const char *canon_value(struct canon *c, const char *at)
{
	bool is_escaped;

	at = jsontext_skip_blanks(at, c->end);
	if (*at == '{' || *at == '[')
		return canon_container(c, at);
	if (*at == '"')
		return canon_string(c, at, &is_escaped);
	const char *behind = jsontext_skip_word(at, c->end);
	canon_put(c, at, (size_t)(behind - at));
	return behind;
}

bool json_canonical(struct json_value v, struct buf *b)
{
	struct canon c = { .to = buf_reserve(b, v.text.len), .end = v.text.at + v.text.len };

	if (c.to == NULL)
		return false;
	assert(v.text.len <= INT32_MAX);
	c.start = c.to;
	if (v.kind != JSON_NONE)
		canon_value(&c, v.text.at);
	buf_added(b, (size_t)(c.to - c.start));
	free(c.members);
	return true;
}

void json_canonical_hash(struct json_value v, uint8_t out[32])
{
	struct hash h;
	struct buf b;

	buf_init(&b, v.text.len + 2);
	bool fits = v.kind == JSON_NONE ? buf_append_text(&b, "{}") : json_canonical(v, &b);
	assert(fits);
	hash_init(&h);
	hash_add(&h, b.data, b.len);
	hash_done(&h, out);
	buf_release(&b);
}
